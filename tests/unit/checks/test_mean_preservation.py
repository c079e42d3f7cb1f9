from __future__ import annotations

import pytest

from droppath_audit.checks.dp203_mean_preservation import judge
from droppath_audit.core.case import Case
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.verdict import Outcome


def evidence(kept: int, decisions: int, values: list[float]) -> dict[str, object]:
    return {"kept": kept, "decisions": decisions, "other": 0, "kept_values": values, "weighted": None}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_without_a_kept_decision_there_is_no_factor_to_judge(dtype: str) -> None:
    # 1/q is no float: rounded to bfloat16 it is exactly 500, unrounded it lies outside of what rounding allows.
    case = Case("cpu", dtype, 0.998, effort=EFFORTS["quick"], dialect=Dialect(granularity="batch"))
    assert judge(evidence(0, 513, []), case, 1e-10).outcome is not Outcome.FAIL
    assert judge(evidence(1, 513, [496.0]), case, 1e-10).outcome is Outcome.FAIL
    assert judge(evidence(1, 513, [500.0]), case, 1e-10).outcome is not Outcome.FAIL
