"""Hostile implementations: sound ones that do one piece of mischief on the way."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

AT = ("float32", 1.0)  # dtype and drop_prob of the one trial, of those that the tests select, in which mischief is done
LATER = 1  # samples of a batch that this trial has and no call before the plan
TRIAL = "DP301[cpu-float32]"


@dataclass(frozen=True)
class Expected:
    """What an audit has to say.

    Attributes:
        findings: Trials that are not to pass, with the beginning of what is observed; all others must.
        seconds: Processor time that a trial is given.
        gibibytes: Memory that a worker is given.
    """

    findings: dict[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    gibibytes: float = 4.0


def hostile(
    *observed: str,
    every_call: bool = False,
    planned: bool = False,
    seconds: float = 30.0,
    gibibytes: float = 4.0,
    **findings: str,
) -> Callable[[Callable[[], Any]], Any]:
    """Make an implementation of a piece of mischief.

    Args:
        *observed: What is observed in the one trial in which it is done; nothing where that passes all the same.
        every_call: Whether it is done in every call, and not in one trial alone.
        planned: Whether it is done in no call before the plan either, which waits for an answer for ten seconds.
        seconds: See ``Expected``.
        gibibytes: See ``Expected``.
        **findings: What else is observed, by check.
    """

    def made(mischief: Callable[[], Any]) -> Any:
        def drop_path(x: Any, drop_prob: float, training: bool) -> Any:
            here = training and not every_call and (str(x.dtype).removeprefix("torch."), drop_prob) == AT
            if here and (not planned or len(x) == LATER):
                mischief()
            y = sound(x, drop_prob, training)
            if every_call:
                mischief()
            return y

        drop_path.__name__ = drop_path.__qualname__ = mischief.__name__
        drop_path.__doc__, drop_path.__module__ = mischief.__doc__, mischief.__module__
        expected = Expected(
            {**dict.fromkeys([TRIAL], *observed[:1]), **findings} if observed else dict(findings), seconds, gibibytes
        )
        drop_path.expected = expected  # type: ignore[attr-defined]
        return drop_path

    return made


def sound(x: Any, drop_prob: float, training: bool) -> Any:
    """Return a DropPath of x, in the framework that x is of."""
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    if isinstance(x, np.ndarray):
        kept = np.random.random(shape) < keep_prob
        return np.where(kept, x / x.dtype.type(keep_prob or 1.0), x.dtype.type(0))
    torch = sys.modules["torch"]
    kept = torch.rand(shape, device=x.device) < keep_prob
    return torch.where(kept, x, torch.zeros_like(x)) / (keep_prob or 1.0)
