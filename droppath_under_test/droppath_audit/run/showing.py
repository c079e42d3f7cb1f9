"""Showing: every script that a report prints is run first, in a fresh interpreter without this package.

A script that passes where its finding says fail is a fault of this tool, and the report says so. Scripts run as trials
do: apart from the auditor, within limits, under a warden that leaves nothing running.
"""

from __future__ import annotations

import re
import selectors
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.result import NOT_RUN, NOT_SHOWN, SHOWN, first_of_each_check
from droppath_audit.core.verdict import Outcome
from droppath_audit.run import processes
from droppath_audit.run.apart import Apart
from droppath_audit.run.limits import BEAT_SECONDS, TRIAL_SECONDS, Limits, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from socket import socket

    from droppath_audit.core.interruption import Interruption
    from droppath_audit.core.result import Result

SECONDS = 60.0  # of wall time, for all scripts of an audit
OTHERS = "only that of the check's first trial is"
_IMPORT = re.compile(r"(import|from) |.*\brunpy\.")  # a line that imports the target
_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}\b")


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Attributes:
        status: Its exit status, or minus the number of the signal that ended it.
        raised: The class of the exception that ended it; empty where none did.
        said: What the exception said, or why the process was stopped.
        own: Whether the script itself raised it, and nothing that it called.
        line: Number of the script's line that raised; 0 where none did.
    """

    status: int = 0
    raised: str = ""
    said: str = ""
    own: bool = False
    line: int = 0

    @property
    def words(self) -> str:
        """The last line of what it said, without what differs from run to run."""
        if not self.raised:
            return self.said or (processes.told_end(self.status) if self.status else "it ran to its end")
        first = (self.said.strip().splitlines() or [""])[0]
        return _ADDRESS.sub("0x…", f"{self.raised}: {first}" if first else self.raised)

    @classmethod
    def of(cls, status: int, found: Mapping[str, Any]) -> Ended:
        """Return how a script ended, from what ``run.interpreter`` tells; nothing may have been, or something else."""
        try:
            return cls(status, str(found["raised"]), str(found["said"]), bool(found["own"]), int(found["line"]))
        except (KeyError, TypeError, ValueError):
            return cls(status)


def told(result: Result, ended: Ended) -> Result:
    """Return the result with what became of its script: whether that fails as the finding says.

    It does so by an assertion of its own. Where the finding is that the target raises, or ends its process, the script
    ends alike; that the target cannot be imported shows nothing else.
    """
    lines = result.snippet.splitlines()
    importing = 0 < ended.line <= len(lines) and _IMPORT.match(lines[ended.line - 1]) is not None
    asserted = ended.raised == "AssertionError" and ended.own
    observed = result.verdict.observed
    alike = ended.raised in re.findall(r"\w+", observed) if ended.raised else ended.words in observed
    if ended.status and not importing and (asserted or alike):
        return replace(result, snippet_state=SHOWN)
    return replace(result, snippet_state=NOT_SHOWN, snippet_note=ended.words)


def not_run(results: Sequence[Result], reason: str) -> list[Result]:
    """Return the results with the reason why their scripts were not run, where that is not known."""
    return [
        replace(result, snippet_state=NOT_RUN, snippet_note=reason)
        if result.snippet and not result.snippet_state
        else result
        for result in results
    ]


@dataclass(frozen=True)
class Attempt:
    """A script that is to be run.

    Attributes:
        result: Whose; with what became of the first, where that was run.
        number: Which of its scripts: 0 for the one that it has, from 1 on for longer ones.
    """

    result: Result
    number: int = 0

    @property
    def script(self) -> str:
        """The script."""
        return self.result.longer[self.number - 1] if self.number else self.result.snippet

    def after(self, ended: Ended | str) -> Attempt | Result:
        """Return what follows: another attempt, with a longer script, or the result with what became of this one.

        Args:
            ended: How it ended, or why it was not run to its end.
        """
        if isinstance(ended, str):
            return self.result if self.number else not_run([self.result], ended)[0]
        found = told(replace(self.result, snippet=self.script), ended)
        if found.snippet_state == SHOWN:
            return replace(found, snippet_note="")
        first = self.result if self.number else found
        more = not ended.status and self.number < len(self.result.longer)
        return Attempt(first, self.number + 1) if more else first


class Showing:
    """Runs the scripts of one audit.

    Args:
        jobs: How many at a time.
        seconds: Of wall time, for all of them.
        limits: What one may use.
        interruption: What ends it early.
    """

    def __init__(
        self,
        *,
        jobs: int = 1,
        seconds: float = SECONDS,
        limits: Limits | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        self._jobs, self._limits = max(1, jobs), limits or Limits()
        self._interruption = interruption
        self._seconds = self._left = seconds
        self._checks: set[tuple[str, bool]] = set()

    def shown(self, results: Sequence[Result], *, strict: bool = False) -> list[Result]:
        """Return the results, those with a script with what became of it.

        It can be asked again with further results of the audit: time and checks are counted on.

        Args:
            results: What is reported.
            strict: Whether a broken SHOULD is a finding.
        """
        first = [
            result
            for result in first_of_each_check(results, strict=strict)
            if result.snippet and (result.trial.check, result.is_finding(strict=strict)) not in self._checks
        ]
        self._checks |= {(result.trial.check, result.is_finding(strict=strict)) for result in first}
        # What hung would do so again, and take from the others the time that there is.
        hung = {result.trial.id for result in first if result.outcome is Outcome.ERROR and result.stopped_by_time}
        started = time.monotonic()
        known = {}
        for result in self._run([one for one in first if one.trial.id not in hung], started + self._left):
            known[result.trial.id] = result
        self._left -= time.monotonic() - started
        known |= {
            result.trial.id: not_run([result], "the trial was stopped, and its script would not end")[0]
            for result in first
            if result.trial.id in hung
        }
        return not_run([known.get(result.trial.id, result) for result in results], OTHERS)

    def _run(self, waiting: Sequence[Result], deadline: float) -> Iterator[Result]:
        """Yield each result with what became of its script, in any order."""
        queue, running = deque(Attempt(result) for result in waiting), list[_Run]()
        try:
            while queue or running:
                if self._interruption is not None and self._interruption.told:
                    reason = self._interruption.reason
                elif time.monotonic() >= deadline:
                    reason = f"the {self._seconds:g} seconds for all scripts were over"
                else:
                    reason = ""
                if reason:
                    for attempt in (*(one.attempt for one in running), *queue):
                        yield attempt.result if attempt.number else not_run([attempt.result], reason)[0]
                    return
                while queue and len(running) < self._jobs:
                    try:
                        running.append(_Run(queue[0], self._limits.memory))
                    except OSError as error:
                        yield not_run([queue[0].result], f"no process could be started: {error.strerror or error}")[0]
                    queue.popleft()
                _wait(running)
                for one in list(running):
                    answer = one.answer()
                    if answer is not None:
                        running.remove(one)
                        one.close()
                        after = one.attempt.after(answer)
                        if isinstance(after, Attempt):
                            queue.append(after)
                        else:
                            yield after
        finally:
            for one in running:
                one.close()


def _wait(running: Sequence[_Run]) -> None:
    with selectors.DefaultSelector() as selector:
        for one in running:
            selector.register(one.socket, selectors.EVENT_READ)
        selector.select(BEAT_SECONDS)


class _Run:
    """One script in a fresh interpreter.

    Args:
        attempt: The script.
        memory: Bytes that it may use.

    Raises:
        OSError: If no process can be had.
    """

    def __init__(self, attempt: Attempt, memory: int) -> None:
        self.attempt, self._apart = attempt, Apart("run.interpreter")
        self._raised: dict[str, Any] = {}
        self._watch = Watch(TRIAL_SECONDS, memory, self._apart.pid)
        self._apart.send(script=attempt.script, path=self._apart.path)

    @property
    def socket(self) -> socket:
        """Where its messages come from."""
        return self._apart.socket

    def answer(self) -> Ended | str | None:
        """Return how the script ended, or why it was stopped; None while it runs."""
        for message in self._apart.available():
            if "raised" in message:
                self._raised = message
            elif isinstance(message.get("ended"), int):
                return Ended.of(message["ended"], self._raised)
        if self._apart.ended:
            return "its process was ended by somebody else"
        _, why = self._watch.verdict()
        if why and why in self.attempt.result.verdict.observed:
            return Ended(-9, said=why)
        return f"{why}; it was stopped" if why else None

    def close(self) -> None:
        """End it, with all that it has started."""
        self._apart.close()
