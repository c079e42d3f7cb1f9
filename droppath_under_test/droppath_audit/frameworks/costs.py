"""What a call costs: the operations that it runs, the memory that they take, and when they are done."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from droppath_audit.frameworks.base import Tensor


@dataclass(frozen=True)
class Made:
    """A tensor of at least the size of x that a call made beside its output.

    Attributes:
        op: The operation that made it, by the framework's name.
        tensor: Its dtype and shape, such as ``float32[512, 12]``.
        bytes: Memory that it takes.
        of_x: Whether it holds values of x; a mask does not.
    """

    op: str
    tensor: str
    bytes: int
    of_x: bool


@dataclass(frozen=True)
class Ran:
    """What one call ran.

    Attributes:
        operations: How many operations, views apart.
        passes: Those that wrote a tensor of at least the size of x, in order.
        made: Tensors of that size beside the output.
        waits: Operations for whose values the CPU waits, on a device that is not the CPU.
        peak: Bytes of all tensors that it made and that were held at the same time, at most; the output is one of them.
        bytes: Those of x.
        kept: Whether the output holds values of x.
    """

    operations: int
    passes: tuple[str, ...]
    made: tuple[Made, ...]
    waits: tuple[str, ...]
    peak: int
    bytes: int
    kept: bool


class Costs(Capability):
    """Operations of a call, with the memory that they take.

    Attributes:
        yardsticks: SPECs of implementations to be compared with, by what they are called, the reference first. Where
            they say ``{granularity}`` stands that of the target.
    """

    lacking = "does not show what its operations take"
    yardsticks: ClassVar[Mapping[str, str]]

    @abstractmethod
    def ran(self, call: Callable[[Tensor], Tensor], x: Tensor) -> Ran:
        """Return what a call of a target ran; what this package asked for itself is left out.

        Args:
            call: Gives x to the target.
            x: A floating tensor of infinities, by which what holds values of x is told from what does not.

        Raises:
            TargetRaised: Whatever the target raises.
        """

    @abstractmethod
    def wait(self, device: str) -> None:
        """Wait until all work of a device is done."""
