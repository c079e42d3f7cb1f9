"""Faults of a declared refusal of keep_prob = 0."""

from __future__ import annotations

import torch
from torch import Tensor


def _dropped(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Apply DropPath correctly, so that a mutant has one fault only."""
    if drop_prob == 0.0 or not training:
        return x
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    mask = torch.rand(shape, device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def asserts_instead_of_refusing(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Refuse with an assertion, which python -O removes and no caller's ``except ValueError`` catches."""
    if drop_prob >= 1.0:
        raise AssertionError("drop_prob must be smaller than 1")  # fault
    return _dropped(x, drop_prob, training)


def refuses_too_early(x: Tensor, drop_prob: float, training: bool) -> Tensor:
    """Refuse what rounds to 1 at two digits, because the comparison is made with the number that is displayed."""
    if round(drop_prob, 2) >= 1.0:
        raise ValueError(f"drop_prob must be smaller than 1, not {drop_prob}")  # fault
    return _dropped(x, drop_prob, training)


asserts_instead_of_refusing.items = "keep_prob_zero=raises"  # type: ignore[attr-defined]
refuses_too_early.items = "keep_prob_zero=raises"  # type: ignore[attr-defined]
