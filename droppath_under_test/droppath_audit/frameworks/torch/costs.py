"""What a call of torch costs, seen by a dispatch mode."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from droppath_audit.frameworks.costs import Costs, Made, Ran
from droppath_audit.frameworks.torch.fakes import READS, asked_by_us, by_a_mask, words

if TYPE_CHECKING:
    from collections.abc import Callable

EMPTY = ("empty", "new_empty")
"""Beginnings of the names of operations that take memory and write nothing."""


class TorchCosts(Costs):
    """See ``frameworks.costs``."""

    yardsticks: ClassVar = {
        "reference": "droppath_reference:DropPath?granularity={granularity}",
        "timm's rule": "droppath_audit.sound.draws:bernoulli_then_divide",
    }

    def ran(self, call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Ran:
        """Run it under the mode, without gradients."""
        with torch.no_grad(), _Mode(x) as mode:
            output = call(x)
        found: Ran = mode.told(output)
        return found

    def wait(self, device: str) -> None:
        """Synchronise; the CPU has nothing to wait for."""
        kind = torch.device(device)
        if kind.type != "cpu":
            torch.get_device_module(kind).synchronize()


class _Memory:
    """The memory of one tensor, which views share."""

    def __init__(self, op: str, tensor: torch.Tensor) -> None:
        self.op, self.tensor, self.bytes = op, words(tensor), tensor.untyped_storage().nbytes()
        self.large = self.of_x = False


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operation that a target asks for."""

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._elements, self._x_bytes = x.numel(), x.numel() * x.element_size()
        self._live: dict[int, _Memory] = {}  # by the address of the storage, which another takes once it is freed
        self._made: list[_Memory] = []
        self._passes, self._waits = list[str](), list[str]()
        self._operations = self._held = self._peak = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, as in ``tape``."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if asked_by_us(__file__):
            return func(*args, **kwargs)
        given = _tensors((args, kwargs))
        before = {_key(tensor) for tensor in given}
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        returned = _tensors(result)
        if any(tag in func.tags for tag in READS) or (name == "index" and by_a_mask(given[1:])):
            self._waits.append(name)
        if returned and not func._schema.is_mutable and all(_key(tensor) in before for tensor in returned):
            return result  # a view
        self._operations += 1
        for tensor in returned:
            self._note(name, tensor)
        if not name.startswith(EMPTY) and any(tensor.numel() >= self._elements for tensor in returned):
            self._passes.append(name)
        return result

    def _note(self, name: str, tensor: torch.Tensor) -> None:
        key = _key(tensor)
        memory = self._live.get(key)
        if memory is None:
            memory = self._live[key] = _Memory(name, tensor)
            self._made.append(memory)
            self._held += memory.bytes
            self._peak = max(self._peak, self._held)
            weakref.finalize(tensor.untyped_storage(), self._freed, key)
        memory.large |= tensor.numel() >= self._elements
        memory.of_x = not _finite(tensor)  # what was written last is what it holds

    def _freed(self, key: int) -> None:
        self._held -= self._live.pop(key).bytes

    def told(self, output: torch.Tensor) -> Ran:
        """Return what was noted, the output apart."""
        own = self._live.get(_key(output))
        made = tuple(
            Made(memory.op, memory.tensor, memory.bytes, memory.of_x)
            for memory in self._made
            if memory.large and memory is not own
        )
        passes, waits = tuple(self._passes), tuple(self._waits)
        return Ran(self._operations, passes, made, waits, self._peak, self._x_bytes, not _finite(output))


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided]


def _finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def _key(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
