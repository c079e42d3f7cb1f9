"""Torch's operations as source text."""

from __future__ import annotations

from typing import ClassVar

from droppath_audit.frameworks.spelling import Spelling
from droppath_audit.frameworks.torch.execution_spelling import running

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

FAKE = """\
import torch._dynamo.config
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
class Fake(TorchDispatchMode):
    copied, waited_for = [], []
    def __enter__(self):
        self.outer = [torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True)]
        [context.__enter__() for context in self.outer]
        return super().__enter__()
    def __exit__(self, *error):
        super().__exit__(*error)
        [context.__exit__(*error) for context in self.outer[::-1]]
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        given = [value for value in args if isinstance(value, torch.Tensor)]
        there = [value.device.type == torch.device(DEVICE).type for value in given]
        if there[:1] == [True] and torch.Tag.data_dependent_output in op.tags:
            self.waited_for.append(str(op))
        y = op(*args, **(kwargs or {}))
        arrives = isinstance(y, torch.Tensor) and y.device.type == torch.device(DEVICE).type
        if 'copy' in str(op) and arrives and not there[-1] and given[-1].dim():
            self.copied.append((str(op), given[-1].dtype, list(given[-1].shape)))
        if 'copy' in str(op) and not arrives and there[-1]:
            self.waited_for.append(str(op))
        return y
fake = Fake()"""


WATCH = """\
from torch.utils._python_dispatch import TorchDispatchMode
class Watch(TorchDispatchMode):
    returned = []
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        y = op(*args, **(kwargs or {}))
        views = not op._schema.is_mutable and any(one.alias_info for one in op._schema.returns)
        for one in y if isinstance(y, (tuple, list)) else [y]:
            if isinstance(one, torch.Tensor) and not views:
                self.returned.append(one)
        return y
    def masks(self, x, y):
        large = [one for one in self.returned if one.numel() >= x.numel() and one.isfinite().all()]
        there = [held.untyped_storage()._cdata for held in (x, y)]
        return [(one.dtype, list(one.shape)) for one in large if one.untyped_storage()._cdata not in there]
watch = Watch()"""


class TorchSpelling(Spelling):
    """See ``frameworks.spelling``."""

    imports = ("import numpy as np", "import torch")
    own = "torch."
    templates: ClassVar = {
        "seed": "torch.manual_seed({seed})",
        "ones": "torch.ones({shape}, dtype=torch.{dtype}, device={device})",
        "literal": "torch.tensor({values}, dtype=torch.{dtype}, device={device}).reshape({shape})",
        "info": "({tensor}.shape, {tensor}.dtype, {tensor}.device)",
        "key": "torch.Generator({device}).manual_seed(int(torch.randint(2**62, ())))",
        "empty_layer": "torch.nn.Module()",
        "identity": "torch.nn.Identity()",
        "container": "torch.nn.Sequential(torch.nn.Sequential({layer}))",
        "stored": "list({layer}.state_dict())",
        "convert": "{layer}.to(device={device}, dtype=torch.{dtype})",
        "fill": "dict([*{layer}.named_parameters(), *{layer}.named_buffers()])[{name}].data.fill_({value})",
        "hook": "{layer}.register_forward_pre_hook({function}), {layer}.register_forward_hook({function})",
        "without_values": "torch.device('meta')",
        "submodule": "{model}.get_submodule({name})",
        "watch": "{layer}.register_forward_hook(lambda _, given, y: {seen}.append((given[0], y)))",
        "surround no_grad": "torch.no_grad()",
        "surround inference_mode": "torch.inference_mode()",
        "surround autocast": "torch.autocast(x.device.type, torch.bfloat16)",
        "surround deterministic": "nullcontext(torch.set_deterministic_debug_mode('error'))",
        "surround default_float64": "nullcontext(torch.set_default_dtype(torch.float64))",
        "layout contiguous": "{tensor}",
        "layout transposed": "{tensor}.transpose(0, -1).contiguous().transpose(0, -1)",
        "layout sliced": "{tensor}.repeat_interleave(2, -1)[..., ::2] if {tensor}.dim() else {tensor}",
        "layout offset": "torch.cat([{tensor}.new_zeros(3), {tensor}.reshape(-1)])[3:].view({tensor}.shape)",
        "layout expanded": "{tensor}[..., :1].expand({tensor}.shape) if {tensor}.dim() > 1 else {tensor}",
        "layout channels_last": "{tensor}.contiguous(memory_format="
        "{{4: torch.channels_last, 5: torch.channels_last_3d}}.get({tensor}.dim(), torch.contiguous_format))",
        "layout repeated": "{tensor}[:1].expand({tensor}.shape) if {tensor}.dim() else {tensor}",
        "layout conjugated": "{tensor}.conj().resolve_conj().conj()",
        "layout negated": "torch._neg_view(-{tensor})",
        "strides": "{tensor}.stride()",
        "subclassed": "{tensor} = {tensor}.as_subclass(type('Own', (torch.Tensor,), {{}}))",
        "version": "{tensor}._version",
        "track": "{tensor}.requires_grad_()",
        "tracked": "{tensor}.requires_grad",
        "backward": "{tensor}.sum().backward()",
        "backward_retained": "{tensor}.sum().backward(retain_graph=True)",
        "backward_from": "{tensor}.backward({gradient})",
        "gradient": "{tensor}.grad",
        "twice": """\
v = torch.ones_like({y}).requires_grad_()
first, = torch.autograd.grad({y}, {x}, v, create_graph=True)
by_x, by_cotangent = torch.autograd.grad(first, ({x}, v), torch.ones_like(first), allow_unused=True)""",
        "transformed vmap": "y = torch.func.vmap(lambda x: {call}, randomness='different')(torch.stack([x] * {times}))",
        "transformed grad": "derivative, y = torch.func.grad("
        "lambda x: (lambda y: (y.sum(), y))({call}), has_aux=True)(x)",
        "transformed jvp": "y, derivative = torch.func.jvp(lambda x: {call}, (x,), (torch.ones_like(x),))",
        "transformed functional_call": "y = torch.func.functional_call("
        "layer, dict([*layer.named_parameters(), *layer.named_buffers()]), (x,))",
        "replayed": """\
device = torch.get_device_module(x.device)
graph = getattr(device, next(name for name in dir(device) if name.endswith('Graph') and name[0] != '_'))()
side = device.Stream()
side.wait_stream(device.current_stream())
with torch.no_grad():
    with device.stream(side):
        [{call} for _ in range(3)]
    device.current_stream().wait_stream(side)
    with device.graph(graph):
        y = {call}
replay = graph.replay""",
        "join_ranks": """\
import torch.distributed as dist
torch.set_num_threads(1)  # a fork waits for ever for the threads that it has not
os.environ.update(RANK=str({rank}), WORLD_SIZE=str({size}), LOCAL_RANK=str({rank}), LOCAL_WORLD_SIZE=str({size}))
os.environ.setdefault('GLOO_SOCKET_IFNAME', 'lo')
dist.init_process_group(
    'gloo', store=dist.FileStore({meeting}, {size}), rank={rank}, world_size={size})
dist.barrier()""",
        "checkpoint": "torch.utils.checkpoint.checkpoint(lambda x: {call}, x, {how})",
    }

    def random(self, shape: str, dtype: str, device: str) -> str:
        """Draw normal values; both parts of complex ones."""
        drawn = ", dtype=torch.cfloat" if dtype.startswith("complex") else ""
        return f"torch.randn({shape}, device={device}{drawn}).to(torch.{dtype})"

    def real(self, tensor: str) -> str:
        """Take the real part: torch differentiates no complex number."""
        return f"{tensor}.real"

    def array(self, tensor: str, dtype: str = "") -> str:
        """Read the values; not every device has double precision, so they are widened on the CPU."""
        wide = "torch.cdouble" if dtype.startswith("complex") else "torch.double"
        if not dtype:
            wide = f"torch.cdouble if {tensor}.is_complex() else torch.double"
        return f"{tensor}.cpu().to({wide}).numpy(force=True)"

    def running(self, variant: str, function: str, *, whole: bool = False) -> str:
        """Compile, export, trace, script or map."""
        return running(variant, function, whole=whole)

    def feed(self, values: str) -> tuple[str, ...]:
        """Bind ``feed``, a dispatch mode that sees every draw of this thread."""
        fill = "" if values == "None" else FILL.replace("VALUES", values)
        return tuple(FEED.replace("FILL", fill).splitlines())

    def watch_operations(self) -> tuple[str, ...]:
        """Bind ``watch``, a dispatch mode that keeps what operations return."""
        return tuple(WATCH.splitlines())

    def fake(self, device: str) -> tuple[str, ...]:
        """Bind ``fake``, torch's own fake tensors under a dispatch mode that sees what is copied and read."""
        return tuple(FAKE.replace("DEVICE", device).splitlines())
