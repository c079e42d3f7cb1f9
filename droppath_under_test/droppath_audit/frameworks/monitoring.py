"""Monitoring: what a framework does to count, while a model is trained, what its layers that drop paths keep."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.frameworks.networks import Network, Site

MOST_RATES = 1024
"""Rates of one layer that are counted apart; the samples of further ones are counted together, at no rate."""


@dataclass(frozen=True)
class Counted:
    """What was counted of one layer at one rate, in training.

    Attributes:
        site: Name of the layer.
        drop_prob: What it held; None where nobody knows.
        calls: Its calls.
        kept: Samples that were kept whole.
        decisions: Samples that were kept whole or dropped whole.
        partly: Samples of which a part was dropped.
        silent: Samples whose elements that were looked at were zero before.
        plural: Calls with at least two decisions.
        mixed: Calls that kept one sample and dropped another.
        kept_calls: Calls with a decision that kept all their samples.
        decided_calls: Calls with a decision that was the same for all their samples.
        first_kept: Of the first decisions, as many as were planned, those that were kept.
        first: How many these are; somewhat more than were planned: calls that are counted together are counted whole.
        planned: How many were planned.
    """

    site: str
    drop_prob: float | None
    calls: int
    kept: int
    decisions: int
    partly: int
    silent: int
    plural: int
    mixed: int
    kept_calls: int
    decided_calls: int
    first_kept: int
    first: int
    planned: int


@dataclass(frozen=True)
class Reading:
    """What a monitor holds in one process.

    Attributes:
        counted: By layer and rate, in the order of their first call.
        passes: Calls of the whole model in training.
        unseen: Sentences on what is not counted.
    """

    counted: tuple[Counted, ...]
    passes: int
    unseen: tuple[str, ...] = ()


class Counting(ABC):
    """Counts of a model that is being trained. Nothing waits for the device until they are read."""

    @abstractmethod
    def read(self) -> Reading:
        """Return the counts."""

    @abstractmethod
    def close(self) -> None:
        """Take everything from the model that was hung onto it; the counts stay. Further calls do nothing."""


class Monitoring(Capability):
    """Counts in training."""

    lacking = "has no survival monitor here"

    @abstractmethod
    def watched(self, model: Any) -> Network:
        """Return a model as it is and where it is, to look for what drops paths.

        Raises:
            UsageError: If it is no model.
        """

    @abstractmethod
    def counting(self, model: Any, sites: Sequence[Site]) -> Counting:
        """Begin to count at those of the sites that are modules.

        Raises:
            UsageError: If one of them is run by compiled code, where nothing is seen.
        """

    @abstractmethod
    def everywhere(self, reading: Reading, group: Any) -> tuple[Reading, ...]:
        """Return the readings of all processes of a group, which all have to ask for them.

        Args:
            reading: That of this process.
            group: The group; ``"world"`` for all processes.

        Raises:
            UsageError: If the processes do not know each other.
        """
