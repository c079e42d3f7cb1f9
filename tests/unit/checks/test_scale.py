"""DP201's judge on made-up evidence: what is taken for a layer that means to leave kept values as they are."""

from __future__ import annotations

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.verdict import Outcome
from droppath_audit.probes.fates import Fates


@pytest.mark.parametrize(
    ("drop_prob", "ratio", "dropped", "hinted"),
    [
        (0.998, 1.0, 63, True),
        (0.998, 1.25, 63, False),
        (0.3, 1.0, 20, True),
        (0.3, 1.05, 20, False),
        (0.002, 1.0, 0, True),
        (0.7, 1.0, 0, False),
    ],
)
def test_unscaled_is_hinted_at_where_the_factor_is_one_whatever_was_promised(
    drop_prob: float, ratio: float, dropped: int, hinted: bool
) -> None:
    seen = Fates(64, dropped, 0, 0, 64 - dropped, ratios=(ratio, ratio), misfit=(2.0, 2.0 * ratio))
    verdict = catalogue()["DP201"].judge(seen, Cell("cpu", "float32", drop_prob), 0.0)
    assert verdict.outcome is Outcome.FAIL
    assert ("add scaling=none" in verdict.hint) is hinted
