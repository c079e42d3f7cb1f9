"""Faults that a layer acquires: right when it is new, and wrong after what is done to every layer in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable


def _decisions(x: Tensor, drop_prob: float) -> Tensor:
    return torch.rand(x.shape[0], dtype=torch.float64, device=x.device) < 1.0 - drop_prob


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class _Layer(nn.Module):
    """A layer that is right; each mutant changes one thing."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(x, _decisions(x, self.drop_prob), self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class KeepsTheMaskOfAPhase(_Layer):
    """Draw a mask when training is switched on and keep it until the next switch: variational dropout, misplaced."""

    _decided: Tensor | None = None

    def train(self, mode: bool = True) -> KeepsTheMaskOfAPhase:
        """Forget the mask."""
        self._decided = None
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Drop what the first call of this phase dropped."""
        if not self.training or self.drop_prob == 0.0:
            return x
        if self._decided is None or len(self._decided) != x.shape[0]:
            self._decided = _decisions(x, self.drop_prob)  # fault
        return _apply(x, self._decided, self.drop_prob)


# No fault line: a copy is made on one line, and its original is wrong later.
class SharesItsConfiguration(nn.Module):
    """Keep the probability in a configuration that copies share: a schedule for the copy moves the original too."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self._configuration = {"drop_prob": drop_prob}

    @property
    def drop_prob(self) -> float:
        """The probability."""
        return self._configuration["drop_prob"]

    @drop_prob.setter
    def drop_prob(self, value: float) -> None:
        self._configuration["drop_prob"] = value

    def __deepcopy__(self, memo: dict[int, Any]) -> SharesItsConfiguration:
        copied = type(self)(self.drop_prob)
        copied._configuration = self._configuration
        return copied.train(self.training)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(x, _decisions(x, self.drop_prob), self.drop_prob)


# No fault line: what is missing in a pickle is put in its place elsewhere.
class ForgetsItsProbability(_Layer):
    """Leave the probability out of the pickle, as a setting and no state: a resumed run drops at the default."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "drop_prob"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.drop_prob = 0.1

    def __deepcopy__(self, memo: dict[int, Any]) -> ForgetsItsProbability:
        return type(self)(self.drop_prob).train(self.training)


class WidensOnceConverted(_Layer):
    """Rebuild a factor in float32 whenever the model is converted: half-precision models then widen at this layer."""

    _factor: Tensor | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> WidensOnceConverted:
        self._factor = torch.ones(1)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and multiply by the factor that conversion left."""
        y = super().forward(x)
        return y if self._factor is None or y is x else y * self._factor  # fault


class StopsAfterABackward(_Layer):
    """Switch itself to evaluation from a gradient hook, meant for fine-tuning: it drops until the first backward."""

    _stopped = False

    def _stop(self, gradient: Tensor) -> None:
        self._stopped = True

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, until stopped."""
        if self._stopped:  # fault
            return x
        y = super().forward(x)
        if y.requires_grad and y is not x:
            y.register_hook(self._stop)  # type: ignore[no-untyped-call]
        return y


class FadesAfterManyCalls(_Layer):
    """Count calls and halve drop_prob after thirty, a schedule hidden in the layer: no step size is thirty calls."""

    _calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, less and less."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self._calls += 1
        drop_prob = self.drop_prob / 2.0 if self._calls > 30 else self.drop_prob  # fault
        return _apply(x, _decisions(x, drop_prob), drop_prob)


# No fault line: what is missing is an assignment.
class IgnoresChangesInEvaluation(nn.Module):
    """Refuse a new probability silently while in evaluation, where a schedule sets it between two epochs."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self._drop_prob = drop_prob

    @property
    def drop_prob(self) -> float:
        """The probability."""
        return self._drop_prob

    @drop_prob.setter
    def drop_prob(self, value: float) -> None:
        if self.training:
            self._drop_prob = value

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(x, _decisions(x, self.drop_prob), self.drop_prob)


class RoundsInItsFirstDtype(_Layer):
    """Remember the dtype of the first call and compute in it for ever: after to(float64), digits of float32."""

    _dtype: torch.dtype | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, in the dtype of the first call."""
        if self._dtype is None:
            self._dtype = x.dtype
        return super().forward(x.to(self._dtype)).to(x.dtype) if self.training else x  # fault


class ReusesItsMask(_Layer):
    """Draw into one tensor that autograd still needs: a second call before the backward pass makes that raise."""

    _mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training with the mask in place."""
        if not self.training or self.drop_prob in (0.0, 1.0):
            return super().forward(x)
        if self._mask is None or self._mask.shape[0] != x.shape[0] or self._mask.dtype != x.dtype:
            self._mask = torch.empty(x.shape[0], dtype=x.dtype, device=x.device)
        with torch.no_grad():
            self._mask.copy_(_decisions(x, self.drop_prob))  # fault
        return x * self._mask.view((x.shape[0],) + (1,) * (x.ndim - 1)) / (1.0 - self.drop_prob)


# No fault line: a copy is made on one line, and is wrong later.
class CopiesByConstructing(_Layer):
    """Copy by constructing with the first argument again: a copy for averaging forgets what a schedule had set."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self._first = drop_prob

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiesByConstructing:
        return type(self)(self._first).train(self.training)


class RoundsItsProbability(_Layer):
    """Convert the probability with the model, as a buffer would be: after half() and float() 0.3 stays 0.30005."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> RoundsItsProbability:
        self.drop_prob = float(fn(torch.tensor(self.drop_prob, dtype=torch.float64)))  # fault
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


class SeedsACopyOfItsOwn(_Layer):
    """Give each copy a generator with a fixed seed, so that copies differ: they do not follow the run's seed then."""

    _generator: torch.Generator | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> SeedsACopyOfItsOwn:
        copied = type(self)(self.drop_prob).train(self.training)
        copied._generator = torch.Generator().manual_seed(1)  # fault
        return copied

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        uniform = torch.rand(x.shape[0], dtype=torch.float64, generator=self._generator)
        return _apply(x, uniform < 1.0 - self.drop_prob, self.drop_prob)
