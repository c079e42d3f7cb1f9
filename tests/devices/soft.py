"""A second device of torch, made of the CPU's memory: what holds for it holds for no device by name.

``droppath-audit SPEC --import tests.devices.soft --device soft``
``python -m pytest tests/conformance --droppath-import tests.devices.soft --droppath-device soft``

Tensors say that they are on ``soft``, and every operation on them is computed on the CPU: random ones from a generator
of the device's own, whose seed ``torch.manual_seed`` sets and whose state checkpointing keeps. As on an accelerator,
work is recorded as a graph and replayed, tensors of two devices do not meet, autocast casts by a table of its own,
some operations refuse the deterministic mode, and it is counted how often the CPU waits for values. What it lacks is
``torch.Generator("soft")``, for which torch asks hooks in C++: keys are not applicable.

A process can register one such backend, before its first backward pass, and cannot take it back.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any, ClassVar

import torch
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "soft"
MOVES = ("_to_copy", "copy_", "_copy_from")
WAITS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
NONDETERMINISTIC = ("index_add", "index_add_", "scatter_add", "scatter_add_", "put_", "kthvalue", "cumsum")
"""Operations of which the device says that they have no deterministic implementation, as some of CUDA have none."""
AUTOCAST_LOWER = ("mm", "addmm", "bmm", "baddbmm", "matmul", "linear", "mv")
AUTOCAST_FLOAT32 = ("exp", "log", "pow.Tensor_Scalar", "sum", "prod", "cumsum", "softmax.int", "norm.Scalar")


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

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self, *, force=False):
        if not force:
            raise TypeError(f"can't convert {self.device} device type tensor to numpy")
        return self.detach().cpu().numpy(force=True)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


class Module:
    """What ``torch.soft`` is.

    Attributes:
        generator: From which the device draws.
        in_use: Whether it was used, as torch is told.
        readable: Whether the state of its generator can be read.
        lower: Dtypes to which autocast casts.
        waits: How often the CPU had to wait for values of the device.
    """

    generator = torch.Generator("cpu").manual_seed(0)
    in_use: ClassVar[bool] = True
    readable: ClassVar[bool] = True
    lower: ClassVar[list[torch.dtype]] = [torch.bfloat16, torch.float16]
    waits: ClassVar[int] = 0

    __name__ = f"torch.{NAME}"

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
        Module.waits += 1

    def _is_in_bad_fork(self):
        return False

    def manual_seed(self, seed):
        self.generator.manual_seed(seed)

    manual_seed_all = manual_seed

    def get_rng_state(self, device=NAME):
        if not Module.readable:
            raise NotImplementedError("soft keeps its state to itself")
        return self.generator.get_state()

    def set_rng_state(self, state, device=NAME):
        self.generator.set_state(state)

    def get_amp_supported_dtype(self):
        return Module.lower

    def current_stream(self, device=None):
        return Stream()

    def stream(self, stream):
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def graph(self, graph):
        SoftGraph.recording = graph.steps
        try:
            yield
        finally:
            SoftGraph.recording = None

    @property
    def Stream(self):  # noqa: N802
        return Stream

    @property
    def SoftGraph(self):  # noqa: N802
        return SoftGraph


class Stream:
    """What waits for nothing: the device does its work at once."""

    def wait_stream(self, other):
        pass


class SoftGraph:
    """Operations that were recorded, and are done again into the same memory; nothing is left out while recording."""

    recording: ClassVar[list | None] = None

    def __init__(self):
        self.steps = []

    def replay(self):
        for again, result in self.steps:
            mapped_together(lambda fresh, old: old.copy_(fresh), again(), result)


def mapped_together(function, first, second):
    """Call a function with each two tensors at the same place."""
    if isinstance(first, (list, tuple)):
        for one, other in zip(first, second, strict=True):
            mapped_together(function, one, other)
    # What was made empty was resized since: a later step fills it.
    elif isinstance(first, torch.Tensor) and first.data_ptr() != second.data_ptr() and first.shape == second.shape:
        function(first, second)


def mapped(function, value):
    """Return lists and dicts of what a function makes of each leaf; torch's trees cost more than operations."""
    if isinstance(value, list):
        return [mapped(function, one) for one in value]
    if isinstance(value, tuple):
        return tuple(mapped(function, one) for one in value)
    if isinstance(value, dict):
        return {key: mapped(function, one) for key, one in value.items()}
    return function(value)


def unwrapped(value: Any, *, strict: bool) -> Any:
    if isinstance(value, Soft):
        return value.raw
    if isinstance(value, torch.Tensor) and strict and value.dim() > 0:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {NAME}:0 and {value.device}!")
    if isinstance(value, torch.Generator) and strict:
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found '{value.device}'")
    return torch.device("cpu") if isinstance(value, torch.device) else value


def run(func, args, kwargs):
    """Run an operation on the CPU's tensors, and wrap what it returns."""
    name, device, given = func.overloadpacket.__name__, kwargs.get("device"), {}
    moves, there = name in MOVES, device is None or torch.device(device).type == NAME
    if name in NONDETERMINISTIC and torch.are_deterministic_algorithms_enabled():
        raise RuntimeError(f"{name} does not have a deterministic implementation on {NAME}")
    Module.waits += any(tag in func.tags for tag in WAITS)
    passes = moves and (not there or any(isinstance(one, torch.Tensor) and not isinstance(one, Soft) for one in args))
    if SoftGraph.recording is not None and (passes or any(tag in func.tags for tag in WAITS)):
        raise RuntimeError(f"{name} is not permitted while {NAME} records: the CPU takes part in it")

    def bare(value):
        if isinstance(value, Soft):
            given[id(value.raw)] = value
        return unwrapped(value, strict=there and not moves)

    def wrapped(value):
        if not isinstance(value, torch.Tensor):
            return value
        return given[id(value)] if id(value) in given else Soft(value)

    raw_args, raw_kwargs = mapped(bare, args), mapped(bare, kwargs)
    if name == "copy_":
        Module.waits += not isinstance(args[0], Soft)
        raw_args[0].copy_(*raw_args[1:])
        return args[0]
    if moves and device is None:
        there = isinstance(args[0], Soft)
    how = partial(drawn if there and is_random(func) else called, func, raw_args, raw_kwargs)
    result = how()
    Module.waits += moves and not there
    if SoftGraph.recording is not None:
        SoftGraph.recording.append((how, result))
    return mapped(wrapped, result) if there else result


def called(func, args, kwargs):
    return func(*args, **kwargs)


def is_random(func):
    return torch.Tag.nondeterministic_seeded in func.tags


def drawn(func, args, kwargs):
    """Run an operation that draws, with the device's generator in place of the CPU's."""
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func(*args, **{**kwargs, "generator": Module.generator})
    if "generator" in func.overloadpacket.overloads():
        return func.overloadpacket.generator(*args, **kwargs, generator=Module.generator)
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


def autocast(op, lower, *args, **kwargs):
    """Run an operation in the dtype of autocast, or in float32, outside of it."""
    dtype = torch.get_autocast_dtype(NAME) if lower else torch.float32
    from_ = (torch.float32, *Module.lower)

    def cast(value):
        eligible = isinstance(value, torch.Tensor) and value.device.type == NAME and value.dtype in from_
        return value.to(dtype) if eligible else value

    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)):
        return op(*mapped(cast, args), **mapped(cast, kwargs))


_setup_privateuseone_for_python_backend(NAME, backend_module=Module())
LIBRARIES = [torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")]  # kept: they go with the object
LIBRARIES[0].fallback(lambda func, *args, **kwargs: run(func, args, kwargs), "PrivateUse1")
LIBRARIES[0].fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
LIBRARIES[1].impl("_copy_from", copy_from, "PrivateUse1")
for names, is_lower in ((AUTOCAST_LOWER, True), (AUTOCAST_FLOAT32, False)):
    for name in names:
        packet, _, overload = name.partition(".")
        op = getattr(getattr(torch.ops.aten, packet), overload or "default")
        LIBRARIES[1].impl(name, partial(autocast, op, is_lower), "AutocastPrivateUse1")
