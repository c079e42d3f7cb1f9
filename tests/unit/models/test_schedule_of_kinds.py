"""Blocks of a class of which none drops are left out of a rule, and told; a block that lost its rate is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from droppath_audit.checks import check
from droppath_audit.checks.models.dp901_schedule import Rate, Seen
from droppath_audit.core.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence


def seen(rates: Sequence[tuple[str, float]], largest: float | None) -> Seen:
    found = tuple(Rate(f"blocks.{i}.drop_path", "DropPath", p, p == 0.0, kind) for i, (kind, p) in enumerate(rates))
    return Seen(found, {"blocks": tuple(range(len(rates)))}, "", largest)


MIXED = [("Conv", 0.0), ("Attention", 0.1), ("Conv", 0.0), ("Attention", 0.3)]
LOST = [("Attention", 0.0), ("Attention", 0.1), ("Attention", 0.0), ("Attention", 0.3)]


@pytest.mark.parametrize(("largest", "rule"), [(None, "linear (or ends-early before 0.4)"), (0.3, "linear")])
def test_a_class_of_which_none_drops_takes_no_part(largest: float | None, rule: str) -> None:
    verdict = check("DP901").judge(seen(MIXED, largest), None, 0.0)
    assert verdict.outcome is Outcome.PASS
    assert verdict.observed == f"{rule} over 4 blocks, 0.1 to 0.3; 2 in Conv have a rate of 0"


def test_a_block_whose_like_drops_has_lost_its_rate() -> None:
    verdict = check("DP901").judge(seen(LOST, 0.3), None, 0.0)
    assert verdict.outcome is Outcome.FAIL
    assert "blocks.2.drop_path has 0 where linear has 0.2" in verdict.observed
