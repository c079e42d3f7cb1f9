"""The one codec between dataclasses and JSON: for the pipe between processes, for reports and for ledgers.

What crosses is declared by type annotations and nothing else: ``dump(value)`` follows those of the value's class,
``load(kind, data)`` those of ``kind``, and ``load(type(value), dump(value)) == value``. Annotations may name
dataclasses and named tuples, ``None``, ``bool``, ``int``, ``float``, ``str``, ``Fraction``, enumerations, literals,
``Any`` (plain data), tuples, lists, dictionaries whose keys are texts or numbers, and unions of these. They are
evaluated when a class is first used, so the names in them must be importable at run time.

In JSON a dataclass is an object of its fields, a named tuple and a tuple are lists, a fraction is the list of its
numerator and denominator, an infinity or NaN is the text that names it. A field whose metadata say ``wire: False``
stays behind. Where a union holds several dataclasses, the
object says in ``"type"`` which one it is.
"""

from __future__ import annotations

import math
import operator
import types
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
TAG = "type"


class WireError(ValueError):
    """Data that are not what was declared; the message says where and what."""

    def __init__(self, text: str, where: str = "") -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.text, self.where = text, where

    def inside(self, step: str) -> WireError:
        """Return the same error seen from one level further out."""
        joint = "." if self.where and not self.where.startswith("[") else ""
        return WireError(self.text, f"{step}{joint}{self.where}")


class _Codec(NamedTuple):
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


def dump(value: Any) -> Any:
    """Return a dataclass or a named tuple as data that ``json`` writes strictly.

    Raises:
        WireError: If a value in it is not what its annotation says.
    """
    return _codec(type(value)).dump(value)


def load(kind: type[T], data: Any) -> T:
    """Return the value of this class that ``dump`` wrote.

    Fields with a default may be missing; fields that the class does not have are refused.

    Raises:
        WireError: If the data are nothing of the kind.
    """
    return cast("T", _codec(kind).load(data))


_codecs: dict[Any, _Codec] = {}


def _codec(kind: Any) -> _Codec:
    """Return the codec of an annotation, which is made once."""
    if kind not in _codecs:
        _codecs[kind] = _made(kind)
    return _codecs[kind]


def _made(kind: Any) -> _Codec:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return _Codec(lambda value: value, _one_of(arguments))
    if origin is tuple or origin is list:
        return _sequence(origin, arguments)
    if origin is dict:
        return _mapping(*arguments)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _Codec(lambda value: value.value, _enumeration(kind))
    if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "_fields")):
        return _record(kind)
    raise TypeError(f"the wire knows no {kind!r}")


def _refuse(value: Any, promised: str) -> WireError:
    shown = repr(value)
    return WireError(f"{shown if len(shown) <= 60 else shown[:60] + '…'} stands where {promised} belongs")


def _expect(kind: type, promised: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise _refuse(value, promised)
        return value

    return check


def _dump_int(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise _refuse(value, "a whole number") from None


def _dump_float(value: Any) -> float | str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _refuse(value, "a number") from None
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _load_float(data: Any) -> float:
    if type(data) in (int, float):
        return float(data)
    if isinstance(data, str) and data in NOT_FINITE:
        return NOT_FINITE[data]
    raise _refuse(data, "a number")


def _load_fraction(data: Any) -> Fraction:
    numbers = data if isinstance(data, list) and len(data) == 2 else [None, None]
    if any(type(number) is not int for number in numbers) or not numbers[1]:
        raise _refuse(data, "a fraction [numerator, denominator]")
    return Fraction(*numbers)


def _none(value: Any) -> None:
    if value is not None:
        raise _refuse(value, "nothing")


_PLAIN: dict[Any, _Codec] = {
    Any: _Codec(lambda value: value, lambda data: data),
    type(None): _Codec(_none, _none),
    bool: _Codec(bool, _expect(bool, "true or false")),
    int: _Codec(_dump_int, _expect(int, "a whole number")),
    float: _Codec(_dump_float, _load_float),
    str: _Codec(str, _expect(str, "a text")),
    Fraction: _Codec(lambda value: [value.numerator, value.denominator], _load_fraction),
}


def _one_of(values: tuple[Any, ...]) -> Callable[[Any], Any]:
    def check(data: Any) -> Any:
        if not any(type(data) is type(value) and data == value for value in values):
            raise _refuse(data, f"one of {', '.join(map(repr, values))}")
        return data

    return check


def _enumeration(kind: type[Enum]) -> Callable[[Any], Any]:
    def check(data: Any) -> Any:
        try:
            return kind(data)
        except ValueError:
            raise _refuse(data, f"one of {', '.join(repr(member.value) for member in kind)}") from None

    return check


def _sequence(kind: Any, arguments: tuple[Any, ...]) -> _Codec:
    each = kind is list or (len(arguments) == 2 and arguments[1] is Ellipsis)

    def codecs(values: Any) -> list[_Codec]:
        if not isinstance(values, (list, tuple)) or (not each and len(values) != len(arguments)):
            raise _refuse(values, "a list" if each else f"a list of {len(arguments)}")
        return [_codec(arguments[0])] * len(values) if each else [_codec(argument) for argument in arguments]

    def both(side: str, values: Any) -> list[Any]:
        return [
            _at(f"[{i}]", getattr(codec, side), value)
            for i, (codec, value) in enumerate(zip(codecs(values), values, strict=True))
        ]

    return _Codec(lambda value: both("dump", value), lambda data: kind(both("load", data)))


def _mapping(key: Any, value: Any) -> _Codec:
    if key not in (str, int, float):
        raise TypeError(f"the wire knows no dictionary with keys {key!r}")

    def dumped(mapping: Any) -> dict[str, Any]:
        return {str(k): _at(f"[{k!r}]", _codec(value).dump, v) for k, v in mapping.items()}

    def loaded(data: Any) -> dict[Any, Any]:
        if not isinstance(data, dict):
            raise _refuse(data, "an object")
        try:
            keys = [key(k) for k in data]
        except ValueError:
            raise _refuse(sorted(data), "numbers as keys") from None
        return {k: _at(f"[{k!r}]", _codec(value).load, v) for k, v in zip(keys, data.values(), strict=True)}

    return _Codec(dumped, loaded)


def _union(members: tuple[Any, ...]) -> _Codec:
    records: list[Any] = [member for member in members if isinstance(member, type) and is_dataclass(member)]
    names: dict[Any, Any] = {record.__name__: record for record in records}

    def dumped(value: Any) -> Any:
        if len(records) > 1 and type(value) in records:
            return {TAG: type(value).__name__, **_codec(type(value)).dump(value)}
        return _first(members, "dump", value)

    def loaded(data: Any) -> Any:
        if len(records) > 1 and isinstance(data, dict):
            rest = dict(data)
            name = rest.pop(TAG, None)
            if name not in names:
                raise _refuse(name, f"one of {', '.join(map(repr, names))}")
            return _codec(names[name]).load(rest)
        return _first(members, "load", data)

    return _Codec(dumped, loaded)


def _first(members: tuple[Any, ...], side: str, value: Any) -> Any:
    """Return what the first member of a union makes of a value; exact types go before those that would convert it."""
    for member in sorted(members, key=lambda member: type(value) is not member):
        if side == "dump" and isinstance(member, type) and not isinstance(value, member):
            continue
        try:
            return getattr(_codec(member), side)(value)
        except WireError as error:
            problem = error
    if len([member for member in members if member is not type(None)]) == 1 and value is not None:
        raise problem
    raise _refuse(value, " or ".join(getattr(member, "__name__", str(member)) for member in members))


def _record(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    if hasattr(kind, "_fields"):  # a named tuple
        as_tuple = _sequence(tuple, tuple(hints[name] for name in kind._fields))
        return _Codec(as_tuple.dump, lambda data: kind(*as_tuple.load(data)))
    members: list[Any] = [member for member in fields(kind) if member.metadata.get("wire", True)]
    needed = [f.name for f in members if f.default is MISSING and f.default_factory is MISSING]

    def dumped(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise _refuse(value, f"a {kind.__name__}")
        return {f.name: _at(f.name, _codec(hints[f.name]).dump, getattr(value, f.name)) for f in members}

    def loaded(data: Any) -> Any:
        if not isinstance(data, dict):
            raise _refuse(data, f"an object with the fields of {kind.__name__}")
        missing = [name for name in needed if name not in data]
        unknown = [name for name in data if name not in {member.name for member in members}]
        if missing or unknown:
            what = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is unknown"
            raise WireError(f"{what} in {kind.__name__}")
        return kind(**{name: _at(name, _codec(hints[name]).load, part) for name, part in data.items()})

    return _Codec(dumped, loaded)


def _at(step: str, action: Callable[[Any], Any], value: Any) -> Any:
    try:
        return action(value)
    except WireError as error:
        raise error.inside(step) from None
