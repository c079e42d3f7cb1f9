"""Paddle layers, and the contexts in which they are called."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import paddle

from droppath_audit.frameworks.capabilities import Layers, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.frameworks.base import Tensor


class PaddleLayers(Layers, Surroundings):
    """What is done to layers."""

    # There is no inference mode; auto_cast has no effect in a build for the CPU alone, and says so.
    surroundings = ("no_grad", *(["autocast"] if paddle.is_compiled_with_cuda() else []))

    def is_layer(self, obj: object) -> bool:
        """Return whether the object is a layer."""
        return isinstance(obj, paddle.nn.Layer)

    def container(self, layer: Any) -> Any:
        """Return a layer in which another one holds the layer."""
        return paddle.nn.Sequential(paddle.nn.Sequential(layer))

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the keys of the layer's state_dict."""
        return tuple(layer.state_dict())

    def parts(self, layer: Any) -> tuple[tuple[str, str], ...]:
        """Return the sublayers inside, by their names."""
        return tuple((name, type(part).__name__) for name, part in layer.named_sublayers())

    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert a layer with to(), where it stands."""
        layer.to(device=device, dtype=dtype)

    def numbers(self, layer: Any) -> tuple[str, ...]:
        """Return the names of floating parameters and buffers."""
        return tuple(name for name, held in _held(layer).items() if held.is_floating_point())

    def fill(self, layer: Any, name: str, value: float) -> None:
        """Fill a parameter or buffer, where it stands."""
        with paddle.no_grad():
            _held(layer)[name].fill_(value)

    def branch(self, function: Callable[..., Any]) -> Any:
        """Return ``function`` as a layer."""

        class Branch(paddle.nn.Layer):  # type: ignore[misc]
            def forward(self, *inputs: Any, **named: Any) -> Any:  # masks and positions beside x, by wrappers
                return function(*inputs, *named.values())

        return Branch()

    @contextmanager
    def surround(self, name: str, device: str) -> Iterator[None]:
        """Enter ``no_grad`` or ``autocast``."""
        with paddle.no_grad() if name == "no_grad" else paddle.amp.auto_cast(dtype="bfloat16"):
            yield


def _held(layer: Any) -> dict[str, Tensor]:
    return {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
