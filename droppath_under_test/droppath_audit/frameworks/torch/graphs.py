"""Graphs of an accelerator: ``torch.cuda.CUDAGraph``, and what other types of device have of that kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.replaying import Replaying
from droppath_audit.frameworks.theirs import first_line, theirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.target import Layer

WARM = 3  # calls before a recording, as torch advises: what is made in a first call is not recorded


class TorchGraphs(Replaying):
    """Records and replays on devices whose module has a class of graphs."""

    def recorded(self, layer: Layer, x: torch.Tensor, *, training: bool) -> Callable[[], torch.Tensor]:
        """Warm up on a stream of its own, capture one call, and replay it."""
        kind = x.device.type
        module = None if kind == "cpu" else torch.get_device_module(x.device)
        classes = [name for name in dir(module) if name.endswith("Graph") and not name.startswith("_")]
        if module is None or not classes or not hasattr(module, "graph"):
            raise NotApplicable(f"torch records no graphs on {kind}")
        with torch.no_grad():
            _warm_up(module, layer, x, training=training)
            graph = getattr(module, classes[0])()
            try:
                with module.graph(graph):
                    y: Any = layer(x, training=training)
            except (RuntimeError, TargetRaised) as error:
                module.synchronize()
                raise NotApplicable(f"torch cannot record the call: {first_line(error)}") from error

        def replayed() -> torch.Tensor:
            with theirs():
                graph.replay()
            return y.clone()  # type: ignore[no-any-return]

        return replayed


def _warm_up(module: Any, layer: Layer, x: torch.Tensor, *, training: bool) -> None:
    """Call a few times, on another stream than the usual one, which a recording must not share."""
    stream = module.Stream()
    stream.wait_stream(module.current_stream())
    with module.stream(stream):
        for _ in range(WARM):
            layer(x, training=training)
    module.current_stream().wait_stream(stream)
