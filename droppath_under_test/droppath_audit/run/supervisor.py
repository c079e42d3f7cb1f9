"""The supervisor: runs trials in worker processes, replaces one that dies or hangs, and never loses the rest.

The parent process imports neither the target nor its framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError
from droppath_audit.run.blame import Blame
from droppath_audit.run.collecting import Collecting
from droppath_audit.run.limits import Limits
from droppath_audit.run.loaded_crew import LoadedCrew

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.core.collected import Collected
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.allowance import Allowance


class Supervisor:
    """Collects in worker processes; see ``core.collected.Collector``. A context manager.

    Args:
        spec: The SPEC.
        devices: Devices asked for.
        imports: Modules to import before the target.
        verbose: Let the workers write to this process's standard error.
        jobs: How many workers, where the target's process can be forked; one otherwise.
        limits: What a trial and a worker may use.
        interruption: Where it is told, nothing more is run, and collecting ends.
        kind: ``model`` or ``schedule``, where the SPEC is that of one.
    """

    def __init__(
        self,
        spec: str,
        *,
        devices: tuple[str, ...] = ("cpu",),
        imports: tuple[str, ...] = (),
        verbose: bool = False,
        jobs: int = 1,
        limits: Limits | None = None,
        interruption: Interruption | None = None,
        kind: str = "",
    ) -> None:
        request = {"spec": spec, "devices": list(devices), "imports": list(imports), "admit": True, "kind": kind}
        self._limits, self._interruption = limits or Limits(), interruption
        self._facts: Facts | None = None
        self._refused: UsageError | None = None  # why the target could not be loaded
        self._blame = Blame()
        self._allowances: dict[str, Allowance] = {}
        self._crew = LoadedCrew(request, max(1, jobs), limits=self._limits, interruption=interruption, verbose=verbose)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def facts(self) -> Facts:
        """What the server learned of the target; waits for it.

        Raises:
            UsageError: If the target cannot be loaded; at once, and without another try, when it is asked for again.
        """
        if self._refused is not None:
            raise self._refused
        if self._facts is None:
            try:
                self._facts = self._crew.await_facts()
            except UsageError as error:
                self._refused = error
                raise
        return self._facts

    def collect(
        self,
        trials: Sequence[Trial],
        *,
        known: Mapping[str, Collected] | None = None,
        note: Callable[[Trial, Collected], None] | None = None,
    ) -> Iterator[tuple[Trial, Collected]]:
        """Yield what came of each trial, in order; the workers are busy with later ones meanwhile.

        It ends early where the audit is interrupted.
        """
        assert self.facts is not None  # noqa: S101 - waits until the target is loaded
        collecting = Collecting(
            self._crew,
            trials,
            self._blame,
            self._limits,
            allowances=self._allowances,
            known=known or {},
            note=note,
            interruption=self._interruption,
        )
        try:
            yield from collecting.answers()
        finally:
            collecting.abandon()

    def close(self) -> None:
        """End the workers and everything that they started."""
        self._crew.close()
