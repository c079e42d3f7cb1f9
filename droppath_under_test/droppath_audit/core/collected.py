"""Collected: what came back from running one trial, as plain data that can leave a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial


DIED, HUNG, OVERSIZED = "died", "hung", "oversized"  # ways in which a process ended before it answered


@dataclass(frozen=True)
class Collected:
    """Evidence, or the reason why there is none.

    Attributes:
        evidence: What was measured, as the wire writes the check's dataclass; None where one of the next three says why
            not.
        error: What went wrong: the target raised, crashed, hung, or was not run for that reason.
        not_applicable: Why the trial does not apply after all.
        inconclusive: Why what was promised could not be measured.
        traceback: Where the target raised, or the last words of a process that died.
        seconds: Time it took.
        smallest: Features of the smallest sample that the target takes, for scripts.
        ended: How the process ended before there was an answer: ``DIED``, ``HUNG`` or ``OVERSIZED``; empty where it
            answered.
        note: What a reader should know of how the answer came, such as that it is that of a second attempt.
    """

    evidence: dict[str, Any] | None = None
    error: str = ""
    not_applicable: str = ""
    inconclusive: str = ""
    traceback: str = ""
    seconds: float = 0.0
    smallest: tuple[int, ...] = (1,)
    ended: str = ""
    note: str = ""


class Collector(Protocol):
    """Runs trials on a loaded target, here or in another process."""

    @property
    def facts(self) -> Facts:
        """What was learned of the target."""

    def collect(
        self,
        trials: Sequence[Trial],
        *,
        known: Mapping[str, Collected] | None = None,
        note: Callable[[Trial, Collected], None] | None = None,
    ) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order.

        Args:
            trials: What to run.
            known: Answers of an earlier run, by the trial's id; these trials are not run.
            note: Called with each answer as it comes, which need not be in order.
        """
