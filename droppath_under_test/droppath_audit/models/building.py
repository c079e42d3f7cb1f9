"""From the SPEC of a model to the model, and to inputs that it takes."""

from __future__ import annotations

import inspect
import typing
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import TargetRaised, UsageError
from droppath_audit.core.invocation import Building
from droppath_audit.frameworks.theirs import theirs
from droppath_audit.targets import words
from droppath_audit.targets.importing import find, import_lines
from droppath_audit.targets.spec import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.networks import Network
    from droppath_audit.models.spec import ModelSpec
    from droppath_audit.targets.importing import Found

SURE = 4  # of ``words.probability``
STOCHASTIC = {"stochastic", "stoch"}
Inputs = typing.Callable[[int, np.random.Generator], Any]
"""``(batch, rng) -> inputs``."""


def built(found: Found, spec: ModelSpec) -> Any:
    """Return the model that a class, a function or a module in hand makes with the arguments of its SPEC.

    Raises:
        UsageError: If it raises, or an argument is not one of its own.
    """
    obj, target = found.obj, spec.target
    if not inspect.isclass(obj) and not inspect.isroutine(obj):
        return obj  # an instance, or the framework's own callable object
    given = {**target.init, **target.arg}
    for name, value in given.items():
        cls = _configuration(obj, name)
        if isinstance(value, dict) and cls is not None:
            given[name] = _does(partial(cls, **value), f"{cls.__name__} of {target.name}")
    return _does(lambda: obj(*target.args, **given), f"{target.name}")


def building(found: Found, spec: ModelSpec, said: str) -> Building:
    """Return how scripts build the model.

    Args:
        found: What builds it.
        spec: Its SPEC.
        said: The features of an input, as ``B,3,32,32``, where it is one tensor; empty where nobody knows them.
    """
    obj, target, imports = found.obj, spec.target, list(found.lines)
    name = target.name.replace(".", "_")
    given = {**target.init, **target.arg}
    arguments = [repr(value) for value in target.args]
    for key, value in given.items():
        cls = _configuration(obj, key) if isinstance(value, dict) else None
        if cls is not None:
            imports.append(f"from {cls.__module__} import {cls.__name__}")
        arguments.append(f"{key}={cls.__name__}(**{value!r})" if cls is not None else f"{key}={value!r}")
    called = inspect.isclass(obj) or inspect.isroutine(obj)
    inputs = ""
    if spec.factory:
        source = parse(spec.factory)
        imports += import_lines(source)
        inputs = f"{source.name.replace('.', '_')}({{batch}})"
    elif said:
        inputs = f"(torch.randn({{batch}}, {said.partition(',')[2].replace(',', ', ')}),)"
    return Building(tuple(imports), f"{name}({', '.join(arguments)})" if called else name, inputs)


def _does(action: Callable[[], Any], what: str) -> Any:
    try:
        with theirs():
            return action()
    except TargetRaised as error:
        raise UsageError(f"{what} raised {error}.", error.traceback, advice=" Option -v shows where.") from error


def passed(inputs: Any) -> str:
    """Return what stands before inputs in a call of a model, as ``Building.passed`` has it."""
    return "**" if isinstance(inputs, dict) else "*" if isinstance(inputs, (tuple, list)) else ""


def _configuration(obj: Any, name: str) -> type | None:
    """Return the class of an argument, where it is one whose instances are made of named fields."""
    function = obj.__init__ if inspect.isclass(obj) else obj
    hints: dict[str, Any] = {}
    with suppress(Exception):  # names that exist for type checkers alone
        hints = typing.get_type_hints(function)
    for kind in (hints.get(name), *typing.get_args(hints.get(name)), getattr(obj, "config_class", None)):
        if inspect.isclass(kind) and kind.__module__ not in ("builtins", "typing") and kind is not type(None):
            return kind
    return None


def asked(spec: ModelSpec, obj: Any = None) -> float | None:
    """Return the largest drop_prob that was asked for: by ``max``, or by an argument of such a name.

    Args:
        spec: What says so.
        obj: What builds the model; what its arguments are by default counts where they are not given.
    """
    if spec.largest is not None:
        return spec.largest
    given = {**_defaults(obj, len(spec.target.args)), **spec.target.init, **spec.target.arg}
    for value in list(given.values()):
        given.update(value if isinstance(value, dict) else {})
    found: list[tuple[int, float]] = []
    for name, value in given.items():
        said = words.probability(name, "")
        if said is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        spoken = set(words.words(name))
        sure = said[1] == SURE and (spoken & words.PATHS or said[0] == "keep")
        if sure or spoken & STOCHASTIC or words.drops_paths(name):
            found.append((said[1], float(value) if said[0] == "drop" else 1.0 - float(value)))
    return max(found)[1] if found else None


def _defaults(obj: Any, given: int) -> dict[str, Any]:
    """Return the defaults of what builds a model that are no zeros, beyond so many arguments that it is given."""
    try:
        parameters = list(inspect.signature(obj).parameters.values())[given:] if callable(obj) else []
    except (TypeError, ValueError):
        return {}
    return {one.name: one.default for one in parameters if isinstance(one.default, float) and one.default}


def input_maker(spec: ModelSpec, framework: Framework, device: str) -> Inputs | None:
    """Return what makes the inputs that the SPEC describes; None where it describes none.

    Raises:
        UsageError: If there is no such factory.
    """
    if spec.factory:
        make = find(parse(spec.factory)).obj
        return of_function(lambda batch: _does(lambda: make(batch), spec.factory))
    if spec.shape is None:
        return None
    return of_shape("float32", spec.shape, framework, device)


def of_function(function: Callable[[int], Any]) -> Inputs:
    """Return what makes inputs by a function of the size of a batch."""
    return lambda batch, _: function(batch)


def of_shape(dtype: str, shape: tuple[int, ...], framework: Framework, device: str) -> Inputs:
    """Return what makes one tensor a batch: normal numbers, or small whole ones where they are embedded."""

    def make(batch: int, rng: np.random.Generator) -> Any:
        values = rng.integers(0, 2, (batch, *shape)) if dtype == "int64" else rng.standard_normal((batch, *shape))
        return (framework.tensor(values, dtype, device),)

    return make


def guessed(network: Network, framework: Framework, device: str) -> tuple[Inputs | None, str, str]:
    """Return inputs that a network takes, the smallest of those that are tried, how they are said, and the last error.

    A network tells by its first layer how many channels it takes, and some tell their size.
    """
    error = "it does not say what it takes"
    hints = sorted(dict.fromkeys(network.shape_hint()), key=lambda hint: int(np.prod(hint[1])))
    for dtype, shape in hints:
        make = of_shape(dtype, shape, framework, device)
        try:
            first = network.forward(make(2, np.random.default_rng(0)), training=True)
        except TargetRaised as raised:
            error = str(raised)
            continue
        if not all(one.fates.size for one in first.passages):
            error = f"with {shape} a layer returns another shape than it is given"
            continue
        return make, "B," + ",".join(map(str, shape)), ""
    return None, "", error
