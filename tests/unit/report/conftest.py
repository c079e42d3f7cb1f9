from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.collected import Collected
from droppath_audit.run import engine
from droppath_audit.run.plan import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.core.events import Event
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial


@pytest.fixture
def facts(facts: Facts) -> Facts:
    return replace(
        facts,
        origin="package/module.py:12",
        package="package 1.2.3",
        arguments="class · drop_prob",
        framework_version="2.0",
        import_seconds=1.0,
    )


ZEROS = {"elements": 8, "nan": 0, "nonzero": 0, "became": []}


class Recorded:
    """A collector that answers from memory."""

    def __init__(self, facts: Facts, answers: dict[str, Collected], otherwise: Collected) -> None:
        self.facts, self._answers, self._otherwise = facts, answers, otherwise

    def collect(self, trials: Sequence[Trial], **_: object) -> Iterator[tuple[Trial, Collected]]:
        for trial in trials:
            yield trial, self._answers.get(trial.id, self._otherwise)


@pytest.fixture
def events(facts: Facts) -> Callable[..., Iterator[Event]]:
    def run(
        answers: dict[str, Collected],
        *only: str,
        otherwise: Collected = Collected(ZEROS),  # noqa: B008
    ) -> Iterator[Event]:
        """Audit, with these answers by trial, a target whose other trials find what DP301 hopes for."""
        settings = Settings(effort="quick", only=only or ("DP301",))
        return engine.run(Recorded(facts, answers, otherwise), settings)

    return run
