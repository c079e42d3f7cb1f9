"""Torch's global settings, hooks and functions."""

from __future__ import annotations

import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.modules.module as global_hooks
import torch.utils._device as current_device

from droppath_audit.frameworks.capabilities import GlobalSettings
from droppath_audit.frameworks.python_settings import assigned, filled, unpacked
from droppath_audit.frameworks.settings import Setting
from droppath_audit.frameworks.torch import devices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODULES = (
    "torch", "torch._C._nn", "torch._C._linalg", "torch._C._special", "torch._C._fft", "torch.nn",
    "torch.nn.functional", "torch.nn.init", "torch.autograd", "torch.autograd.grad_mode", "torch.random",
    "torch.special", "torch.linalg", "torch.fft", "torch.distributions", "torch.overrides", "torch.amp", "torch.jit",
    "torch.compiler", "torch.utils.checkpoint", "torch.func", "torch.autograd.functional", "torch.nn.utils",
)  # fmt: skip
CLASSES = ("torch.Tensor", "torch.autograd.Function", "torch.no_grad", "torch.enable_grad", "torch.autocast")
HOOKS = "torch.nn.modules.module"
BACKENDS = (
    "cudnn.enabled", "cudnn.benchmark", "cudnn.deterministic", "mkldnn.enabled", "mkldnn.deterministic",
    "cuda.matmul.allow_fp16_reduced_precision_reduction", "cuda.matmul.allow_bf16_reduced_precision_reduction",
    "quantized.engine", "opt_einsum.enabled", "opt_einsum.strategy",
)  # fmt: skip
ATTENTION = ("flash_sdp", "math_sdp", "mem_efficient_sdp", "cudnn_sdp")
PRECISIONS = [
    *(("generic", "all"), ("cuda", "all"), ("cuda", "matmul"), ("cuda", "conv"), ("cuda", "rnn")),
    *(("mkldnn", "all"), ("mkldnn", "matmul"), ("mkldnn", "conv"), ("mkldnn", "rnn")),
]

_c = torch._C
_switches: list[Any] = []


class TorchSettings(GlobalSettings):
    """See ``capabilities.GlobalSettings``."""

    aliases = frozenset({"torch.Storage"})

    def settings(self) -> tuple[Setting, ...]:
        """Return torch's settings, those of accelerators as far as they are in use."""
        return (
            *_SETTINGS,
            _autocast(devices.types()),
            *(_current_device(module) for module in devices.in_use() if {"set_device", "__name__"} <= set(dir(module))),
        )

    def namespaces(self) -> Mapping[str, Any]:
        """Return the modules whose functions a network calls, and the classes of tensors and layers."""
        found = {name: sys.modules[name] for name in MODULES if name in sys.modules}
        found |= {name: _at(name) for name in CLASSES}
        layers = {cls.__name__: cls for cls in vars(torch.nn).values() if isinstance(cls, type)}
        return found | {
            f"torch.nn.{name}": layers[name] for name in layers if getattr(torch.nn, name, None) is not None
        }

    def folders(self) -> tuple[str, ...]:
        """Return torch's folder: its compiler keeps threads and processes."""
        return (str(Path(torch.__file__).parent),)

    def carried(self, tensor: torch.Tensor) -> dict[str, Any]:
        """Return whether a tensor is tracked, its hooks, its gradient, its attributes, and how it is laid out."""
        return {
            "x.requires_grad": tensor.requires_grad,
            "x.retains_grad": tensor.retains_grad,
            "len(x._backward_hooks or ())": len(tensor._backward_hooks or ()),
            "x.is_leaf and x.grad is not None": tensor.is_leaf and tensor.grad is not None,
            # Torch's compiler leaves marks of its own.
            "[name for name in vars(x) if '_dynamo' not in name]": [
                name for name in vars(tensor) if "_dynamo" not in name
            ],
            "x.shape": tensor.shape,
            "x.dtype": tensor.dtype,
        }

    def allocated(self, device: str) -> int:
        """Return what the allocator of an accelerator has given to tensors."""
        kind = torch.device(device)
        used = None if kind.type == "cpu" else getattr(torch.get_device_module(kind), "memory_allocated", None)
        return 0 if used is None else int(used(kind))


def _at(path: str) -> Any:
    """Return what a dotted name of torch stands for."""
    found: Any = torch
    for name in path.split(".")[1:]:
        found = getattr(found, name)
    return found


def _write_device_context(held: dict[str, Any]) -> None:
    filled(vars(_device_context))(held)


_device_context = torch._GLOBAL_DEVICE_CONTEXT


def _stacked(
    size: Callable[[], int], at: Callable[[int], Any], pop: Callable[[], Any], push: Callable[[Any], Any]
) -> Callable[[list[Any]], None]:
    """Return what puts back a stack of modes."""

    def write(modes: list[Any]) -> None:
        while size() and [at(number) for number in range(size())] != modes[: size()]:
            pop()
        for mode in modes[size() :]:
            push(mode)

    return write


def _write_saved_tensors_hooks(hooks: tuple[Any, Any] | None) -> None:
    while _c._autograd._top_saved_tensors_default_hooks(False) not in (hooks, None):
        _c._autograd._pop_saved_tensors_default_hooks()


def _write_inference_mode(on: bool) -> None:
    # Nothing leaves a mode that somebody else has entered; another one inside it does, as long as it is held.
    switch = _c._InferenceMode(on)
    switch.__enter__()  # type: ignore[no-untyped-call]
    _switches.append(switch)


def _write_autocast(states: dict[str, tuple[bool, torch.dtype]]) -> None:
    for device, (on, dtype) in states.items():
        _set_autocast_enabled(device, on)
        _set_autocast_dtype(device, dtype)


_set_autocast_enabled, _set_autocast_dtype = torch.set_autocast_enabled, torch.set_autocast_dtype


def _setting(
    name: str, expression: str, write: Callable[[Any], object] | None, *, of_thread: bool = False, steady: bool = False
) -> Setting:
    return Setting(
        name, expression, write, ("import torch", "import torch.utils._device"), of_thread=of_thread, steady=steady
    )


def _written(path: str) -> Callable[[Any], object]:
    """Return what assigns to an attribute of torch, through whatever stands behind it."""
    owner, _, name = path.rpartition(".")
    return partial(setattr, _at(owner), name)


def _current_device(module: Any) -> Setting:
    return _setting(
        f"the current device of {module.__name__}",
        f"{module.__name__}.current_device()",
        module.set_device,
        of_thread=True,
    )


@cache
def _autocast(types: tuple[str, ...]) -> Setting:
    return _setting(
        "autocast",
        f"{{d: (torch.is_autocast_enabled(d), torch.get_autocast_dtype(d)) for d in {types!r}}}",
        _write_autocast,
        of_thread=True,
    )


def _of_autograd() -> list[Setting]:
    return [
        _setting("inference mode", "torch.is_inference_mode_enabled()", _write_inference_mode, of_thread=True),
        _setting("gradient mode", "torch.is_grad_enabled()", torch.set_grad_enabled, of_thread=True),
        _setting(
            "anomaly mode",
            "(torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled())",
            unpacked(torch.set_anomaly_enabled),
        ),
        _setting(
            "the cache of autocast",
            "torch.is_autocast_cache_enabled()",
            torch.set_autocast_cache_enabled,
            of_thread=True,
        ),
        _setting(
            "the hooks of saved tensors",
            "torch._C._autograd._top_saved_tensors_default_hooks(False)",
            _write_saved_tensors_hooks,
            of_thread=True,
        ),
        _setting(
            "the level of forward gradients",
            "torch.autograd.forward_ad._current_level",
            assigned(torch.autograd.forward_ad, "_current_level"),
        ),
        _setting(
            "the threads of the backward pass",
            "torch._C._is_multithreading_enabled()",
            _c._set_multithreading_enabled,
            of_thread=True,
        ),
    ]


def _of_modes() -> list[Setting]:
    functions = _stacked(
        _c._len_torch_function_stack,
        _c._get_function_stack_at,
        _c._pop_torch_function_stack,
        _c._push_on_torch_function_stack,
    )
    dispatch = _stacked(
        _c._len_torch_dispatch_stack,
        _c._get_dispatch_stack_at,
        partial(_c._pop_torch_dispatch_stack, None),
        _c._push_on_torch_dispatch_stack,
    )
    return [
        # Not torch.get_default_device(), which a mode of the target may answer. The modes below are its other half.
        _setting(
            "the default device", "torch.utils._device.CURRENT_DEVICE", assigned(current_device, "CURRENT_DEVICE")
        ),
        _setting(
            "the context of the default device",
            "dict(vars(torch._GLOBAL_DEVICE_CONTEXT))",
            _write_device_context,
            of_thread=True,
        ),
        _setting(
            "the modes of torch functions",
            "[torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]",
            functions,
            of_thread=True,
        ),
        _setting(
            "the modes of dispatch",
            "[torch._C._get_dispatch_stack_at(i) for i in range(torch._C._len_torch_dispatch_stack())]",
            dispatch,
            of_thread=True,
        ),
        _setting(
            "whether torch functions are overridden",
            "torch._C._get_torch_function_state()",
            getattr(_c, "_set_torch_function_state", None),
            of_thread=True,
        ),
    ]


def _of_hooks() -> list[Setting]:
    found = []
    for name, value in vars(global_hooks).items():
        if name.startswith("_global"):
            holds = isinstance(value, dict)
            expression = f"dict({HOOKS}.{name})" if holds else f"{HOOKS}.{name}"
            found.append(
                _setting(
                    f"{HOOKS}.{name}", expression, filled(value) if holds else assigned(global_hooks, name), steady=True
                )
            )
    return found


def _of_computing() -> list[Setting]:
    found = [
        _setting("the default dtype", "torch.get_default_dtype()", torch.set_default_dtype),
        _setting("the number of threads", "torch.get_num_threads()", torch.set_num_threads),
        _setting("deterministic mode", "torch.get_deterministic_debug_mode()", torch.set_deterministic_debug_mode),
        _setting(
            "the filling of uninitialised memory",
            "torch.utils.deterministic.fill_uninitialized_memory",
            _written("torch.utils.deterministic.fill_uninitialized_memory"),
            steady=True,
        ),
        _setting(
            "the float32 precision of matrix products",
            "torch.get_float32_matmul_precision()",
            torch.set_float32_matmul_precision,
        ),
        _setting(
            "whether every warning is shown", "torch.is_warn_always_enabled()", torch.set_warn_always, steady=True
        ),
        _setting("the default generator", "torch.default_generator", assigned(torch, "default_generator"), steady=True),
        _setting(
            "the default generator of torch.random",
            "torch.random.default_generator",
            assigned(torch.random, "default_generator"),
            steady=True,
        ),
        _setting(
            "the printing of tensors",
            "dict(vars(torch._tensor_str.PRINT_OPTS))",
            vars(torch._tensor_str.PRINT_OPTS).update,
            steady=True,
        ),
        _setting(
            "the conversion of parameters",
            "torch.__future__.get_overwrite_module_params_on_conversion()",
            torch.__future__.set_overwrite_module_params_on_conversion,
            steady=True,
        ),
        _setting(
            "the swapping of parameters",
            "torch.__future__.get_swap_module_params_on_conversion()",
            torch.__future__.set_swap_module_params_on_conversion,
            steady=True,
        ),
    ]
    if torch.distributed.is_available():
        found.append(_setting("the group of processes", "torch.distributed.is_initialized()", None, steady=True))
    return found


def _of_backends() -> list[Setting]:
    found = [
        _setting(f"torch.backends.{name}", f"torch.backends.{name}", _written(f"torch.backends.{name}"), steady=True)
        for name in BACKENDS
    ]
    for name in ATTENTION:
        path = f"torch.backends.cuda.{name}_enabled()"
        found.append(_setting(path, path, getattr(torch.backends.cuda, f"enable_{name}", None), steady=True))
    if hasattr(_c, "_get_fp32_precision_getter"):
        for backend, operation in PRECISIONS:
            expression = f"torch._C._get_fp32_precision_getter({backend!r}, {operation!r})"
            write = partial(_c._set_fp32_precision_setter, backend, operation)
            found.append(_setting(f"the float32 precision of {backend} ({operation})", expression, write, steady=True))
    return found


_SETTINGS = (*_of_autograd(), *_of_modes(), *_of_hooks(), *_of_computing(), *_of_backends())
