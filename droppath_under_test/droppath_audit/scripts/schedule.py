"""The script of a schedule: it asks it at one depth and rate after the other, as the audit did."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from droppath_audit.scripts.script import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.invocation import Scheduling
    from droppath_audit.frameworks.spelling import Spelling

FLAT = """\
def flat(values):
    values = values.values() if isinstance(values, dict) else values
    held = hasattr(values, "__iter__") or hasattr(values, "__getitem__")
    held = held and getattr(values, "ndim", not isinstance(values, str))
    return [one for value in values for one in flat(value)] if held else [values]"""


class ScheduleScript(Draft):
    """Binds ``depth``, ``rate`` and ``blocks``, and writes calls.

    Args:
        at: Where the check ran.
        scheduling: How the schedule is called.
        spelling: How the framework is written, whose tensors may come.
    """

    def __init__(self, at: Case, scheduling: Scheduling, spelling: Spelling) -> None:
        super().__init__(at, scheduling.imports)
        self.spell, self._scheduling = spelling, scheduling

    def _opening(self) -> Sequence[str]:
        return FLAT.splitlines()

    @contextmanager
    def each(self, depths: Sequence[str], rates: Sequence[float]) -> Iterator[None]:
        """Go through depths, as source text, and rates, as they are given; what is added stands in the loop."""
        listed = depths[0].startswith("[")
        with self.under(f"for depth in ({', '.join(depths)},):"), self.under(f"for rate in {tuple(rates)!r}:"):
            self.add(f"blocks = {'sum(depth)' if listed else 'depth'}")
            yield

    def call(self, depth: str = "depth") -> str:
        """Return the expression for what a call at ``rate`` gives, one value a block."""
        first = self._scheduling.first
        if first is None:
            return self._scheduling.expression.format(rate="rate", depth=depth, index="")
        one = self._scheduling.expression.format(rate="rate", depth=depth, index=f"{first} + l" if first else "l")
        return f"[{one} for l in range(blocks)]"
