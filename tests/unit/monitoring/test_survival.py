"""What counts say: sizes and powers, whose decisions they are, and what processes hold together."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from droppath_audit import SurvivalMonitor
from droppath_audit.frameworks.monitoring import Counted, Reading
from droppath_audit.monitoring import survival
from droppath_audit.monitoring.table import table

NONE: frozenset[str] = frozenset()


def counted(layer="layer", p=0.1, kept=9000, decisions=10_000, **other):
    given = {"calls": 100, "partly": 0, "silent": 0, "plural": 100, "mixed": 90, "kept_calls": 10, "decided_calls": 10,
             "first_kept": kept, "first": decisions, "planned": 4096, **other}  # fmt: skip
    return Counted(layer, p, kept=kept, decisions=decisions, **given)


def reading(*rows, passes=100):
    return Reading(rows, passes)


def certified(*rows, layers=1, budget=1e-6):
    return survival.certificates(reading(*rows), layers, 0.02, budget, NONE)


def test_outcomes():
    right, wrong, few = certified(counted(), counted(kept=8500), counted(p=0.2, kept=80, decisions=100))
    assert (right.outcome, wrong.outcome, few.outcome) == ("pass", "fail", "open")
    assert right.low < 0.9 < right.high
    assert wrong.high < 0.9


@pytest.mark.parametrize(("p", "kept"), [(0.0, 10_000), (1.0, 0)])
def test_layers_that_keep_or_drop_everything(p, kept):
    good, bad = certified(counted(p=p, kept=kept), counted(p=p, kept=abs(kept - 1)))
    assert (good.outcome, bad.outcome) == ("pass", "fail")


def test_the_shares_of_all_rates_of_all_layers_stay_within_half_of_the_budget():
    rows = [counted(f"layer {layer}", rate / 1000) for layer in range(8) for rate in range(1, 200)]
    shares = [one.alpha for one in certified(*rows, layers=8, budget=1e-3)]
    assert 0.49e-3 < sum(shares) < 0.5e-3
    assert shares[: len(shares) // 2] == [
        one.alpha for one in certified(*rows[: len(rows) // 2], layers=8, budget=1e-3)
    ]  # what comes later changes none


@pytest.mark.parametrize(
    ("p", "plural", "mixed", "by_call"),
    [(0.5, 39, 0, None), (0.5, 40, 0, True), (0.5, 40, 1, False), (0.5, 0, 0, False), (0.01, 1000, 0, None),
     (0.01, 1500, 0, True), (0.0, 1000, 0, False), (None, 1000, 0, False)],
)  # fmt: skip
def test_whose_decision_it_is(p, plural, mixed, by_call):
    row = counted(p=p, plural=plural, mixed=mixed, kept_calls=7, decided_calls=20, kept=70, decisions=200)
    (found,) = survival.counts(reading(row))
    assert found.by_call is by_call
    assert (found.kept, found.decisions) == ((7, 20) if by_call else (70, 200))
    if by_call is None:
        assert certified(row)[0].outcome == "open"


def test_samples_that_share_a_decision_are_not_counted_as_many():
    """300 calls of 64 samples, of which 93 in 100 keep, not 90: as calls that is chance, as samples it is sure."""
    row = counted(kept=64 * 279, decisions=64 * 300, plural=300, mixed=0, kept_calls=279, decided_calls=300)
    assert certified(row)[0].outcome != "fail"
    assert certified(replace(row, mixed=1))[0].outcome == "fail"


def test_the_table_is_sized_at_every_growth_and_sees_small_shifts_of_all():
    """False alarms: half the budget of 0.2 at most, at all six sizes together, as layers come in and a user looks.

    400 trainings resolve 0.1 to 0.045, three standard deviations. Power: 0.02 in every layer, 3 to 6 standard
    deviations of each, is seen in at least nine of ten trainings at a budget of 1e-6.
    """
    rng, alarms, seen = np.random.default_rng(0), 0, 0
    rates = [0.05 * number for number in range(1, 7)]
    planned = [max(4096, math.ceil(100 / p)) for p in rates]
    for training in range(400):
        rows = [
            counted(str(number), p, int(rng.binomial(n, 1.0 - p)), n, planned=n)
            for number, (p, n) in enumerate(zip(rates, planned, strict=True))
        ]
        alarms += any(survival.together(reading(*rows[:size]), 0.2, NONE).outcome == "fail" for size in range(1, 7))
        if training % 8 == 0:
            signs = rng.choice([-0.02, 0.02], 6)
            shifted = [
                replace(row, first_kept=int(rng.binomial(row.first, 1.0 - row.drop_prob + sign)))
                for row, sign in zip(rows, signs, strict=True)
            ]
            seen += survival.together(reading(*shifted), 1e-6, NONE).outcome == "fail"
    assert alarms / 400 < 0.1 + 0.045
    assert seen >= 45


def test_layers_that_wait_or_cannot_be_told_are_not_in_the_table():
    rows = [counted("a"), counted("b", first=100, first_kept=90), counted("c", p=0.0, kept=10_000), counted("w"),
            counted("d", mixed=0, plural=5)]  # fmt: skip
    found = survival.together(reading(*rows), 1e-6, frozenset({"w"}))
    assert (found.degrees_of_freedom, found.waiting, found.outcome) == (1, 2, "pass")
    assert survival.together(reading(rows[1]), 1e-6, NONE).outcome == "open"


def test_the_depth_s_interval_covers_999_in_1000():
    """2,000 trainings of 24 layers: 2 misses are expected, more than 8 have probability 2e-4."""
    rng, rates, missed = np.random.default_rng(1), [0.3 * number / 23 for number in range(24)], 0
    for _ in range(2000):
        rows = [
            counted(str(number), p, int(rng.binomial(2000, 1.0 - p)), 2000, plural=0) for number, p in enumerate(rates)
        ]
        found = survival.expected_depth(reading(*rows))
        assert found.promised == pytest.approx(24 - 3.6)
        missed += not found.low <= found.promised <= found.high
    assert 0 < found.high - found.low < 0.35
    assert missed <= 8


def test_a_layer_that_is_called_twice_in_a_pass_counts_twice():
    rows = [counted("once"), counted("twice", 0.5, 5000, calls=200), counted("mean", 0.1, 900, 1000, calls=25),
            counted("mean", 0.3, 2100, 3000, calls=75), counted("zeros", 0.1, 0, 0)]  # fmt: skip
    found = survival.expected_depth(reading(*rows))
    assert (found.depth, found.promised, found.layers) == (pytest.approx(0.9 + 1.0 + 0.75), pytest.approx(2.65), 4.0)
    once, twice = (survival.expected_depth(reading(counted("one", calls=calls))) for calls in (100, 200))
    assert twice.depth - twice.low == pytest.approx(2.0 * (once.depth - once.low))
    unknown = survival.expected_depth(reading(*rows, counted("unknown", None)))
    assert unknown.promised is None
    assert survival.expected_depth(reading(passes=0)).depth == 0.0


def drawn(seed, layers=12, decisions=500):
    rng = random.Random(seed)  # noqa: S311
    return reading(
        *(
            counted(str(layer), 0.2, sum(rng.random() < 0.8 for _ in range(decisions)), decisions)
            for layer in range(layers)
        )
    )


def test_processes_are_added_up_and_those_that_drew_the_same_are_one():
    one, other = drawn(1), drawn(2)
    both = survival.merged([one, other])
    assert [row.kept for row in both.counted] == [
        a.kept + b.kept for a, b in zip(one.counted, other.counted, strict=True)
    ]
    assert (both.passes, both.counted[0].planned, both.unseen) == (200, 8192, ())
    again = survival.merged([one, one, other])
    assert again.counted == both.counted
    assert again.passes == 200
    assert "ranks drew the same masks (1 as 0)" in again.unseen[0]


def test_few_equal_counts_are_no_sign():
    few = reading(counted(p=0.1, kept=9, decisions=10), counted("zero", 0.0, 10, 10))
    assert survival.merged([few, few]).counted[0].decisions == 20


def test_processes_that_met_other_rates():
    both = survival.merged([reading(counted("a", 0.1)), reading(counted("a", 0.2), counted("b"))])
    assert [(row.site, row.drop_prob, row.decisions) for row in both.counted] == [
        ("a", 0.1, 10_000), ("a", 0.2, 10_000), ("b", 0.1, 10_000)]  # fmt: skip


def test_a_wrong_rate_is_found_in_training_and_a_right_one_passes(made):
    """A layer that drops at half its rate (0.2) fails with 1 - 1e-3 by then; the right one fails with 1e-6 at most."""
    torch.manual_seed(0)
    model = made.model(0.2, 0.2)
    with SurvivalMonitor(model) as monitor:
        model[1].drop_path.drop_prob = 0.1
        for _ in range(60):
            model(torch.randn(256, 8))
    rows = monitor._counting.read().counted
    lied = [rows[0], replace(rows[1], drop_prob=0.2)]
    found = survival.certificates(Reading(tuple(lied), 60), 2, 0.02, 1e-6, NONE)
    assert [one.outcome for one in found] == ["pass", "fail"]
    assert survival.together(Reading(tuple(lied), 60), 1e-6, NONE).outcome == "fail"
    assert [one.outcome for one in monitor.certificates()] == ["pass", "pass"]
    assert monitor.together().outcome == "pass"
    depth = monitor.expected_depth()
    assert depth.low <= 0.8 + 0.9 <= depth.high


@pytest.mark.parametrize(("resolution", "budget"), [(0.0, 1e-6), (1.0, 1e-6), (0.02, 0.0), (0.02, 1.0)])
def test_numbers_out_of_range(made, resolution, budget):
    monitor = SurvivalMonitor(made.model(0.5))
    with pytest.raises(ValueError, match="lies inside"):
        monitor.certificates(resolution, budget)
    monitor.close()


def test_the_table():
    rows = reading(counted("blocks.0.drop_path", partly=0, silent=3), counted("blocks.1\x1b", 0.2, kept=0))
    found = survival.certificates(rows, 2, 0.02, 1e-6, NONE)
    text = table(
        survival.counts(rows),
        found,
        survival.expected_depth(rows),
        survival.together(rows, 1e-6, NONE),
        ["x was not seen"],
    )
    lines = text.splitlines()
    assert lines[0].split() == [
        "layer",
        "drop_prob",
        "kept",
        "of",
        "decisions",
        "share",
        "kept",
        "interval",
        "promised",
    ]
    assert "9000 of 10000" in lines[1]
    assert lines[1].endswith("pass; 3 undecided")
    assert "\\x1b" in lines[2]
    assert lines[2].endswith("fail")
    assert lines[3].startswith("expected depth 0.9000 [")
    assert lines[4].startswith("all together: fail")
    assert lines[5] == "not counted: x was not seen"
    empty = reading(passes=0)
    assert (
        table((), (), survival.expected_depth(empty), survival.together(empty, 1e-6, NONE), ()) == "nothing was counted"
    )
