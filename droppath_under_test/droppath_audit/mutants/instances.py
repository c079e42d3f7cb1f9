"""Faults of instances: layers that share a generator, a mask or a counter with one another."""

from __future__ import annotations

from typing import ClassVar
from weakref import WeakSet

import torch
from torch import Tensor, nn


def _apply(x: Tensor, decisions: Tensor, drop_prob: float) -> Tensor:
    """Apply decisions of shape (B,) correctly, so that a mutant has one fault only."""
    mask = decisions.to(x.device).view((x.shape[0],) + (1,) * (x.ndim - 1))
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


class _Layer(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        """Apply a mask of the uniform numbers that the mutant draws."""
        if self.drop_prob == 0.0 or not self.training:
            return x
        return _apply(x, self._uniform(x.shape[0]) < 1.0 - self.drop_prob, self.drop_prob)

    def _uniform(self, size: int) -> Tensor:
        raise NotImplementedError


class generator_that_is_copied(_Layer):  # noqa: N801 - named like the other mutants
    """Keep a generator that the framework's seeded: two layers differ, the blocks of a deep copy do not.

    torch.nn.TransformerEncoder makes its blocks by deepcopy.
    """

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self._generator = torch.Generator().manual_seed(int(torch.randint(2**62, ()).item()))  # fault

    def _uniform(self, size: int) -> Tensor:
        return torch.rand(size, dtype=torch.float64, generator=self._generator)


class generator_seeded_at_the_first_call(_Layer):  # noqa: N801 - named like the other mutants
    """Seed a generator of its own with torch.initial_seed(): reproducible, and the same in every layer."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self._generator: torch.Generator | None = None

    def _uniform(self, size: int) -> Tensor:
        if self._generator is None:
            self._generator = torch.Generator().manual_seed(torch.initial_seed())  # fault
        return torch.rand(size, dtype=torch.float64, generator=self._generator)


class mask_shared_by_the_class(_Layer):  # noqa: N801 - named like the other mutants
    """Draw once a forward pass of the model, on the class, "to save random numbers": all blocks drop the same samples.

    A block that has used the numbers already draws new ones.
    """

    _shared: ClassVar[Tensor] = torch.empty(0)
    _users: ClassVar[WeakSet[nn.Module]] = WeakSet()  # not their addresses, which new blocks inherit from old ones

    def _uniform(self, size: int) -> Tensor:
        cls = mask_shared_by_the_class
        if len(cls._shared) != size or self in cls._users:
            cls._shared = torch.rand(size, dtype=torch.float64)  # fault
            cls._users.clear()
        cls._users.add(self)
        return cls._shared


class seed_of_block_plus_step(_Layer):  # noqa: N801 - named like the other mutants
    """Seed with seed + block + step: block 1 repeats in step 0 what block 0 draws in step 1.

    Sums of indices as seeds are common wherever masks must be recomputed, as in activation checkpointing.
    """

    _blocks: ClassVar[int] = 0

    def __init__(self, drop_prob: float) -> None:
        super().__init__(drop_prob)
        self._block, self._step = seed_of_block_plus_step._blocks, 0
        seed_of_block_plus_step._blocks += 1

    def _uniform(self, size: int) -> Tensor:
        seed = (torch.initial_seed() + self._block + self._step) % 2**63
        self._step += 1
        return torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))  # fault


class antithetic_blocks(_Layer):  # noqa: N801 - named like the other mutants
    """Use u in one block and 1 - u in the next, so that the depth of the network varies less: antithetic sampling."""

    _last: ClassVar[tuple[nn.Module, Tensor] | None] = None

    def _uniform(self, size: int) -> Tensor:
        cls = antithetic_blocks
        if cls._last is not None and cls._last[0] is not self and len(cls._last[1]) == size:
            uniform, cls._last = 1.0 - cls._last[1], None  # fault
            return uniform
        uniform = torch.rand(size, dtype=torch.float64)
        cls._last = (self, uniform)
        return uniform
