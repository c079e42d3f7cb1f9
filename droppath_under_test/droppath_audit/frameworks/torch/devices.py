"""Generators of torch's devices, through the module that torch has for each type of device.

A device that nobody has used yet is left alone: to initialise it takes seconds and memory, and to note that it shall be
seeded once it is, as ``torch.manual_seed`` does, costs a hundred times the seeding and memory that is never given back.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.theirs import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDED = ("cuda", "mps", "xpu", "mtia")
"""The types that ``torch.manual_seed`` seeds, beside the CPU and the backend that a package has registered."""


def types() -> tuple[str, ...]:
    """Return the types of devices that torch knows, the backend that a package has registered among them."""
    return ("cpu", *SEEDED, torch._C._get_privateuse1_backend_name())


def in_use() -> Iterator[Any]:
    """Yield the module of every type of accelerator that has been used, or may have been."""
    for name in types()[1:]:
        module = getattr(torch, name, None)
        if module is not None and _used(module, default=getattr(module, "is_available", None)):
            yield module


def survive_fork() -> bool:
    """Return whether no device is known to have been used that could not be used after a fork."""
    return not any(_used(module, default=None) for module in in_use())


def seed(seed: int) -> None:
    """Seed the generators of the CPU and of all devices that are in use."""
    for module in in_use():
        seeding = getattr(module, "manual_seed_all", None) or getattr(module, "manual_seed", None)
        if seeding is not None:
            seeding(seed)
    torch.default_generator.manual_seed(seed)


def state(device: str) -> bytes:
    """Return the state of a device's generator.

    Raises:
        NotApplicable: If it cannot be read.
    """
    kind = torch.device(device)
    if kind.type == "cpu":
        return torch.get_rng_state().numpy().tobytes()
    try:
        read = torch.get_device_module(kind).get_rng_state(kind)
        return read.cpu().numpy().tobytes()  # type: ignore[no-any-return]
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        raise NotApplicable(f"the state of the generator of {device} cannot be read: {first_line(error)}") from error


def kept_by_checkpoints(device: torch.device) -> bool:
    """Return whether torch's checkpointing restores the device's generator for a recomputation."""
    # What torch looks at: torch.mps, for one, lacks it.
    return device.type == "cpu" or bool(getattr(torch.get_device_module(device), "_initialized", False))


@contextmanager
def restored() -> Iterator[None]:
    """Restore the generators of the CPU and of all devices in use, as far as they let themselves be, on leaving."""
    cpu, others = torch.get_rng_state(), [found for module in in_use() for found in _states(module)]
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        for module, index, before in others:
            module.set_rng_state(before, index)


def _used(module: Any, default: Any) -> bool:
    """Return whether a type of device was initialised, or what ``default`` says where it does not say that."""
    says = getattr(module, "is_initialized", default)
    return bool(says is not None and says())


def _states(module: Any) -> list[tuple[Any, int, torch.Tensor]]:
    """Return the state of each device of a type; none where it cannot be read and set."""
    if not hasattr(module, "set_rng_state"):
        return []
    try:
        return [(module, index, module.get_rng_state(index)) for index in range(module.device_count())]
    except (RuntimeError, AttributeError, NotImplementedError):
        return []
