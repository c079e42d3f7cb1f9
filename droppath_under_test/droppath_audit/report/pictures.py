"""Pictures of a report, where people look rather than read: SVG, made from its JSON document.

Every picture is a function from a report to a text, which is empty where the report has nothing to show there. Colours
come from the classes of the page that holds them, so that they follow its light or dark scheme, and no picture has a
style of its own.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

from droppath_audit.core.result import BAD
from droppath_audit.report.costs import times
from droppath_audit.report.survival_picture import survival
from droppath_audit.report.svg import LEFT, ROW, WIDTH
from droppath_audit.report.svg import figure as _svg
from droppath_audit.report.svg import line as _line
from droppath_audit.report.svg import text as _text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Report = Mapping[str, Any]

Z = 3.3  # standard deviations to either side of an interval: 0.999
VERDICTS = ("pass", "fail", "error", "inconclusive", "waived")


def keep_probabilities(report: Report) -> str:
    """Return kept minus asked for, with its interval of 0.999, by dtype and drop_prob."""
    rows = []
    for result in report["results"]:
        seen, p = result["evidence"], result["case"]["drop_prob"]
        if result["check"] == "DP102" and seen.get("decisions") and p not in (None, 0, 1):
            kept, number = seen["kept"] / seen["decisions"], seen["decisions"]
            half = Z * math.sqrt(max(kept * (1.0 - kept), 1.0 / number) / number)
            rows.append((f"{result['case']['dtype']}, {_rate(p)}", kept - (1.0 - p), half, result["verdict"]))
    if not rows:
        return ""
    reach = max(abs(middle) + half for _, middle, half, _ in rows) * 1.05
    zero, scale = LEFT + (WIDTH - LEFT) / 2, (WIDTH - LEFT - 20) / 2 / reach
    drawn = [_line(zero, 0, zero, ROW * len(rows), "axis")]
    for number, (name, middle, half, verdict) in enumerate(rows):
        y = ROW * (number + 0.5)
        x, by = zero + middle * scale, max(half * scale, 1.0)
        drawn += [
            _text(LEFT - 10, y, name, "end"),
            _line(x - by, y, x + by, y, f"interval {_class(verdict)}"),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="dot {_class(verdict)}"><title>'
            f"{escape(name)}: {middle:+.3g} ± {half:.2g}</title></circle>",
        ]
    foot = ROW * len(rows) + 14
    drawn += [_text(zero, foot, "0", "middle"), _text(WIDTH - 10, foot, f"+{reach:.2g}", "end")]
    drawn.append(_text(LEFT, foot, f"-{reach:.2g}", "start"))
    return _svg(drawn, foot + 10, "Share kept minus keep probability asked for, with intervals of 0.999")


def verdicts(report: Report) -> str:
    """Return a map of verdicts: a field for each dtype and drop_prob, with the gravest of all trials there."""
    fields: dict[tuple[str, float], list[str]] = {}
    for result in report["results"]:
        case = result["case"]
        if case["dtype"] and case["drop_prob"] is not None and result["verdict"] in VERDICTS:
            fields.setdefault((case["dtype"], case["drop_prob"]), []).append(result["verdict"])
    if not fields:
        return ""
    dtypes, rates = list(dict.fromkeys(dtype for dtype, _ in fields)), sorted({p for _, p in fields})
    across = (WIDTH - LEFT - 10) / len(rates)
    drawn = []
    for row, dtype in enumerate(dtypes):
        drawn.append(_text(LEFT - 10, ROW * (row + 0.5), dtype, "end"))
        for column, p in enumerate(rates):
            found = fields.get((dtype, p))
            if found is None:
                continue
            broken = sum(verdict in BAD for verdict in found)
            worst = next(verdict for verdict in ("fail", "error", "inconclusive", "waived", "pass") if verdict in found)
            said = f"{dtype}, drop_prob {_rate(p)}: {broken} of {len(found)} trials broken"
            x, y = LEFT + column * across, ROW * row + 2
            drawn.append(
                f'<rect x="{x:.1f}" y="{y}" width="{across - 2:.1f}" height="{ROW - 4}" '
                f'class="field {_class(worst)}"><title>{escape(said)}</title></rect>'
            )
            if broken:
                drawn.append(_text(LEFT + (column + 0.5) * across - 1, ROW * (row + 0.5), str(broken), "middle", "on"))
    height = ROW * len(dtypes)
    for column, p in enumerate(rates):
        x = LEFT + (column + 0.5) * across
        drawn.append(
            f'<text x="{x:.1f}" y="{height + 12}" class="label" text-anchor="end" '
            f'transform="rotate(-45 {x:.1f} {height + 12})">{_rate(p)}</text>'
        )
    return _svg(drawn, height + 62, "Verdicts by dtype and drop_prob; a number is how many trials are broken there")


def raster(report: Report) -> str:
    """Return which samples of successive calls were kept: frozen, paired and joint decisions are seen at a glance."""
    for result in report["results"]:
        rows: Sequence[str] = result["evidence"].get("raster") or ()
        if result["check"] == "DP104" and rows and rows[0]:
            break
    else:
        return ""
    size = min(14.0, (WIDTH - LEFT) / len(rows))
    drawn = [_text(LEFT - 10, size * len(rows[0]) / 2, "samples", "end")]
    for call, kept in enumerate(rows):
        for sample, one in enumerate(kept):
            if one == "1":
                drawn.append(
                    f'<rect x="{LEFT + call * size:.1f}" y="{sample * size:.1f}" width="{size - 0.6:.1f}" '
                    f'height="{size - 0.6:.1f}" class="kept"/>'
                )
    height = size * len(rows[0])
    drawn.append(_text(LEFT + size * len(rows) / 2, height + 14, f"{len(rows)} calls", "middle"))
    name = f"Samples that were kept, call by call, at drop_prob 0.5 in {result['case']['dtype']}"
    return _svg(drawn, height + 24, name)


def counts(report: Report) -> str:
    """Return how many of a batch were kept, as a histogram beside the binomial that was promised."""
    for result in report["results"]:
        found: Sequence[int] = result["evidence"].get("histogram") or ()
        if result["check"] == "DP105" and sum(found) and result["case"]["drop_prob"] not in (None, 0, 1):
            break
    else:
        return ""
    q, batches, width = 1.0 - result["case"]["drop_prob"], sum(found), len(found) - 1
    wanted = [batches * math.comb(width, k) * q**k * (1.0 - q) ** (width - k) for k in range(width + 1)]
    shown = [k for k in range(width + 1) if found[k] or wanted[k] > batches / 1e4]
    first, last = shown[0], shown[-1]
    height, most = 150, max(max(found), *wanted)
    across = (WIDTH - LEFT - 10) / (last - first + 1)
    drawn = []
    for k in range(first, last + 1):
        x, tall = LEFT + (k - first) * across, height * found[k] / most
        said = f"{k} of {width} kept: {found[k]} batches, {wanted[k]:.1f} promised"
        drawn.append(
            f'<rect x="{x:.1f}" y="{height - tall:.1f}" width="{max(1.0, across - 1):.1f}" height="{tall:.1f}" '
            f'class="bar"><title>{said}</title></rect>'
        )
    points = " ".join(
        f"{LEFT + (k - first + 0.5) * across:.1f},{height - height * wanted[k] / most:.1f}"
        for k in range(first, last + 1)
    )
    drawn.append(f'<polyline points="{points}" class="promised"/>')
    drawn += [_text(LEFT, height + 14, str(first), "start"), _text(WIDTH - 10, height + 14, str(last), "end")]
    drawn.append(_text(LEFT - 10, height / 2, "batches", "end"))
    name = f"Kept of batches of {width} at drop_prob {1.0 - q:g}: bars as seen, line as promised"
    return _svg(drawn, height + 24, name)


def effective(report: Report) -> str:
    """Return the exact drop rate against the one that was asked for, where the generator could be enumerated."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for result in report["results"]:
        law, p = result["evidence"].get("keep_prob"), result["case"]["drop_prob"]
        if result["check"] == "DP103" and law and p and p < 1.0:
            lines.setdefault(result["case"]["dtype"], []).append((p, 1.0 - law[0] / law[1]))
    if not lines:
        return ""
    height, least, floor = 240, 1e-4, 5e-5

    def at(value: float) -> float:
        return math.log(max(value, floor) / floor) / math.log(1.0 / floor)

    def point(asked: float, found: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - 30) * at(asked), height * (1.0 - at(found))

    drawn = [_line(*point(floor, floor), *point(1.0, 1.0), "axis")]
    for number, (dtype, points) in enumerate(lines.items()):
        inside = sorted((p, found) for p, found in points if p >= least)
        for p, found in inside:
            x, y = point(p, found)
            said = f"{dtype}: asked for {_rate(p)}, drops {found:.6g}" + ("" if found > 0.0 else " (never)")
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6.5 - 1.3 * number:.1f}" class="line{number % 4}">'
                         f"<title>{escape(said)}</title></circle>")  # fmt: skip
        drawn.append(f'<circle cx="{LEFT + 14}" cy="{14 + 18 * number}" r="4" class="line{number % 4}"/>')
        drawn.append(_text(LEFT + 26, 14 + 18 * number, dtype, "start"))
    for value in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        x, y = point(value, value)
        drawn += [_text(x, height + 14, f"{value:g}", "middle"), _text(LEFT - 10, y, f"{value:g}", "end")]
    return _svg(drawn, height + 24, "Exact drop rate (up) against the one asked for (right); on the line they agree")


PICTURES = (keep_probabilities, verdicts, raster, counts, effective, survival, times)


def _rate(p: float) -> str:
    """Return a drop_prob in few characters, also where it is next to 1."""
    return f"1-{1.0 - p:.2g}" if 0.9995 < p < 1.0 else f"{p:.3g}"


def _class(verdict: str) -> str:
    return f"v-{verdict}"
