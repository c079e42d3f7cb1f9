"""The scripts of what an examination found, each run in a process of its own.

A fork of a process that has imported torch runs them, and not a fresh interpreter as in an audit: an import for each of
more than a thousand would cost more than all the rest.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from droppath_audit.run.interpreter import run_script
from droppath_audit.run.showing import Attempt, Ended
from droppath_audit.selftest.processes import Lost, answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.result import Result


def shown(results: Sequence[Result], *, workers: int, limit: float) -> Iterator[tuple[int, Result]]:
    """Yield the number of every result, and the result with what became of its script, as they come.

    Args:
        results: What was found; all have a script.
        workers: Processes at a time.
        limit: Seconds of wall time after which a script is ended.
    """
    waiting = {number: Attempt(result) for number, result in enumerate(results)}
    while waiting:
        jobs, waiting, before = [(number, one.script) for number, one in waiting.items()], {}, waiting
        for (number, _), answer in answers(_ended, jobs, workers=workers, limit=limit):
            if isinstance(answer, Lost):
                answer = Ended(1, said=answer.reason.removesuffix(" before it answered"))
            after = before[number].after(answer)
            if isinstance(after, Attempt):
                waiting[number] = after
            else:
                yield number, after


def _ended(job: tuple[int, str]) -> Ended:
    found: dict[str, Any] = {}
    main = sys.modules["__main__"]
    try:
        run_script(job[1].encode(), found.update)
    except BaseException:  # what it was is told
        return Ended.of(1, found)
    finally:
        sys.modules["__main__"] = main
    return Ended()
