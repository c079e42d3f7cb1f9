"""Operations on torch tensors."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from droppath_audit.frameworks.base import Count, TensorInfo
from droppath_audit.frameworks.capabilities import Forking, Taped
from droppath_audit.frameworks.manners import Skeletons
from droppath_audit.frameworks.torch import devices
from droppath_audit.frameworks.torch.autograd import TorchAutograd
from droppath_audit.frameworks.torch.blocks import TorchBlocks
from droppath_audit.frameworks.torch.compiling import TorchCompiling
from droppath_audit.frameworks.torch.costs import TorchCosts
from droppath_audit.frameworks.torch.executions import TorchExecutions
from droppath_audit.frameworks.torch.fakes import TorchFakes
from droppath_audit.frameworks.torch.graphs import TorchGraphs
from droppath_audit.frameworks.torch.hooks import TorchHooks
from droppath_audit.frameworks.torch.layers import TorchLayers
from droppath_audit.frameworks.torch.layouts import TorchLayouts
from droppath_audit.frameworks.torch.monitoring import TorchMonitoring
from droppath_audit.frameworks.torch.networks import TorchNetworks
from droppath_audit.frameworks.torch.ranks import TorchRanks
from droppath_audit.frameworks.torch.settings import TorchSettings
from droppath_audit.frameworks.torch.subclasses import TorchSubclasses
from droppath_audit.frameworks.torch.tape import TorchTape
from droppath_audit.frameworks.torch.transforms import TorchTransforms
from droppath_audit.frameworks.torch.witness import TorchWitnessing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

WIDE = {
    torch.float32: np.float64,
    torch.float64: np.float64,
    torch.complex64: np.complex128,
    torch.complex128: np.complex128,
}
"""Dtypes that NumPy has and converts as fast as torch does, with those to which they are converted."""
INTEGER_OF_SIZE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class TorchFramework(
    TorchAutograd,
    TorchLayers,
    TorchBlocks,
    TorchHooks,
    TorchTransforms,
    TorchSubclasses,
    TorchFakes,
    TorchLayouts,
    TorchCompiling,
    TorchGraphs,
    TorchExecutions,
    TorchSettings,
    TorchWitnessing,
    TorchCosts,
    TorchNetworks,
    TorchMonitoring,
    TorchRanks,
    Taped,
    Forking,
    Skeletons,
):
    """Operations on torch tensors; see ``frameworks.base`` and ``frameworks.capabilities``."""

    name = "torch"

    def __init__(self) -> None:
        super().__init__()
        self._bit_patterns: dict[tuple[str, float], int] = {}

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes whose values can be stored on and read back from ``device``."""
        found = []
        candidates = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
        for dtype in sorted(candidates, key=str):
            if not (dtype.is_floating_point or dtype.is_complex):
                continue
            wide = torch.complex128 if dtype.is_complex else torch.float64
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # some dtypes announce themselves as experimental
                    stored = torch.ones((2, 2), dtype=wide, device="cpu").to(dtype).to(device)
                    readable = bool((stored.cpu().to(wide) == 1).all()) and stored.clone().shape == (2, 2)
            except (RuntimeError, TypeError, NotImplementedError):
                continue
            if readable:
                found.append(_name(dtype))
        return tuple(found)

    def tensor(self, values: npt.NDArray[Any], dtype: str, device: str) -> torch.Tensor:
        """Return a contiguous tensor of these values."""
        return torch.from_numpy(values.copy()).to(getattr(torch, dtype)).to(device)

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Let one thread compute, where there are several."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def ones(self, shape: tuple[int, ...], dtype: str, device: str) -> torch.Tensor:
        """Return a tensor of ones."""
        return torch.ones(shape, dtype=getattr(torch, dtype), device=device)

    def zeros_like(self, x: torch.Tensor) -> torch.Tensor:
        """Return zeros of x's shape, dtype and device."""
        return torch.zeros_like(x, requires_grad=False)

    def numpy(self, tensor: torch.Tensor) -> npt.NDArray[Any]:
        """Return the values as float64 or complex128."""
        wide = WIDE.get(_tensor(tensor).dtype)
        if wide is None:
            # On the CPU: there are devices that have no float64.
            return _array(tensor.detach().cpu().to(torch.complex128 if tensor.is_complex() else torch.float64))
        return _array(tensor).astype(wide, copy=False)

    def kept(self, tensor: torch.Tensor, batch: int) -> npt.NDArray[np.bool_]:
        """Return which samples' first element is other than zero."""
        tensor = _tensor(tensor).detach()
        if tensor.numel() > batch and tensor.dim() and tensor.shape[0] == batch:
            first: Any = (slice(None), *[0] * (tensor.dim() - 1))
            tensor = tensor[first]  # without a copy of all of it, whatever its strides
        # Thousands of small calls are read one by one: nothing is converted that NumPy can compare.
        array = _array(tensor) if tensor.dtype in WIDE else self.numpy(tensor)
        kept: npt.NDArray[np.bool_] = array.reshape(batch, -1)[:, 0] != 0
        return kept

    def bits(self, tensor: torch.Tensor) -> npt.NDArray[np.uint8]:
        """Return a copy of the bytes of the values, in logical order."""
        if tensor.dtype in WIDE:
            return np.frombuffer(_array(tensor).tobytes(), np.uint8)
        # A copy, because one element of an expanded tensor keeps its stride of 0 and then has no bytes to view.
        source = tensor.detach().to("cpu").resolve_conj().resolve_neg().reshape(-1)
        return source.new_empty(source.numel()).copy_(source).view(torch.uint8).numpy()

    def info(self, tensor: torch.Tensor) -> TensorInfo:
        """Return shape, dtype and device.

        Raises:
            TypeError: If ``tensor`` is not a torch tensor.
        """
        return TensorInfo(tuple(_tensor(tensor).shape), _name(tensor.dtype), str(tensor.device))

    def add(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return first + second

    def multiply(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        return x * mask

    def rows(self, x: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        """Return these samples of x."""
        return x[torch.tensor(numbers, dtype=torch.int64, device=x.device)]

    def count(self, tensors: Sequence[torch.Tensor], kept_value: float) -> Count:
        """Count elements equal to the kept value, equal to zero, and neither."""
        if tensors[0].device.type == "cpu":
            flat = tensors[0].detach() if len(tensors) == 1 else torch.cat([t.detach() for t in tensors])
            size, (kept, dropped) = flat.numel(), self._kept_and_dropped(flat, kept_value)
        else:  # where the CPU waits once for all of them
            size = sum(tensor.numel() for tensor in tensors)
            each = [torch.stack([(t == kept_value).sum(), (t == 0).sum()]) for t in map(torch.Tensor.detach, tensors)]
            kept, dropped = (int(number) for number in torch.stack(each).sum(0).cpu().tolist())
        if kept_value == 0:
            kept = 0
        return Count(kept, dropped, size - kept - dropped)

    def _kept_and_dropped(self, flat: torch.Tensor, kept_value: float) -> tuple[int, int]:
        """Return how many elements of a tensor on the CPU are the kept value, and how many are zero."""
        if not flat.is_contiguous() or flat.is_complex() or flat.is_neg():
            return int((flat == kept_value).sum()), int((flat == 0).sum())
        # Comparing integers in NumPy costs a tenth of a draw; the same in torch operations costs a third.
        bits = flat.view(INTEGER_OF_SIZE[flat.dtype.itemsize]).numpy()
        dropped = flat.numel() - int(np.count_nonzero(bits))
        kept = int(np.count_nonzero(bits == self._pattern(flat.dtype, kept_value)))
        if kept + dropped != flat.numel():
            dropped += int(np.count_nonzero(bits == self._pattern(flat.dtype, -0.0)))
        return kept, dropped

    def _pattern(self, dtype: torch.dtype, value: float) -> int:
        key = (str(dtype), value)
        if key not in self._bit_patterns:
            one = torch.tensor([value], dtype=torch.float64, device="cpu").to(dtype)
            self._bit_patterns[key] = int(one.view(INTEGER_OF_SIZE[dtype.itemsize]).item())
        return self._bit_patterns[key]

    def first_nonzero(self, tensor: torch.Tensor) -> float:
        """Return the first element other than zero (NaN counts), or 0 where all are zero."""
        flat = tensor.detach().reshape(-1)
        if flat.dtype.itemsize == 1:
            flat = flat.to(torch.float32)
        nonzero = torch.nonzero(flat != 0)
        return float(flat[nonzero[0, 0]].item()) if len(nonzero) else 0.0

    def tape(self) -> TorchTape:
        """Return what records and replaces the draws of a target."""
        return TorchTape()

    def fork_hazard(self, device: str) -> str:
        """Return why a forked process could not use the device: only the CPU survives a fork."""
        # A process that has used an accelerator cannot use it in a fork, and one that has not would be slow to start.
        return "" if torch.device(device).type == "cpu" else f"a forked process cannot use {device}"

    def can_fork(self) -> bool:
        """Return whether no accelerator is in use yet."""
        return devices.survive_fork()

    def without_values(self) -> torch.device:
        """Return torch's meta device, as a context."""
        return torch.device("meta")


def _tensor(found: torch.Tensor) -> torch.Tensor:
    """Return what the target returned, which need not be what its annotations say.

    Raises:
        TypeError: If it is not a torch tensor.
    """
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"the target returned {type(found).__name__}, not a tensor")
    return found


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """Return the values as NumPy holds them; they may share the tensor's memory."""
    return (tensor if tensor.is_cpu else tensor.detach().to("cpu")).numpy(force=True)


@cache
def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
