"""A driver: a target at a case, with what every question about it needs: layers, inputs, shapes and the clock."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Generic

from droppath_audit.core.case import EAGER
from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Compiling, Layouts, Taped, ask, has
from droppath_audit.probes.clock import Clock
from droppath_audit.probes.inputs import features
from droppath_audit.probes.masks import MaskSource
from droppath_audit.probes.pace import samples_in_time
from droppath_audit.probes.probe import Case_co

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.capabilities import C
    from droppath_audit.frameworks.target import Layer, Target

PACED = 1024  # samples of a call from which on a slow target is asked how slow it is


class Driver(Generic[Case_co]):
    """Drives a target at a case.

    Args:
        target: The target.
        at: Where the check runs.
        rng: Randomness of the trial.

    Attributes:
        clock: The time that the trial has.
        drawn: Decisions that were drawn so far, to be counted or compared.
    """

    def __init__(self, target: Target, at: Case_co, rng: np.random.Generator) -> None:
        self.target, self.rng = target, rng
        self.clock, self.drawn = Clock(at.effort.seconds), 0
        self._at = at
        self._features: dict[tuple[str, bool], tuple[int, ...]] = {}
        self._in_time: int | None = None  # samples of the largest call that there is time for; 0 for any

    @property
    def at(self) -> Case_co:
        """Where the check runs."""
        return self._at

    @property
    def framework(self) -> Framework:
        """Operations on the target's tensors."""
        return self.target.framework

    @property
    def dtype(self) -> str:
        """Dtype of x; float32 where the case names none."""
        return str(self._at.coordinates.get("dtype", "float32"))

    @property
    def drop_prob(self) -> float:
        """P of the cell.

        Raises:
            ValueError: If the case is no cell.
        """
        found = self._at.coordinates.get("drop_prob")
        if not isinstance(found, float):
            raise ValueError(f"{self._at.slug} is no cell: it has no drop_prob")
        return found

    @property
    def modes(self) -> tuple[bool, ...]:
        """The modes that the target has, training first."""
        return (True, False) if self.target.evaluates else (True,)

    @property
    def residual(self) -> bool:
        """Whether the target returns the shortcut plus the branch."""
        return self.target.dialect.form == "residual"

    def accepted(self, *drop_probs: float) -> tuple[float, ...]:
        """Return those of the drop_probs that the target does not declare to refuse."""
        refuses = self.target.dialect.keep_prob_zero == "raises"
        return tuple(p for p in drop_probs if p < 1.0 or not refuses)

    def ask(self, capability: type[C]) -> C:
        """Return the framework as one that has a capability.

        Raises:
            NotApplicable: If it does not have it, saying so; or if what it shows of compiled code is another code's.
        """
        if issubclass(capability, Taped) and self._compiled():
            raise NotApplicable("under a tape compiled code does not run: its eager original does")
        return ask(self.framework, capability)

    def _compiled(self) -> bool:
        """Return whether a call of the target runs compiled code."""
        if self._at.compiled:
            return True
        self.features()
        compiling = has(self.framework, Compiling)
        return compiling is not None and compiling.tried()

    def layouts(self) -> tuple[str, ...]:
        """Return the layouts that x can have; of compiled code, those that its compiler reads."""
        kinds, compiling = has(self.framework, Layouts), has(self.framework, Compiling)
        misread = compiling.misread if compiling is not None and self._compiled() else ()
        return tuple(layout for layout in kinds.layouts if layout not in misread) if kinds else ("contiguous",)

    def features(self, *, wide: bool = False, dtype: str = "") -> tuple[int, ...]:
        """Return the features of a sample on which the target keeps x's shape; see ``probes.inputs.features``."""
        key = (dtype or self.dtype, wide)
        if key not in self._features:
            # As it is written: a call of each shape that is tried would be compiled.
            plain = self.target.executed(EAGER)
            self._features[key] = features(plain, key[0], self._at.device, wide=wide)
        return self._features[key]

    def shape(self, batch: int, *, wide: bool = False) -> tuple[int, ...]:
        """Return the shape of a batch of so many samples."""
        return (batch, *self.features(wide=wide))

    def declared(self, batch: int) -> tuple[int, ...]:
        """Return the shape of a batch as the SPEC fixes it, of fewer samples where they are large.

        Where it fixes none, of samples with several features.
        """
        fixed = self.target.fixed_shape
        if fixed is None:
            return self.shape(batch, wide=True)
        elements = self._at.effort.pick(2**17, 2**19, 2**21)
        return (min(batch, max(2, elements // max(1, prod(fixed[1:])))), *fixed[1:])

    def in_time(self, batch: int) -> int:
        """Return so many samples, or as many as a target takes so slowly that a call with all would use up the time."""
        if batch <= PACED:
            return batch
        if self._in_time is None:
            compiled = self._compiled()
            self._in_time = 0 if compiled else samples_in_time(self.target, self.shape, self.dtype, self._at)
        if not 0 < self._in_time < batch:
            return batch
        self.clock.stopped = True
        return self._in_time

    def tensor(self, values: npt.NDArray[Any], dtype: str = "") -> Tensor:
        """Return a tensor of these values on the case's device, by default in its dtype."""
        return self.framework.tensor(values, dtype or self.dtype, self._at.device)

    def ones(self, shape: tuple[int, ...], dtype: str = "") -> Tensor:
        """Return a tensor of ones."""
        return self.framework.ones(shape, dtype or self.dtype, self._at.device)

    def make(self, drop_prob: float | None = None) -> Layer:
        """Return a fresh instance, by default for the cell's drop_prob."""
        return self.target.make(self.drop_prob if drop_prob is None else drop_prob)

    def source(self, layer: Layer | None = None) -> MaskSource:
        """Return what draws masks from a layer, by default a fresh one for the cell's drop_prob."""
        layer = self.make() if layer is None else layer
        return MaskSource(self.framework, layer, self._at, self.dtype, self.features(), clock=self.clock)
