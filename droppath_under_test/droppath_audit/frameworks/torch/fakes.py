"""Fake devices of torch: wrapped tensors of the CPU, under a dispatch mode.

Torch has fake tensors of its own. These are computed on, so that reading a value is noted and goes on; tensors of the
CPU beside them stay what they are, NumPy and all; and torch's own import its compiler, which costs more than a hundred
checks of this kind and changes how every later trial is run.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.fakes import DRAWN, MET, MOVED, READ, STRAYED, FakeDevices, Passage
from droppath_audit.frameworks.theirs import is_ours
from droppath_audit.frameworks.torch.drawing import draws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

MOST_VALUES = 4096  # of a tensor that is compared with that of another call
COPIES = ("_to_copy", "copy_", "_copy_from")
TAKES_BOTH = ("index", "index_put", "index_put_", "_index_put_impl_", "bernoulli_")
"""Operations of a device that copy what they are given of the CPU to it."""
READS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_TORCH = str(Path(torch.__file__).parent)


class Fake(torch.Tensor):
    """A tensor of the CPU that says it is on another device."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor, device: torch.device) -> Fake:
        """Wrap a tensor."""
        found: Fake = torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=device
        )
        return found

    def __init__(self, raw: torch.Tensor, device: torch.device) -> None:
        self.raw = raw

    def requires_grad_(self, requires_grad: bool = True) -> Fake:
        """Refuse: a graph of a device that torch is not linked with ends the process."""
        return self if not requires_grad else _no_gradients()

    def tolist(self) -> Any:
        """Return the values, which are waited for."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse, as every device but the CPU does."""
        if force:
            return self.cpu().numpy(force=True)
        for mode in _entered:
            mode.note(Passage(MET, "numpy", words(self.raw)))
        raise TypeError(f"can't convert {self.device} device type tensor to numpy")

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are recorded, which they are not."""
        return False

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Compute, also where nobody watches."""
        device = next(leaf.device for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Fake))
        return _Operation(func, args, kwargs or {}, device).run(lambda _passage: None)


_entered: list[_Mode] = []


class TorchFakes(FakeDevices):
    """See ``frameworks.fakes``."""

    fakes = ("cuda:1", "mps", "xpu:1", "meta")

    @contextmanager
    def fake(self, device: str) -> Iterator[_Mode]:
        """Enter the mode, without gradients."""
        kind = torch.device(device).type
        if kind != "meta" and torch.get_device_module(kind).device_count():
            raise NotApplicable(f"{kind} is here: audit with --device {kind}")
        # Otherwise torch would copy what is made of Python's numbers to the device before the mode is asked.
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        try:
            with torch.no_grad(), _Mode(_numbered(device)) as mode:
                _entered.append(mode)
                yield mode
        finally:
            _entered.clear()
            torch._C._set_only_lift_cpu_tensors(before)


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Takes every operation, and notes what passes between the device and the CPU."""

    # Without it torch initialises the device before it asks the mode.
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._device = device
        self._passages: list[Passage] | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, as in ``tape``."""
        return False

    def ones(self, shape: tuple[int, ...], dtype: str) -> torch.Tensor:
        """Return a tensor of ones."""
        return Fake(torch.ones(shape, dtype=getattr(torch, dtype), device="cpu"), self._device)

    @contextmanager
    def watched(self) -> Iterator[list[Passage]]:
        """Yield the list of what passes."""
        found: list[Passage] = []
        self._passages = found
        try:
            yield found
        finally:
            self._passages = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _Operation(func, args, kwargs or {}, self._device).run(self.note)

    def note(self, passage: Passage) -> None:
        """Add what passes to the list of who watches, unless this package asked for it."""
        if self._passages is not None and not asked_by_us(__file__):
            self._passages.append(passage)


class _Operation:
    """One operation, of which some arguments are on the device and some are on the CPU."""

    def __init__(self, func: Any, args: Any, kwargs: Any, device: torch.device) -> None:
        self._func, self._device = func, device
        self._name: str = func.overloadpacket.__name__
        self._args, self._kwargs = pytree.tree_map(self._adopted, (args, kwargs))
        self._leaves = leaves = pytree.tree_leaves((self._args, self._kwargs))
        self._there = [leaf for leaf in leaves if isinstance(leaf, Fake)]
        # Operators of a target may take a device anywhere, torch's own by its name.
        self._named = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
        self._here = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Fake)]

    def run(self, note: Callable[[Passage], None]) -> Any:
        """Return what it returns, after what passes was noted."""
        func, name = self._func, self._name
        stays = self._stays()
        # A tensor without axes is a number: devices take it as an argument.
        sized = [tensor for tensor in self._here if tensor.dim()]
        if stays and sized and (self._there or name in COPIES):
            if name in (*COPIES, *TAKES_BOTH):
                for tensor in sized:
                    values = repr(tensor.detach().flatten()[:MOST_VALUES].tolist())
                    note(Passage(MOVED, name, words(tensor), values))
            elif self._named is None:
                note(Passage(MET, name, words(sized[0])))
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, "
                    f"{self._device} and {sized[0].device}!"
                )
        strays = [leaf for leaf in self._there if leaf.device != self._there[0].device]
        if strays and name not in COPIES:
            strayed = next(leaf for leaf in self._there if leaf.device != self._device)
            note(Passage(STRAYED, name, f"{words(strayed.raw)} on {strayed.device} meets one on {self._device}"))
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{self._there[0].device} and {strays[0].device}!"
            )
        if stays and self._device.type != "meta" and any(isinstance(leaf, torch.Generator) for leaf in self._leaves):
            note(Passage(MET, name, "a generator"))
            raise RuntimeError(f"Expected a '{self._device.type}' device type for generator but found 'cpu'")
        if self._there and self._waits(stays):
            note(Passage(READ, name, words(self._there[0].raw)))
        args, kwargs = pytree.tree_map(self._bare, (self._args, self._kwargs))
        result = func(*args, **kwargs)
        if not stays and draws(func, args, kwargs):
            for tensor in pytree.tree_leaves(result):
                if isinstance(tensor, torch.Tensor) and tensor.numel():
                    note(Passage(DRAWN, name, words(tensor), named=self._names_a_generator()))
        return self._wrapped(result) if stays else result

    def _stays(self) -> bool:
        """Return whether what it returns is on the device."""
        if self._named is not None:
            return self._named.type == self._device.type
        if self._name in COPIES:
            return isinstance(self._args[1 if self._name == "_copy_from" else 0], Fake)
        return bool(self._there)

    def _where(self) -> torch.device:
        """Return the device of what it returns: of what is named by the type alone, the current one."""
        if self._named is not None:
            return _numbered(self._named)
        if self._name in COPIES:
            return self._args[1 if self._name == "_copy_from" else 0].device  # type: ignore[no-any-return]
        return self._there[0].device

    def _waits(self, stays: bool) -> bool:
        """Return whether the CPU has to wait for values of the device."""
        if self._name in COPIES:
            return not stays and not self._kwargs.get("non_blocking")
        if self._name == "index":  # by numbers it has a shape that is known; by a mask it has not
            return by_a_mask((*self._there[1:], *self._here))
        return any(tag in self._func.tags for tag in READS)

    def _names_a_generator(self) -> bool:
        given = [leaf for leaf in self._leaves if isinstance(leaf, torch.Generator)]
        return any(generator._cdata != torch.default_generator._cdata for generator in given)  # type: ignore[attr-defined]

    def _adopted(self, value: Any) -> Any:
        """Return a tensor that torch itself made on the device, which only meta lets it, as a fake one."""
        if isinstance(value, torch.Tensor) and not isinstance(value, Fake) and value.device.type == self._device.type:
            return Fake(torch.zeros(value.shape, dtype=value.dtype, device="cpu"), self._device)
        return value

    def _bare(self, value: Any) -> Any:
        if isinstance(value, Fake):
            return value.raw
        if isinstance(value, torch.device) and value.type == self._device.type:
            return torch.device("cpu")
        return value

    def _wrapped(self, result: Any) -> Any:
        """Return the result on the device: what was written to is what was given."""
        given, device = {id(tensor.raw): tensor for tensor in self._there}, self._where()

        def wrap(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            known = given.get(id(value))
            if known is None:
                return Fake(value, device)
            if known.shape != value.shape or known.stride() != value.stride():
                raise NotImplementedError(f"{self._name} changes the shape of a fake tensor where it stands")
            return known

        return pytree.tree_map(wrap, result)


def _numbered(device: str | torch.device) -> torch.device:
    """Return a device with its number, which is 0 where none is named: nothing makes another one the current one."""
    found = torch.device(device)
    return found if found.type == "meta" else torch.device(found.type, found.index or 0)


def _no_gradients() -> NoReturn:
    raise NotImplementedError("a fake tensor has no gradients")


def by_a_mask(indices: Iterable[torch.Tensor]) -> bool:
    """Return whether one of them is a mask, of which nobody knows how many elements it chooses."""
    return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in indices)


def words(tensor: torch.Tensor) -> str:
    """Return dtype and shape."""
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def asked_by_us(mode: str) -> bool:
    """Return whether code of this package, and not the target's, asked for the operation that a mode's file sees."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, __file__, mode)):
        frame = frame.f_back
    return frame is None or is_ours(frame.f_code.co_filename)
