"""Exceptions that cross layers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Self


class UsageError(Exception):
    """What the user asked for cannot be understood or loaded; the command line ends with status 2.

    Args:
        reason: One paragraph that says what is wrong, and what would work where that is no command.
        detail: What helps only with ``-v``, such as the traceback of a failed import.
        advice: What to do about it, as it follows the reason.
        command: The command to run next, which ends the message on a line of its own.
        others: Commands of which the advice tells, and that do as well.

    Attributes:
        message: All of it but the detail.
    """

    def __init__(
        self, reason: str, detail: str = "", *, advice: str = "", command: str = "", others: Sequence[str] = ()
    ) -> None:
        self.message = f"{reason}{advice}" + (f"\n  {command}" if command else "")
        super().__init__(self.message)
        self.reason, self.detail, self.advice, self.command = reason, detail, advice, command
        self.others = tuple(others)

    def to_json(self) -> dict[str, Any]:
        """Return its parts, by which ``from_json`` and ``refusal`` make another."""
        return {
            "refused": self.reason,
            "detail": self.detail,
            "advice": self.advice,
            "command": self.command,
            "others": self.others,
            "kind": type(self).__name__,
        }

    @classmethod
    def from_json(cls, parts: Mapping[str, object]) -> Self:
        """Return the error of these parts."""
        reason, detail, advice, command = (
            str(parts.get(key, "")) for key in ("refused", "detail", "advice", "command")
        )
        others = parts.get("others")
        told = [*map(str, others)] if isinstance(others, (list, tuple)) else []
        return cls(reason, detail, advice=advice, command=command, others=told)


class Unimportable(UsageError):
    """What holds the target cannot be imported, whatever the target is."""


class NeedsFactory(UsageError):
    """The target does more than drop, as a block does; ``command`` writes a factory that shows how it drops."""


class Interrupted(UsageError):
    """Somebody asked for the end before there was anything to report.

    Args:
        message: What was going on.
        signal: Number of the signal that asked.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def refusal(parts: Mapping[str, object]) -> UsageError:
    """Return the error that another process has told of, of the class that it had there."""
    kinds = {kind.__name__: kind for kind in (Unimportable, NeedsFactory)}
    return kinds.get(str(parts.get("kind", "")), UsageError).from_json(parts)


class TargetRaised(Exception):
    """The implementation under test raised while it was being driven.

    Args:
        kind: Name of the exception's class, such as ``"ValueError"``.
        text: Its message.
        traceback: Its traceback, without the frames of this package.
        bases: Names of the classes that its class derives from; none for a class of Python's own.
    """

    def __init__(self, kind: str, text: str, traceback: str = "", bases: tuple[str, ...] = ()) -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind = kind
        self.text = text
        self.traceback = traceback
        self.bases = bases

    def as_one_of(self, *names: str) -> str:
        """Return which of these classes the exception is one of, as ``except`` has it; its own class's name if none."""
        return next((name for name in names if name in (self.kind, *self.bases)), self.kind)


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


class Unanswered(Exception):
    """A question that counts cannot be asked of this target; nothing is said about it."""


class DropPathWarning(UserWarning):
    """A promise is broken that fails no test: a SHOULD, or one that only informs."""


def nearest(word: str, candidates: Iterable[str]) -> str:
    """Return ``" Did you mean 'a' or 'b'?"`` for the candidates that resemble ``word``, else an empty text."""
    lowered = {name.lower(): name for name in candidates}
    close = [lowered[match] for match in get_close_matches(word.lower(), list(lowered), n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
