"""What runs the instances of one layer, where they do not run themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.way import Way


class Running:
    """What a layer calls.

    Args:
        way: How its calls run; None for as it is written.
        per_call: Whether a whole call is one decision.
    """

    def __init__(self, way: Way | None, *, per_call: bool) -> None:
        self._way, self._per_call = way, per_call
        self._wrapped: dict[int, Callable[..., Any]] = {}  # by the instance, which what wraps it keeps alive

    def of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a call of this instance calls."""
        if self._way is None:
            return function
        if id(function) not in self._wrapped:
            self._wrapped[id(function)] = self._way.wrapped(function, per_call=self._per_call)
        return self._wrapped[id(function)]

    def of_another(self) -> Running:
        """Return what a copy of the layer calls."""
        return Running(self._way, per_call=self._per_call)

    def capture_anew(self) -> None:
        """Forget what was captured with attributes that are no longer those of the layer."""
        if self._way is not None and self._way.frozen:
            self._wrapped.clear()
