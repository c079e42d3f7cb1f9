"""Paddle's operations as source text."""

from __future__ import annotations

from droppath_audit.frameworks.spelling import Spelling

LAYOUTS = {
    "contiguous": "{x}",
    "transposed": "{x}.swapaxes(0, -1).contiguous().swapaxes(0, -1)",
    "sliced": "paddle.stack([{x}.flatten()] * 2, -1)[:, 0].view({x}.shape)",
    "offset": "paddle.concat([paddle.zeros([3], {x}.dtype), {x}.flatten()])[3:].view({x}.shape)",
}

SURROUNDINGS = {"no_grad": "paddle.no_grad()", "autocast": "paddle.amp.auto_cast(dtype='bfloat16')"}

TWICE = """\
weight = paddle.ones_like({y})
weight.stop_gradient = False
(first,) = paddle.grad([{y}], [{x}], [weight], create_graph=True)
by_x, by_cotangent = paddle.grad([first], [{x}, weight], [paddle.ones_like(first)], allow_unused=True)"""


class PaddleSpelling(Spelling):
    """See ``frameworks.spelling``."""

    imports = ("import numpy as np", "import paddle")
    own = "paddle."

    def seed(self, seed: str) -> str:
        """Seed every generator."""
        return f"paddle.seed({seed})"

    def ones(self, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of ones."""
        return f"paddle.ones({shape}, dtype='{dtype}').to({device})"

    def random(self, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of normal values."""
        return f"paddle.randn({shape}).astype('{dtype}').to({device})"

    def literal(self, values: str, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of the values in a flat list."""
        return f"paddle.to_tensor({values}, dtype='{dtype}', place={device}).reshape({shape})"

    def array(self, tensor: str, dtype: str = "") -> str:
        """Read the values."""
        wide = "'complex128'" if dtype.startswith("complex") else "'float64'"
        if not dtype:
            wide = f"'complex128' if {tensor}.is_complex() else 'float64'"
        return f"{tensor}.detach().astype({wide}).numpy()"

    def info(self, tensor: str) -> str:
        """Read shape, dtype and device."""
        return f"({tensor}.shape, {tensor}.dtype, str({tensor}.place))"

    def switch(self, layer: str, training: str) -> str:
        """Set the mode."""
        return f"{layer}.train() if {training} else {layer}.eval()"

    def empty_layer(self) -> str:
        """Make a layer whose ``forward`` can be assigned."""
        return "paddle.nn.Layer()"

    def identity(self) -> str:
        """Make a layer that returns what it is given."""
        return "paddle.nn.Identity()"

    def container(self, layer: str) -> str:
        """Put the layer two containers deep."""
        return f"paddle.nn.Sequential(paddle.nn.Sequential({layer}))"

    def stored(self, layer: str) -> str:
        """List the keys of the layer's state_dict."""
        return f"list({layer}.state_dict())"

    def convert(self, layer: str, dtype: str, device: str) -> str:
        """Convert the layer where it stands."""
        return f"{layer}.to(device={device}, dtype='{dtype}')"

    def surround(self, name: str) -> str:
        """Name the context."""
        return SURROUNDINGS[name]

    def layout(self, tensor: str, layout: str) -> str:
        """Give the tensor other strides."""
        text = LAYOUTS[layout].format(x=tensor)
        return text if layout == "contiguous" else f"{text} if {tensor}.ndim and {tensor}.size else {tensor}"

    def strides(self, tensor: str) -> str:
        """Read the strides."""
        return f"{tensor}.strides"

    def version(self, tensor: str) -> str:
        """Read the count of in-place operations."""
        return f"{tensor}.inplace_version"

    def track(self, tensor: str) -> str:
        """Ask for the gradient of a tensor."""
        return f"{tensor}.stop_gradient = False"

    def tracked(self, tensor: str) -> str:
        """Read whether a tensor is part of a graph."""
        return f"not {tensor}.stop_gradient"

    def backward(self, tensor: str) -> str:
        """Run the backward pass from the sum of a tensor."""
        return f"{tensor}.sum().backward()"

    def gradient(self, tensor: str) -> str:
        """Read the gradient that a backward pass left."""
        return f"{tensor}.grad"

    def twice(self, x: str, y: str) -> tuple[str, ...]:
        """Differentiate twice."""
        return tuple(TWICE.format(x=x, y=y).splitlines())

    def checkpoint(self, call: str, how: str) -> str:
        """Run a call under checkpointing."""
        return f"paddle.distributed.fleet.utils.recompute(lambda x: {call}, x, {how})"
