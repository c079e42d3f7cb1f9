"""Torch's operations as source text."""

from __future__ import annotations

from droppath_audit.frameworks.spelling import Spelling

LAYOUTS = {
    "contiguous": "{x}",
    "transposed": "{x}.transpose(0, -1).contiguous().transpose(0, -1)",
    "sliced": "{x}.repeat_interleave(2, -1)[..., ::2] if {x}.dim() else {x}",
    "offset": "torch.cat([{x}.new_zeros(3), {x}.reshape(-1)])[3:].view({x}.shape)",
    "expanded": "{x}[..., :1].expand({x}.shape) if {x}.dim() > 1 else {x}",
    "channels_last": (
        "{x}.contiguous(memory_format={{4: torch.channels_last, 5: torch.channels_last_3d}}"
        ".get({x}.dim(), torch.contiguous_format))"
    ),
    "repeated": "{x}[:1].expand({x}.shape) if {x}.dim() else {x}",
    "conjugated": "{x}.conj().resolve_conj().conj()",
    "negated": "torch._neg_view(-{x})",
}

SURROUNDINGS = {
    "no_grad": "torch.no_grad()",
    "inference_mode": "torch.inference_mode()",
    "autocast": "torch.autocast(x.device.type, torch.bfloat16)",
}

TWICE = """\
v = torch.ones_like({y}).requires_grad_()
first, = torch.autograd.grad({y}, {x}, v, create_graph=True)
by_x, by_cotangent = torch.autograd.grad(first, ({x}, v), torch.ones_like(first), allow_unused=True)"""

FEED = """\
from torch.utils._python_dispatch import TorchDispatchMode
class Feed(TorchDispatchMode):
    drawn = []
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        y = op(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in op.tags:
            self.drawn.append(y.numel())FILL
        return y
feed = Feed()"""

FILL = """
            exact = torch.from_numpy(VALUES).reshape(y.shape)
            rounded = exact.to(y.dtype)
            y.copy_(rounded.where((rounded < 1) | (exact >= 1), 0))"""


class TorchSpelling(Spelling):
    """See ``frameworks.spelling``."""

    imports = ("import numpy as np", "import torch")
    own = "torch."

    def seed(self, seed: str) -> str:
        """Seed every generator."""
        return f"torch.manual_seed({seed})"

    def ones(self, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of ones."""
        return f"torch.ones({shape}, dtype=torch.{dtype}, device={device})"

    def random(self, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of normal values."""
        return f"torch.randn({shape}, device={device}).to(torch.{dtype})"

    def literal(self, values: str, shape: str, dtype: str, device: str) -> str:
        """Make a tensor of the values in a flat list."""
        return f"torch.tensor({values}, dtype=torch.{dtype}, device={device}).reshape({shape})"

    def array(self, tensor: str, dtype: str = "") -> str:
        """Read the values; not every device has double precision, so they are widened on the CPU."""
        wide = "torch.cdouble" if dtype.startswith("complex") else "torch.double"
        if not dtype:
            wide = f"torch.cdouble if {tensor}.is_complex() else torch.double"
        return f"{tensor}.cpu().to({wide}).numpy(force=True)"

    def info(self, tensor: str) -> str:
        """Read shape, dtype and device."""
        return f"({tensor}.shape, {tensor}.dtype, {tensor}.device)"

    def key(self, device: str) -> str:
        """Make a generator, seeded by the global one."""
        return f"torch.Generator({device}).manual_seed(int(torch.randint(2**62, ())))"

    def empty_layer(self) -> str:
        """Make a module whose ``forward`` can be assigned."""
        return "torch.nn.Module()"

    def identity(self) -> str:
        """Make a module that returns what it is given."""
        return "torch.nn.Identity()"

    def container(self, layer: str) -> str:
        """Put the layer two containers deep."""
        return f"torch.nn.Sequential(torch.nn.Sequential({layer}))"

    def stored(self, layer: str) -> str:
        """List the keys of the layer's state_dict."""
        return f"list({layer}.state_dict())"

    def convert(self, layer: str, dtype: str, device: str) -> str:
        """Convert the layer where it stands."""
        return f"{layer}.to(device={device}, dtype=torch.{dtype})"

    def surround(self, name: str) -> str:
        """Name the context."""
        return SURROUNDINGS[name]

    def layout(self, tensor: str, layout: str) -> str:
        """Give the tensor other strides."""
        return LAYOUTS[layout].format(x=tensor)

    def strides(self, tensor: str) -> str:
        """Read the strides."""
        return f"{tensor}.stride()"

    def version(self, tensor: str) -> str:
        """Read the version counter."""
        return f"{tensor}._version"

    def track(self, tensor: str) -> str:
        """Ask for the gradient of a tensor."""
        return f"{tensor}.requires_grad_()"

    def tracked(self, tensor: str) -> str:
        """Read whether a tensor is part of a graph."""
        return f"{tensor}.requires_grad"

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
        return f"torch.utils.checkpoint.checkpoint(lambda x: {call}, x, {how})"

    def feed(self, values: str) -> tuple[str, ...]:
        """Bind ``feed``, a dispatch mode that sees every draw of this thread."""
        fill = "" if values == "None" else FILL.replace("VALUES", values)
        return tuple(FEED.replace("FILL", fill).splitlines())
