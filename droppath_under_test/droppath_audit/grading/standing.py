"""What has the target's signature, and does what a substitute does.

A class keeps its identity: its constructor and its call are replaced where they are defined. So whoever holds it, under
whatever name, in a subclass, a registry or a pickle, holds it still, and ``super(DropPath, self).__init__()`` finds
what it always found. The target's own constructor runs first: attributes, refusals and text stay the target's. A
substitute that is a layer lives in the target's as a child, and is switched, converted, copied and pickled with it. A
function is replaced in the module that defines it and in every module that has it under a name.
"""

from __future__ import annotations

import functools
import inspect
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.grading.frame import Frame
    from droppath_audit.grading.substitute import Substitute

SUBSTITUTE, TOLD = "_droppath_audit_substitute", "_droppath_audit_told"


@dataclass
class Calls:
    """How often the target was called.

    Attributes:
        all: Calls in all.
        aside: Those that ask for something that the substitute does not do, and that the target has answered itself.
    """

    all: int = 0
    aside: int = 0


def stand_in(frame: Frame, owner: Any, substitute: Substitute | None) -> tuple[Any, Calls]:
    """Put a substitute in the target's place, for the rest of this process.

    Args:
        frame: The target.
        owner: The module or class of which it is an attribute.
        substitute: What does the work; the target itself where it is None.

    Returns:
        What stands there now, and the calls that it counts.
    """
    calls = Calls()
    if frame.is_class:
        _replace_methods(frame, substitute, calls)
        return frame.obj, calls
    function = _function(frame, substitute, calls)
    _replace_everywhere(frame.obj, function, owner)
    return function, calls


def _replace_methods(frame: Frame, substitute: Substitute | None, calls: Calls) -> None:
    cls = frame.obj
    construct, run = cls.__init__, getattr(cls, frame.entry)

    @functools.wraps(construct)
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            construct(self, *arguments, **named)
        except Exception:
            if (
                substitute is None
                or not substitute.refuses
                or substitute.layered
                or not _unrefused(frame, self, arguments, named)
            ):
                raise
        told = vars(self)[TOLD] = frame.constructed(self, arguments, named)
        drop_prob = frame.drop_prob(told.value)
        if (
            substitute is None
            or not substitute.layered
            or told.dialect is None
            or (drop_prob is None and "p" not in frame.roles)
        ):
            return
        branch = getattr(self, frame.binding.init_branch or "", None)
        setattr(
            self, SUBSTITUTE, substitute.made(drop_prob or 0.0, told=told.told, branch=branch, training=told.training)
        )

    @functools.wraps(run)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        calls.all += 1
        if substitute is None:
            return run(self, *arguments, **named)
        told, made = vars(self).get(TOLD), _children(self).get(SUBSTITUTE)
        found = None  # as for a layer that was made before anything was replaced, by a conftest file say
        if told is not None:
            found = frame.given(self, told, arguments, named, refuses=substitute.refuses)
        if found is None or not frame.fits(substitute, *found) or (substitute.layered and made is None):
            calls.aside += 1
            return run(self, *arguments, **named)
        given, _ = found
        if frame.wraps and not substitute.wraps:
            given = replace(given, x=getattr(self, frame.binding.init_branch or "")(given.x))
        return substitute.called(made, given, switched=made is not None and frame.binding.mode_at == "method")

    cls.__init__ = init
    setattr(cls, frame.entry, call)
    if substitute is not None and substitute.layered:
        _pass_on(cls, frame, substitute)


def _unrefused(frame: Frame, layer: Any, arguments: Any, named: Any) -> bool:
    """Return whether what a constructor has refused was the probability; it is constructed all the same then."""
    from torch import nn

    probability = frame.binding.probability
    try:
        bound = inspect.signature(frame.obj).bind(*arguments, **named)
    except TypeError:
        return False
    bound.apply_defaults()
    if probability is None or frame.drop_prob(bound.arguments.get(probability.name)) is not None:
        return False
    if isinstance(layer, nn.Module):
        nn.Module.__init__(layer)
    for name, value in bound.arguments.items():
        setattr(layer, name, value)
    return True


def _children(layer: Any) -> dict[str, Any]:
    """Return where a layer holds what is put into it."""
    return vars(layer).get("_modules", vars(layer))  # type: ignore[no-any-return]


def _pass_on(cls: Any, frame: Frame, substitute: Substitute) -> None:
    """Tell the substitute what its layer is told: another probability, another mode; and do not show it as a child."""
    assign, switch, text = cls.__setattr__, getattr(cls, "train", None), cls.__repr__

    @functools.wraps(assign)
    def setting(self: Any, name: str, value: Any) -> None:
        assign(self, name, value)
        told = vars(self).get(TOLD)
        made = _children(self).get(SUBSTITUTE)
        if told is not None and made is not None and name == told.attribute:
            drop_prob = frame.drop_prob(value)
            if drop_prob is not None:
                substitute.tell(made, drop_prob)

    @functools.wraps(switch or assign)
    def train(self: Any, mode: bool = True) -> Any:
        assert switch is not None  # noqa: S101 - else it is not put there
        with _without(self) as made:
            said = switch(self, mode)
        if made is None:
            return said
        answer = made.train(mode)
        return said if answer is made else answer

    @functools.wraps(text)
    def shown(self: Any) -> str:
        with _without(self):
            return str(text(self))

    cls.__setattr__, cls.__repr__ = setting, shown
    if switch is not None:
        cls.train = train


@contextmanager
def _without(layer: Any) -> Iterator[Any]:
    """Within, a layer has no substitute; the substitute is what is returned."""
    made = _children(layer).pop(SUBSTITUTE, None)
    try:
        yield made
    finally:
        if made is not None:
            _children(layer)[SUBSTITUTE] = made


def _function(frame: Frame, substitute: Substitute | None, calls: Calls) -> Callable[..., Any]:
    """Return a function with the target's signature; a substitute that is a layer is kept for each rate."""
    layers: dict[float, Any] = {}
    target = frame.obj

    @functools.wraps(target)
    def function(*arguments: Any, **named: Any) -> Any:
        calls.all += 1
        if substitute is None:
            return target(*arguments, **named)
        found = frame.given(None, None, arguments, named, refuses=substitute.refuses)
        if found is None or not frame.fits(substitute, *found):
            calls.aside += 1
            return target(*arguments, **named)
        given, _ = found
        if substitute.layered and given.drop_prob not in layers:
            layers[given.drop_prob] = substitute.made(given.drop_prob, told=True, training=given.training)
        return substitute.called(layers.get(given.drop_prob), given, switched=False)

    return function


def _replace_everywhere(old: Any, new: Any, owner: Any) -> None:
    """Give every module that has a function under some name the new one."""
    modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    for holder in (owner, *modules):
        for name in [name for name, value in list(vars(holder).items()) if value is old]:
            setattr(holder, name, new)
