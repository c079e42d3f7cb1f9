"""Strides of paddle tensors, and their counts of in-place operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import paddle

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import Layouts, WriteCounts

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor


class PaddleLayouts(Framework, Layouts, WriteCounts):
    """Tensors of every layout that paddle has."""

    # expand() copies, and tensors have no memory format: neither zero strides nor channels_last exist.
    layouts = ("contiguous", "transposed", "sliced", "offset")

    def laid_out(self, values: npt.NDArray[Any], dtype: str, device: str, layout: str) -> Tensor:
        """Return a tensor of these values with the named strides; a layout its shape cannot have is contiguous."""
        plain = self.tensor(values, dtype, device)
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

    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides of a contiguous tensor; 0 for sizes up to 1.

        Raises:
            NotApplicable: If it is not contiguous, and an elementwise operation on it leaves a contiguous one.
        """
        after = tensor + tensor
        if after.is_contiguous() and not tensor.is_contiguous():
            raise NotApplicable("paddle's elementwise operations leave contiguous tensors, whatever the strides of x")
        return tuple(stride if size > 1 else 0 for size, stride in zip(after.shape, after.strides, strict=True))

    def version(self, tensor: Tensor) -> int:
        """Return the tensor's count of in-place operations."""
        return int(tensor.inplace_version)
