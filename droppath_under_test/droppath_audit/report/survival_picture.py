"""What the layers of a model drop: a bar for each, with its interval, beside the rate that it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from droppath_audit.core.visible import clipped
from droppath_audit.report.svg import ROW, WIDTH, figure, line, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Z = 3.29  # standard deviations to either side of an interval of 0.999
LETTER, LONGEST = 6.0, 42  # width of a letter, and letters of a name
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
NAME = "Share dropped by layer, with intervals of 0.999 (green: as promised, red: not, amber: open) beside the rate"
STYLE = """
:root { --ink: #1b1f24; --dim: #59636e; --paper: #ffffff; --good: #1a7f37; --bad: #cf222e; --mild: #9a6700;
 --bar: #a9cdf5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117; --good: #3fb950;
 --bad: #f85149; --mild: #d29922; --bar: #1f4b7f; } }
svg { background: var(--paper); font: 11px system-ui, sans-serif; }
.label { fill: var(--ink); } .axis { stroke: var(--dim); stroke-dasharray: 3 3; } .share { fill: var(--bar); }
.interval { stroke-width: 2; } .rate { stroke: var(--ink); stroke-width: 2; }
.v-pass { stroke: var(--good); } .v-fail { stroke: var(--bad); } .v-inconclusive { stroke: var(--mild); }
"""


@dataclass(frozen=True)
class Bar:
    """What one layer dropped.

    Attributes:
        layer: Its name.
        drop_prob: The rate that it holds; None where nobody knows.
        dropped: Of the decisions, those that dropped.
        decisions: How many there are.
        verdict: Of the layer: ``pass``, ``fail`` or ``inconclusive``.
    """

    layer: str
    drop_prob: float | None
    dropped: int
    decisions: int
    verdict: str

    def interval(self) -> tuple[float, float]:
        """Return the interval of 0.999 for the share dropped, at one look.

        Wilson 1927, Journal of the American Statistical Association 22, 209-212.
        """
        n = self.decisions
        if not n:
            return 0.0, 1.0
        share, z = self.dropped / n, Z * Z / n
        middle = (share + z / 2.0) / (1.0 + z)
        half = Z * math.sqrt(share * (1.0 - share) / n + z / (4.0 * n)) / (1.0 + z)
        return max(0.0, middle - half), min(1.0, middle + half)


def survival(report: Mapping[str, Any]) -> str:
    """Return the picture of a report on a model; empty for any other."""
    found = [result for result in report["results"] if result["check"] == "DP902" and result["evidence"].get("layers")]
    if not found:
        return ""
    bars = [_bar(layer, found[0]["verdict"]) for layer in found[0]["evidence"]["layers"]]
    return figure(*_drawn(bars), NAME)


def standing_alone(bars: Sequence[Bar], style: str = STYLE) -> str:
    """Return the picture of these layers as a document of its own, with a style."""
    drawn, height = _drawn(bars)
    body = "\n".join([f"<style>{style}</style>", f"<title>{NAME}</title>", text(8, -12, NAME, "start"), *drawn])
    tall = height + 26
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -22 {WIDTH} {tall:.0f}" width="{WIDTH}" '
        f'height="{tall:.0f}" role="img">\n{body}\n</svg>\n'
    )


def _bar(layer: Mapping[str, Any], verdict: str) -> Bar:
    """Return the bar of a layer of DP902's evidence, which is one that fails where its interval misses its rate."""
    kept, decisions, rate = layer["kept"], layer["decisions"], layer["drop_prob"]
    bar = Bar(layer["key"], None if layer["changed"] else rate, decisions - kept, decisions, "inconclusive")
    low, high = bar.interval()
    if bar.drop_prob is None or not decisions:
        return bar
    missed = not low <= bar.drop_prob <= high
    return Bar(bar.layer, bar.drop_prob, bar.dropped, decisions, "fail" if missed and verdict == "fail" else "pass")


def _drawn(bars: Sequence[Bar]) -> tuple[list[str], float]:
    """Return the elements of the picture, and its height."""
    names = [clipped(_shortened(bar.layer), LONGEST) for bar in bars]
    left = LETTER * max((len(name) for name in names), default=0) + 20.0
    reach = max((max(bar.interval()[1], bar.drop_prob or 0.0) for bar in bars), default=1.0)
    step = _step(min(1.0, reach * 1.02))
    most = step * math.ceil(min(1.0, reach) / step - 1e-9)
    scale, height = (WIDTH - left - 20.0) / most, float(ROW * len(bars))
    drawn = []
    for number in range(round(most / step) + 1):
        x = left + number * step * scale
        drawn += [line(x, 0, x, height, "axis"), text(x, height + 12, f"{number * step:g}", "middle")]
    for number, (bar, name) in enumerate(zip(bars, names, strict=True)):
        y, (low, high) = ROW * (number + 0.5), bar.interval()
        drawn.append(text(left - 8, y, name, "end"))
        share = bar.dropped / bar.decisions if bar.decisions else 0.0
        promised = "a rate that is unknown" if bar.drop_prob is None else f"drop_prob {bar.drop_prob:.6g}"
        said = f"{bar.layer}: {bar.dropped} of {bar.decisions} dropped, {share:.4g} [{low:.4g}, {high:.4g}]; {promised}"
        drawn.append(
            f'<rect x="{left:.1f}" y="{y - 6:.1f}" width="{share * scale:.1f}" height="12" class="share">'
            f"<title>{escape(clipped(said, 400))}</title></rect>"
        )
        drawn.append(line(left + low * scale, y, left + high * scale, y, f"interval v-{bar.verdict}"))
        drawn += [line(left + end * scale, y - 3, left + end * scale, y + 3, f"interval v-{bar.verdict}")
                  for end in (low, high)]  # fmt: skip
        if bar.drop_prob is not None:
            x = left + bar.drop_prob * scale
            drawn.append(line(x, y - 9, x, y + 9, "rate"))
    return drawn, height + 22.0


def _shortened(name: str) -> str:
    """Return the end of a name that is too long: its beginning is that of all others."""
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def _step(reach: float) -> float:
    """Return a round distance of marks, of which some five reach so far."""
    power = 10.0 ** math.floor(math.log10(reach / 5.0))
    return next(number * power for number in ROUND if number * power >= reach / 5.0 * 0.999)
