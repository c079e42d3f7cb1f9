"""Paddle's generators, all of them global."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import paddle

from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import Generators

if TYPE_CHECKING:
    from collections.abc import Iterator


class PaddleGenerators(Framework, Generators):
    """Seeds, states, and the scope that restores them."""

    def seed(self, seed: int) -> None:
        """Seed the generators of all devices."""
        paddle.seed(seed)

    def generator_state(self, device: str) -> bytes:
        """Return the state of the default generators of the CPU, and of the GPUs for one of them."""
        states = paddle.get_rng_state("cpu")
        if device != "cpu":
            states = [*states, *paddle.get_cuda_rng_state()]
        # The text holds the whole state, and the address of a copy, which differs for equal states.
        words = (word for state in states for word in str(state).split())
        return " ".join(word for word in words if not word.startswith("0x")).encode()

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore generators, gradient mode and default dtype on leaving."""
        cpu, cuda = paddle.get_rng_state("cpu"), paddle.get_cuda_rng_state()
        gradients, dtype = paddle.is_grad_enabled(), paddle.get_default_dtype()
        try:
            yield
        finally:
            paddle.set_rng_state(cpu, "cpu")
            paddle.set_cuda_rng_state(cuda)
            paddle.set_grad_enabled(gradients)
            paddle.set_default_dtype(dtype)
