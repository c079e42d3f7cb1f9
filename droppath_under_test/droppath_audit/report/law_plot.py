"""The law of the mask as a picture: effective against asked rate, a line for each dtype, near 0 and near 1."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.report.writing import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.report.law import CellLaw

LEAST = 1e-4  # both axes begin here
FLOOR = 6e-5  # where a rate of 0 is drawn
POINTS = 100  # between LEAST and 1/2, and as many above
# Okabe and Ito's colours, which the colour-blind tell apart; narrow lines lie on wide ones, so that four can agree.
STYLES = {
    "float64": {"color": "#cccccc", "linewidth": 7.0, "zorder": 2},
    "bfloat16": {"color": "#D55E00", "linewidth": 2.8, "zorder": 3},
    "float16": {"color": "#56B4E9", "linewidth": 1.6, "zorder": 4},
    "float32": {"color": "#000000", "linewidth": 0.9, "linestyle": (0, (5, 4)), "zorder": 5},
}


def drop_probs() -> list[float]:
    """Return the drop probabilities of the picture: as dense near 0 as near 1, on a logarithmic axis."""
    ratio = (0.5 / LEAST) ** (1.0 / (POINTS - 1))
    low = [LEAST * ratio**i for i in range(POINTS)]
    return [*low, *(1.0 - p for p in reversed(low[:-1]))]


def figure_class(file: str) -> Any:
    """Return matplotlib's class of figures.

    Raises:
        UsageError: If matplotlib is not installed, or does not write files of this name.
    """
    try:
        figure = importlib.import_module("matplotlib.figure").Figure
    except ImportError as error:
        raise UsageError("--plot draws with matplotlib, which is not installed: pip install matplotlib") from error
    known = figure().canvas.get_supported_filetypes()
    ending = file.rpartition(".")[2].lower() if "." in file else ""
    if ending not in known:
        raise UsageError(f"--plot writes {', '.join(sorted(known))}; the name {file!r} ends in none of these.")
    return figure


def draw(file: str, title: str, rows: Sequence[CellLaw], *, figure: Any) -> None:
    """Write the picture: on the left the drop rate, on the right the keep rate, which is small where drop is near 1.

    Raises:
        Unwritable: If the file cannot be written.
    """
    picture = figure(figsize=(11.0, 5.6), layout="constrained")
    axes = picture.subplots(1, 2)
    sides = (("drop", "dropped", False), ("keep", "kept", True))
    for axis, (name, done, keeps) in zip(axes, sides, strict=True):
        never = _lines(axis, rows, keeps=keeps)
        axis.set(xscale="log", yscale="log", xlim=(LEAST, 1.0), ylim=(FLOOR * 0.8, 1.3))
        axis.set_xlabel(f"{name} probability asked for")
        axis.set_ylabel(f"share {done}, exactly")
        axis.set_title(f"{name} rate", fontsize=11)
        axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
        if never:
            axis.axhline(LEAST, color="#bbbbbb", linewidth=0.8, linestyle=":")
            axis.annotate(f"never {done}", (0.98, 0.025), xycoords="axes fraction", ha="right", fontsize=9)
    axes[0].legend(loc="upper left", frameon=False)
    picture.suptitle(title, fontsize=11, parse_math=False)
    drawn = BytesIO()
    picture.savefig(drawn, dpi=130, format=file.rpartition(".")[2].lower())
    write(file, drawn.getvalue())


def _lines(axis: Any, rows: Sequence[CellLaw], *, keeps: bool) -> bool:
    """Draw a line per dtype; return whether a rate of 0 was drawn, at the bottom."""
    never = False
    for dtype in dict.fromkeys(row.dtype for row in rows):
        points = []
        for row in rows:
            if row.dtype == dtype and row.law is not None:
                rate = float(row.law.keep_prob if keeps else 1 - row.law.keep_prob)
                points.append((1.0 - row.drop_prob if keeps else row.drop_prob, rate))
        points.sort()
        never = never or any(rate == 0.0 for _, rate in points)
        style: dict[str, Any] = STYLES.get(dtype, {"linewidth": 1.4})
        x, y = [asked for asked, _ in points], [max(rate, FLOOR) for _, rate in points]
        axis.plot(x, y, label=dtype, **style)
    return never
