"""Torch's generators: those that are global, and those that a call is given."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import Generators, Keys
from droppath_audit.frameworks.keys import KeySeeds
from droppath_audit.frameworks.theirs import first_line
from droppath_audit.frameworks.torch import devices

if TYPE_CHECKING:
    from collections.abc import Iterator


class TorchGenerators(Framework, Generators, Keys):
    """Seeds, states, keys, and the scope that restores them."""

    def __init__(self) -> None:
        self._keys = KeySeeds()

    def seed(self, seed: int) -> None:
        """Seed the generators of all devices that are in use, and the keys."""
        devices.seed(seed)
        self._keys.seed(seed)

    def generator_state(self, device: str) -> bytes:
        """Return the state of the default generators of the CPU and of ``device``."""
        cpu = devices.state("cpu")
        return cpu if torch.device(device).type == "cpu" else cpu + devices.state(device)

    def key(self, device: str) -> torch.Generator:
        """Return a freshly seeded generator.

        Raises:
            NotApplicable: If the device has none but its default one.
        """
        try:
            generator = torch.Generator(device)
        except (RuntimeError, NotImplementedError) as error:
            raise NotApplicable(f"no generator can be made for {device}: {first_line(error)}") from error
        return generator.manual_seed(self._keys.next())

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore generators, keys, gradient mode and default dtype on leaving."""
        gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        with devices.restored(), self._keys.scope():
            try:
                yield
            finally:
                torch.set_grad_enabled(gradients)
                torch.set_default_dtype(dtype)
