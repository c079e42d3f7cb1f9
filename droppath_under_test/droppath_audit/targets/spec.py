"""SPEC: the text that names a target and declares what cannot be read from its signature.

Grammar: ``target[?item&item…]`` with ``item`` = ``key=value``; values are JSON where they parse as such,
otherwise strings; percent-encoding is allowed in both. A known name stands for the SPEC that ``targets.known``
gives it, to which further items are added.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from droppath_audit.core.dialect import CHOICES, Dialect
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.visible import shortened, visible
from droppath_audit.targets.known import known_systems

if TYPE_CHECKING:
    from droppath_audit.core.known import Known

KEYS = (*CHOICES, "prob", "training", "args", "call", "branch", "output", "input", "axis", "dtypes", "framework")
PREFIXES = ("init.", "arg.")
RECORDINGS = (".npz", ".safetensors", ".jsonl")
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
LONGEST_PATH = 4096  # bytes, Linux's PATH_MAX; elsewhere it is less, and the system says so
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


@dataclass(frozen=True)
class Spec:
    """A parsed SPEC.

    Attributes:
        text: As it was given.
        module: Dotted module, or the path of a ``.py`` file or of a recording.
        name: Attribute in it, possibly dotted; empty for a recording.
        dialect: Declared fields of the dialect.
        probability: Declared probability argument, if any.
        mode: Declared mode, if any.
        init: Constructor arguments by name.
        args: Positional constructor arguments.
        arg: Call arguments by name.
        call: The call by roles; a nested tuple stands for a list argument. None if not declared.
        branch: The constructor argument that takes the branch; empty where it is to be read from names.
        output: Index of the output, ``mask``, or None.
        input: Shape of inputs with -1 for the batch, or None.
        factory: Whether the name is a factory ``make(drop_prob)``, declared by ``form=factory``.
        axis: Where the batch is; the audit's own tensors have it at 0.
        dtypes: The only ones that it takes; empty for all.
        known: The known implementation that the text names, if it does.
        framework: Name of the framework whose tensors it takes; empty where it is to be read from the code.
    """

    text: str
    module: str
    name: str
    dialect: dict[str, str] = field(default_factory=dict)
    probability: Probability | None = None
    mode: Mode | None = None
    init: dict[str, Any] = field(default_factory=dict)
    args: tuple[Any, ...] = ()
    arg: dict[str, Any] = field(default_factory=dict)
    call: tuple[Any, ...] | None = None
    branch: str = ""
    output: int | str | None = None
    input: tuple[int, ...] | None = None
    factory: bool = False
    axis: int = 0
    dtypes: tuple[str, ...] = ()
    known: Known | None = None
    framework: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the target stands in a file rather than in an importable module."""
        return self.module.endswith(".py")

    @property
    def is_recording(self) -> bool:
        """Whether the target is a file of recorded calls."""
        return not self.name


def parse(text: str) -> Spec:
    """Parse a SPEC.

    Raises:
        UsageError: If it is not one; the message says what would be.
    """
    _refuse_unwritten(text)
    target, _, query = text.strip().partition("?")
    if not target:
        raise UsageError(
            "The SPEC is empty. Give package.module:Name or path/to/file.py:Name; leave it out to audit the reference."
        )
    known = known_systems().get(target)
    if known is not None:
        items = ("&" if "?" in known.spec else "?") + query if query else ""
        return replace(parse(known.spec + items), text=text.strip(), known=known)
    if target.endswith(RECORDINGS):
        return Spec(text.strip(), unquote(target), "", **_of_recording(_items(query)))
    module, colon, name = target.rpartition(":")
    if not colon:
        hint = f"{target}:Name" if target.endswith(".py") else f"{_with_colon(target)}"
        raise UsageError(
            f"{target!r} has no ':' between module and name. Write for example {hint}"
            + nearest(target, known_systems())
        )
    module, name = unquote(module), unquote(name)
    if ".py:" in module:
        file, _, inner = module.partition(".py:")
        dotted = ".".join(part for part in (*inner.split(":"), name) if part)
        raise UsageError(f"{target!r} has more than one ':'. Write {file}.py:{dotted}")
    if not module or not name or not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{target!r} does not name a target. Write package.module:Name or path/to/file.py:Name.")
    if not module.endswith(".py") and not all(part.isidentifier() for part in module.split(".")):
        importable = module.replace("-", "_")
        is_dashed = all(part.isidentifier() for part in importable.split("."))
        if os.path.isfile(module):  # noqa: PTH113 - which refuses no name
            raise UsageError(f"{module} is no file of Python, whose name ends in .py.")
        raise UsageError(
            f"{module!r} is neither a dotted module nor a file. "
            + (
                f"A package is named as it is imported: {importable}:{name}"
                if is_dashed
                else f"A file is named with its ending: {module}.py:{name}"
            )
        )
    return Spec(text=text.strip(), module=module, name=name, **_items(query))


def _refuse_unwritten(text: str) -> None:
    """Raise if the text holds what nobody writes, or a path that is longer than any."""
    target = unquote(text.partition("?")[0])
    if "\0" in target:
        raise UsageError("The target of the SPEC holds a NUL, which is in no name of a file or module.")
    for char in text.strip():
        half = "\ud800" <= char <= "\udfff"  # stands for a byte in the name of a file
        if char in "\n\t" or (visible(char) != char and not half):
            shown = char.encode("unicode_escape").decode("ascii")
            raise UsageError(f"The SPEC holds the character {shown}, which nobody sees; write it as {quote(char)}.")
    length = len(target.encode("utf-8", "surrogatepass"))
    if length > LONGEST_PATH:
        raise UsageError(f"The target of the SPEC has {length:,} bytes, and no path has more than {LONGEST_PATH:,}.")


def _items(query: str) -> dict[str, Any]:
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


def _of_recording(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields if they speak of the dialect alone."""
    said = [key for key, value in fields.items() if key != "dialect" and value != {}]
    if said:
        words = {"probability": "prob", "mode": "training", "factory": "form=factory", "init": "init.", "arg": "arg."}
        raise UsageError(
            f"The item {words.get(said[0], said[0])} says how a target is called, and a recording is not called. "
            f"A recording takes {', '.join(CHOICES)}."
        )
    return fields


def _with_colon(target: str) -> str:
    """Return the dotted name with its last dot turned into the colon, the commonest slip."""
    head, dot, tail = target.rpartition(".")
    return f"{head}:{tail}" if dot else f"{target}:Name"


def _read_item(fields: dict[str, Any], key: str, value: str) -> None:
    """Put one item into the fields of a Spec."""
    prefix = next((prefix for prefix in PREFIXES if f"{key}.".startswith(prefix)), None)
    if prefix is not None:
        argument = key.removeprefix(prefix)
        if not argument.isidentifier() or key == argument:
            raise UsageError(f"{key!r} does not name an argument; write {prefix}NAME=VALUE.")
        fields[prefix.rstrip(".")][argument] = _value(value)
    elif key == "form" and value == "factory":
        fields["factory"] = True
    elif key == "form" and value not in CHOICES["form"]:
        allowed = (*CHOICES["form"], "factory")
        raise UsageError(f"form={value} is not known; form is one of {', '.join(allowed)}." + nearest(value, allowed))
    elif key in CHOICES:
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
    elif key == "axis":
        if not value.isdecimal() or int(value) >= MOST_SIZES:
            raise UsageError(f"axis={shortened(value)} is not understood; it says where the batch is, such as axis=1.")
        fields["axis"] = int(value)
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
    if not name.isidentifier() or meaning not in ("drop", "keep"):
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


def _output(value: str) -> int | str:
    if value == "mask":
        return value
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"output={value} is not understood; write output=INDEX or output=mask.") from None


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
