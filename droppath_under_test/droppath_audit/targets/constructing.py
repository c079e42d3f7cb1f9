"""An instance of a bound target, constructed as its binding says."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Layers, Sources, ask, has

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Framework
    from droppath_audit.targets.binding import Binding

HALF, QUARTER = 0.5, 0.25


def constructed(
    obj: Any, binding: Binding, framework: Framework, drop_prob: float, branch: Callable[..., Any], *, training: bool
) -> Any:
    """Return what is called: an instance, what a factory makes, or the function itself.

    Args:
        obj: What a SPEC names.
        binding: How it is constructed.
        framework: Its own.
        drop_prob: p.
        branch: What a constructor that takes a branch is given.
        training: The mode, where a constructor is told it.

    Raises:
        Exception: Whatever its constructor raises.
    """
    argument = binding.argument(drop_prob)
    if binding.kind == "function":
        return obj
    if binding.kind == "factory":
        return obj(argument)
    assert binding.probability is not None  # noqa: S101 - only a factory has none
    if binding.kind == "instance":
        duplicate = copy.deepcopy(obj)
        if binding.probability_at == "attribute":
            setattr(duplicate, binding.probability.name, argument)
        return _neutral(duplicate, binding, framework)
    keywords = dict(binding.init)
    if binding.probability_at == "init":
        keywords[binding.probability.name] = argument
    if binding.mode is not None and binding.mode_at == "init":
        keywords[binding.mode.name] = binding.flag(training)
    if binding.init_source:
        keywords[binding.init_source] = ask(framework, Sources).source()
    if binding.init_branch is not None:
        layers = has(framework, Layers)
        given = branch if layers is None else layers.branch(branch)  # where there are no layers, any function is called
        keywords[binding.init_branch] = [given] if binding.listed else given
    positional = [keywords.pop(name) for name in binding.init_positional]
    return _neutral(obj(*binding.init_args, *positional, **keywords), binding, framework)


def kept_as_given(obj: Any, binding: Binding, framework: Framework, branch: Callable[..., Any], held: object) -> bool:
    """Return whether a number that an instance holds under the probability's name is what it was given.

    One half may as well be what it lacks of 1, which another rate tells.

    Args:
        obj: As ``constructed`` takes it, with the next three.
        binding: See there.
        framework: See there.
        branch: See there.
        held: The number.
    """
    if binding.kind != "class" or binding.probability is None or held != HALF:
        return True
    other = constructed(obj, binding, framework, QUARTER, branch, training=True)
    return bool(getattr(other, binding.probability.name, None) == binding.argument(QUARTER))


def _neutral(instance: Any, binding: Binding, framework: Framework) -> Any:
    """Return an instance whose own numbers, a gain say, are set to what leaves x as it is."""
    for name, value in binding.neutral.items():
        ask(framework, Layers).fill(instance, name, value)
    return instance
