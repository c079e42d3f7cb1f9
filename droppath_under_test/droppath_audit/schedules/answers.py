"""What a schedule gives: values with their types, read as whoever builds a model reads them."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from droppath_audit.core.cause import Place
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.packages import FRAMEWORKS, INSTALLED
from droppath_audit.frameworks.theirs import is_ours, theirs

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 10_000  # values that are read
PLAIN = ("float", "int")


@dataclass(frozen=True)
class Answer:
    """What came of one call, or of one call a block.

    Attributes:
        depths: Blocks of each stage; a single number where they are told as one.
        stages: Whether they were given as a list.
        rate: The drop_prob of the last block that was asked for.
        values: What was returned, block by block; NaN for what is no number.
        kinds: The types of values that are no plain numbers, each once.
        parts: Where lists are in a list, how long each is.
        alone: Whether one value came, and no list.
        raised: What it raised; empty where nothing.
        place: Where.
    """

    depths: tuple[int, ...]
    stages: bool
    rate: float
    values: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    alone: bool = False
    raised: str = ""
    place: Place = field(default_factory=Place)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(self.depths)

    @property
    def whole(self) -> bool:
        """Whether there is a list of one number a block."""
        return not self.alone and len(self.values) == self.blocks and not any(map(math.isnan, self.values))

    @property
    def depth(self) -> str:
        """The number of blocks, as it was told."""
        return repr(list(self.depths)) if self.stages else str(self.blocks)


def answer(call: Callable[[], Any], depths: tuple[int, ...], rate: float, *, stages: bool) -> Answer:
    """Call, and return what came of it; what is a generator is gone through, and what is a tensor is read.

    Args:
        call: What is called.
        depths: Blocks of each stage.
        rate: The drop_prob that is asked for.
        stages: Whether the depths are given as a list.
    """
    try:
        with theirs():
            raw = _read(call())
            flat = _flat(raw)
            values = tuple(_number(one) for one in flat)
    except TargetRaised as error:
        return Answer(depths, stages, rate, raised=str(error), place=_place(error))
    kinds = tuple(dict.fromkeys(kind for one in flat if (kind := kind_of(one)) not in PLAIN))
    parts = tuple(len(one) for one in raw if isinstance(one, list)) if isinstance(raw, list) else ()
    parts = parts if isinstance(raw, list) and len(parts) == len(raw) else ()
    return Answer(depths, stages, rate, values, kinds, parts, alone=not isinstance(raw, list))


def kind_of(value: Any) -> str:
    """Return the name of a value's type, with the package that it comes from."""
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    return kind.__name__ if home == "builtins" else f"{home}.{kind.__name__}"


def _read(value: Any) -> Any:
    """Return a value, or the list of what it holds; a number and a tensor without axes hold nothing."""
    if isinstance(value, (str, bytes)) or getattr(value, "ndim", 1) == 0:
        return value
    try:
        members = iter(value.values() if isinstance(value, Mapping) else value)
    except TypeError:
        return value
    return [_read(one) for one in islice(members, MOST)]


def _flat(value: Any) -> list[Any]:
    return [one for member in value for one in _flat(member)] if isinstance(value, list) else [value]


def _number(value: Any) -> float:
    """Return a number, or NaN for what is none."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        return float("nan")
    return float(value)


def _place(error: TargetRaised) -> Place:
    """Return the innermost line of somebody's own code that an exception came from."""
    raised = error.__cause__
    frames = traceback.extract_tb(raised.__traceback__) if raised is not None else []
    lines = [frame for frame in frames if not is_ours(frame.filename) and not _of_framework(frame.filename)]
    return Place(lines[-1].filename, lines[-1].lineno or 0, lines[-1].name) if lines else Place()


def _of_framework(file: str) -> bool:
    parts = file.replace("\\", "/").split("/")
    at = max((parts.index(folder) for folder in INSTALLED if folder in parts), default=-1)
    return file.startswith("<") or (at >= 0 and parts[at + 1 : at + 2] != [] and parts[at + 1] in FRAMEWORKS)
