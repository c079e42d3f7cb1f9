"""SPEC: the text that names a target and declares what cannot be read from its signature.

Grammar: ``target[?item&item…]`` with ``item`` = ``key=value``; values are JSON where they parse as such,
otherwise strings; percent-encoding is allowed in both. A known name stands for the SPEC that ``targets.known``
gives it, to which further items are added.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from droppath_audit.core.arrangement import Arrangement
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.visible import visible
from droppath_audit.targets.items import items_of, of_recording
from droppath_audit.targets.known import known_systems

if TYPE_CHECKING:
    from droppath_audit.core.known import Known
    from droppath_audit.targets.items import Mode, Probability

RECORDINGS = (".npz", ".safetensors", ".jsonl")
LONGEST_PATH = 4096  # bytes, Linux's PATH_MAX; elsewhere it is less, and the system says so


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
        output: Index of the output, its key, its attribute after a dot, ``mask``, or None.
        input: Shape of inputs with -1 for the batch, or None.
        factory: Whether the name is a factory ``make(drop_prob)``, declared by ``form=factory``, or by
            ``form=residual-factory`` where what it returns adds the shortcut.
        arrangement: Where the decisions are; the audit's own tensors have them along axis 0.
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
    arrangement: Arrangement = field(default_factory=Arrangement)
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


def items_apart(text: str, names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Return a SPEC without the items of these names, and those.

    Raises:
        UsageError: If it says one of them twice.
    """
    target, _, query = text.strip().partition("?")
    found: dict[str, str] = {}
    rest = []
    for item in query.split("&") if query else ():
        key, _, value = (unquote(part) for part in item.partition("="))
        if key not in names:
            rest.append(item)
        elif key in found:
            raise UsageError(f"The SPEC says {key} twice.")
        else:
            found[key] = value
    return target + ("?" + "&".join(rest) if rest else ""), found


def quoted(path: str) -> str:
    """Return a path as a SPEC writes it."""
    return path.replace("%", "%25").replace("?", "%3F")


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
        return Spec(text.strip(), unquote(target), "", **of_recording(items_of(query)))
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
    return Spec(text=text.strip(), module=module, name=name, **items_of(query))


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


def _with_colon(target: str) -> str:
    """Return the dotted name with its last dot turned into the colon, the commonest slip."""
    head, dot, tail = target.rpartition(".")
    return f"{head}:{tail}" if dot else f"{target}:Name"
