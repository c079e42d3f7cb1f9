"""The branch that an audit hands to a layer: it returns what a check chose, for the samples that it is asked for.

Some layers run the branch on a part of the batch, or in another order. Samples of a shortcut of zeros cannot be told
apart, so a call with samples that differ is made from one state of every generator with a shortcut whose samples carry
their numbers, to note which of them the branch is given, before it is made in earnest.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.frameworks.restoring import restored

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.frameworks.base import Framework, Tensor

BASE = 128  # whole numbers below it are exact in every floating dtype
DIGITS = 4
TRUSTED = 4  # calls in which the branch was run on the whole batch in order, after which it is no longer noted
PART = "the layer runs its branch on a part of the batch"


BY_NO_SEED = f"{PART}, and the framework's seed does not fix which (see DP501)"


class Branch(threading.local):
    """A function of the shortcut whose value for each sample is set from outside, by each thread for itself.

    Args:
        framework: Operations on its tensors.
        dialect: In branch form the function is the identity.
        adds: Whether it adds the shortcut itself, for layers that return that where they skip the branch.
        several: Whether it returns a tuple of that value and all that it is given beside the shortcut, such as a mask.

    Attributes:
        output: What the branch returns for the whole batch in the call in hand, of shape (B, ...).
        training: The mode that the call in hand asks for, for a function that reads it off its branch.
        computed: Samples that it was run for, in calls of this thread that were made in earnest.
    """

    def __init__(self, framework: Framework, dialect: Dialect, *, adds: bool = False, several: bool = False) -> None:
        self._framework, self._identity = framework, dialect.form == "branch"
        self._adds, self._several = adds, several
        self.output: Tensor = None
        self.training = True
        self.computed = 0
        self._whole = 0  # calls that were noted to be run on the whole batch in order
        self._notes: list[list[int]] | None = None  # the samples asked for, run by run, while they are noted
        self._known: list[list[int]] = []  # those that the call in hand will ask for, where they are parts

    def __call__(self, shortcut: Tensor, *beside: Any, **named: Any) -> Any:
        """Return the outputs for the samples of the shortcut, whatever a wrapper hands on beside it.

        Raises:
            NotApplicable: If they are a part of the batch other than the one that was noted, or the framework has no
                addition in their dtype.
        """
        output = self._outputs(shortcut)
        self.computed += 0 if self._notes is not None else (*self._framework.info(shortcut).shape, 1)[0]
        output = self._added(shortcut, output) if self._adds else output
        return (output, *beside, *named.values()) if self._several else output

    def _added(self, shortcut: Tensor, output: Tensor) -> Tensor:
        try:
            return self._framework.add(shortcut, output)
        except (RuntimeError, NotImplementedError) as error:  # of the layer's own branch nobody knows how it adds
            dtype = self._framework.info(shortcut).dtype
            raise NotApplicable(f"the branch that is handed over cannot be added in {dtype}: {error}") from error

    def _outputs(self, shortcut: Tensor) -> Tensor:
        output = self.output
        if self._identity:
            return shortcut
        if self._notes is not None:
            self._notes.append(_numbers_of(self._framework, shortcut, self._batch(output)))
            return self._framework.rows(output, self._notes[-1])
        if self._known:
            numbers = self._known.pop(0)
            if len(numbers) != self._batch(shortcut):
                raise NotApplicable(BY_NO_SEED)
            return self._framework.rows(output, numbers)
        if self._framework.info(shortcut).shape == self._framework.info(output).shape:
            return output
        if self._alike():
            return self._framework.rows(output, list(range(self._batch(shortcut))))
        raise NotApplicable(f"{PART} now, and did not before")

    def _alike(self) -> bool:
        """Return whether any sample will do: they have no elements, or are the same and nobody asks for gradients."""
        if 0 in self._framework.info(self.output).shape[1:]:
            return True
        autograd = has(self._framework, Autograd)
        if autograd is not None and autograd.tracked(self.output):
            return False
        values = self._framework.numpy(self.output)
        return bool(np.all(values == values[:1]))

    def _batch(self, samples: Tensor) -> int:
        return self._framework.info(samples).shape[0]

    def note(self, call: Callable[[Tensor], Any]) -> None:
        """Find out which samples the coming call will ask for, from a ``call`` that takes the shortcut.

        Raises:
            NotApplicable: If two such calls from one state differ.
        """
        self._known = []
        batch = self._framework.info(self.output).shape[:1]
        if self._identity or self._whole >= TRUSTED or batch in ((), (0,), (1,)) or self._alike():
            return
        shortcut, told = _numbered(self._framework, self.output)
        in_order = [number % told for number in range(*batch)]
        first, second = (self._samples_of(call, shortcut) for _ in range(2))
        if all(numbers == in_order for numbers in (*first, *second)):
            self._whole += 1
        elif first == second:
            self._known = self._in_full(call, first, told, len(in_order))
        else:
            raise NotApplicable(BY_NO_SEED)

    def _in_full(self, call: Callable[[Tensor], Any], found: list[list[int]], told: int, batch: int) -> list[list[int]]:
        """Return the numbers of the samples that a call asks for, of which the remainders by ``told`` are known.

        Samples too small to carry a number carry a part of it in each of several calls.
        """
        known = told
        while known < batch:
            more = self._samples_of(call, _numbered(self._framework, self.output, known)[0])
            if [len(numbers) for numbers in more] != [len(numbers) for numbers in found]:
                raise NotApplicable(BY_NO_SEED)
            found = [
                [low + known * high for low, high in zip(*both, strict=True)] for both in zip(found, more, strict=True)
            ]
            known *= told
        return found

    def _samples_of(self, call: Callable[[Tensor], Any], shortcut: Tensor) -> list[list[int]]:
        """Return the samples that a call asks for, leaving every generator as it was."""
        self._notes = []
        try:
            with restored(self._framework):
                call(shortcut)
            return self._notes
        finally:
            self._notes = None


def _numbered(framework: Framework, like: Tensor, part: int = 1) -> tuple[Tensor, int]:
    """Return a shortcut whose samples carry their numbers in their first elements, and how many of these differ.

    Small samples of a large batch carry the remainders of their numbers: enough to see that all come in order.

    Args:
        framework: Operations on it.
        like: A tensor of its shape (B, ...), dtype and device.
        part: What the numbers are divided by, for their higher digits.
    """
    info = framework.info(like)
    values = np.zeros((info.shape[0], int(np.prod(info.shape[1:]))))
    number, digits = np.arange(info.shape[0]) // part, min(DIGITS, values.shape[1])
    for digit in range(digits):
        values[:, digit], number = number % BASE, number // BASE
    return framework.tensor(values.reshape(info.shape), info.dtype, info.device), BASE**digits


def _numbers_of(framework: Framework, samples: Tensor, batch: int) -> list[int]:
    """Return the numbers that samples of a numbered shortcut carry."""
    values = framework.numpy(samples)
    if not len(values):
        return []
    digits = values.reshape(len(values), -1).real[:, :DIGITS]
    numbers = digits @ BASE ** np.arange(digits.shape[1], dtype=np.float64)
    if np.any(numbers != np.round(numbers)) or np.any((numbers < 0) | (numbers >= batch)):
        raise NotApplicable(f"{PART} and gives it something else than samples of the shortcut")
    return [int(number) for number in numbers]
