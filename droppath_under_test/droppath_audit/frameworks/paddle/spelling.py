"""Paddle's operations as source text."""

from __future__ import annotations

from typing import ClassVar

from droppath_audit.frameworks.spelling import Spelling


class PaddleSpelling(Spelling):
    """See ``frameworks.spelling``."""

    imports = ("import numpy as np", "import paddle")
    own = "paddle."
    templates: ClassVar = {
        "seed": "paddle.seed({seed})",
        "ones": "paddle.ones({shape}, dtype='{dtype}').to({device})",
        "random": "paddle.randn({shape}).astype('{dtype}').to({device})",
        "literal": "paddle.to_tensor({values}, dtype='{dtype}', place={device}).reshape({shape})",
        "info": "({tensor}.shape, {tensor}.dtype, str({tensor}.place))",
        "empty_layer": "paddle.nn.Layer()",
        "identity": "paddle.nn.Identity()",
        "container": "paddle.nn.Sequential(paddle.nn.Sequential({layer}))",
        "stored": "list({layer}.state_dict())",
        "convert": "{layer}.to(device={device}, dtype='{dtype}')",
        "fill": "dict([*{layer}.named_parameters(), *{layer}.named_buffers()])[{name}].fill_({value})",
        "surround no_grad": "paddle.no_grad()",
        "surround autocast": "paddle.amp.auto_cast(dtype='bfloat16')",
        "layout contiguous": "{tensor}",
        "layout transposed": "{tensor}.swapaxes(0, -1).contiguous().swapaxes(0, -1)",
        "layout sliced": "paddle.stack([{tensor}.flatten()] * 2, -1)[:, 0].view({tensor}.shape)",
        "layout offset": "paddle.concat([paddle.zeros([3], {tensor}.dtype), {tensor}.flatten()])[3:]"
        ".view({tensor}.shape)",
        "strides": "{tensor}.strides",
        "version": "{tensor}.inplace_version",
        "track": "{tensor}.stop_gradient = False",
        "tracked": "not {tensor}.stop_gradient",
        "backward": "{tensor}.sum().backward()",
        "backward_from": "{tensor}.backward({gradient})",
        "gradient": "{tensor}.grad",
        "twice": """\
weight = paddle.ones_like({y})
weight.stop_gradient = False
(first,) = paddle.grad([{y}], [{x}], [weight], create_graph=True)
by_x, by_cotangent = paddle.grad([first], [{x}, weight], [paddle.ones_like(first)], allow_unused=True)""",
        "checkpoint": "paddle.distributed.fleet.utils.recompute(lambda x: {call}, x, {how})",
    }

    def array(self, tensor: str, dtype: str = "") -> str:
        """Read the values."""
        wide = "'complex128'" if dtype.startswith("complex") else "'float64'"
        if not dtype:
            wide = f"'complex128' if {tensor}.is_complex() else 'float64'"
        return f"{tensor}.detach().astype({wide}).numpy()"

    def layout(self, tensor: str, layout: str) -> str:
        """Give the tensor other strides."""
        text = super().layout(tensor, layout)
        return text if layout == "contiguous" else f"{text} if {tensor}.ndim and {tensor}.size else {tensor}"
