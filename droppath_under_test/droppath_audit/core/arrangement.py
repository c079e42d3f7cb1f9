"""Arrangement: how samples along axis 0, as checks have them, become what a target takes, and its output those again.

A layer whose decisions do not lie along axis 0 makes one for each of something else: each column of a sequence-first
batch, each channel, all elements along an axis. A check gives it samples and is given samples back, whatever they are
to the layer, so that no check knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

LAST = 3  # axis of a tensor of rank 4, which whatever shares decisions along an axis is given


def _split(samples: int) -> tuple[int, int, int]:
    """Return three factors of a number of samples, none of them 1 where that can be."""
    first, last = 2 - samples % 2, 2 if samples % 4 == 0 else 1
    return first, samples // (first * last), last


@dataclass(frozen=True)
class Arrangement:
    """Where a target has its decisions; at most one of ``axis``, ``shared`` and ``channels`` is said.

    Attributes:
        axis: The axis of the batch.
        shared: The axis, of four, along which elements share a decision that they have with no others; 0 for none.
        channels: Whether every channel of every sample, at axis 1, has a decision of its own.
        batch: A number of which the target takes multiples as sizes of a batch, and no other sizes.
    """

    axis: int = 0
    shared: int = 0
    channels: bool = False
    batch: int = 1

    def __bool__(self) -> bool:
        return self != Arrangement()

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape (B, ...) can be given to the target at all."""
        return len(shape) > self.axis and (shape[0] > 0 or not self or bool(self.axis and self.batch == 1))

    def given(self, tensor: Any, rows: Callable[[Any, list[int]], Any]) -> Any:
        """Return samples as the target takes them.

        Args:
            tensor: Of shape (B, ...).
            rows: Takes rows of a tensor, by their numbers.

        Raises:
            NotApplicable: If it has not the axis, or no samples.
        """
        shape = tuple(tensor.shape)
        if not self.takes(shape):
            raise NotApplicable(f"{list(shape)} is no shape of samples for {self.describe()}")
        missing = -shape[0] % self.batch
        if missing:
            tensor = rows(tensor, [*range(shape[0]), *[0] * missing])
        count, features = shape[0] + missing, shape[1:]
        if self.channels:
            first, second, last = _split(count)
            return tensor.reshape((first, second * last, *features))
        if self.shared:
            tensor = tensor.reshape((*_split(count), prod(features)))
            for axis in range(LAST, self.shared, -1):
                tensor = tensor.swapaxes(axis - 1, axis)  # so that decisions are drawn in the order of the samples
            return tensor
        return tensor.swapaxes(0, self.axis) if self.axis else tensor

    def back(self, output: Any, shape: tuple[int, ...]) -> Any:
        """Return an output of the target as samples again, of this shape (B, ...), if it has so many numbers."""
        for axis in range(self.shared, LAST) if self.shared else ():
            output = output.swapaxes(axis, axis + 1)
        padded = (shape[0] + -shape[0] % self.batch, *shape[1:])
        if (self.shared or self.channels) and prod(tuple(output.shape)) == prod(padded):
            output = output.reshape(padded)
        elif self.axis:
            output = output.swapaxes(0, self.axis)
        return output if padded == shape else output[: shape[0]]

    def describe(self) -> str:
        """Return it in words, such as ``batch at axis 1``; empty where there is nothing to say."""
        words = [f"batch at axis {self.axis}"] if self.axis else []
        words += [f"decisions shared along axis {self.shared}"] if self.shared else []
        words += ["a decision a channel"] if self.channels else []
        words += [f"batches of multiples of {self.batch}"] if self.batch > 1 else []
        return " · ".join(words)

    def lines(self) -> tuple[str, ...]:
        """Return the source of two functions, ``given(x)`` and ``back(y, x)``; none where nothing is arranged."""
        if not self:
            return ()
        given, back = [], []
        if self.batch > 1:
            given.append(f"x = x[[*range(len(x)), *[0] * (-len(x) % {self.batch})]]")
            back.append(f"size = (len(x) + -len(x) % {self.batch}, *x.shape[1:])")
        size = "size" if self.batch > 1 else "x.shape"
        if self.channels or self.shared:
            given.append("first, last = 2 - len(x) % 2, 2 if len(x) % 4 == 0 else 1")
        if self.channels:
            given.append("return x.reshape((first, len(x) // first, *x.shape[1:]))")
            back.append(f"y = y.reshape({size})")
        elif self.shared:
            there = [f".swapaxes({axis - 1}, {axis})" for axis in range(LAST, self.shared, -1)]
            given.append(f"return x.reshape((first, len(x) // (first * last), last, -1)){''.join(there)}")
            back.append(f"y = y{''.join(reversed(there))}.reshape({size})")
        elif self.axis:
            given.append(f"return x.swapaxes(0, {self.axis})")
            back.append(f"y = y.swapaxes(0, {self.axis})")
        else:
            given.append("return x")
        back.append("return y[: len(x)]" if self.batch > 1 else "return y")
        return (
            "", "", "def given(x):", *(f"    {line}" for line in given),
            "", "", "def back(y, x):", *(f"    {line}" for line in back), "",
        )  # fmt: skip
