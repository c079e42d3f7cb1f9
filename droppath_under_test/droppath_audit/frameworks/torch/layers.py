"""Torch modules, and the contexts in which they are called."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Layers, Surroundings
from droppath_audit.frameworks.theirs import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class TorchLayers(Layers, Surroundings):
    """What is done to modules."""

    surroundings = ("no_grad", "inference_mode", "autocast")
    processwide = ("deterministic", "default_float64")

    def is_layer(self, obj: object) -> bool:
        """Return whether the object is a module."""
        return isinstance(obj, torch.nn.Module)

    def container(self, layer: Any) -> Any:
        """Return a module in which another one holds the layer."""
        return torch.nn.Sequential(torch.nn.Sequential(layer))

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the keys of the layer's state_dict."""
        return tuple(layer.state_dict())

    def parts(self, layer: Any) -> tuple[tuple[str, str], ...]:
        """Return the modules inside, by their names."""
        return tuple((name, type(part).__name__) for name, part in layer.named_modules() if name)

    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert a module with half() or to(), where it stands."""
        layer.to(device)
        if dtype == "float16":
            layer.half()
        else:
            layer.to(getattr(torch, dtype))

    def numbers(self, layer: Any) -> tuple[str, ...]:
        """Return the names of floating parameters and buffers."""
        return tuple(name for name, held in _held(layer).items() if held.is_floating_point())

    def fill(self, layer: Any, name: str, value: float) -> None:
        """Fill a parameter or buffer, where it stands."""
        with torch.no_grad():
            _held(layer)[name].fill_(value)

    def branch(self, function: Callable[..., Any]) -> Any:
        """Return ``function`` as a module."""

        class Branch(torch.nn.Module):
            def forward(self, *inputs: Any, **named: Any) -> Any:  # masks and positions beside x, by wrappers
                return function(*inputs, *named.values())

        return Branch()

    @contextmanager
    def surround(self, name: str, device: str) -> Iterator[None]:
        """Enter ``no_grad``, ``inference_mode`` or ``autocast``, or change a setting of the process.

        Raises:
            NotApplicable: If the type of device has no autocast, with torch's reason.
        """
        if name == "deterministic":
            before = torch.get_deterministic_debug_mode()
            # Not use_deterministic_algorithms, which imports the settings of the compiler first.
            torch.set_deterministic_debug_mode("error")
            try:
                yield
            finally:
                torch.set_deterministic_debug_mode(before)
        elif name == "default_float64":
            dtype = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
            try:
                yield
            finally:
                torch.set_default_dtype(dtype)
        else:
            with _autocast(device) if name == "autocast" else getattr(torch, name)():
                yield


def _held(layer: Any) -> dict[str, torch.Tensor]:
    return {**dict(layer.named_parameters()), **dict(layer.named_buffers())}


def _autocast(device: str) -> AbstractContextManager[Any]:
    """Return the context, once something has been computed in it."""
    kind = torch.device(device).type
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a dtype that it does not cast to, torch warns, and casts nothing
            one = torch.ones(1, device=device)
            with torch.autocast(kind, torch.bfloat16):
                torch.mul(one, one)
            return torch.autocast(kind, torch.bfloat16)
    except (RuntimeError, AssertionError, UserWarning) as error:
        reason = first_line(error).partition(". ")[0]
        raise NotApplicable(f"{kind} has no autocast to bfloat16: {reason}") from error
