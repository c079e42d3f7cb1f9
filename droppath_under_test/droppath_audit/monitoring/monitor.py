"""``SurvivalMonitor``: counts, while a model is trained, how often its layers keep a branch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import DropPathWarning, UsageError
from droppath_audit.frameworks import adapter_for
from droppath_audit.frameworks.capabilities import has
from droppath_audit.frameworks.monitoring import Monitoring
from droppath_audit.models.sites import found
from droppath_audit.monitoring import survival
from droppath_audit.monitoring.table import table
from droppath_audit.report.survival_picture import Bar, standing_alone
from droppath_audit.stats.budget import DEFAULT_BUDGET

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from droppath_audit.frameworks.monitoring import Reading
    from droppath_audit.monitoring.survival import ExpectedDepth, LayerCertificate, LayerCounts, Together

RESOLUTION = 0.02
VERDICTS = {"pass": "pass", "fail": "fail", "open": "inconclusive"}


class SurvivalMonitor:
    """Counts, while a model is trained, how many samples each of its layers keeps that drop paths.

    Its hooks look at a few elements of every sample before and after a layer, in training alone, and count on the
    device; nothing waits for the device until counts are read. Calls that a checkpoint makes again in the backward pass
    are not counted again. Rates are read at every call, and counted apart.

    Compiled code runs no hooks: what is compiled already is refused, what is compiled later is warned of with
    ``DropPathWarning`` and named in ``unseen``. Functions that drop paths, called without a layer, are named there too.

    Every read-out takes a ``group``: None for the counts of this process, ``"world"`` or a process group for the sum
    over its ranks, all of which have to ask at the same point.

    Args:
        model: The model, before it is wrapped or compiled, or wrapped in ``DistributedDataParallel``.
        layer: A regular expression; layers whose name or class it matches are counted as well.

    Raises:
        UsageError: If nothing in the model drops paths, or what does is compiled.
    """

    def __init__(self, model: Any, *, layer: str = "") -> None:
        adapter = adapter_for(model)
        monitoring = has(adapter.framework(), Monitoring)
        if monitoring is None:
            raise UsageError(f"{adapter.name} {Monitoring.lacking}.")
        self._monitoring = monitoring
        sites, _ = found(monitoring.watched(model), layer)
        modules = [site for site in sites if site.caller is None]
        if not modules:
            functions = ", ".join(site.name for site in sites)
            raise UsageError(
                f"No layer in {type(model).__name__} drops paths"
                + (
                    f"; calls of functions ({functions}) are not counted."
                    if functions
                    else ": none is called like that."
                )
                + " If there is one, name it by layer=REGEX."
            )
        self._layers = len(modules)
        self._one_sided = frozenset(site.name for site in modules if site.reading == "wrapper")
        self._counting = monitoring.counting(model, sites)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        reading = self._counting.read()
        if kind is None and not reading.counted:
            warnings.warn(f"SurvivalMonitor saw nothing: {'; '.join(reading.unseen)}", DropPathWarning, stacklevel=2)

    def close(self) -> None:
        """Remove all hooks; what was counted can still be read."""
        self._counting.close()

    @property
    def unseen(self) -> tuple[str, ...]:
        """Sentences on what is not counted, in this process."""
        return self._counting.read().unseen

    def counts(self, group: Any = None) -> tuple[LayerCounts, ...]:
        """Return the counts of every layer and rate, in the order of their first call.

        Raises:
            UsageError: If there is a group, and no processes that know each other.
        """
        return survival.counts(self._read(group))

    def certificates(
        self, resolution: float = RESOLUTION, budget: float = DEFAULT_BUDGET, group: Any = None
    ) -> tuple[LayerCertificate, ...]:
        """Return what is established of every layer and rate, however often one looks.

        Args:
            resolution: δ; ``pass`` means within δ of the promised keep probability.
            budget: Probability at most that of a correct model anything ever fails, ``together`` included.
            group: Whose counts.

        Raises:
            ValueError: If a number is not inside (0, 1).
            UsageError: As for ``counts``.
        """
        return self._certificates(self._read(group), resolution, budget)

    def together(self, budget: float = DEFAULT_BUDGET, group: Any = None) -> Together:
        """Return the chi-square of the first decisions of all layers and rates.

        4,096 of each, or as many as are needed to expect 100 of both fates.

        Raises:
            UsageError: As for ``counts``.
        """
        return survival.together(self._read(group), budget, self._one_sided)

    def expected_depth(self, group: Any = None) -> ExpectedDepth:
        """Return how many branches a sample keeps in a pass, Σ keep_l, with its interval.

        Raises:
            UsageError: As for ``counts``.
        """
        return survival.expected_depth(self._read(group))

    def table(self, resolution: float = RESOLUTION, budget: float = DEFAULT_BUDGET, group: Any = None) -> str:
        """Return all of it as text.

        Raises:
            ValueError: As for ``certificates``.
            UsageError: As for ``counts``.
        """
        reading = self._read(group)
        return table(
            survival.counts(reading),
            self._certificates(reading, resolution, budget),
            survival.expected_depth(reading),
            survival.together(reading, budget, self._one_sided),
            reading.unseen,
        )

    def picture(self, resolution: float = RESOLUTION, budget: float = DEFAULT_BUDGET, group: Any = None) -> str:
        """Return an SVG document: a bar for each layer with its interval of 0.999 beside its rate.

        The bar of a layer whose rate changed shows all its rates together, beside their average.

        Raises:
            ValueError: As for ``certificates``.
            UsageError: As for ``counts``.
        """
        reading = self._read(group)
        told = survival.worst(self._certificates(reading, resolution, budget))
        return standing_alone(
            [
                Bar(one.layer, None if one.promised is None else 1.0 - one.promised, one.decisions - one.kept,
                    one.decisions, VERDICTS[told[one.layer]])
                for one in survival.by_layer(reading)
            ]
        )  # fmt: skip

    def _read(self, group: Any) -> Reading:
        reading = self._counting.read()
        return reading if group is None else survival.merged(self._monitoring.everywhere(reading, group))

    def _certificates(self, reading: Reading, resolution: float, budget: float) -> tuple[LayerCertificate, ...]:
        for name, value in (("resolution", resolution), ("budget", budget)):
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} lies inside (0, 1), not at {value}")
        return survival.certificates(reading, self._layers, resolution, budget, self._one_sided)
