"""DP103's judge on made-up evidence: what weighs as a MUST, what as a SHOULD, what is named."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.level import Level
from droppath_audit.core.mask_law import MaskLaw
from droppath_audit.core.report import FINDING, HOLDS
from droppath_audit.core.result import Result
from droppath_audit.core.trial import Trial
from droppath_audit.core.verdict import SWAPPED, Outcome, Verdict

MISS = Fraction(1, 2**23)
STANDARD = Fraction(0.0005)  # what DP102 resolves at drop_prob 0.3


def law(off: Fraction, drop_prob: float, other: int = 0) -> MaskLaw:
    return MaskLaw(
        draw="rand in bfloat16",
        generator="MT19937, 24 bits",
        unit="sample",
        whole=True,
        states=2**24,
        keep_prob=1 - Fraction(drop_prob) + off,
        mean=Fraction(1),
        kept_values=(1.0,),
        others=((2.0 / (1.0 - drop_prob), other),) if other else (),
        other_states=other,
        other_values=int(other > 0),
        numbers_per_sample=Fraction(1),
    )


def verdict(off: Fraction = Fraction(0), other: int = 0, **case) -> Verdict:
    cell = Cell("cpu", **{"dtype": "bfloat16", "drop_prob": 0.3, **case})
    return catalogue()["DP103"].judge(law(off, cell.drop_prob, other), cell, 0.0)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_deviation_weighs_by_its_size(sign: int) -> None:
    tiny = Fraction(1, 2**60)
    assert verdict(sign * MISS).outcome is Outcome.PASS
    assert verdict(sign * (MISS + tiny)).level is Level.SHOULD
    assert verdict(sign * STANDARD).level is Level.SHOULD
    assert verdict(sign * (STANDARD + tiny)).level is Level.MUST


def test_what_is_resolved_per_call_is_coarser() -> None:
    per_call = {"dialect": Dialect(granularity="batch")}
    assert verdict(Fraction(0.019), **per_call).level is Level.SHOULD
    assert verdict(Fraction(0.021), **per_call).level is Level.MUST


def test_masks_other_than_0_and_1_weigh_by_their_share_and_are_named() -> None:
    assert verdict(other=2).outcome is Outcome.PASS
    assert "of the masks are neither 0 nor 1 but 2" in verdict(other=2).observed
    assert verdict(other=3).level is Level.SHOULD
    assert verdict(other=2**16).level is Level.MUST


def test_what_is_broken_comes_first_and_a_kept_one_that_is_not_scaled_is_called_so() -> None:
    cell, right = Cell("cpu", dtype="float32", drop_prob=0.3), law(Fraction(0), 0.3)
    unscaled = replace(right, others=((1.0, right.states // 2),), other_states=right.states // 2, other_values=1)
    off, text = (
        replace(unscaled, keep_prob=Fraction(1, 8)),
        "0.5 of the masks are neither 0 nor 1 but 0.7: what is kept came",
    )
    assert catalogue()["DP103"].judge(unscaled, cell, 0.0).observed.startswith(text)
    assert catalogue()["DP103"].judge(off, cell, 0.0).observed.startswith("keeps 1/8 = 0.125")
    assert text in catalogue()["DP103"].judge(off, cell, 0.0).observed
    assert "came back" not in verdict(other=3).observed


def test_exact_numbers_are_printed() -> None:
    text = verdict(Fraction(3681, 4096) - (1 - Fraction(0.1)), drop_prob=0.1).observed
    assert "keeps 3681/4096 = 0.898681641, off by -0.00132; drops 0.101318359, 1.013184 times what was asked" in text


def test_a_swap_of_drop_and_keep_is_recognised() -> None:
    assert verdict(Fraction(0.3) - (1 - Fraction(0.3))).hint == SWAPPED
    assert verdict(other=2**16, drop_prob=0.5).hint == ""  # at 1/2 both are one


def test_a_lesser_failure_fails_the_audit_only_if_strict() -> None:
    trial = Trial("DP103", "exact-keep-probability", Level.MUST, Cell("cpu", "float16", 0.3))
    little, much = (Result(trial, verdict(off)) for off in (STANDARD, 2 * STANDARD))
    assert (little.level, much.level) == (Level.SHOULD, Level.MUST)
    assert (little.bad, much.bad) == (True, True)
    assert [result.is_finding() for result in (little, much)] == [False, True]
    assert [result.is_finding(strict=True) for result in (little, much)] == [True, True]
    assert little.to_json()["level"] == "SHOULD"


@pytest.mark.parametrize(("strict", "status"), [(False, HOLDS), (True, FINDING)])
def test_float16_floor_at_three_tenths_is_a_warning(strict: bool, status: int) -> None:
    spec = "droppath_audit.mutants.law:floor_mask"
    report = audit(spec, only=("DP103[cpu-float16-p0.3]",), strict=strict)
    (result,) = report.results
    assert (result.outcome, result.level, report.exit_status) == (Outcome.FAIL, Level.SHOULD, status)
