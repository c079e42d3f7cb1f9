"""What a check may ask of a model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import Unanswered
from droppath_audit.probes.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from droppath_audit.core.case import Case
    from droppath_audit.frameworks.networks import Pass, Site
    from droppath_audit.models.sites import Held
    from droppath_audit.models.target import ModelTarget

ELEMENTS = 2**19  # of an input: so many samples are run together
FEWEST, MOST = 8, 256  # samples


class ModelProbe:
    """Runs a model.

    Args:
        target: The model.
        at: Where the check runs.
        rng: Randomness of the trial.
        alpha: The trial's share of the error budget; 0 for a deterministic one.
    """

    def __init__(self, target: ModelTarget, at: Case, rng: np.random.Generator, alpha: float) -> None:
        self._target, self._at, self._rng, self.alpha = target, at, rng, alpha
        self.network, self.clock = target.network, Clock(at.effort.seconds)
        self.drawn = 0

    @property
    def at(self) -> Case:
        """Where the check runs."""
        return self._at

    @property
    def held(self) -> Sequence[Held]:
        """Modules that drop paths, in the order of definition."""
        return self._target.held

    @property
    def sites(self) -> Sequence[Site]:
        """All that is watched."""
        return self._target.sites

    @property
    def schedule(self) -> str:
        """The rule of rates that was declared; empty where none was."""
        return self._target.spec.schedule

    @property
    def largest(self) -> float | None:
        """The largest drop_prob that was asked for; None where nobody said."""
        return self._target.largest

    @property
    def unknown(self) -> str:
        """Why nobody knows inputs; empty where somebody does."""
        return "" if self._target.inputs is not None else self._target.unknown

    def members(self) -> dict[str, list[int]]:
        """Return the numbers of the modules in each container that numbers them, by the container's name."""
        found: dict[str, list[int]] = {}
        for part in self._target.parts:
            container, _, last = part.name.rpartition(".")
            if last.isdigit():
                found.setdefault(container, []).append(int(last))
        return found

    def batch(self) -> int:
        """Return how many samples are run together."""
        inputs = self.inputs(2)
        values = list(inputs.values()) if isinstance(inputs, dict) else inputs
        shapes = [
            one.shape for one in (values if isinstance(values, (list, tuple)) else [values]) if hasattr(one, "shape")
        ]
        size = max((math.prod(shape) // 2 for shape in shapes), default=1)
        return max(FEWEST, min(MOST, ELEMENTS // max(1, size)))

    def inputs(self, batch: int) -> Any:
        """Return inputs of so many samples.

        Raises:
            Unanswered: If nobody knows what the model takes.
        """
        if self._target.inputs is None:
            raise Unanswered(f"the model was not run: its inputs are unknown ({self._target.unknown}); give --input")
        return self._target.inputs(batch, self._rng)

    def passes(
        self, number: int, batch: int, *, training: bool = True, rates: Mapping[str, float] | None = None, **asked: bool
    ) -> Iterator[Pass]:
        """Yield forward passes, each on other inputs, until time is up; the first whatever the time.

        Raises:
            Unanswered: If nobody knows what the model takes.
            TargetRaised: Whatever the model raises.
        """
        time = self.clock.part(0.9)
        for count in range(number):
            if count and time.over():
                return
            yield self.network.forward(self.inputs(batch), training=training, rates=rates, **asked)
