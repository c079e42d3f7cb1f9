"""The tape of a framework that has one (``capabilities.Taped``): it shows and replaces what a target draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    import numpy.typing as npt


MOST_DRAWS = 1000  # of one call whose draws are replaced: it waits for another value, which never comes

UNIFORM, INTEGER, BERNOULLI, OTHER = "uniform", "integer", "bernoulli", "other"


@dataclass(frozen=True)
class Draw:
    """One call of a generator.

    Attributes:
        op: Its name in the framework, such as ``rand``.
        kind: ``uniform`` on [low, high), ``integer`` in low … high - 1, ``bernoulli``, or ``other``.
        dtype: Of the numbers drawn.
        shape: Of the tensor drawn.
        device: Where it was drawn.
        low: Lower end of the range; 0 for ``bernoulli``.
        high: Upper end.
        probability: Of a ``bernoulli`` draw, that of 1; None where it differs from element to element.
        probability_dtype: Dtype of the tensor that held it; empty where it was a scalar.
        values: What was drawn, as float64 of that shape.
    """

    op: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    device: str
    low: float = 0.0
    high: float = 1.0
    probability: float | None = None
    probability_dtype: str = ""
    values: Any = field(default=None, compare=False, repr=False)

    @property
    def numbers(self) -> int:
        """Random numbers drawn."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    def describe(self) -> str:
        """Return the call in words, such as ``rand in bfloat16``."""
        if self.kind == BERNOULLI:
            what = "a scalar" if not self.probability_dtype else f"a {self.probability_dtype} tensor"
            return f"{self.op} of {what}"
        return f"{self.op} in {self.dtype}"


class Tape(Protocol):
    """Records and replaces draws made in the calling thread; what another thread draws stays unseen."""

    def record(self, *, values: bool = True) -> AbstractContextManager[list[Draw]]:
        """Return a context that yields the list to which every draw is added, with its values if asked."""

    def replace(self, values: npt.NDArray[np.float64], *, in_turn: bool = False) -> AbstractContextManager[list[int]]:
        """Return a context in which every draw has these values in place of its own.

        Args:
            values: Float64 numbers that the draw's dtype holds, in logical order of the tensor drawn.
            in_turn: Whether draws take from them one after the other, as many as they are large.

        Returns:
            A context that yields the list to which the numbers drawn are added, one entry a draw. A draw of another
            size than ``values``, or than what is left of them, keeps its own.

        Raises:
            NotApplicable: In the context, after ``MOST_DRAWS`` draws: a target that draws until it likes what it gets
                would never end.
        """

    def redraw(self, draw: Draw, numbers: int, seed: int) -> npt.NDArray[np.float64]:
        """Make a draw again, in shape (numbers,), with the same op, dtype, device and range, from a fresh generator.

        Raises:
            NotApplicable: If that op cannot be called alone.
        """
