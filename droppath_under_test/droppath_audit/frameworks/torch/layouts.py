"""Strides of torch tensors, and their version counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.capabilities import Layouts, WriteCounts

if TYPE_CHECKING:
    import numpy.typing as npt


class TorchLayouts(Framework, Layouts, WriteCounts):
    """Tensors of every layout that torch has."""

    layouts = (
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

    def laid_out(self, values: npt.NDArray[Any], dtype: str, device: str, layout: str) -> torch.Tensor:
        """Return a tensor of these values with the named strides; a layout its shape cannot have is contiguous."""
        plain: torch.Tensor = self.tensor(values, dtype, device)
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
            return plain.contiguous(memory_format={4: torch.channels_last, 5: torch.channels_last_3d}[rank])
        if layout == "repeated" and rank >= 1 and plain.shape[0] > 1:
            return plain[:1].expand(plain.shape)
        # Torch has no negative strides; what it has of that kind is conjugated and negated on reading.
        if layout == "conjugated" and plain.is_complex():
            return plain.conj().resolve_conj().conj()
        if layout == "negated" and plain.dtype.itemsize > 1:
            return torch._neg_view(-plain)
        return plain

    def strides(self, tensor: torch.Tensor) -> tuple[int, ...]:
        """Return the strides, in elements, that an elementwise operation on the tensor leaves; 0 for sizes up to 1."""
        kept = torch.empty_like(tensor, memory_format=torch.preserve_format)
        return tuple(stride if size > 1 else 0 for size, stride in zip(kept.shape, kept.stride(), strict=True))

    def version(self, tensor: torch.Tensor) -> int:
        """Return the tensor's version counter."""
        return tensor._version
