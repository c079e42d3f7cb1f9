"""A second device of torch, made of the CPU's memory: what holds for it holds for no device by name.

Tensors say that they are on ``soft``, and every operation on them runs on the CPU, random ones from a generator of the
device's own. It has no ``torch.Generator`` and no autocast. A process can register one such backend, before its first
backward pass, and cannot take it back; so it is used in a process of its own (test_second_device.py).
"""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "soft"


class Soft(torch.Tensor):
    """A tensor on the device, around one on the CPU."""

    @staticmethod
    def __new__(cls, raw, requires_grad=False):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            raw.shape,
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(NAME, 0),
            requires_grad=requires_grad,
        )

    def __init__(self, raw, requires_grad=False):
        # Whoever looks at the memory of a tensor that is negated or conjugated on reading, as kernels here do, errs.
        self.raw = raw.resolve_conj().resolve_neg()

    def __repr__(self):
        return f"Soft({self.raw})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


class Module:
    """What ``torch.soft`` is."""

    generator = torch.Generator("cpu").manual_seed(0)
    in_use: ClassVar[bool] = True
    readable: ClassVar[bool] = True

    @property
    def _initialized(self):
        """What torch's checkpointing looks at before it keeps a generator's state."""
        return Module.in_use

    def device(self, index):
        return contextlib.nullcontext()

    def is_initialized(self):
        return Module.in_use

    def is_available(self):
        return True

    def current_device(self):
        return 0

    def device_count(self):
        return 1

    def set_device(self, index):
        pass

    def synchronize(self, device=None):
        pass

    def _is_in_bad_fork(self):
        return False

    def manual_seed_all(self, seed):
        self.generator.manual_seed(seed)

    def get_rng_state(self, device=NAME):
        if not Module.readable:
            raise NotImplementedError("soft keeps its state to itself")
        return self.generator.get_state()

    def set_rng_state(self, state, device=NAME):
        self.generator.set_state(state)

    def get_amp_supported_dtype(self):
        return [torch.bfloat16]


def unwrapped(value: Any, *, strict: bool) -> Any:
    if isinstance(value, Soft):
        return value.raw
    if isinstance(value, torch.Tensor) and strict and value.dim() > 0:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {NAME}:0 and {value.device}!")
    return torch.device("cpu") if isinstance(value, torch.device) else value


def run(func, args, kwargs):
    """Run an operation on the CPU's tensors, and wrap what it returns."""
    device = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    moves = func.overloadpacket.__name__ in ("_to_copy", "copy_", "_copy_from")
    raw_args, raw_kwargs = pytree.tree_map(lambda value: unwrapped(value, strict=not moves), (args, kwargs))
    if func.overloadpacket.__name__ == "copy_":
        unwrapped(args[0], strict=False).copy_(*raw_args[1:])
        return args[0]
    result = drawn(func, raw_args, raw_kwargs) if is_random(func) else func(*raw_args, **raw_kwargs)
    arguments = {id(value.raw): value for value in pytree.tree_leaves((args, kwargs)) if isinstance(value, Soft)}
    stays = isinstance(args[0], Soft) if moves else True
    if (device.type != NAME) if device is not None else not stays:
        return result
    return pytree.tree_map(
        lambda value: arguments.get(id(value), Soft(value)) if isinstance(value, torch.Tensor) else value, result
    )


def is_random(func):
    return torch.Tag.nondeterministic_seeded in func.tags


def drawn(func, args, kwargs):
    """Run an operation that draws, with the device's generator in place of the CPU's."""
    state = torch.get_rng_state()
    torch.set_rng_state(Module.generator.get_state())
    try:
        return func(*args, **kwargs)
    finally:
        Module.generator.set_state(torch.get_rng_state())
        torch.set_rng_state(state)


def copy_from(source, target, non_blocking=False):
    unwrapped(target, strict=False).copy_(unwrapped(source, strict=False))
    return target


_setup_privateuseone_for_python_backend(NAME, backend_module=Module())
LIBRARIES = [torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")]  # kept: they go with the object
LIBRARIES[0].fallback(lambda func, *args, **kwargs: run(func, args, kwargs), "PrivateUse1")
LIBRARIES[1].impl("_copy_from", copy_from, "PrivateUse1")
