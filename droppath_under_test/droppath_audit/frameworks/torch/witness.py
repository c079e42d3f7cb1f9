"""Every operation of torch, with what it was given and returned, told by numbers and not by tensors."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from droppath_audit.frameworks.torch.drawing import draws
from droppath_audit.frameworks.witness import FEW_ELEMENTS, MOST_ELEMENTS, MOST_LOOKED, Seen, Witness, Witnessing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_SHAPES = ("_like", "new_", "empty", "zeros", "ones", "full", "arange", "scalar_tensor")
"""In names of operations whose values come from no tensor that they are given."""
_WRITTEN_AS = {"lift_fresh": "tensor", "_to_copy": "to", "_local_scalar_dense": "item"}
"""How somebody who never looked inside of torch knows an operation."""


class TorchWitness(Witness):
    """See ``frameworks.witness``."""

    def __init__(self) -> None:
        self._labels: dict[int, tuple[bool, frozenset[int]]] = {}
        self._held: list[torch.Tensor] = []
        self._remembered: list[torch.Tensor] = []
        self._drawn = self._looked = 0

    @contextmanager
    def watching(self, wanted: Callable[[], bool], note: Callable[[object, dict[str, Any]], None]) -> Iterator[None]:
        """Return a context in which every operation is noted that somebody wants."""
        with _Operations(self, wanted, note):
            yield

    def begin(self, x: Iterable[Any]) -> list[Seen]:
        """Take these tensors for x in what follows, and return what they are."""
        found = []
        for tensor in x:
            if isinstance(tensor, torch.Tensor):
                self._label(tensor, (True, self._labels.get(_key(tensor), (False, frozenset()))[1]))
                found.append(self.describe(tensor))
        return found

    def end(self) -> None:
        """Forget x, and keep in mind what was drawn."""
        drawn = [one for one in self._held if self._labels.get(_key(one), (False, frozenset()))[1]]
        self._remembered = [*self._remembered, *(one for one in drawn if one.numel() <= MOST_ELEMENTS)][-64:]
        self._held = []
        alive = {_key(one) for one in self._remembered}
        self._labels = {key: (False, label[1]) for key, label in self._labels.items() if key in alive}

    def tensors(self, value: Any) -> list[Any]:
        """Return the tensors in a value."""
        return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]

    def describe(self, tensor: Any) -> Seen:
        """Return what a tensor is."""
        of_x, draws = self._labels.get(_key(tensor), (False, frozenset()))
        finite, nans, number = None, 0, None
        floating = tensor.is_floating_point() or tensor.is_complex()
        small = self._small(tensor)
        with suppress(Exception):  # in a transform of functions nobody may look at values
            if small and floating and tensor.numel():
                finite = bool(torch.isfinite(tensor).all())
                nans = 0 if finite else int(torch.isnan(tensor).sum())
            if small and tensor.numel() == 1 and not of_x and not draws and not tensor.is_complex():
                number = float(tensor.detach())
        return Seen(
            key=_key(tensor),
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            device=str(tensor.device),
            strides=tuple(tensor.stride()) if tensor.layout == torch.strided else (),
            tracked=tensor.requires_grad,
            of_x=of_x,
            draws=draws,
            finite=finite,
            nans=nans,
            number=number,
        )

    def records_graph(self) -> bool:
        """Return whether gradients are recorded."""
        return torch.is_grad_enabled() and not torch.is_inference_mode_enabled()

    def _small(self, tensor: torch.Tensor) -> bool:
        """Return whether the values of a tensor are looked at: of ever smaller ones, as more was looked at before."""
        readable = tensor.layout == torch.strided and tensor.device.type != "meta"
        most = MOST_ELEMENTS if self._looked < MOST_LOOKED else FEW_ELEMENTS
        if not readable or tensor.numel() > most:
            return False
        self._looked += tensor.numel()
        return True

    def _label(self, tensor: torch.Tensor, label: tuple[bool, frozenset[int]]) -> None:
        self._held.append(tensor)  # or another could take its memory, and its label
        self._labels[_key(tensor)] = label

    def ran(self, op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return what an operation returns, and what is known of it."""
        name, random = op.overloadpacket.__name__, draws(op, args, kwargs)
        arguments = [*args, *kwargs.values()]
        leaves = tree_leaves(arguments)
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        given = [self.describe(tensor) for tensor in tensors]
        before = [tensor.detach().clone() if _written(op) and self._small(tensor) else tensor for tensor in tensors]
        result = op(*args, **kwargs)
        returned = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if random:
            self._drawn += 1
            label = (False, frozenset({self._drawn}))
        else:
            taken = [] if any(part in name for part in _SHAPES) else given
            label = (any(one.of_x for one in taken), frozenset[int]().union(*(one.draws for one in taken)))
        for tensor in returned:
            shared = self._labels.get(_key(tensor), (False, frozenset())) if not random else label
            self._label(tensor, (label[0] or shared[0], label[1] | shared[1]))
        numbers = [float(leaf) for leaf in leaves if isinstance(leaf, (int, float)) and not isinstance(leaf, bool)]
        writes = [_key(tensor) for tensor in _written_among(op, arguments)]
        changes, factors = self._compared(given, before, returned)
        return result, {
            "name": _WRITTEN_AS.get(name, name),
            "given": tuple(given),
            "returned": tuple(self.describe(tensor) for tensor in returned),
            "numbers": tuple(numbers),
            "random": random,
            "own_generator": any(isinstance(leaf, torch.Generator) for leaf in leaves),
            "writes": tuple(writes),
            "changes": changes,
            "factors": factors,
            "graph": self.records_graph(),
        }

    def _compared(
        self, given: list[Seen], before: list[torch.Tensor], returned: list[torch.Tensor]
    ) -> tuple[bool, tuple[float, float] | None]:
        """Return whether x was changed, and by which factors what was given was multiplied."""
        if len(returned) != 1 or not returned[0].numel() or not self._small(returned[0]):
            return False, None
        after = returned[0].detach()
        told = [(one, tensor.detach()) for one, tensor in zip(given, before, strict=True) if self._small(tensor)]
        told = [(one, tensor) for one, tensor in told if tensor.shape == after.shape]
        of_x = [tensor for one, tensor in told if one.of_x]
        drawn = [tensor for one, tensor in told if one.draws]
        changes = False
        with suppress(Exception):
            changes = bool(of_x) and after.dtype == of_x[0].dtype and not _same(after, of_x[0])
        source = next(iter(of_x or drawn or [tensor for _, tensor in told]), None)
        if source is None or not after.is_floating_point() or not source.is_floating_point():
            return changes, None
        with suppress(Exception):
            whole, part = source.double(), after.double()
            told_by = (part != 0) & (whole != 0) & torch.isfinite(part) & torch.isfinite(whole)
            quotients = part[told_by] / whole[told_by]
            if quotients.numel():
                return changes, (float(quotients.min()), float(quotients.max()))
        return changes, None


class TorchWitnessing(Witnessing):
    """See ``frameworks.witness``."""

    def witness(self) -> TorchWitness:
        """Return a fresh witness."""
        return TorchWitness()


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(
        self, witness: TorchWitness, wanted: Callable[[], bool], note: Callable[[object, dict[str, Any]], None]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._witness, self._wanted, self._note = witness, wanted, note

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, as in ``tape``."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self._wanted():
            return func(*args, **kwargs)
        result, noted = self._witness.ran(func, args, kwargs)
        self._note(func, noted)
        return result


def _key(tensor: torch.Tensor) -> int:
    """Return what tells whose memory a tensor uses."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # sparse and wrapped ones have none
        return id(tensor)


@cache
def _written(op: Any) -> tuple[int, ...]:
    """Return which of an operation's arguments it writes to."""
    found = []
    for at, argument in enumerate(op._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found.append(at)
    return tuple(found)


def _written_among(op: Any, arguments: list[Any]) -> list[torch.Tensor]:
    return [arguments[at] for at in _written(op) if at < len(arguments) and isinstance(arguments[at], torch.Tensor)]


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(((one == other) | ((one != one) & (other != other))).all())  # NaN
