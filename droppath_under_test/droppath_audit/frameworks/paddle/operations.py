"""Operations on paddle tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import paddle

from droppath_audit.frameworks.base import Count, TensorInfo
from droppath_audit.frameworks.capabilities import Forking
from droppath_audit.frameworks.paddle.autograd import PaddleAutograd
from droppath_audit.frameworks.paddle.generators import PaddleGenerators
from droppath_audit.frameworks.paddle.layers import PaddleLayers
from droppath_audit.frameworks.paddle.layouts import PaddleLayouts
from droppath_audit.frameworks.paddle.settings import PaddleSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor

INTEGER_OF_SIZE = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}


class PaddleFramework(PaddleAutograd, PaddleGenerators, PaddleLayers, PaddleLayouts, PaddleSettings, Forking):
    """Operations on paddle tensors; see ``frameworks.base`` and ``frameworks.capabilities``."""

    name = "paddle"

    def __init__(self) -> None:
        self._bit_patterns: dict[tuple[str, float], int] = {}

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes in which ``device`` stores values and computes, by experiment.

        Paddle stores float16 and bfloat16 everywhere, but its CPU kernels lack addition for both: a residual
        connection, let alone a DropPath, cannot be computed there. A layer that raises for want of a kernel says
        nothing of the layer, so such a dtype counts as one that the device does not have.
        """
        candidates = {_name(value) for value in vars(paddle).values() if isinstance(value, paddle.dtype)}
        floating = sorted(name for name in candidates if name.startswith(("float", "bfloat", "complex")))
        return tuple(dtype for dtype in floating if self._computes(dtype, device))

    def _computes(self, dtype: str, device: str) -> bool:
        """Return whether values are stored, read back, added, multiplied, divided and compared, and drawn."""
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
        return paddle.to_tensor(array, place=device)

    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str) -> Tensor:
        """Return a contiguous tensor of these values."""
        return self._placed(np.array(values), device).astype(dtype)

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
        """Return a copy of the bytes of the values, in logical order."""
        return np.array(tensor.detach().numpy(), order="C").reshape(-1).view(np.uint8)

    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a paddle tensor.
        """
        if not isinstance(tensor, paddle.Tensor):
            raise TypeError(f"the target returned {type(tensor).__name__}, not a tensor")
        device = str(tensor.place).removeprefix("Place(").removesuffix(")")
        return TensorInfo(tuple(tensor.shape), _name(tensor.dtype), device)

    def _pattern(self, dtype: str, value: float) -> int:
        key = (dtype, value)
        if key not in self._bit_patterns:
            one = self.tensor(np.array([value]), dtype, "cpu").numpy()
            self._bit_patterns[key] = int(one.view(INTEGER_OF_SIZE[one.itemsize])[0])
        return self._bit_patterns[key]

    def count(self, tensors: Sequence[Tensor], kept_value: float) -> Count:
        """Count elements equal to the kept value, equal to zero, and neither."""
        info = self.info(tensors[0])
        if info.device == "cpu" and not info.dtype.startswith("complex"):
            # Integers compare faster in NumPy than anything does in the framework.
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

    def zeros_like(self, x: Tensor) -> Tensor:
        """Return zeros of x's shape, dtype and device."""
        return paddle.zeros_like(x.detach())

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum."""
        return first + second

    def multiply(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the product."""
        return x * mask

    def rows(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return these samples of x."""
        return x[paddle.to_tensor(np.array(numbers, np.int64), place=x.place)]

    def fork_hazard(self, device: str) -> str:
        """Return why a forked process could not use the device: only the CPU survives a fork."""
        return "" if device == "cpu" else f"a forked process cannot use {device}"

    def can_fork(self) -> bool:
        """Return whether no accelerator is in use; the first import takes the GPU where there is one."""
        return bool(paddle.get_device() == "cpu")


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("paddle.")
