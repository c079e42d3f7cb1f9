"""Items of a SPEC: what each says, read from its text, or refused with what would be understood."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from droppath_audit.core.arrangement import LAST, Arrangement
from droppath_audit.core.dialect import CHOICES, Dialect
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.visible import shortened

ARRANGING = ("axis", "shared", "batch")
KEYS = (*CHOICES, "prob", "training", "args", "call", "branch", "output", "input", *ARRANGING, "dtypes", "framework")
PREFIXES = ("init.", "arg.")
ROLES = {
    "x": "branch output",
    "r": "shortcut",
    "p": "probability",
    "training": "mode",
    "f": "branch function",
    "key": "random key",
    "b": "batch index: for each row of x the number of its sample",
}
SYNONYMS = {"rng": "key"}
FACTORIES: dict[str, dict[str, str]] = {"factory": {}, "residual-factory": {"form": "residual"}}
MOST_ROWS = 1024  # to a multiple of which a batch is filled up
MOST_SIZES = 31  # the oldest NumPy that is admitted has arrays of 32 axes
MOST_NUMBERS = 2**27  # of one sample: a gibibyte in float64, of which an audit needs several


@dataclass(frozen=True)
class Probability:
    """Which argument is the probability, and whether it is a ``drop`` or a ``keep`` probability."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Mode:
    """How the mode is told.

    Attributes:
        name: Argument's name; ``always`` for a target without a mode.
        inverted: Whether the argument means evaluation.
        at_init: Whether it is an argument of the constructor.
    """

    name: str
    inverted: bool = False
    at_init: bool = False


def items_of(query: str) -> dict[str, Any]:
    """Return the fields of a Spec that items name."""
    fields: dict[str, Any] = {"dialect": {}, "init": {}, "arg": {}}
    seen: set[str] = set()
    for item in query.split("&") if query else ():
        key, equals, value = (unquote(part) for part in item.partition("="))
        if not item:
            raise UsageError("The SPEC has an empty item: a '&' at an end of its items, or two in a row.")
        if not equals:
            raise UsageError(f"The item {key!r} of the SPEC has no value; write {key}=VALUE.")
        if key in seen:
            raise UsageError(f"The SPEC says {key} twice.")
        seen.add(key)
        _read_item(fields, key, value)
    return fields


def of_recording(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields if they speak of the dialect alone."""
    said = [key for key, value in fields.items() if key != "dialect" and value != {}]
    if said:
        words = {"probability": "prob", "mode": "training", "factory": "form=factory", "init": "init.", "arg": "arg."}
        raise UsageError(
            f"The item {words.get(said[0], said[0])} says how a target is called, and a recording is not called. "
            f"A recording takes {', '.join(CHOICES)}."
        )
    return fields


def _read_item(fields: dict[str, Any], key: str, value: str) -> None:
    """Put one item into the fields of a Spec."""
    prefix = next((prefix for prefix in PREFIXES if f"{key}.".startswith(prefix)), None)
    if prefix is not None:
        argument = key.removeprefix(prefix)
        if not argument.isidentifier() or key == argument:
            raise UsageError(f"{key!r} does not name an argument; write {prefix}NAME=VALUE.")
        fields[prefix.rstrip(".")][argument] = _value(value)
    elif key == "form" and value in FACTORIES:
        fields["factory"] = True
        fields["dialect"] |= FACTORIES[value]
    elif key == "granularity" and value == "channel":
        _arrange(fields, channels=True)
    elif key == "form" and value not in CHOICES["form"]:
        allowed = (*CHOICES["form"], *FACTORIES)
        raise UsageError(f"form={value} is not known; form is one of {', '.join(allowed)}." + nearest(value, allowed))
    elif key in CHOICES:
        if key == "granularity" and value not in CHOICES[key]:
            allowed = (*CHOICES[key], "channel")
            raise UsageError(
                f"granularity={value} is not known; granularity is one of {', '.join(allowed)}."
                + nearest(value, allowed)
            )
        Dialect(**{key: value})
        fields["dialect"][key] = value
    elif key == "prob":
        fields["probability"] = _probability(value)
    elif key == "training":
        fields["mode"] = _mode(value)
    elif key == "args":
        fields["args"] = _args(value)
    elif key == "call":
        fields["call"] = _call(value)
    elif key == "branch":
        if not value.isidentifier():
            raise UsageError(f"branch={value} does not name the argument of a constructor that takes the branch.")
        fields["branch"] = value
    elif key == "output":
        fields["output"] = _output(value)
    elif key == "input":
        fields["input"] = _input(value)
    elif key in ARRANGING:
        _arrange(fields, **{key: _whole(key, value)})
    elif key == "dtypes":
        fields["dtypes"] = _dtypes(value)
    elif key == "framework":
        fields["framework"] = value
    else:
        known = [*KEYS, *(f"{prefix}NAME" for prefix in PREFIXES)]
        raise UsageError(f"The SPEC has no item {key!r}; it knows {', '.join(known)}." + nearest(key, known))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the latter of lists in lists in lists
        return {"True": True, "False": False, "None": None}.get(text, text)


def _args(value: str) -> tuple[Any, ...]:
    """Return positional arguments: a JSON list without its brackets, or plain words between commas."""
    try:
        return tuple(json.loads(f"[{value}]"))
    except (ValueError, RecursionError):
        return tuple(_value(part.strip()) for part in value.split(","))


def _probability(value: str) -> Probability:
    name, _, meaning = value.partition(":")
    parts = name.split(".")  # an argument, or a field of one that is a configuration
    if not all(part.isidentifier() for part in parts) or len(parts) > 2 or meaning not in ("drop", "keep"):
        raise UsageError(
            f"prob={value} does not say which argument is the probability of what; "
            f"write prob={name or 'NAME'}:drop or prob={name or 'NAME'}:keep."
        )
    return Probability(name, meaning)


def _mode(value: str) -> Mode:
    at_init = value.startswith("init:")
    name = value.removeprefix("init:")
    inverted = name.startswith("!")
    name = name.removeprefix("!")
    if not name.isidentifier():
        raise UsageError(
            f"training={value} is not understood; write training=NAME, training=!NAME (a flag that means "
            "evaluation), training=init:NAME or training=always."
        )
    return Mode(name, inverted, at_init)


def _call(value: str) -> tuple[Any, ...]:
    tokens = re.findall(r"\w+|[()\[\],]|\S", value)
    roles: list[Any] = []
    inner: list[str] | None = None
    body = tokens[1:-1]
    well_formed = len(tokens) > 2 and tokens[0] == "(" and tokens[-1] == ")"
    for word in body:
        part = SYNONYMS.get(word, word)
        if part == "[" and inner is None:
            inner = []
        elif part == "]" and inner:
            roles.append(tuple(inner))
            inner = None
        elif part in ROLES:
            (roles if inner is None else inner).append(part)
        elif part != ",":
            well_formed = False
    if not well_formed or inner is not None or not roles:
        roles_text = ", ".join(f"{role} ({meaning})" for role, meaning in ROLES.items())
        raise UsageError(
            f"call={value} is not understood; write the arguments by role in order, such as "
            f"call=(x,p,training) or call=([r,x]); the roles are {roles_text}."
        )
    return tuple(roles)


def _whole(key: str, value: str) -> int:
    """Return the value of an item that arranges tensors."""
    least, most, meaning = {
        "axis": (0, MOST_SIZES - 1, "says where the batch is, such as axis=1"),
        "shared": (1, LAST, f"is the axis, from 1 to {LAST}, along which decisions are shared, such as shared=2"),
        "batch": (1, MOST_ROWS, "is a number of which every batch is made a multiple, such as batch=8"),
    }[key]
    if not re.fullmatch("[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise UsageError(f"{key}={shortened(value)} is not understood; it {meaning}.")
    return int(value)


def _arrange(fields: dict[str, Any], **said: Any) -> None:
    """Add to where the decisions are.

    Raises:
        UsageError: If they would be at two places.
    """
    arrangement = replace(fields.get("arrangement", Arrangement()), **said)
    places = [
        text
        for text, there in (
            (f"axis={arrangement.axis}", arrangement.axis),
            (f"shared={arrangement.shared}", arrangement.shared),
            ("granularity=channel", arrangement.channels),
        )
        if there
    ]
    if len(places) > 1:
        raise UsageError(f"{places[0]} does not go with {places[1]}: each says where the decisions are.")
    fields["arrangement"] = arrangement


def _output(value: str) -> int | str:
    if value.removeprefix(".").isidentifier():
        return value
    try:
        return int(value)
    except ValueError:
        raise UsageError(
            f"output={value} is not understood; write output=INDEX, output=mask, output=KEY of a mapping, or "
            "output=.NAME of an attribute."
        ) from None


def _dtypes(value: str) -> tuple[str, ...]:
    dtypes = tuple(dict.fromkeys(value.split(",")))
    unknown = [dtype for dtype in dtypes if dtype not in DTYPES]
    if unknown:
        raise UsageError(
            f"dtypes={shortened(value)} is not understood; it lists some of {', '.join(DTYPES)}, commas between them."
            + nearest(unknown[0], DTYPES)
        )
    return dtypes


def _input(value: str) -> tuple[int, ...]:
    head, *rest = value.split(",")
    if head != "B" or not all(re.fullmatch(r"-?[0-9]+", size) for size in rest):
        raise UsageError(
            f"input={shortened(value)} is not understood; write B for the batch, then sizes: input=B,4,8,8."
        )
    if len(rest) > MOST_SIZES:
        raise UsageError(f"input= has {len(rest)} sizes beside the batch; tensors have {MOST_SIZES} at most.")
    # Digits first: no number of so many is read.
    numbers = math.inf if any(len(size) > 20 for size in rest) else math.prod(int(size) for size in rest)
    if any(size.startswith("-") or not size.strip("0") for size in rest):
        raise UsageError(f"input={shortened(value)} has a size below 1; sizes are whole numbers from 1 on.")
    if numbers > MOST_NUMBERS:
        raise UsageError(
            f"input={shortened(value)} asks for {f'{numbers:,}' if numbers < math.inf else 'too many'} numbers a "
            f"sample, and no memory holds a batch of them; there may be {MOST_NUMBERS:,}."
        )
    return (-1, *(int(size) for size in rest))
