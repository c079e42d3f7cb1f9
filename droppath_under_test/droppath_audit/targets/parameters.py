"""Signatures: what they offer, which parameters must be given, and values that are likely."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets import words
from droppath_audit.targets.table import listing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence, Set

    from droppath_audit.frameworks.capabilities import Keys
    from droppath_audit.targets.spec import Spec

VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
# What a layer of eight channels would be given: enough for a normalisation, and divisible by heads and groups.
SIZES = {
    "dim", "dims", "channel", "channels", "width", "size", "features", "planes", "inplanes", "embed", "hidden", "ch",
    "c", "n", "d", "units", "filters", "inp", "oup", "in", "out", "input", "output", "inputs", "outputs",
    "growth",
}  # fmt: skip
PADDING, MULTIPLES = {"padding", "pad"}, {"expand", "expansion", "multiplier", "mult", "dilation"}
STACK = 2  # layers of a stack: the least of which the first and the last are not the same
COUNTS = {"num", "number", "depth", "heads", "stride", "groups", "kernel", "layers", "index", "idx", "id", "k", "i"}


@dataclass(frozen=True)
class Sides:
    """What an object offers to be read.

    Attributes:
        kind: ``class``, ``instance`` or ``function``.
        call: Parameters of its call.
        init: Parameters of its constructor, for a class.
        attributes: What an instance holds.
        has_modes: Whether it is switched by train() and eval().
        keys: The framework, where it takes random keys.
        source: Argument of a constructor that takes the generator to draw from, where it would make one of its own.
        called: Arguments of a constructor that are stored and called, as a branch is.
        listed: Arguments of a constructor whose parts are layers.
        copied: Arguments of a constructor that it copies, as a layer of which it makes a stack.
        passed: Arguments of the call that are handed on or returned and nothing else.
        tensors: Arguments of the call of which what only tensors have is read.
        moded: Arguments of the call whose own mode is read, as that of a branch.
        unpacked: Arguments of the call that hold several things, each with their names.
        alike: Arguments of the call that hold several things and are returned part by part, each with their names.
        dropped_out: Arguments of a constructor that it gives to a dropout of elements.
        factors: Arguments that the body multiplies or divides by as they are.
        method: The function that its call runs, where there is one.
        parts: Layers with weights that its constructor makes: several make a block of it, which is more than drops.
        droppers: Methods of a class that are called like ones that drop a path.
    """

    kind: str
    call: Mapping[str, Parameter]
    init: Mapping[str, Parameter] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    has_modes: bool = False
    keys: Keys | None = None
    source: str = ""
    called: Set[str] = frozenset()
    listed: Set[str] = frozenset()
    copied: Set[str] = frozenset()
    passed: Set[str] = frozenset()
    tensors: Set[str] = frozenset()
    moded: Set[str] = frozenset()
    unpacked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    alike: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dropped_out: Set[str] = frozenset()
    factors: Set[str] = frozenset()
    method: Any = None
    parts: Sequence[str] = ()
    droppers: Sequence[str] = ()


def required(parameter: Parameter) -> bool:
    """Return whether a call must give this argument a value."""
    return parameter.default is Parameter.empty and parameter.kind not in VARIADIC


def open_ended(parameters: Mapping[str, Parameter]) -> bool:
    """Return whether there is a ``**kwargs``, which takes arguments of any name."""
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())


def roles_of(call: tuple[Any, ...] | None) -> list[str]:
    """Return the roles of a declared call, those inside lists included; none where it is not declared."""
    return [role for part in call or () for role in (part if isinstance(part, tuple) else (part,))]


def refuse_unknown(spec: Spec, parameters: Mapping[str, Parameter], names: Collection[str]) -> None:
    """Refuse values for arguments that do not exist.

    Raises:
        UsageError: If there are any.
    """
    unknown = [] if open_ended(parameters) else sorted(name for name in names if name not in parameters)
    if unknown:
        raise UsageError(
            f"{spec.name} has no argument {', '.join(unknown)}; it has {listing(parameters)}."
            + nearest(unknown[0], parameters)
        )


def keys_of(parameters: Mapping[str, Parameter], taken: Collection[str], keys: Keys | None) -> tuple[str, ...]:
    """Return the arguments that are given a random key, by their names and annotations.

    Args:
        parameters: Of the call.
        taken: Arguments that the SPEC gives a value.
        keys: The framework, where it has keys; an argument that may be left out is given one only if that is needed.
    """
    if keys is None:
        return ()
    named = [parameters[name] for name in words.KEYS if name in parameters and name not in taken]
    return tuple(
        parameter.name
        for parameter in named
        if (required(parameter) or keys.needed) and words.annotated(parameter) not in words.NUMBERS
    )


def value_of(parameter: Parameter) -> str:
    """Return a value that a required argument is likely to take, as a SPEC writes it; empty where none is likely."""
    annotation, said = words.annotated(parameter), set(words.words(parameter.name))
    if "bool" in annotation:
        return "false"
    if "int" not in annotation and words.gain(parameter.name):
        return "1.0"
    if annotation in ("", "int") and (words.stack(parameter.name) or parameter.name == "N"):
        return str(STACK)
    if annotation in ("", "int") and said & words.OF_STEPS:
        return str(STACK)
    if annotation in ("", "int") and said & (COUNTS | words.STEPS):
        return "1"
    if annotation in ("", "int") and said & PADDING:
        return "0"
    if annotation in ("", "int", "float") and said & MULTIPLES:
        return "1"
    if annotation in ("", "int") and said & SIZES:
        return "8"
    drops = bool(said & words.DROPPING - words.SHORTCUT) or parameter.name.endswith(("drop", "dropout"))
    if annotation in ("", "float") and drops:
        return "0.0"  # what else it drops, it is to leave alone
    return {"int": "1", "float": "1.0"}.get(annotation, "")
