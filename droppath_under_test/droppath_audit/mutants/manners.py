"""Faults towards whoever calls: memory, layout, copies, wrong arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable


def _dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply DropPath correctly, so that a mutant has one fault only."""
    if drop_prob == 0.0 or not training:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def clamps_its_input(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Clamp overflow away in place first, as half-precision recipes do: most values stay, the version moves."""
    if x.is_floating_point() and not x.requires_grad:
        x.clamp_(-torch.finfo(x.dtype).max, torch.finfo(x.dtype).max)  # fault
    return _dropped(x, drop_prob, training)


def adds_to_its_shortcut(shortcut: Tensor, x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Add the branch to the shortcut in place (``x += drop_path(branch)``): a skip connection that holds it changes."""
    shortcut += _dropped(x, drop_prob, training)  # fault
    return shortcut


adds_to_its_shortcut.items = "form=residual"  # type: ignore[attr-defined]


def returns_contiguous(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Flatten the samples to mask them, and lose channels_last on the way back."""
    if drop_prob == 0.0 or not training:
        return x
    flat = x.reshape(x.shape[0], -1) if x.numel() else x  # fault
    return _dropped(flat, drop_prob, training).reshape(x.shape)


# No fault line: what is missing is a test of the probability.
def accepts_any_probability(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare a uniform number with whatever comes: 1.5 flips signs, -0.1 shrinks, NaN drops everything."""
    return _dropped(x, drop_prob, training)


def refuses_without_a_word(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Refuse by an assertion without a message, which says neither what nor how much."""
    assert 0.0 <= drop_prob <= 1.0  # noqa: S101  # fault
    return _dropped(x, drop_prob, training)


# No fault line: an attribute that cannot be pickled is no wrong computation.
class HoldsALambda(nn.Module):
    """Keep a lambda as an attribute: torch.save of the whole model and spawned workers fail on it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.apply_mask: Callable[[Tensor, bool], Tensor] = lambda x, training: _dropped(x, self.drop_prob, training)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return self.apply_mask(x, self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


# No fault line: what is stored, or kept, is no wrong computation.
class StoresItsLastMask(nn.Module):
    """Register the last mask as a buffer, for a log: checkpoints of trained models hold it, and new models do not."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"

    def forward(self, x: Tensor) -> Tensor:
        """Drop samples, and register which."""
        y = _dropped(x, self.drop_prob, self.training)
        if self.training:
            self.register_buffer("last_mask", y.detach().reshape(len(y), -1).any(dim=1) if y.numel() else None)
        return y


# No fault line: as above.
class KeepsItsLastOutput(nn.Module):
    """Keep the output for a regulariser: after a step of training neither copy nor average of the model can be made."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.last: Tensor | None = None

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"

    def forward(self, x: Tensor) -> Tensor:
        """Drop samples, and keep what comes of them."""
        self.last = _dropped(x, self.drop_prob, self.training)
        return self.last


# No fault line: what is stored is no wrong computation.
class StoresItsProbability(nn.Module):
    """Register the probability as a buffer: strict loading of any other checkpoint fails, and .half() rounds it."""

    rate: Tensor

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(drop_prob, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, float(self.rate), self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={float(self.rate)}"


# No fault line: what is missing is a method.
class ShowsNothing(nn.Module):
    """Have no extra_repr: a printed model says DropPath() at every block, whatever the schedule did."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, self.drop_prob, self.training)


class ComputesKeepProbOnce(nn.Module):
    """Compute keep_prob in the constructor: a later change of drop_prob, as warm-up schedules make it, is ignored."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.keep_prob = 1.0 - drop_prob  # fault

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, 1.0 - self.keep_prob, self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class _Mannered(nn.Module):
    """A layer that is right; each mutant changes one thing."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return _dropped(x, self.drop_prob, self.training)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


# No fault line: what is missing is a return.
class TrainReturnsNothing(_Mannered):
    """Override train() to count epochs and forget to return self: ``layer = layer.train()`` leaves None."""

    epochs = 0

    def train(self, mode: bool = True) -> Any:
        """Switch, and count."""
        super().train(mode)
        self.epochs += mode


# No fault line: a method that is overridden is no wrong computation.
class CallsForwardItself(_Mannered):
    """Override __call__ to save the overhead of hooks: profilers, pruning and sharding never see the layer."""

    def __call__(self, x: Tensor) -> Tensor:
        """Drop in training."""
        return self.forward(x)


# No fault line: a copy is made on one line, and is wrong later.
class CopiesInTraining(_Mannered):
    """Copy by constructing: a copy of a model in evaluation, as a moving average is, drops in its validation."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiesInTraining:
        copied = type(self)(self.drop_prob)
        copied.__dict__ |= {**self.__dict__, "training": True}
        return copied


# No fault line: a copy is made on one line, and is wrong later.
class CopiesInEvaluation(_Mannered):
    """Leave the mode out of the pickle, and be in evaluation after it: a worker that was sent the model never drops."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "training": False})  # type: ignore[no-untyped-call]


# No fault line: what is missing in a copy.
class CopiesWithoutHooks(_Mannered):
    """Give the copy no hooks, as if they belonged to the original: what was to be watched in the copy is not."""

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiesWithoutHooks:
        copied, fresh = type(self)(self.drop_prob), nn.Module()
        copied.__dict__ |= {name: value for name, value in self.__dict__.items() if name not in fresh.__dict__}
        return copied.train(self.training)


# No fault line: what is missing in a pickle.
class PicklesItsProbabilityAlone(_Mannered):
    """Pickle by the constructor's argument and the mode: what a training loop has noted on the layer is gone."""

    def __reduce__(self) -> Any:
        hooks = {name: value for name, value in self.__dict__.items() if name.endswith("hooks")}
        return type(self), (self.drop_prob,), {**hooks, "training": self.training}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
