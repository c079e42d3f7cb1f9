"""The border between this package's driving code and the target's own: what is raised beyond it is the target's."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from droppath_audit.core.errors import NotApplicable, TargetRaised

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 500  # characters of a message
_OUR_FRAMES = str(Path(__file__).parent.parent)
_OWN_TARGETS = tuple(str(Path(_OUR_FRAMES, folder)) for folder in ("mutants", "samples", "sound"))


def reraise(error: BaseException) -> NoReturn:
    """Raise what the target raised as TargetRaised, with the frames that are not this package's driving code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    text = "".join(traceback.format_list(frames))
    kind = type(error)
    # One of Python's own says what it means by its own name: NotImplementedError refuses nothing, RuntimeError may.
    bases = () if kind.__module__ == "builtins" else tuple(base.__name__ for base in kind.__mro__[1:])
    raise TargetRaised(kind.__name__, first_line(error), text, bases) from error


@contextmanager
def theirs() -> Iterator[None]:
    """Raise as TargetRaised whatever the target's code raises inside."""
    try:
        yield
    except (KeyboardInterrupt, NotApplicable, TargetRaised):
        raise
    except BaseException as error:
        reraise(error)


def is_ours(file: str) -> bool:
    """Return whether a file holds this package's driving code, and not a target that it brings along."""
    return file.startswith(_OUR_FRAMES) and not file.startswith(_OWN_TARGETS)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its beginning; empty where there is none to be read.

    Of a message that quotes a traceback it is the last line, as of errors in scripted code: the first says nothing.
    """
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # the target's own class decides what it says
        return ""
    quotes = any(line.startswith("Traceback ") and "(most recent call last)" in line for line in lines)
    line = next(reversed(lines) if quotes else iter(lines), "").removeprefix(f"{type(error).__name__}: ")
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
