"""A crew that has loaded its target, and that is replaced where it was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core import wire
from droppath_audit.core.errors import Interrupted, Unimportable, UsageError, refusal
from droppath_audit.core.facts import Facts
from droppath_audit.run.crew import Crew
from droppath_audit.run.limits import BEAT_SECONDS, Watch

if TYPE_CHECKING:
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.run.limits import Limits

LOAD_SECONDS = 300.0  # of processor time


class LoadedCrew:
    """Starts processes for one target, at once; they load it meanwhile.

    Args:
        request: ``spec``, ``devices``, ``imports`` and ``admit``: whether to call the target before the plan.
        size: How many workers.
        limits: What the loading may use.
        interruption: What ends the waiting.
        verbose: Let the processes write to this one's standard error.

    Attributes:
        lost: Why there is no crew and can be none; empty otherwise.
    """

    def __init__(
        self,
        request: dict[str, Any],
        size: int,
        *,
        limits: Limits,
        interruption: Interruption | None = None,
        verbose: bool = False,
    ) -> None:
        self._request, self._size, self._verbose = request, size, verbose
        self._limits, self._interruption = limits, interruption
        self.lost = ""
        self._crew: Crew | None = None
        self._start()

    @property
    def crew(self) -> Crew:
        """The crew; there must be one."""
        assert self._crew is not None  # noqa: S101 - whoever asks has looked at ``lost``
        return self._crew

    def await_facts(self) -> Facts:
        """Wait until the target is loaded, and return what was learned of it.

        Raises:
            UsageError: If it cannot be loaded; the crew is then gone. Unimportable where no target of that file can.
        """
        try:
            return self._await_facts()
        except BaseException:
            self.close()
            raise

    def replace(self) -> None:
        """Have another crew in place of this one, or say in ``lost`` why there is none."""
        self.close()
        try:
            self._start()
            self.await_facts()
        except UsageError as error:
            self.lost = f"the target could not be loaded again: {error.message}"

    def close(self) -> None:
        """End every process."""
        if self._crew is not None:
            self._crew.close()
        self._crew = None

    def _start(self) -> None:
        self._crew = Crew(self._request, self._size, verbose=self._verbose)

    def _await_facts(self) -> Facts:
        crew, spec, imported = self.crew, self._request["spec"], False
        watch = Watch(LOAD_SECONDS, self._limits.memory, crew.process)
        while not crew.gone:
            for worker, message in crew.messages(BEAT_SECONDS):
                if worker is None and "refused" in message:
                    raise refusal(message)
                if worker is None and "loaded" in message:
                    crew.forks = message.get("forks") is True
                    return wire.load(Facts, message["loaded"])
                imported = imported or (worker is None and "imported" in message)
            if self._interruption is not None and self._interruption.told:
                raise Interrupted(f"Interrupted while {spec} was being loaded.", self._interruption.signal)
            _, why = watch.verdict()
            if why and imported:
                break
            if why:
                raise Unimportable(f"Loading {spec} was given up: {why}.")
        if imported and self._request["admit"]:
            # A first call was its end. What a call does is a trial's to show.
            self.close()
            self._request = {**self._request, "admit": False}
            self._start()
            return self._await_facts()
        raise Unimportable(
            f"The process that was loading {spec} ended before it was done: importing the target ends the interpreter.",
            crew.words_of_server(),
        )
