"""What an audit with ``--benchmark`` measured: the times, and a table and a picture of them for a page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from droppath_audit.core.quantities import told_seconds
from droppath_audit.report.svg import ROW, WIDTH, figure, line, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TIME, OTHERS = "DP801", {"DP802": "memory", "DP803": "numbers", "DP804": "work"}
ASKED_FOR = ("DP802", "DP804")
TARGET = "target"
LETTER = 6.0
HEADING = ("dtype", "x", "passes", "time")


@dataclass(frozen=True)
class TimedCall:
    """Times of one call.

    Attributes:
        dtype: Of x.
        shape: Of x, in words.
        passes: Forward alone, or with the backward pass.
        seconds: By who was timed, the target first.
    """

    dtype: str
    shape: str
    passes: str
    seconds: Mapping[str, float]

    @property
    def others(self) -> dict[str, float]:
        """How many times as long as each of the others the target takes."""
        return {name: self.seconds[TARGET] / other for name, other in self.seconds.items() if name != TARGET}

    def compared(self) -> str:
        """Return the ratios with their names."""
        return ", ".join(f"{ratio:.3g} × {name}" for name, ratio in self.others.items())

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table."""
        ratios = (f"{ratio:.3g} ×" for ratio in self.others.values())
        return (self.dtype, self.shape, self.passes, told_seconds(self.seconds[TARGET]), *ratios)


def timed(results: Iterable[tuple[str, Any, Mapping[str, Any]]]) -> list[TimedCall]:
    """Return the times among checks, dtypes and their evidence."""
    return [
        TimedCall(f"{dtype}", "×".join(str(size) for size in row["shape"]), row["passes"], row["seconds"])
        for check, dtype, evidence in results
        if check == TIME
        for row in evidence.get("rows", ())
    ]


def _of(report: Mapping[str, Any]) -> list[TimedCall]:
    return timed((one["check"], one["case"]["dtype"], one["evidence"]) for one in report["results"])


def table(report: Mapping[str, Any]) -> str:
    """Return the table of a page, empty where nothing was timed."""
    rows = _of(report)
    if not rows:
        return ""
    heading = "".join(f"<th>{name}</th>" for name in (*HEADING, "compared"))
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in (*row.cells()[:4], row.compared())) for row in rows)
    body = "\n".join(f"<tr>{cells}</tr>" for cells in lines)
    return f'<h2>What it costs</h2>\n<table class="broken">\n<tr>{heading}</tr>\n{body}\n</table>\n'


def times(report: Mapping[str, Any]) -> str:
    """Return the picture of a report: times on a logarithmic scale, in milliseconds, empty where nothing was timed."""
    rows = _of(report)
    if not rows:
        return ""
    names, who = [f"{row.dtype} {row.shape}, {row.passes}" for row in rows], [*rows[0].seconds]
    found = [1e3 * seconds for row in rows for seconds in row.seconds.values()]
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)) + 1e-9)
    left = LETTER * max(len(name) for name in names) + 20.0
    scale, height = (WIDTH - left - 20.0) / max(1, high - low), float(ROW * len(rows))
    drawn = []
    for power in range(low, max(high, low + 1) + 1):
        x = left + (power - low) * scale
        drawn += [line(x, 0, x, height, "axis"), text(x, height + 12, f"{10.0**power:g} ms", "middle")]
    for number, (call, name) in enumerate(zip(rows, names, strict=True)):
        y = ROW * (number + 0.5)
        drawn.append(text(left - 8, y, name, "end"))
        for index, (one, seconds) in reversed([*enumerate(call.seconds.items())]):  # the target lies above the others
            x = left + (math.log10(1e3 * seconds) - low) * scale
            drawn.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5.0 if one == TARGET else 3.5}" class="{_class(index)}">'
                f"<title>{escape(f'{name}: {one} {told_seconds(seconds)}')}</title></circle>"
            )
    for index, one in enumerate(who):
        x = left + index * (WIDTH - left) / len(who)
        drawn.append(f'<circle cx="{x:.1f}" cy="{height + 32:.1f}" r="4" class="{_class(index)}"/>')
        drawn.append(text(x + 8, height + 32, one, "start"))
    return figure(drawn, height + 46.0, "Time of a call in training, least of all rounds")


def _class(index: int) -> str:
    """Return the colour of the target, the reference and so on."""
    return ("line3", "line1", "line2", "line0")[index % 4]
