"""PyTorch: modules, functions, scripted functions, on every device that the installed torch has."""

from __future__ import annotations

import inspect
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from droppath_audit.core.code import Code
from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks.base import Count, Gradient, TensorInfo
from droppath_audit.frameworks.torch.operations import FEED, TorchOperations
from droppath_audit.targets.bound import theirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    import torch

    from droppath_audit.frameworks.base import Layer
    from droppath_audit.targets.binding import Binding

SECOND = """v = torch.ones_like(y).requires_grad_()
first, = torch.autograd.grad(y, x, v, create_graph=True)
second = torch.autograd.grad(first, (x, v), torch.ones_like(y), allow_unused=True)"""

INTEGER_OF_SIZE = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}


class TorchFramework(TorchOperations):
    """Operations on torch tensors; see ``core.target.Framework``."""

    name = "torch"
    layouts: Sequence[str] = (
        "contiguous",
        "transposed",
        "sliced",
        "offset",
        "expanded",
        "channels_last",
        "repeated",
        "conjugated",
        "negated",
    )

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._bit_patterns: dict[tuple[str, float], int] = {}

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes whose values can be stored on and read back from ``device``."""
        torch = self._torch
        found = []
        candidates = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
        for dtype in sorted(candidates, key=str):
            if not (dtype.is_floating_point or dtype.is_complex):
                continue
            wide = torch.complex128 if dtype.is_complex else torch.float64
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # some dtypes announce themselves as experimental
                    stored = torch.ones((2, 2), dtype=wide).to(dtype).to(device)
                    readable = bool((stored.cpu().to(wide) == 1).all()) and stored.clone().shape == (2, 2)
            except (RuntimeError, TypeError, NotImplementedError):
                continue
            if readable:
                found.append(_name(dtype))
        return tuple(found)

    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str, *, layout: str = "contiguous") -> torch.Tensor:
        """Return a tensor of these values with the named strides; a layout its shape cannot have is contiguous."""
        plain = self._torch.from_numpy(values.copy()).to(getattr(self._torch, dtype)).to(device)
        return self._with_layout(plain, layout)

    def _with_layout(self, plain: torch.Tensor, layout: str) -> torch.Tensor:
        rank = plain.dim()
        if layout == "transposed" and rank >= 2:
            return plain.transpose(0, -1).contiguous().transpose(0, -1)
        if layout == "sliced" and rank >= 1:
            wide = plain.new_zeros((*plain.shape[:-1], 2 * plain.shape[-1]))
            wide[..., ::2] = plain
            return wide[..., ::2]
        if layout == "offset" and rank >= 1:
            padded = plain.new_zeros(plain.numel() + 3)
            padded[3:] = plain.reshape(-1)
            return padded[3:].view(plain.shape)
        if layout == "expanded" and rank >= 2 and plain.shape[-1] > 1:
            # Zero strides: every element of the last axis is the same memory.
            return plain[..., :1].expand(plain.shape)
        if layout == "channels_last" and rank in (4, 5):
            formats = {4: self._torch.channels_last, 5: self._torch.channels_last_3d}
            return plain.contiguous(memory_format=formats[rank])
        if layout == "repeated" and rank >= 1 and plain.shape[0] > 1:
            return plain[:1].expand(plain.shape)
        # Torch has no negative strides; what it has of that kind is conjugated and negated on reading.
        if layout == "conjugated" and plain.is_complex():
            return plain.conj().resolve_conj().conj()
        if layout == "negated" and plain.dtype.itemsize > 1:
            return self._torch._neg_view(-plain)
        return plain

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> torch.Tensor:
        """Return a tensor of ones."""
        return self._torch.ones(shape, dtype=getattr(self._torch, dtype), device=device)

    def numpy(self, tensor: torch.Tensor) -> npt.NDArray[Any]:
        """Return the values as float64 or complex128."""
        self.info(tensor)
        wide = self._torch.complex128 if tensor.is_complex() else self._torch.float64
        return tensor.detach().to("cpu").to(wide).resolve_conj().resolve_neg().numpy()

    def bits(self, tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
        """Return the bytes of the values in logical order."""
        # A copy, because one element of an expanded tensor keeps its stride of 0 and then has no bytes to view.
        source = tensor.detach().to("cpu").resolve_conj().resolve_neg().reshape(-1)
        return source.new_empty(source.numel()).copy_(source).view(self._torch.uint8).numpy()

    def info(self, tensor: torch.Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a torch tensor.
        """
        if not isinstance(tensor, self._torch.Tensor):
            raise TypeError(f"the target returned {type(tensor).__name__}, not a tensor")
        return TensorInfo(tuple(tensor.shape), _name(tensor.dtype), str(tensor.device))

    def _pattern(self, dtype: torch.dtype, value: float) -> int:
        key = (str(dtype), value)
        if key not in self._bit_patterns:
            integer = getattr(self._torch, INTEGER_OF_SIZE[dtype.itemsize])
            one = self._torch.tensor([value], dtype=self._torch.float64).to(dtype)
            self._bit_patterns[key] = int(one.view(integer).item())
        return self._bit_patterns[key]

    def count(self, tensors: Sequence[torch.Tensor], kept_value: float) -> Count:
        """Count elements equal to the kept value, equal to zero, and neither."""
        torch = self._torch
        flat = tensors[0].detach() if len(tensors) == 1 else torch.cat([t.detach() for t in tensors])
        size = flat.numel()
        if flat.device.type == "cpu" and flat.is_contiguous() and not flat.is_complex():
            # Comparing integers in NumPy costs a tenth of a draw; the same in torch operations costs a third.
            import numpy as np

            bits = flat.view(getattr(torch, INTEGER_OF_SIZE[flat.dtype.itemsize])).numpy()
            dropped = int(np.count_nonzero(bits == 0))
            kept = int(np.count_nonzero(bits == self._pattern(flat.dtype, kept_value)))
            if kept + dropped != size:
                dropped += int(np.count_nonzero(bits == self._pattern(flat.dtype, -0.0)))
        else:
            both = torch.stack([(flat == kept_value).sum(), (flat == 0).sum()])
            kept, dropped = (int(number) for number in both.tolist())
        if kept_value == 0:
            kept = 0
        return Count(kept, dropped, size - kept - dropped)

    def first_nonzero(self, tensor: torch.Tensor) -> float:
        """Return the first element other than zero (NaN counts), or 0 where all are zero."""
        flat = tensor.detach().reshape(-1)
        if flat.dtype.itemsize == 1:
            flat = flat.to(self._torch.float32)
        nonzero = self._torch.nonzero(flat != 0)
        return float(flat[nonzero[0, 0]].item()) if len(nonzero) else 0.0

    def zeros_like(self, x: torch.Tensor) -> torch.Tensor:
        """Return zeros of x's shape, dtype and device."""
        return self._torch.zeros_like(x, requires_grad=False)

    def gradient(self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor) -> Gradient:
        """Run forward and backward; x is not a leaf, as inside a network."""
        torch = self._torch
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                (gradient,) = torch.autograd.grad(output, leaf, cotangent, allow_unused=True)
        if gradient is None:
            return Gradient(output.detach(), None, "the graph does not reach x")
        return Gradient(output.detach(), gradient, "")

    def tracked(self, x: torch.Tensor) -> bool:
        """Return whether a gradient of x is asked for."""
        return x.requires_grad

    def rows(self, x: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Return these samples of x."""
        return x[self._torch.tensor(numbers, dtype=self._torch.int64, device=x.device)]

    def set_mode(self, layer: Any, training: bool) -> None:
        """Switch the layer's mode unless it is in it already."""
        if getattr(layer, "training", None) is not training and hasattr(layer, "train") and hasattr(layer, "eval"):
            # Not train(training): classes that are no modules have a train() without arguments.
            layer.train() if training else layer.eval()

    def branch(self, function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
        """Return ``function`` as a module."""

        class Branch(self._torch.nn.Module):  # type: ignore[misc, name-defined]
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return function(x)

        return Branch()

    def can_fork(self) -> bool:
        """Return whether there is no CUDA context yet."""
        return not self._torch.cuda.is_initialized()  # type: ignore[no-untyped-call]

    def seed(self, seed: int) -> None:
        """Seed the generators of all devices that are in use."""
        torch = self._torch
        if torch.cuda.is_initialized() or torch.xpu.is_initialized() or torch.backends.mps.is_available():
            torch.manual_seed(seed)
        else:
            # What manual_seed does for devices that nobody has used yet is to note, with a stack trace for each of
            # them, that they shall be seeded: a hundred times the cost, and memory that is never given back.
            torch.default_generator.manual_seed(seed)

    def generator_state(self, device: str) -> bytes:
        """Return the state of the default generators of the CPU and of ``device``."""
        state = self._torch.get_rng_state().numpy().tobytes()
        if device.startswith("cuda"):
            state += self._torch.cuda.get_rng_state(device).numpy().tobytes()
        return state

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore generators, gradient mode and default dtype on leaving."""
        torch = self._torch
        devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
        gradients, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        with torch.random.fork_rng(devices=devices):
            try:
                yield
            finally:
                torch.set_grad_enabled(gradients)
                torch.set_default_dtype(dtype)


class TorchAdapter:
    """Loads torch targets; see ``adapters.Adapter``."""

    name = "torch"
    order = 100  # Functions do not say what they work on, so torch is asked last.

    def claims(self, obj: Any) -> bool:  # noqa: ARG002
        """Return True: what no other framework claims is torch's."""
        return True

    def framework(self) -> TorchFramework:
        """Return the operations on torch tensors."""
        return TorchFramework()

    def version(self) -> str:
        """Return torch's version."""
        import torch

        return str(torch.__version__)

    def is_layer(self, obj: Any) -> bool:
        """Return whether the object is a module."""
        import torch

        return isinstance(obj, torch.nn.Module)

    def has_modes(self, cls: type) -> bool:
        """Return whether the class has train() and eval()."""
        return callable(getattr(cls, "train", None)) and callable(getattr(cls, "eval", None))

    def forward_parameters(self, cls: type) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of forward, or of __call__ for a plain class."""
        import torch

        method = cls.forward if issubclass(cls, torch.nn.Module) else cls.__call__
        return _without_self(inspect.signature(method).parameters)

    def function_parameters(self, obj: Any) -> Mapping[str, inspect.Parameter]:
        """Return a function's parameters; those of a scripted function stand in its schema."""
        schema = getattr(obj, "schema", None)
        if schema is None:
            return inspect.signature(obj).parameters
        empty, keyword = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
        return {
            argument.name: inspect.Parameter(
                argument.name,
                keyword,
                default=argument.default_value if argument.has_default_value() else empty,
            )
            for argument in schema.arguments
        }

    def devices(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the dtypes of each device.

        Raises:
            UsageError: If torch has no such device, or none of it is here.
        """
        import torch

        framework, found = TorchFramework(), {}
        for name in names:
            try:
                torch.ones(1, device=name)
            except (RuntimeError, AssertionError, NotImplementedError) as error:
                first = (str(error).strip().splitlines() or ["no reason given"])[0]
                raise UsageError(
                    f"The device {name!r} is not available to torch {torch.__version__}: {first}"
                ) from error
            found[name] = framework.dtypes(name)
        return found

    def code(self, binding: Binding, import_line: str) -> Code:
        """Return the templates for snippets in torch."""
        make, mode = binding.making_code("torch.nn.Module()", "torch.nn.Identity()"), ""
        if binding.mode_at == "method":
            mode = "layer.train({training})"
        nest = binding.mode_at in ("method", "init") and make
        attribute = binding.probability_at in ("init", "attribute")
        return Code(
            imports=("import torch", *import_line.splitlines()),
            keep=binding.probability is not None and binding.probability.meaning == "keep",
            inverted=binding.mode is not None and binding.mode.inverted,
            make=make,
            mode=mode,
            nest="outer = torch.nn.Sequential(torch.nn.Sequential(layer))" if nest else "",
            nest_mode="outer.train({training})" if nest else "",
            surroundings={
                "no_grad": "torch.no_grad()",
                "inference_mode": "torch.inference_mode()",
                "autocast": "torch.autocast(x.device.type, torch.bfloat16)",
            },
            call=binding.call_code("layer" if make else binding.name.replace(".", "_")),
            seed="torch.manual_seed({seed})",
            ones="torch.ones({shape}, dtype=torch.{dtype}, device={device})",
            random="torch.randn({shape}, device={device}).to(torch.{dtype})",
            tensor="torch.tensor({values}, dtype=torch.{dtype}, device={device}).reshape({shape})",
            layouts={
                "transposed": "x = x.transpose(0, -1).contiguous().transpose(0, -1)",
                "sliced": "x = x.repeat_interleave(2, -1)[..., ::2]",
                "offset": "x = torch.cat([x.new_zeros(3), x.reshape(-1)])[3:].view(x.shape)",
                "expanded": "x = x[..., :1].expand(x.shape)",
                "channels_last": (
                    "x = x.contiguous(memory_format={4: torch.channels_last, 5: torch.channels_last_3d}"
                    ".get(x.dim(), torch.contiguous_format))"
                ),
                "repeated": "x = x[:1].expand(x.shape)",
                "conjugated": "x = x.conj().resolve_conj().conj()",
                "negated": "x = torch._neg_view(-x)",
            },
            track="x.requires_grad_()",
            version="{tensor}._version",
            tracked="y.requires_grad",
            backward="y.sum().backward()",
            second=SECOND,
            checkpoints={
                how: f"torch.utils.checkpoint.checkpoint(lambda x: {{call}}, x, {how})"
                for how in TorchFramework.checkpoints
            },
            assign=f"layer.{binding.probability.name} = {{p}}" if make and attribute and binding.probability else "",
            convert="layer.to(device={device}, dtype=torch.{dtype})" if nest else "",
            feed=FEED,
        )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _without_self(parameters: Mapping[str, inspect.Parameter]) -> dict[str, inspect.Parameter]:
    return dict(list(parameters.items())[1:])


ADAPTER = TorchAdapter()
