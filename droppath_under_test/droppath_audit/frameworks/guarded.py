"""A target whose every call leaves the process as it found it."""

from __future__ import annotations

import builtins
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from droppath_audit.frameworks.left_running import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.process_state import ProcessState
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.frameworks.target import Layer, Target

globals()["__builtins__"] = dict(vars(builtins))  # as in ``settings``
_ident, _clock = threading.get_ident, time.perf_counter

DRIVING = ("gradient", "gradcheck", "second_order", "checkpointed")
"""Methods of a framework in which code of the target runs beside its calls: backward passes."""


FIRST = 8  # actions after which all is looked at
SELDOM = 10  # times as long as a look at all took is waited for the next


def guarded(target: Target, state: ProcessState, changes: Iterable[Change] = ()) -> Target:
    """Return the target behind a guard, which puts back what a call into it changed, also where it raises.

    What was there just before the call is put back, so that contexts in which a check makes it stay as they are.

    Args:
        target: The target.
        state: A picture taken before the target's code ran.
        changes: What it is known to change: looked at after every call, and not only after some.
    """
    return cast("Target", GuardedTarget(target, Guard(state, changes)))


def can_be_guarded(change: Change) -> bool:
    """Return whether something can put it back: nothing ends a thread."""
    return change.expression != THREADS


def unguarded(target: Target) -> Target:
    """Return the target without its guard, for a check that must see what a call leaves behind."""
    return target.bare if isinstance(target, GuardedTarget) else target


class Guard:
    """Runs actions of a target and puts back what they change.

    After every action all is looked at that a check changes itself, and what the target was seen to change; all else,
    which takes a hundred times as long as a call, at first and then now and again.

    Threads that are inside at the same time share what the process shares: the last one to leave puts it back.

    Args:
        state: A picture taken before the target's code ran.
        changes: What the target is known to change.
    """

    def __init__(self, state: ProcessState, changes: Iterable[Change] = ()) -> None:
        self._lively, self._steady, self._seen = state.lively(), state.steady(), set(changes)
        self._suspected = self._steady.narrowed(self._seen)
        self._shared = self._lively
        self._lock, self._inside = threading.Lock(), dict[int, int]()
        self._looks, self._next = 0, 0.0

    def run(self, action: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Return what an action returns."""
        me = _ident()
        before = self._entered(me)
        try:
            return action(*arguments, **keywords)
        finally:
            self._left(me, before)

    def _entered(self, me: int) -> ProcessState:
        with self._lock:
            before = self._lively.afresh(None if self._inside.keys() <= {me} else self._shared)
            self._shared = before
            self._inside[me] = self._inside.get(me, 0) + 1
        return before

    def _left(self, me: int, before: ProcessState) -> None:
        with self._lock:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
            alone = self._inside.keys() <= {me}
            if alone:
                self._suspected.restore()
            before.restore(of_thread=not alone)
            if alone and (self._looks < FIRST or _clock() >= self._next):
                self._look_at_all()

    def _look_at_all(self) -> None:
        started = _clock()
        found = self._steady.changes(patiently=False)
        if found:
            self._steady.restore()
            self._seen |= set(found)
            self._suspected = self._steady.narrowed(self._seen)
        self._looks += 1
        self._next = _clock() + SELDOM * (_clock() - started)


class GuardedTarget:
    """A target behind a guard.

    Attributes:
        bare: The target itself.
    """

    def __init__(self, bare: Target, guard: Guard) -> None:
        self.bare, self._guard = bare, guard
        self.framework = _guarded_framework(bare.framework, guard)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)

    def declaring(self, **fields: str) -> Target:
        """Return the same target with other fields of its dialect, behind the same guard."""
        return cast("Target", GuardedTarget(self.bare.declaring(**fields), self._guard))

    def prepared(self, **fields: Any) -> Target:
        """Return the same target with other fields of its binding, behind the same guard."""
        return cast("Target", GuardedTarget(self.bare.prepared(**fields), self._guard))

    def executed(self, variant: str) -> Target:
        """Return the same target, whose calls run in another way, behind the same guard."""
        return cast("Target", GuardedTarget(self.bare.executed(variant), self._guard))

    def untold(self) -> Target:
        """Return the same target, whose constructor is not told the probability, behind the same guard."""
        return cast("Target", GuardedTarget(self.bare.untold(), self._guard))

    def make(self, drop_prob: float) -> Layer:
        """Return a fresh instance, behind the guard as well."""
        return cast("Layer", GuardedLayer(self._guard.run(self.bare.make, drop_prob), self._guard))


class GuardedLayer:
    """A layer behind a guard."""

    def __init__(self, bare: Layer, guard: Guard) -> None:
        self._bare, self._guard = bare, guard

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Call the layer."""
        return self._guard.run(self._bare, x, training=training)

    def copied(self, how: str) -> GuardedLayer:
        """Return a copy behind the same guard."""
        return GuardedLayer(self._guard.run(self._bare.copied, how), self._guard)

    def as_it_stands(self) -> GuardedLayer:
        """Return the layer in the mode that it is in, behind the same guard."""
        return GuardedLayer(self._bare.as_it_stands(), self._guard)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._bare, name)
        return partial(self._guard.run, method) if callable(method) else method


def _guarded_framework(framework: Framework, guard: Guard) -> Framework:
    """Return the framework with its backward passes behind the guard: hooks and functions of the target run there."""
    kind = type(framework)
    methods = {name: _behind(guard, getattr(kind, name)) for name in DRIVING if hasattr(kind, name)}
    behind: Framework = object.__new__(type(kind.__name__, (kind,), methods))
    behind.__dict__ = framework.__dict__  # the same keys and caches, not copies
    return behind


def _behind(guard: Guard, method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **keywords: guard.run(method, *arguments, **keywords)
