"""Ends of snippets that several checks share: lines that count decisions on ``x``, 65 536 ones, and then assert."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.core.code import Code

BATCH = 65_536


def kept_share(drop_prob: float, decisions: int, code: Code) -> list[str]:
    """Return lines that fail where the share of kept samples is off by more than five standard deviations.

    The number of calls is odd: of two calls that decide once for the whole batch, one may well keep and one drop.
    """
    calls = max(3, -(-decisions // BATCH)) | 1
    keep_prob = 1.0 - drop_prob
    width = 5.0 * (keep_prob * drop_prob / (calls * BATCH)) ** 0.5
    return [
        f"kept = sum(int(({code.output(drop_prob)} != 0).sum()) for _ in range({calls})) / ({calls} * {BATCH})",
        f"print('kept', kept, 'where', {keep_prob!r}, 'was asked for')",
        f"assert abs(kept - {keep_prob!r}) <= {width:.2g}  # five standard deviations",
    ]


def several_values(drop_prob: float, decisions: int, code: Code) -> list[str]:
    """Return lines that fail where kept ones have more than one value."""
    calls = max(4, -(-decisions // BATCH))
    return [
        f"values = {{value for _ in range({calls}) for value in {code.output(drop_prob)}.unique().tolist()}} - {{0.0}}",
        "print('kept values for x = 1:', values)",
        "assert len(values) <= 1",
    ]


def kept_factor(drop_prob: float, factor: float, tolerance: float, code: Code) -> list[str]:
    """Return lines that fail where ones are multiplied by another factor than promised, or by several."""
    return [
        f"y = {code.output(drop_prob)}",
        "kept = y[y != 0].double().unique()",
        f"print('factors of kept values:', kept, 'promised:', {factor!r})",
        f"assert (abs(kept / {factor!r} - 1) <= {tolerance!r}).all()",
    ]


def fed_share(drop_prob: float, dtype: str, device: str, code: Code) -> list[str]:
    """Return lines that give the draw every multiple of 2^-24 once and fail where too many or too few are kept.

    Rounded to the dtype of a draw as the CPU's generator rounds, its upper end replaced by 0.
    """
    keep_prob = 1.0 - drop_prob
    return [
        *code.input((2**24, 1), dtype, device),
        *code.feed.replace("{values}", "torch.arange(2**24).div(2**24).to(y.dtype) % 1").splitlines(),
        "with feed:",
        f"    kept = int(({code.output(drop_prob)} != 0).sum()) / 2**24",
        f"print('kept', kept, 'of all that the generator gives, where', {keep_prob!r}, 'was asked for')",
        f"assert abs(kept - {keep_prob!r}) <= 2**-23",
    ]
