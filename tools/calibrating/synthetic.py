"""A target that obeys the law exactly and costs little: masks from NumPy, and for x = 1 nothing but their counts.

The number kept of n independent decisions is drawn as one binomial number while nobody looks at the mask; who does gets
a mask with that number of ones, all such masks being equally likely. Both together have the law of independent
decisions. What is asked about anything else is answered by torch.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.base import Count, TensorInfo
from droppath_audit.frameworks.torch.operations import TorchFramework
from droppath_audit.selftest.examination import REFERENCE
from droppath_audit.targets.loader import Loaded, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.frameworks.base import Tensor


@cache
def _kept_value(keep_prob: float, dtype: torch.dtype) -> float:
    """Return 1/keep_prob as the dtype has it; 0 where nothing is kept."""
    return float(torch.ones((), dtype=dtype) / keep_prob) if keep_prob else 0.0


class Output:
    """What the layer returns for x = 1: decided when somebody looks.

    Args:
        x: Ones of shape (B, …).
        keep_prob: q.
        rng: Where decisions come from.
    """

    def __init__(self, x: torch.Tensor, keep_prob: float, rng: np.random.Generator) -> None:
        self.x, self._keep_prob, self._rng = x, keep_prob, rng
        self.value = _kept_value(keep_prob, x.dtype)
        self._kept: int | None = None
        self._mask: npt.NDArray[np.bool_] | None = None

    @property
    def kept(self) -> int:
        """Number of samples kept."""
        if self._kept is None:
            self._kept = int(self._rng.binomial(len(self.x), self._keep_prob))
        return self._kept

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The decisions, of shape (B,)."""
        if self._mask is None:
            if self._kept is None:
                self._mask = self._rng.random(len(self.x)) < self._keep_prob
                self._kept = int(np.count_nonzero(self._mask))
            else:
                self._mask = self._rng.permutation(np.arange(len(self.x)) < self._kept)
        return self._mask

    def values(self) -> npt.NDArray[np.float64]:
        """Return the output in float64."""
        narrow = np.where(self.mask, self.value, 0.0).reshape(-1, *(1,) * (self.x.ndim - 1))
        return narrow if narrow.shape == self.x.shape else np.broadcast_to(narrow, self.x.shape).copy()

    def tensor(self) -> torch.Tensor:
        """Return the output as a tensor."""
        return _applied(self.x, self.mask, self._keep_prob)


def _applied(x: torch.Tensor, mask: npt.NDArray[np.bool_], keep_prob: float) -> torch.Tensor:
    kept = torch.from_numpy(mask).view(-1, *(1,) * (x.ndim - 1))
    return torch.where(kept, x / keep_prob if keep_prob else x, torch.zeros_like(x))


def _seen(value: Any) -> Any:
    """Return a tensor where there was an output that nobody had looked at."""
    return value.tensor() if isinstance(value, Output) else value


class SyntheticFramework(TorchFramework):
    """torch's operations, with shortcuts for outputs that are known by their counts alone."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> torch.Tensor:
        """Return a tensor that is known to be ones."""
        x = super().ones(shape, dtype, device)
        x.known_as_ones = True  # type: ignore[attr-defined]
        return x

    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device."""
        return super().info(tensor.x if isinstance(tensor, Output) else tensor)

    def numpy(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values as float64."""
        return tensor.values() if isinstance(tensor, Output) else super().numpy(tensor)

    def kept(self, tensor: Tensor, batch: int) -> npt.NDArray[np.bool_]:
        """Return which samples were kept."""
        return tensor.mask if isinstance(tensor, Output) else super().kept(tensor, batch)

    def first_nonzero(self, tensor: Tensor) -> float:
        """Return the first element other than zero, or 0 where all are zero."""
        if not isinstance(tensor, Output):
            return super().first_nonzero(tensor)
        return tensor.value if tensor.kept else 0.0

    def count(self, tensors: Sequence[Tensor], kept_value: float) -> Count:
        """Count kept, dropped and other elements, of outputs without looking at their masks."""
        if not all(isinstance(tensor, Output) for tensor in tensors):
            return super().count([_seen(tensor) for tensor in tensors], kept_value)
        kept = sum(tensor.kept * prod(tensor.x.shape[1:]) for tensor in tensors)
        dropped = sum(tensor.x.numel() for tensor in tensors) - kept
        return Count(kept, dropped, 0) if kept_value == tensors[0].value else Count(0, dropped, kept)

    def bits(self, tensor: Tensor) -> npt.NDArray[np.uint8]:
        """Return the bytes of the values."""
        return super().bits(_seen(tensor))

    def add(self, first: Tensor, second: Tensor) -> torch.Tensor:
        """Return the sum."""
        return super().add(_seen(first), _seen(second))

    def multiply(self, x: Tensor, mask: Tensor) -> torch.Tensor:
        """Return the product."""
        return super().multiply(_seen(x), _seen(mask))

    def rows(self, x: Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Return these samples of x."""
        return super().rows(_seen(x), numbers)

    def zeros_like(self, x: Tensor) -> torch.Tensor:
        """Return zeros of x's shape, dtype and device."""
        return super().zeros_like(_seen(x))

    def tracked(self, x: Tensor) -> bool:
        """Return whether a gradient of x is asked for."""
        return super().tracked(_seen(x))

    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides that an elementwise operation on the tensor leaves."""
        return super().strides(_seen(tensor))

    def version(self, tensor: Tensor) -> int:
        """Return how often the tensor was written to."""
        return super().version(_seen(tensor))

    def seed(self, seed: int) -> None:
        """Seed both generators."""
        super().seed(seed)
        self.rng = np.random.default_rng(seed)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore both generators on leaving."""
        before = self.rng
        with super().scope():
            try:
                yield
            finally:
                self.rng = before


class SyntheticLayer:
    """The layer itself; what is not about its law does not apply to it."""

    def __init__(self, framework: SyntheticFramework, drop_prob: float) -> None:
        self._framework, self._drop_prob = framework, drop_prob

    def __call__(self, x: torch.Tensor, *, training: bool) -> Tensor:
        """Return the output for x, decided later where x is known to be ones."""
        if not training or self._drop_prob == 0.0:
            return x
        keep_prob, rng = 1.0 - self._drop_prob, self._framework.rng
        if getattr(x, "known_as_ones", False):
            return Output(x, keep_prob, rng)
        return _applied(x, rng.random(len(x)) < keep_prob, keep_prob)

    def __getattr__(self, name: str) -> Any:
        raise NotApplicable(f"a synthetic layer has no {name}")


class SyntheticTarget:
    """A ``frameworks.target.Target`` with the reference's dialect."""

    fixed_shape = None
    sizes = ()
    form_open = False
    follows = False
    apart = False
    evaluates = True
    keyed = False
    way = None
    runs_branch = False

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.framework = SyntheticFramework()

    def can_be_given(self, shape: tuple[int, ...]) -> bool:
        """Return whether there is an axis for the batch."""
        return bool(shape)

    takes = can_be_given

    def executed(self, _variant: str) -> SyntheticTarget:
        """Return the target: it runs in one way."""
        return self

    def make(self, drop_prob: float) -> SyntheticLayer:
        """Return a layer with this drop_prob."""
        return SyntheticLayer(self.framework, drop_prob)


def synthetic() -> Loaded:
    """Return the synthetic target, described as the reference is."""
    facts = load(REFERENCE).facts
    return Loaded(cast("Any", SyntheticTarget(facts.dialect)), facts)
