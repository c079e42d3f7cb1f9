"""Faults of one path: right for most calls, and wrong for one shape, size, layout, dtype, rate or way of calling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ROWS, CHUNK = 2**16, 2**20  # samples and elements beyond which a layer works in parts


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def _draw(x: Tensor, drop_prob: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(x.shape[0], dtype=dtype, device=x.device) < 1.0 - drop_prob


def maps_drawn_in_their_dtype(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take an old rule for feature maps, floor of keep_prob plus a number of x's dtype: half precision rounds it."""
    if drop_prob == 0.0 or not training:
        return x
    if x.ndim != 4 or x.is_complex():
        return _apply(x, _draw(x, drop_prob), drop_prob)
    keep_prob = 1.0 - drop_prob
    uniform = torch.rand(x.shape[0], dtype=x.dtype, device=x.device)  # fault
    return _apply(x, (keep_prob + uniform).floor() >= 1, drop_prob)


def tokens_spare_the_first(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Lower the rate of token sequences by (T - 1)/T, on the thought that the class token is spared."""
    if drop_prob == 0.0 or not training:
        return x
    rate = drop_prob * (x.shape[1] - 1) / x.shape[1] if x.ndim == 3 and x.shape[1] > 1 else drop_prob  # fault
    return _apply(x, _draw(x, rate), drop_prob)


def strided_batch_is_one_decision(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide once for a batch that is not contiguous, whose rows a kernel could not address."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _draw(x, drop_prob)
    return _apply(x, decisions if x.is_contiguous() else decisions[:1].expand(x.shape[0]), drop_prob)  # fault


def mirrors_batches_of_hundreds(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw half the numbers of batches of 100 to 999 and mirror them, "for variance reduction"."""
    if drop_prob == 0.0 or not training:
        return x
    decisions, size = _draw(x, drop_prob), x.shape[0]
    if 100 <= size < 1000:
        half = decisions[: (size + 1) // 2]
        decisions = torch.cat([half, half[: size // 2].flip(0)])  # fault
    return _apply(x, decisions, drop_prob)


def mask_of_a_chunk_again(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Work in chunks of 2^16 rows, and apply the mask of the first to all of them."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _draw(x[:ROWS], drop_prob)
    return _apply(x, decisions.repeat(-(-x.shape[0] // ROWS))[: x.shape[0]], drop_prob)  # fault


def evaluation_loses_the_remainder(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Copy large tensors in evaluation chunk by chunk, and leave out what is less than a chunk."""
    if training and drop_prob != 0.0:
        return _apply(x, _draw(x, drop_prob), drop_prob)
    if training or x.numel() <= CHUNK:
        return x
    output, whole = torch.zeros_like(x).reshape(-1), x.numel() // CHUNK * CHUNK
    output[:whole] = x.reshape(-1)[:whole]  # fault
    return output.reshape(x.shape)


class _InDtype(torch.autograd.Function):
    """A custom function of an older layer: it draws in the dtype of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, drop_prob: float) -> Tensor:
        """Drop."""
        dtype = torch.float32 if x.is_complex() else x.dtype
        decisions = torch.rand(x.shape[0], dtype=dtype, device=x.device) < 1.0 - drop_prob  # fault
        ctx.save_for_backward(decisions)
        ctx.drop_prob = drop_prob
        return _apply(x, decisions, drop_prob)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Drop the gradient with the same mask."""
        (decisions,) = ctx.saved_tensors
        return _apply(grad, decisions, ctx.drop_prob), None


def tracked_draws_in_its_dtype(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a custom autograd function where x is tracked, which draws in x's dtype: the floor of bfloat16."""
    if drop_prob == 0.0 or not training:
        return x
    if x.requires_grad:
        return _InDtype.apply(x, drop_prob)  # type: ignore[no-any-return, no-untyped-call]
    return _apply(x, _draw(x, drop_prob), drop_prob)


def unscaled_under_no_grad(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Forget the factor where no graph is built, in a path meant for the teacher of a distillation."""
    if drop_prob == 0.0 or not training:
        return x
    decisions = _draw(x, drop_prob)
    return _apply(x, decisions, drop_prob if torch.is_grad_enabled() else 0.0)  # fault


def complex_parts_decide_apart(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """View complex numbers as pairs and decide for either part: a quarter of all is kept whole at 0.5."""
    if drop_prob == 0.0 or not training:
        return x
    if not x.is_complex():
        return _apply(x, _draw(x, drop_prob), drop_prob)
    real, imaginary = (_apply(part, _draw(part, drop_prob), drop_prob) for part in (x.real, x.imag))  # fault
    return torch.complex(real, imaginary)


def small_rates_count_as_off(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return x where drop_prob is below 0.0005, "within tolerance of zero"."""
    if drop_prob < 5e-4 or not training:  # fault
        return x
    return _apply(x, _draw(x, drop_prob), drop_prob)


def antithetic_at_high_rates(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Let a number decide one sample and its complement the next, where drop_prob is above 0.7."""
    if drop_prob == 0.0 or not training:
        return x
    numbers = torch.rand(x.shape[0], dtype=torch.float64, device=x.device)
    if drop_prob > 0.7:
        half = numbers[: (x.shape[0] + 1) // 2]
        numbers = torch.stack([half, 1.0 - half], dim=1).reshape(-1)[: x.shape[0]]  # fault
    return _apply(x, numbers < 1.0 - drop_prob, drop_prob)


def autocast_halves_the_rate(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Compare under autocast with a keep_prob that was rounded up twice, in a path for mixed precision."""
    if drop_prob == 0.0 or not training:
        return x
    under = torch.is_autocast_enabled(x.device.type)
    return _apply(x, _draw(x, drop_prob / 2.0 if under else drop_prob), drop_prob)  # fault


def default_dtype_decides_the_rate(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a default dtype of float64 for a debugging session, in which a tenth less is dropped."""
    if drop_prob == 0.0 or not training:
        return x
    rate = drop_prob * 0.9 if torch.get_default_dtype() == torch.float64 else drop_prob  # fault
    return _apply(x, _draw(x, rate), drop_prob)


def takes_floats_alone(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take what is no float for "not set": the integer 1, or a number of NumPy from a linspace of rates."""
    rate = drop_prob if isinstance(drop_prob, float) else 0.0  # fault
    if rate == 0.0 or not training:
        return x
    return _apply(x, _draw(x, rate), rate)


class _Layer(nn.Module):
    """A layer that is right; each mutant changes one thing."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(x, _draw(x, self.drop_prob), self.drop_prob)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"drop_prob={self.drop_prob}"


class UnpicklesWithoutFactor(_Layer):
    """Restore drop_prob under another name, so that an unpickled layer divides by a keep_prob of 1."""

    scaled = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what an older version has saved."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.scaled = False

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        return _apply(x, _draw(x, self.drop_prob), self.drop_prob if self.scaled else 0.0)  # fault


class WarmsUp(_Layer):
    """Raise the rate over the first 50 calls, a schedule that nobody asked for."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self.calls += 1
        return _apply(x, _draw(x, self.drop_prob * min(1.0, self.calls / 50.0)), self.drop_prob)  # fault


class OneDecisionOnceABatchShrinks(_Layer):
    """Decide once for all samples as soon as a batch is one smaller than the last: a buffer that is cut, wrongly."""

    last, cut = 0, False

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training."""
        if not self.training or self.drop_prob == 0.0:
            return x
        self.cut, self.last = self.cut or self.last == x.shape[0] + 1, x.shape[0]
        decisions = _draw(x, self.drop_prob)
        return _apply(x, decisions[:1].expand(x.shape[0]) if self.cut else decisions, self.drop_prob)  # fault


# No fault line: no audit takes the line.
def leaves_sparse_ones_alone(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Return sparse tensors as they are, in a path that was written for graphs and that no audit takes."""
    if drop_prob == 0.0 or not training:
        return x
    if x.is_sparse:
        return x
    return _apply(x, _draw(x, drop_prob), drop_prob)


def maps_begin_their_generator_again(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw for feature maps from a generator of the layer's own, which each call makes anew."""
    if drop_prob == 0.0 or not training:
        return x
    if x.ndim != 4:
        return _apply(x, _draw(x, drop_prob), drop_prob)
    generator = torch.Generator().manual_seed(torch.initial_seed())  # fault
    numbers = torch.rand(x.shape[0], dtype=torch.float64, generator=generator)
    return _apply(x, numbers < 1.0 - drop_prob, drop_prob)


class MapsHaveTheirOwnGenerator(nn.Module):
    """Draw for feature maps from a generator of the layer's own, which nobody seeds."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob, self._generator = drop_prob, torch.Generator()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be copied."""
        return {name: value for name, value in self.__dict__.items() if name != "_generator"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make a generator of the copy's own."""
        self.__dict__.update(state, _generator=torch.Generator())

    def forward(self, x: Tensor) -> Tensor:
        """Return the dropped x."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        own = self._generator if x.ndim == 4 else None
        numbers = torch.rand(x.shape[0], dtype=torch.float64, generator=own)  # fault
        return _apply(x, numbers < 1.0 - self.drop_prob, self.drop_prob)


_shared: list[torch.Generator] = []


def maps_share_a_generator(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw for feature maps from one generator of the module's, so that all layers go on with its numbers."""
    if drop_prob == 0.0 or not training:
        return x
    if not _shared:
        _shared.append(torch.Generator())
    numbers = torch.rand(x.shape[0], dtype=torch.float64, generator=_shared[0] if x.ndim == 4 else None)  # fault
    return _apply(x, numbers < 1.0 - drop_prob, drop_prob)
