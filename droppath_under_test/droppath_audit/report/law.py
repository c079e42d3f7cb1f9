"""The law of the mask as a table: what a layer really drops, against what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from droppath_audit.frameworks.tape import NO_DRAW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

DIGITS = 9
LONGEST = 24  # characters of a fraction that is printed


@dataclass(frozen=True)
class Law:
    """The law of one cell, or why there is none.

    Attributes:
        dtype: Dtype of x.
        drop_prob: The probability asked for.
        evidence: What DP103 collects; None where ``reason`` says why not.
        reason: Why the cell was not enumerated.
    """

    dtype: str
    drop_prob: float
    evidence: dict[str, Any] | None
    reason: str = ""

    @property
    def keep_prob(self) -> Fraction | None:
        """The exact keep probability."""
        return None if self.evidence is None else Fraction(*self.evidence["keep_prob"])

    @property
    def dropped(self) -> float:
        """Effective drop rate; NaN where it is not known."""
        return float("nan") if self.keep_prob is None else float(1 - self.keep_prob)


def show_law(console: Console, laws: Sequence[Law]) -> None:
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
    for law in laws:
        asked = _short(law.drop_prob)
        if law.evidence is None or law.keep_prob is None:
            table.add_row(law.dtype, asked, _missing(law), style="dim")
            continue
        relative = f"{law.dropped / law.drop_prob:.7g}" if law.drop_prob else ""
        table.add_row(
            law.dtype,
            asked,
            _decimal(law.dropped),
            relative,
            _fraction(law.keep_prob),
            f"{float(Fraction(*law.evidence['mean'])):.8g}",
            f"{float(Fraction(*law.evidence['numbers_per_sample'])):.4g}",
            _others(law.evidence),
        )
    console.print(table)
    console.print()
    for draw, dtypes in _grouped([(_draw(law.evidence), law.dtype) for law in laws if law.evidence is not None]):
        console.print(Text(f"{', '.join(dtypes)}: {draw}"), soft_wrap=True)


def show_schedule(console: Console, rule: str, drop_probs: Sequence[float], laws: Sequence[Law]) -> None:
    """Print what each layer of a network would really drop, a column for each dtype."""
    dtypes = list(dict.fromkeys(law.dtype for law in laws))
    by_cell = {(law.dtype, law.drop_prob): law for law in laws}
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("layer", "asked", *dtypes):
        table.add_column(column, no_wrap=True, justify="right")
    for layer, drop_prob in enumerate(drop_probs):
        cells = [by_cell[dtype, drop_prob] for dtype in dtypes]
        dropped = [_missing(law) if law.keep_prob is None else _decimal(law.dropped) for law in cells]
        table.add_row(str(layer), _decimal(drop_prob), *dropped)
    console.print(Text(f"what each layer drops under the schedule {rule}"))
    console.print(table)


def show_reasons(console: Console, laws: Sequence[Law]) -> None:
    """Print why cells were not enumerated, a line per reason."""
    for reason, cells in _grouped([(law.reason, f"{law.dtype} at {_short(law.drop_prob)}") for law in laws]):
        if reason:
            console.print(Text(f"not enumerated: {_listed(cells)}: {reason}", style="dim"), soft_wrap=True)


def _missing(law: Law) -> str:
    return "no draw" if law.reason.startswith(NO_DRAW) else "unknown"


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


def _draw(evidence: dict[str, Any]) -> str:
    how = "every value was fed" if evidence["whole"] else "thresholds were bisected"
    return f"{evidence['draw']} ({evidence['generator']}; {how})"


def _others(evidence: dict[str, Any]) -> str:
    if not evidence["other_values"]:
        return "none"
    share = Fraction(evidence["other_states"], evidence["states"])
    kept = evidence["kept_values"]
    shown = ", ".join(f"{value / (kept[0] if kept else 1.0):.4g}" for value, _ in evidence["others"][:3])
    return f"{shown}{', …' if evidence['other_values'] > 3 else ''} in {float(share):.7g}"


def _fraction(value: Fraction) -> str:
    """Return a fraction, with its denominator as a power of two where that is long."""
    if len(str(value)) <= LONGEST or value.denominator & (value.denominator - 1):
        return str(value)
    return f"{value.numerator}/2^{value.denominator.bit_length() - 1}"


def _decimal(value: float) -> str:
    return f"{value:.{DIGITS}f}" if value >= 1e-4 or value == 0.0 else f"{value:.{DIGITS - 1}e}"


def _short(value: float) -> str:
    return min((text for text in (f"{value:g}", repr(value)) if float(text) == value), key=len)
