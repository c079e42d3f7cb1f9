"""Operations on paddle tensors and layers; see ``core.target.Framework``."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.base import Count, Gradient, SecondOrder, TensorInfo
from droppath_audit.targets.bound import theirs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from droppath_audit.frameworks.base import Layer, Tensor

INTEGER_OF_SIZE = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
STEP = 1e-6  # of finite differences in float64
AGREEMENT = 1e-3  # relative, of gradients with finite differences of that step


class PaddleFramework:
    """Operations on paddle tensors; see ``core.target.Framework``."""

    name = "paddle"
    # expand() copies, and tensors have no memory format: neither zero strides nor channels_last exist.
    layouts: Sequence[str] = ("contiguous", "transposed", "sliced", "offset")
    checkpoints: Sequence[str] = ("use_reentrant=True", "use_reentrant=False")

    def __init__(self) -> None:
        paddle = import_module("paddle")

        self._paddle = paddle
        self._bit_patterns: dict[tuple[str, float], int] = {}
        # There is no inference mode; auto_cast has no effect in a build for the CPU alone, and says so.
        self.surroundings: Sequence[str] = ("no_grad", *(["autocast"] if paddle.is_compiled_with_cuda() else []))

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes in which ``device`` stores values and computes, by experiment.

        Paddle stores float16 and bfloat16 everywhere, but its CPU kernels lack addition for both: a residual
        connection, let alone a DropPath, cannot be computed there. A layer that raises for want of a kernel says
        nothing of the layer, so such a dtype counts as one that the device does not have.
        """
        paddle = self._paddle
        candidates = {_name(value) for value in vars(paddle).values() if isinstance(value, paddle.dtype)}
        floating = sorted(name for name in candidates if name.startswith(("float", "bfloat", "complex")))
        return tuple(dtype for dtype in floating if self._computes(dtype, device))

    def _computes(self, dtype: str, device: str) -> bool:
        """Return whether values are stored, read back, added, multiplied, divided and compared, and drawn."""
        paddle = self._paddle
        try:
            one = self.ones((2, 2), dtype, device)
            half = self.tensor(np.full((2, 2), 0.5), dtype, device)
            results = [one * half + half, (one - half) / half, one / 1.0, paddle.full([2, 2], 1.0, dtype)]
            right = all(np.array_equal(self.numpy(result), np.ones((2, 2))) for result in results)
            right &= bool(((one != half) & (one == one)).all())
            drawn = paddle.rand([2, 2]).astype(dtype)
            return right and (dtype.startswith("complex") or bool((paddle.floor(drawn) <= 1.0).all()))
        except Exception:  # whatever a missing kernel raises: RuntimeError, ValueError, TypeError, NotImplementedError
            return False

    def _placed(self, array: npt.NDArray[Any], device: str) -> Tensor:
        return self._paddle.to_tensor(array, place=device)

    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str, *, layout: str = "contiguous") -> Tensor:
        """Return a tensor of these values with the named strides; a layout its shape cannot have is contiguous."""
        paddle, plain = self._paddle, self._placed(np.array(values), device).astype(dtype)
        if values.ndim == 0 or values.size == 0:
            return plain
        if layout == "transposed":
            return plain.swapaxes(0, -1).contiguous().swapaxes(0, -1)
        flat = plain.flatten()  # slices and views of rank 1, because slices exist up to rank 6 alone
        if layout == "sliced":
            return paddle.stack([flat, flat], -1)[:, 0].view(plain.shape)
        if layout == "offset":
            return paddle.concat([paddle.zeros_like(flat[:1])] * 3 + [flat])[3:].view(plain.shape)
        return plain

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> Tensor:
        """Return a tensor of ones."""
        return self._placed(np.ones(shape, np.float32), device).astype(dtype)

    def numpy(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Return the values as float64 or complex128."""
        dtype = self.info(tensor).dtype
        array = tensor.detach().numpy()
        if dtype == "bfloat16":  # arrives as its bits, the upper half of a float32's
            array = (array.astype(np.uint32) << 16).view(np.float32)
        elif dtype.startswith("float8"):
            array = tensor.detach().astype("float32").numpy()
        return np.asarray(array.astype(np.complex128 if dtype.startswith("complex") else np.float64))

    def bits(self, tensor: Tensor) -> npt.NDArray[np.uint8]:
        """Return the bytes of the values in logical order."""
        return np.ascontiguousarray(tensor.detach().numpy()).reshape(-1).view(np.uint8)

    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a paddle tensor.
        """
        if not isinstance(tensor, self._paddle.Tensor):
            raise TypeError(f"the target returned {type(tensor).__name__}, not a tensor")
        device = str(tensor.place).removeprefix("Place(").removesuffix(")")
        return TensorInfo(tuple(tensor.shape), _name(tensor.dtype), device)

    def version(self, tensor: Tensor) -> int:
        """Return the tensor's count of in-place operations."""
        return int(tensor.inplace_version)

    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides of a contiguous tensor; 0 for sizes up to 1.

        Raises:
            NotApplicable: If it is not contiguous, and an elementwise operation on it leaves a contiguous one.
        """
        after = tensor + tensor
        if after.is_contiguous() and not tensor.is_contiguous():
            raise NotApplicable("paddle's elementwise operations leave contiguous tensors, whatever the strides of x")
        return tuple(stride if size > 1 else 0 for size, stride in zip(after.shape, after.strides, strict=True))

    def _pattern(self, dtype: str, value: float) -> int:
        key = (dtype, value)
        if key not in self._bit_patterns:
            one = self.tensor(np.array([value]), dtype, "cpu").numpy()
            self._bit_patterns[key] = int(one.view(INTEGER_OF_SIZE[one.itemsize])[0])
        return self._bit_patterns[key]

    def count(self, tensors: Sequence[Tensor], kept_value: float) -> Count:
        """Count elements equal to the kept value, equal to zero, and neither."""
        paddle, info = self._paddle, self.info(tensors[0])
        if info.device == "cpu" and not info.dtype.startswith("complex"):
            # As in the torch adapter: integers compare faster in NumPy than anything does in the framework.
            arrays = [tensor.detach().numpy().reshape(-1) for tensor in tensors]
            flat = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            bits = flat.view(INTEGER_OF_SIZE[flat.itemsize])
            size = bits.size
            dropped = int(np.count_nonzero(bits == 0))
            kept = int(np.count_nonzero(bits == self._pattern(info.dtype, kept_value)))
            if kept + dropped != size:
                dropped += int(np.count_nonzero(bits == self._pattern(info.dtype, -0.0)))
        else:
            joined = paddle.concat([tensor.detach().flatten() for tensor in tensors])
            size = joined.size
            kept, dropped = int((joined == kept_value).sum()), int((joined == 0).sum())
        if kept_value == 0:
            kept = 0
        return Count(kept, dropped, size - kept - dropped)

    def first_nonzero(self, tensor: Tensor) -> float:
        """Return the first element other than zero (NaN counts), or 0 where all are zero."""
        values = self.numpy(tensor).reshape(-1).real
        nonzero = np.flatnonzero(values != 0)
        return float(values[nonzero[0]]) if nonzero.size else 0.0

    def zeros_like(self, x: Tensor) -> Tensor:
        """Return zeros of x's shape, dtype and device."""
        return self._paddle.zeros_like(x.detach())

    def gradient(self, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
        """Run forward and backward; x is not a leaf, as inside a network."""
        paddle = self._paddle
        with paddle.enable_grad():
            leaf = x.detach().clone()
            leaf.stop_gradient = False
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, paddle.Tensor) or output.stop_gradient:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                (gradient,) = paddle.grad([output], [leaf], [cotangent], allow_unused=True)
        if gradient is None:
            return Gradient(output.detach(), None, "the graph does not reach x")
        return Gradient(output.detach(), gradient, "")

    def gradcheck(self, layer: Layer, x: Tensor, seed: int) -> str:
        """Compare the gradient with central differences, element by element, with the mask of ``seed``.

        Paddle has no gradcheck. The sum of the output is differentiated, so that one backward pass gives all.
        """
        values = self.numpy(x)
        self.seed(seed)
        found = self.gradient(layer, x, self.ones(values.shape, "float64", "cpu").to(x.place))
        if found.gradient is None:
            return found.reason
        gradient, device = self.numpy(found.gradient).reshape(-1), self.info(x).device
        for index in range(values.size):
            total = []
            for step in (STEP, -STEP):
                moved = values.copy()
                moved.flat[index] += step
                self.seed(seed)
                total.append(float(self.numpy(layer(self.tensor(moved, "float64", device), training=True)).sum()))
            difference = (total[0] - total[1]) / (2.0 * STEP)
            if not abs(gradient[index] - difference) <= AGREEMENT * (1.0 + abs(difference)):
                return f"element {index} has the gradient {gradient[index]:.6g}, its finite difference {difference:.6g}"
        return ""

    def second_order(self, layer: Layer, x: Tensor, cotangent: Tensor, direction: Tensor) -> SecondOrder:
        """Differentiate the gradient of ``layer`` once more; see ``core.target.Framework``."""
        paddle = self._paddle
        with paddle.enable_grad():
            leaf, weight = (tensor.detach().clone() for tensor in (x, cotangent))
            leaf.stop_gradient = weight.stop_gradient = False
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, paddle.Tensor) or output.stop_gradient:
                return SecondOrder(output, None, None, "the output does not require a gradient")
            with theirs():
                (first,) = paddle.grad([output], [leaf], [weight], create_graph=True, allow_unused=True)
            if first is None or first.stop_gradient:
                reason = "the graph does not reach x" if first is None else "the gradient is not part of a graph"
                return SecondOrder(output.detach(), None, None, reason)
            with theirs():
                by_x, by_cotangent = paddle.grad([first], [leaf, weight], [direction], allow_unused=True)
        return SecondOrder(output.detach(), by_x, by_cotangent, "")

    def checkpointed(self, layer: Layer, x: Tensor, cotangent: Tensor, how: str) -> Gradient:
        """Run forward, forget, recompute and run backward; see ``core.target.Framework``."""
        recompute = import_module("paddle.distributed.fleet.utils").recompute
        with self._paddle.enable_grad():
            leaf = x.detach().clone()
            leaf.stop_gradient = False
            with theirs():
                output = recompute(
                    lambda branch: layer(branch, training=True), leaf.clone(), use_reentrant=how.endswith("True")
                )
            if not isinstance(output, self._paddle.Tensor) or output.stop_gradient:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                output.backward(cotangent)
        return Gradient(output.detach(), leaf.grad, "" if leaf.grad is not None else "the graph does not reach x")

    def fork_hazard(self, device: str) -> str:
        """Return why a forked process could not use the device: only the CPU survives a fork."""
        return "" if device == "cpu" else f"a forked process cannot use {device}"

    def tracked(self, x: Tensor) -> bool:
        """Return whether a gradient of x is asked for."""
        return not x.stop_gradient

    def rows(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return these samples of x."""
        return x[self._paddle.to_tensor(np.array(numbers, np.int64), place=x.place)]

    def set_mode(self, layer: Any, training: bool) -> None:
        """Switch the layer's mode unless it is in it already."""
        if getattr(layer, "training", None) is not training and hasattr(layer, "train") and hasattr(layer, "eval"):
            layer.train() if training else layer.eval()

    @contextmanager
    def surround(self, name: str, device: str) -> Iterator[None]:  # noqa: ARG002 - auto_cast knows the device itself
        """Enter ``no_grad`` or ``autocast``."""
        paddle = self._paddle
        with paddle.no_grad() if name == "no_grad" else paddle.amp.auto_cast(dtype="bfloat16"):
            yield

    def container(self, layer: Any) -> Any | None:
        """Return a layer in which another one holds the layer; None for what is no layer."""
        nn = self._paddle.nn
        return nn.Sequential(nn.Sequential(layer)) if isinstance(layer, nn.Layer) else None

    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert a layer with to(), where it stands; see ``targets.bound.Bindable``."""
        if not isinstance(layer, self._paddle.nn.Layer):
            raise NotApplicable("what is no layer has no dtype to convert")
        layer.to(device=device, dtype=dtype)

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the keys of the layer's state_dict; none for what is no layer."""
        return tuple(layer.state_dict()) if isinstance(layer, self._paddle.nn.Layer) else ()

    def branch(self, function: Callable[[Tensor], Tensor]) -> Any:
        """Return ``function`` as a layer."""

        class Branch(self._paddle.nn.Layer):  # type: ignore[misc, name-defined]
            def forward(self, x: Tensor) -> Tensor:
                return function(x)

        return Branch()

    def can_fork(self) -> bool:
        """Return whether no accelerator is in use; the first import takes the GPU where there is one."""
        return bool(self._paddle.get_device() == "cpu")

    def seed(self, seed: int) -> None:
        """Seed the generators of all devices."""
        self._paddle.seed(seed)

    def generator_state(self, device: str) -> bytes:
        """Return the state of the default generators of the CPU, and of the GPUs for one of them."""
        states = self._paddle.get_rng_state("cpu")
        if device != "cpu":
            states = [*states, *self._paddle.get_cuda_rng_state()]
        # The text holds the whole state, and the address of a copy, which differs for equal states.
        words = (word for state in states for word in str(state).split())
        return " ".join(word for word in words if not word.startswith("0x")).encode()

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore generators, gradient mode and default dtype on leaving."""
        paddle = self._paddle
        cpu, cuda = paddle.get_rng_state("cpu"), paddle.get_cuda_rng_state()
        gradients, dtype = paddle.is_grad_enabled(), paddle.get_default_dtype()
        try:
            yield
        finally:
            paddle.set_rng_state(cpu, "cpu")
            paddle.set_cuda_rng_state(cuda)
            paddle.set_grad_enabled(gradients)
            paddle.set_default_dtype(dtype)


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("paddle.")
