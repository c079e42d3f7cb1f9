"""Exceptions that cross layers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UsageError(Exception):
    """What the user asked for cannot be understood or loaded; the command line ends with status 2.

    Args:
        message: One paragraph that says what is wrong and what would work.
        detail: What helps only with ``-v``, such as the traceback of a failed import.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class Unimportable(UsageError):
    """What holds the target cannot be imported, whatever the target is."""


class Interrupted(UsageError):
    """Somebody asked for the end before there was anything to report.

    Args:
        message: What was going on.
        signal: Number of the signal that asked.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


class TargetRaised(Exception):
    """The implementation under test raised while it was being driven.

    Args:
        kind: Name of the exception's class, such as ``"ValueError"``.
        text: Its message.
        traceback: Its traceback, without the frames of this package.
    """

    def __init__(self, kind: str, text: str, traceback: str = "") -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind = kind
        self.text = text
        self.traceback = traceback


class NotApplicable(Exception):
    """A trial turns out, while it runs, to ask for something that the target legitimately lacks."""


class ChangedShape(NotApplicable):
    """An output has another shape than x, so that nothing can be said of its elements; DP005 judges shapes.

    Args:
        became: Both, in words.
        batch: Samples of x.
    """

    def __init__(self, became: str, batch: int) -> None:
        super().__init__("the output has another shape than x (see DP005)")
        self.became, self.batch = became, batch


class TimeRanOut(Exception):
    """The effort's time is up before a trial has drawn what it judges; nothing is said about the target."""


class DropPathWarning(UserWarning):
    """A promise is broken that fails no test: a SHOULD, or one that only informs."""


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return ``" Did you mean 'a' or 'b'?"`` for the candidates that resemble ``word``, else an empty text."""
    lowered = {name.lower(): name for name in candidates}
    close = [lowered[match] for match in get_close_matches(word.lower(), list(lowered), n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
