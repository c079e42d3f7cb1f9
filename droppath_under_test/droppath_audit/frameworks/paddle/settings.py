"""Paddle's global settings and functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import paddle

from droppath_audit.frameworks.capabilities import GlobalSettings
from droppath_audit.frameworks.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from droppath_audit.frameworks.base import Tensor


def _setting(name: str, expression: str, write: Callable[[Any], object], *, of_thread: bool = False) -> Setting:
    return Setting(name, expression, write, ("import paddle",), of_thread=of_thread)


class PaddleSettings(GlobalSettings):
    """See ``capabilities.GlobalSettings``."""

    def settings(self) -> tuple[Setting, ...]:
        """Return paddle's settings."""
        return _SETTINGS

    def namespaces(self) -> Mapping[str, Any]:
        """Return the modules whose functions a network calls, and the classes of tensors and layers."""
        return {
            "paddle": paddle,
            "paddle.nn.functional": paddle.nn.functional,
            "paddle.Tensor": paddle.Tensor,
            "paddle.nn.Layer": paddle.nn.Layer,
        }

    def folders(self) -> tuple[str, ...]:
        """Return paddle's folder."""
        return (str(Path(paddle.__file__).parent),)

    def carried(self, tensor: Tensor) -> dict[str, Any]:
        """Return whether a tensor is tracked, whether it has a gradient, and its shape and dtype."""
        return {
            "x.stop_gradient": tensor.stop_gradient,
            "x.grad is None": tensor.grad is None,
            "list(x.shape)": list(tensor.shape),
            "x.dtype": tensor.dtype,
        }

    def allocated(self, device: str) -> int:
        """Return what the allocator of a GPU has given to tensors."""
        return int(paddle.device.cuda.memory_allocated(device)) if device.startswith("gpu") else 0


_SETTINGS = (
    _setting("the default dtype", "paddle.get_default_dtype()", paddle.set_default_dtype),
    _setting("the default device", "paddle.get_device()", paddle.set_device),
    _setting("gradient mode", "paddle.is_grad_enabled()", paddle.set_grad_enabled, of_thread=True),
)
