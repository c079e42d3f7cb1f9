"""What a SPEC of a schedule names, as something that is called: a function, a class, a method, or an iterable."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from droppath_audit.core.errors import UsageError
from droppath_audit.targets.importing import import_lines
from droppath_audit.targets.parameters import VARIADIC

if TYPE_CHECKING:
    from inspect import Parameter

    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec

At = Literal["init", "arg"]


@dataclass(frozen=True)
class Offered:
    """An argument that somebody has to give.

    Attributes:
        at: Whether the constructor takes it, or the call.
        parameter: The argument.
        function: Whose it is.
    """

    at: At
    parameter: Parameter
    function: Any

    @property
    def name(self) -> str:
        """Its name."""
        return self.parameter.name


@dataclass(frozen=True)
class Offer:
    """What is called.

    Attributes:
        obj: The function, or the class whose instance is called or gone through.
        name: What it is called in scripts.
        lines: Lines that import it.
        kind: ``function``; ``class`` where an instance is called, ``iterable`` where one is gone through.
        method: Of an instance, that is called; empty for the instance itself.
        arguments: What can be given.
        open_ended: Whether there is a ``**kwargs``.
    """

    obj: Any
    name: str
    lines: tuple[str, ...]
    kind: Literal["function", "class", "iterable"]
    method: str
    arguments: tuple[Offered, ...]
    open_ended: bool


def offer_of(found: Found, spec: Spec) -> Offer:
    """Return what a SPEC names as something that is called.

    Raises:
        UsageError: If it is a class whose instances can neither be called nor gone through, or if its signature cannot
            be read.
    """
    obj, name, lines = found.obj, spec.name.replace(".", "_"), found.lines
    last = spec.name.rpartition(".")[2]
    if inspect.isclass(found.owner) and isinstance(inspect.getattr_static(found.owner, last, None), FunctionType):
        owner = replace(spec, name=spec.name.rpartition(".")[0])
        lines = (*(line for line in found.lines if line.startswith("import ") and "runpy" not in line),
                 *import_lines(owner))  # fmt: skip
        return _made(found.owner, owner.name.replace(".", "_"), lines, "class", last, _init(found.owner, spec),
                     _call(obj, spec, bound=False))  # fmt: skip
    if not inspect.isclass(obj):
        call = _call(obj, spec)
        call = _call(obj.forward, spec) if _hands_on(call) and hasattr(obj, "forward") else call
        return _made(obj, name, lines, "function", "", (), call)
    called = next((vars(base)["__call__"] for base in obj.__mro__ if "__call__" in vars(base)), None)
    if called is not None:
        call = _call(called, spec, bound=False)
        call = _call(obj.forward, spec, bound=False) if _hands_on(call) and hasattr(obj, "forward") else call
        return _made(obj, name, lines, "class", "", _init(obj, spec), call)
    if any(hasattr(obj, way) for way in ("__iter__", "__getitem__")):
        return _made(obj, name, lines, "iterable", "", _init(obj, spec), ())
    raise UsageError(
        f"Instances of {spec.name} can neither be called nor gone through; name the method that gives rates, as in "
        f"{spec.text.partition('?')[0]}.METHOD."
    )


def _made(
    obj: Any,
    name: str,
    lines: tuple[str, ...],
    kind: Literal["function", "class", "iterable"],
    method: str,
    init: tuple[Offered, ...],
    call: tuple[Offered, ...],
) -> Offer:
    both = (*init, *call)
    taken = tuple(one for one in both if one.parameter.kind not in VARIADIC)
    open_ended = any(one.parameter.kind is inspect.Parameter.VAR_KEYWORD for one in both)
    return Offer(obj, name, lines, kind, method, taken, open_ended)


def _hands_on(call: tuple[Offered, ...]) -> bool:
    """Return whether a call takes whatever comes, as that of a framework's layer does, which ends in ``forward``."""
    return all(one.parameter.kind in VARIADIC for one in call)


def _init(cls: type, spec: Spec) -> tuple[Offered, ...]:
    return tuple(Offered("init", one, vars(cls).get("__init__", cls)) for one in _signature(cls, spec))


def _call(function: Any, spec: Spec, *, bound: bool = True) -> tuple[Offered, ...]:
    parameters = _signature(function, spec)
    return tuple(Offered("arg", one, function) for one in (parameters if bound else parameters[1:]))


def _signature(obj: Any, spec: Spec) -> list[Parameter]:
    try:
        return list(inspect.signature(obj).parameters.values())
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The signature of {spec.name} cannot be read; name a function of yours that calls it with its rate and "
            "its number of blocks."
        ) from error
