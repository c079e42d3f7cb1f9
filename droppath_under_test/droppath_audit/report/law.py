"""The law of the mask as a table: what a layer really drops, against what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from droppath_audit.core.mask_law import NO_DRAW, MaskLaw
from droppath_audit.report.console import foldable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from rich.console import Console

DIGITS = 9
LONGEST = 24  # characters of a fraction that is printed


@dataclass(frozen=True)
class CellLaw:
    """The law of one cell, or why there is none.

    Attributes:
        dtype: Dtype of x.
        drop_prob: The probability asked for.
        law: What was found; None where ``reason`` says why not.
        reason: Why the cell was not enumerated.
    """

    dtype: str
    drop_prob: float
    law: MaskLaw | None
    reason: str = ""

    @property
    def dropped(self) -> float:
        """Effective drop rate; NaN where it is not known."""
        return float("nan") if self.law is None else float(1 - self.law.keep_prob)


def show_law(console: Console, rows: Sequence[CellLaw]) -> None:
    """Print a line per cell, and under the table the draws that decide."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    columns = (
        "dtype",
        "asked",
        "drops",
        "of asked",
        "keeps exactly",
        "mean / x",
        "numbers/sample",
        "masks but 0 and 1",
    )
    for column in columns:
        right = column not in ("dtype", "masks but 0 and 1")
        table.add_column(column, no_wrap=True, justify="right" if right else "left")
    for row in rows:
        asked = _short(row.drop_prob)
        law = row.law
        if law is None:
            table.add_row(row.dtype, asked, _missing(row), style="dim")
            continue
        relative = f"{row.dropped / row.drop_prob:.7g}" if row.drop_prob else ""
        table.add_row(
            row.dtype,
            asked,
            _decimal(row.dropped),
            relative,
            _fraction(law.keep_prob),
            f"{float(law.mean):.8g}",
            f"{float(law.numbers_per_sample):.4g}",
            _others(law),
        )
    console.print(foldable(table, console.width))
    console.print()
    for draw, dtypes in _grouped([(_draw(row.law), row.dtype) for row in rows if row.law is not None]):
        console.print(Text(f"{', '.join(dtypes)}: {draw}"), soft_wrap=True)


def show_schedule(console: Console, rule: str, drop_probs: Sequence[float], rows: Sequence[CellLaw]) -> None:
    """Print what each layer of a network would really drop, a column for each dtype."""
    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    by_cell = {(row.dtype, row.drop_prob): row for row in rows}
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("layer", "asked", *dtypes):
        table.add_column(column, no_wrap=True, justify="right")
    for layer, drop_prob in enumerate(drop_probs):
        cells = [by_cell[dtype, drop_prob] for dtype in dtypes]
        dropped = [_missing(row) if row.law is None else _decimal(row.dropped) for row in cells]
        table.add_row(str(layer), _decimal(drop_prob), *dropped)
    console.print(Text(f"what each layer drops under the schedule {rule}"))
    console.print(foldable(table, console.width))


def show_reasons(console: Console, rows: Sequence[CellLaw]) -> None:
    """Print why cells were not enumerated, a line per reason."""
    for reason, cells in _grouped([(row.reason, f"{row.dtype} at {_short(row.drop_prob)}") for row in rows]):
        if reason:
            console.print(Text(f"not enumerated: {_listed(cells)}: {reason}", style="dim"), soft_wrap=True)


def _missing(row: CellLaw) -> str:
    return "no draw" if row.reason.startswith(NO_DRAW) else "unknown"


def _grouped(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Return the second parts by the first, each once, in order of appearance."""
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        members = found.setdefault(key, [])
        if value not in members:
            members.append(value)
    return list(found.items())


def _listed(cells: Sequence[str]) -> str:
    return ", ".join(cells[:4]) + (f" and {len(cells) - 4} more" if len(cells) > 4 else "")


def _draw(law: MaskLaw) -> str:
    how = "every value was fed" if law.whole else "thresholds were bisected"
    return f"{law.draw} ({law.generator}; {how})"


def _others(law: MaskLaw) -> str:
    if not law.other_values:
        return "none"
    kept = law.kept_values[0] if law.kept_values else 1.0
    shown = ", ".join(f"{value / kept:.4g}" for value, _ in law.others[:3])
    return f"{shown}{', …' if law.other_values > 3 else ''} in {float(law.other_share):.7g}"


def _fraction(value: Fraction) -> str:
    """Return a fraction, with its denominator as a power of two where that is long."""
    if len(str(value)) <= LONGEST or value.denominator & (value.denominator - 1):
        return str(value)
    return f"{value.numerator}/2^{value.denominator.bit_length() - 1}"


def _decimal(value: float) -> str:
    return f"{value:.{DIGITS}f}" if value >= 1e-4 or value == 0.0 else f"{value:.{DIGITS - 1}e}"


def _short(value: float) -> str:
    return min((text for text in (f"{value:g}", repr(value)) if float(text) == value), key=len)
