"""A witness: what a framework tells of its operations while code of a target runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

MOST_ELEMENTS = 2**18  # of a tensor whose values are looked at
MOST_LOOKED = 2**26  # elements, after which only small tensors are looked at
FEW_ELEMENTS = 2**12


@dataclass(frozen=True)
class Seen:
    """A tensor that an operation was given, or returned.

    Attributes:
        key: Tells whether two tensors share memory.
        shape: Its shape.
        dtype: Its dtype's name.
        device: Its device.
        strides: Its strides, in elements; empty where it has none.
        tracked: Whether it requires a gradient.
        of_x: Whether its values come from x.
        draws: Numbers of the draws that its values come from, counted through the whole script.
        finite: Whether it holds neither infinities nor NaN; None where nobody looked.
        nans: How many NaN it holds.
        number: Its value, where it has one element and comes neither from x nor from a draw.
    """

    key: int
    shape: tuple[int, ...]
    dtype: str
    device: str
    strides: tuple[int, ...] = ()
    tracked: bool = False
    of_x: bool = False
    draws: frozenset[int] = frozenset()
    finite: bool | None = None
    nans: int = 0
    number: float | None = None


class Witness(ABC):
    """Follows what comes from x and what comes from a generator through the operations of one process."""

    @abstractmethod
    def watching(
        self, wanted: Callable[[], bool], note: Callable[[object, dict[str, Any]], None]
    ) -> AbstractContextManager[None]:
        """Return a context in which every operation is noted.

        Args:
            wanted: Whether anybody wants to know of the one that is about to run.
            note: Called after it, with what the framework calls it and the fields of ``causes.story.Operation`` but the
                stack.
        """

    @abstractmethod
    def begin(self, x: Iterable[Any]) -> list[Seen]:
        """Take these tensors for x in what follows, and return what they are."""

    @abstractmethod
    def end(self) -> None:
        """Forget x, and keep in mind what was drawn."""

    @abstractmethod
    def tensors(self, value: Any) -> list[Any]:
        """Return the tensors in a value."""

    @abstractmethod
    def describe(self, tensor: Any) -> Seen:
        """Return what a tensor is."""

    @abstractmethod
    def records_graph(self) -> bool:
        """Return whether gradients are recorded."""


class Witnessing(Capability):
    """Telling of every operation, from which line of a target it was asked for."""

    lacking = "has no witness of its operations"

    @abstractmethod
    def witness(self) -> Witness:
        """Return a fresh witness for this process."""
