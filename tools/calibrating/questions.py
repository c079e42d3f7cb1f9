"""Questions to checks, asked in processes of their own as far as the scratch file lacks the answers."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.selftest.processes import Lost, answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.calibrating.scratch import Scratch

LIMIT = 600.0  # seconds a process


@dataclass(frozen=True)
class Question:
    """What a set of checks is asked about one subject.

    Attributes:
        key: Names it in the scratch file.
        checks: Ids.
        job: Makes the job of a process for some of the checks, when it is about to run.
    """

    key: str
    checks: tuple[str, ...]
    job: Callable[[tuple[str, ...]], Any]


class Part:
    """One of the measurements: runs what the scratch file lacks and shows how far it is.

    Args:
        title: Its name in the progress line.
        scratch: Where answers are kept.
        workers: Processes at a time.
    """

    def __init__(self, title: str, scratch: Scratch, workers: int) -> None:
        self._title, self._scratch, self._workers = title, scratch, workers
        self.lost: list[str] = []

    def run(self, function: Any, questions: Sequence[Question]) -> dict[str, dict[str, Any]]:
        """Return, by key, the answers by check to every question that all its checks have answered.

        Args:
            function: Makes an answer by check from a job.
            questions: In this order.
        """
        missing = [one for one in questions if self._lacks(one)]
        running: dict[int, str] = {}

        def upcoming() -> Iterator[Any]:
            for one in missing:
                job = one.job(self._lacks(one))
                running[id(job)] = one.key
                yield job

        started = time.monotonic()
        self._say(len(questions) - len(missing), len(questions), None)
        finished = answers(function, upcoming(), workers=self._workers, limit=LIMIT)
        for done, (job, answer) in enumerate(finished, start=1):
            key = running.pop(id(job))
            if isinstance(answer, Lost):
                self.lost.append(f"{key}: {answer.reason}")
            else:
                self._scratch.add(key, answer)
            left = (time.monotonic() - started) / done * (len(missing) - done)
            self._say(len(questions) - len(missing) + done, len(questions), left)
        sys.stderr.write("\n")
        for line in self.lost:
            sys.stderr.write(f"lost  {line}\n")
        return {one.key: self._scratch.known(one.key, one.checks) for one in questions if not self._lacks(one)}

    def _lacks(self, one: Question) -> tuple[str, ...]:
        known = self._scratch.known(one.key, one.checks)
        return tuple(check for check in one.checks if check not in known)

    def _say(self, done: int, number: int, left: float | None) -> None:
        if not sys.stderr.isatty() and done % max(1, number // 50) and done != number:
            return
        text = f"{self._title}: {done} of {number}" + ("" if left is None else f", about {left / 60:.1f} min left")
        sys.stderr.write(f"\r{text:<70}" if sys.stderr.isatty() else f"{text}\n")
        sys.stderr.flush()
