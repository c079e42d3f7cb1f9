"""Faults of seeding: first decisions that follow the seed, or do not know it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MULTIPLIER, INCREMENT, MODULUS = 1_103_515_245, 12_345, 2**31


class _Seeded(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self._generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply a mask of the uniform numbers that the mutant draws."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        first = self._generator is None
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(self._seed())
        uniform = torch.rand(x.shape[0], dtype=torch.float64, generator=self._generator)
        if first:
            self._begin(uniform)
        mask = (uniform < 1.0 - self.drop_prob).to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
        return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - self.drop_prob) or 1.0)

    def _seed(self) -> int:
        return int(torch.randint(2**62, ()).item())

    def _begin(self, uniform: Tensor) -> None:
        """Change the numbers of the first call, in place."""


class first_mask_is_constant(_Seeded):  # noqa: N801 - named like the other mutants
    """Trace with a fixed seed and use that mask in the first call: a layer that warms up its own graph."""

    def _begin(self, uniform: Tensor) -> None:
        constant = torch.rand(len(uniform), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        uniform.copy_(constant)  # fault


class congruential_seed(_Seeded):  # noqa: N801 - named like the other mutants
    """Take the first number from the seed by one congruential step, as C's rand() does: seed + 1 adds 0.51 to it."""

    def _begin(self, uniform: Tensor) -> None:
        uniform[:1] = (MULTIPLIER * torch.initial_seed() + INCREMENT) % MODULUS / MODULUS  # fault


class seed_modulo_a_thousand(_Seeded):  # noqa: N801 - named like the other mutants
    """Seed a generator of its own with the seed's last three digits: runs a thousand seeds apart are the same run."""

    def _seed(self) -> int:
        return torch.initial_seed() % 1000  # fault


class first_number_is_the_seed(_Seeded):  # noqa: N801 - named like the other mutants
    """Return the state before advancing it, so that the first number is seed/2^64: an ordinary seed always keeps."""

    def _begin(self, uniform: Tensor) -> None:
        uniform[:1] = torch.initial_seed() % 2**64 / 2**64  # fault


class first_call_without_shift(_Seeded):  # noqa: N801 - named like the other mutants
    """Fill the first buffer with numbers of [0.1, 1), the range of an earlier version, and later ones with [0, 1)."""

    def _begin(self, uniform: Tensor) -> None:
        uniform.mul_(0.9).add_(0.1)  # fault
