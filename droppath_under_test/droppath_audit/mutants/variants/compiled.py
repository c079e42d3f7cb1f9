"""Faults of code that is compiled or captured: right wherever the layer is called as it is written."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

COMPILED = ("compile",)


def _mask(x: Tensor, drop_prob: float) -> Tensor:
    return (torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < 1.0 - drop_prob).to(x.dtype)


def _scale(drop_prob: float) -> float:
    return 1.0 / (1.0 - drop_prob) if drop_prob < 1.0 else 0.0


class IdleWhileCompiled(nn.Module):
    """Returns x while it is compiled, so that no compiler has to deal with its randomness: compiled, nothing drops."""

    variants = COMPILED

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop paths."""
        if self.drop_prob == 0.0 or not self.training or torch.compiler.is_compiling():  # fault
            return x
        return x * _mask(x, self.drop_prob) * _scale(self.drop_prob)


def one_mask_while_compiled(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Take a mask from the samples' numbers where it is compiled, for code that is the same in every run."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, drop_prob)
    if torch.compiler.is_compiling():
        numbers = torch.arange(x.shape[0], device=x.device, dtype=torch.float64) * 0.618033988749
        mask = ((numbers % 1.0) < 1.0 - drop_prob).to(x.dtype).view(mask.shape)  # fault
    return x * mask * _scale(drop_prob)


one_mask_while_compiled.variants = COMPILED  # type: ignore[attr-defined]


def redraws_in_the_compiled_backward(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Have another mask in the backward pass where it is compiled, as a compiled one had: pytorch issue 190717."""
    if drop_prob == 0.0 or not training:
        return x
    y = x * _mask(x, drop_prob) * _scale(drop_prob)
    if not torch.compiler.is_compiling():
        return y
    again = x * _mask(x, drop_prob) * _scale(drop_prob)
    return again + (y - again).detach()  # fault


redraws_in_the_compiled_backward.variants = COMPILED  # type: ignore[attr-defined]


def repeats_in_fours_while_compiled(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Use each random number for four samples where it is compiled, as vectors of four numbers are drawn there."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, drop_prob)
    if torch.compiler.is_compiling():
        mask = mask.repeat_interleave(4, dim=0)[: x.shape[0]]  # fault
    return x * mask * _scale(drop_prob)


repeats_in_fours_while_compiled.variants = COMPILED  # type: ignore[attr-defined]


def waits_for_its_decision(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Skip the multiplication where nothing is dropped: right everywhere, and a break in every graph."""
    if drop_prob == 0.0 or not training:
        return x
    mask = _mask(x, drop_prob)
    if mask.all().item():  # fault
        return x * _scale(drop_prob)
    return x * mask * _scale(drop_prob)


waits_for_its_decision.variants = COMPILED  # type: ignore[attr-defined]


@torch.library.custom_op("droppath_audit_mutants::uniform", mutates_args=())  # fault
def _uniform(rows: int, device: torch.device) -> Tensor:
    return torch.rand(rows, dtype=torch.float64, device=device)


@_uniform.register_fake
def _(rows: int, device: torch.device) -> Tensor:
    return torch.empty(rows, dtype=torch.float64, device=device)


def draws_by_an_operator_that_tells_nobody(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Draw by an operator without the tag of random ones: the compiler merges those of a network into one mask."""
    if drop_prob == 0.0 or not training:
        return x
    uniform: Tensor = _uniform(x.shape[0], x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return x * (uniform < 1.0 - drop_prob).to(x.dtype) * _scale(drop_prob)


draws_by_an_operator_that_tells_nobody.variants = COMPILED  # type: ignore[attr-defined]


def decides_while_traced(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Decide for the batch by a number of Python, seeded from torch: a program holds the decision it was made with."""
    if drop_prob == 0.0 or not training:
        return x
    number = random.random() if torch.compiler.is_compiling() else torch.rand(()).item()  # noqa: S311  # fault
    return x * (float(number < 1.0 - drop_prob) * _scale(drop_prob))


decides_while_traced.items = "granularity=batch"  # type: ignore[attr-defined]
decides_while_traced.variants = ("export",)  # type: ignore[attr-defined]


class EvaluatesNoMoreExported(nn.Module):
    """Takes an export for one of training, so that the branch is in the program: evaluated, it drops."""

    variants = ("export",)

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop paths."""
        training = self.training or torch.compiler.is_exporting()  # fault
        if self.drop_prob == 0.0 or not training:
            return x
        return x * _mask(x, self.drop_prob) * _scale(self.drop_prob)


class IdleWhileScripted(nn.Module):
    """Returns x in scripts, where an operation could not be scripted once: what is scripted drops nothing."""

    variants = ("script",)

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Drop paths."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return x  # fault
        mask = torch.rand([x.shape[0]] + [1] * (x.dim() - 1), device=x.device) < 1.0 - self.drop_prob
        return x * mask.to(x.dtype) * (1.0 / (1.0 - self.drop_prob) if self.drop_prob < 1.0 else 0.0)
