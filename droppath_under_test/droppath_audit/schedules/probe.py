"""What a check may ask of a schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import AspectCase
from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import ask
from droppath_audit.frameworks.manners import Skeletons
from droppath_audit.probes.clock import Clock
from droppath_audit.schedules.answers import Answer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import AnyCase
    from droppath_audit.schedules.target import ScheduleTarget

LAYOUTS: tuple[tuple[int, ...], ...] = ((1,), (1, 1), (2, 2, 6, 2), (11, 20, 50, 20))
"""Blocks of each stage; of 1, 2, 12 and 101 blocks in all."""
RATES = (0.0, 0.1, 0.37, 1.0)


class ScheduleProbe:
    """Asks a schedule at every depth and rate.

    Args:
        target: The schedule.
        at: Where the check runs.
    """

    def __init__(self, target: ScheduleTarget, at: AnyCase) -> None:
        self._target, self._at, self.clock, self.drawn = target, at, Clock(math.inf), 0

    @property
    def aspect(self) -> str:
        """What is asked for; empty where the check asks for one thing alone."""
        return self._at.aspect if isinstance(self._at, AspectCase) else ""

    @property
    def rule(self) -> str:
        """The rule that was declared; empty where none was."""
        return self._target.spec.rule

    @property
    def keep(self) -> bool:
        """Whether it gives keep probabilities."""
        return self._target.roles.gives == "keep"

    @property
    def takes_keep(self) -> bool:
        """Whether it is given a keep probability."""
        return self._target.roles.keep

    def answers(self, *, times: int = 1) -> list[Answer]:
        """Return what it gives at every depth and rate: those told as one number first; each so many times in a row."""
        return [self._ask(*where) for where in self._places() for _ in range(times)]

    def without_values(self) -> list[Answer]:
        """Return what it gives where tensors are made without values.

        Raises:
            NotApplicable: If its framework has no such tensors.
        """
        skeletons = ask(self._target.framework, Skeletons)
        found = []
        for where in self._places():
            with skeletons.without_values():
                found.append(self._ask(*where))
        return found

    def changed(self) -> list[tuple[Answer, tuple[str, ...]]]:
        """Return what it gives, each with what it made of the list of depths that it was given, as texts.

        Raises:
            NotApplicable: If it is given numbers alone.
        """
        if "stages" not in self._target.roles.counted:
            raise NotApplicable("it is given numbers, which nobody can change")
        found = []
        for depths, stages, rate in self._places():
            if stages:
                given = list(depths)
                one = answer(lambda given=given, rate=rate: self._target.call(rate, given), depths, rate, stages=True)  # type: ignore[misc]
                found.append((one, tuple(map(repr, given))))
        return found

    def _places(self) -> Iterator[tuple[tuple[int, ...], bool, float]]:
        for counted in self._target.roles.counted:
            for depths in LAYOUTS:
                for rate in RATES:
                    yield depths if counted == "stages" else (sum(depths),), counted == "stages", rate

    def _ask(self, depths: tuple[int, ...], stages: bool, rate: float) -> Answer:
        given: Any = sum(depths)
        if stages:
            given = tuple(depths) if self._target.roles.listed == "tuple" else list(depths)
        return answer(lambda: self._target.call(rate, given), depths, rate, stages=stages)
