"""Deciding: which number decides which sample, and where the threshold lies, for rules of every kind."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from droppath_audit.exact.deciding import decide
from droppath_audit.frameworks.torch.tape import TorchTape

SIZE = 12


def asked(rule, keep_prob=0.7, *, brief=False, seed=0, tolerance=Fraction(1, 2**20)):
    """Ask about a rule that makes a mask of SIZE decisions."""
    call = lambda: np.asarray(rule().numpy(force=True), dtype=bool)  # noqa: E731
    return decide(call, TorchTape(), Fraction(keep_prob), tolerance, np.random.default_rng(seed), brief=brief)


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize(
    "rule",
    [
        lambda: torch.rand(SIZE) < 0.7,
        lambda: torch.rand(SIZE, dtype=torch.float64) < 0.7,
        lambda: torch.rand(SIZE) >= 1 - 0.7,
        lambda: (torch.rand(SIZE) + 0.7).floor() == 1,
        lambda: torch.empty(SIZE).bernoulli_(0.7) == 1,
        lambda: torch.empty(SIZE).uniform_() < 0.7,
    ],
    ids=["float32", "float64", "from above", "floor", "bernoulli", "uniform"],
)
def test_the_threshold_is_bracketed(rule, brief):
    found = asked(rule, brief=brief)
    assert found.known
    assert found.low <= Fraction(0.7) + Fraction(1, 2**23)
    assert found.high >= Fraction(0.7) - Fraction(1, 2**23)
    assert found.high - found.low <= Fraction(1, 2**18)
    assert found.witness is None


def in_parts(*thresholds, size=SIZE // 4):
    return torch.cat([torch.rand(size, dtype=torch.float64) < threshold for threshold in thresholds])


def test_draws_of_one_kind_are_one_whose_numbers_come_in_order():
    found = asked(lambda: in_parts(0.7, 0.7, 0.7, 0.7))
    assert found.draw.startswith("4 times rand")
    assert found.known
    assert found.low <= Fraction(0.7) <= found.high


def one_of(draws, which, threshold, *, dtype=torch.float64, also=None):
    drawn = [torch.rand(SIZE, dtype=dtype) for _ in range(draws)]
    mask = drawn[which] < threshold
    return mask if also is None else mask & (drawn[also] < threshold)


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize(("draws", "which"), [(2, 0), (2, 1), (3, 1)])
def test_of_several_draws_as_large_as_the_mask_the_one_that_decides_is_asked(draws, which, brief):
    found = asked(lambda: one_of(draws, which, 0.7), brief=brief)
    assert found.known
    assert found.low <= Fraction(0.7) <= found.high
    assert found.high - found.low <= Fraction(1, 2**18)
    wrong = asked(lambda: one_of(draws, which, 0.71), brief=brief)
    assert wrong.low > Fraction(0.7)
    assert 0.7 <= wrong.witness <= 0.71


def test_of_several_draws_a_tiled_one_is_seen_and_two_that_decide_together_are_left_alone():
    def tiled():
        torch.rand(SIZE)
        return torch.rand(SIZE)[: SIZE // 2].repeat(2) < 0.7

    assert len(asked(tiled).together) == 2
    assert not asked(lambda: one_of(2, 0, 0.7**0.5, also=1)).known


def test_a_part_with_another_threshold_is_seen():
    found = asked(lambda: in_parts(0.7, 0.7, 0.71, 0.7))
    assert found.low > Fraction(0.7)
    assert 0.7 <= found.witness <= 0.71


def test_a_part_whose_decisions_are_another_part_s_is_seen():
    def copied():
        part = torch.rand(SIZE // 2) < 0.7
        return torch.cat([torch.rand(SIZE // 2) < 0.7, part, part])

    found = asked(copied)
    assert found.together == (SIZE // 2, SIZE)


@pytest.mark.parametrize("always", [True, False])
def test_a_decision_that_no_number_changes_is_seen(always):
    spared = torch.arange(SIZE) == 3
    found = asked(lambda: torch.where(spared, always, torch.rand(SIZE) < 0.7))
    assert (found.stuck, found.known) == (3, False)


@pytest.mark.parametrize(
    ("upward", "end"), [(False, 0.99), (True, 0.0)], ids=["small numbers keep", "large numbers keep"]
)
def test_a_mask_that_drops_all_and_is_drawn_again_is_seen(upward, end):
    def redrawn():
        numbers = torch.rand(SIZE)
        mask = numbers >= 0.3 if upward else numbers < 0.7
        return mask if mask.any() else torch.rand(SIZE) < 0.7

    found = asked(redrawn)
    assert (found.known, found.dependent) == (False, True)
    assert abs(found.again - end) < 0.02


def test_decisions_that_are_drawn_again_each_for_itself_are_left_alone():
    def refined():
        first = torch.rand(SIZE, dtype=torch.float64)
        unsure = first > 1.0 - 1e-12  # in no other call than those with the highest number
        again = torch.rand(SIZE, dtype=torch.float64) if unsure.any() else first
        return torch.where(unsure, again < 0.7, first < 0.7)

    assert asked(refined).why_not == "not every call makes the same draws"


def test_decisions_that_are_the_same_at_both_ends_by_chance_are_none_that_no_number_changes():
    def seeded():
        seed = int(torch.rand(1, dtype=torch.float64).item() * 1e6)
        return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed)) < 0.7

    assert asked(seeded).stuck is None


def test_a_decision_for_which_no_number_is_drawn_is_seen():
    found = asked(lambda: torch.cat([torch.rand(SIZE - 1) < 0.7, torch.ones(1, dtype=torch.bool)]))
    assert found.stuck == SIZE - 1


def test_where_no_number_changes_anything_nothing_is_said():
    found = asked(lambda: torch.rand(SIZE) < 2)
    assert (found.stuck, found.known) == (None, False)
    assert "do not decide differently" in found.why_not


@pytest.mark.parametrize(("kept", "wanted", "upward"), [(0.72, False, False), (0.68, True, False)])
def test_a_witness_says_which_number_decides_wrongly(kept, wanted, upward):
    found = asked(lambda: torch.rand(SIZE, dtype=torch.float64) < kept)
    assert (found.wanted, found.upward) == (wanted, upward)
    assert min(kept, 0.7) <= found.witness <= max(kept, 0.7)
    assert found.low > 0.7 or found.high < 0.7


def test_one_sample_of_many_with_another_threshold_is_seen():
    thresholds = torch.full((SIZE,), 0.7, dtype=torch.float64)
    thresholds[5] = 0.71
    found = asked(lambda: torch.rand(SIZE, dtype=torch.float64) < thresholds)
    assert found.low > Fraction(0.7)


@pytest.mark.parametrize(
    ("rule", "opposed"),
    [
        (lambda: torch.rand(SIZE // 2).repeat(2) < 0.7, False),
        (lambda: torch.rand(SIZE // 2).repeat_interleave(2) < 0.7, False),
        (lambda: torch.rand(1).expand(SIZE) < 0.7, False),
        (lambda: (lambda u: torch.cat([u, 1 - u]))(torch.rand(SIZE // 2)) < 0.7, True),
        (lambda: (lambda u: torch.cat([u, u.flip(0)]))(torch.rand(SIZE)[: SIZE // 2]) < 0.7, False),
        (lambda: torch.empty(SIZE // 2).bernoulli_(0.7).repeat(2) == 1, False),
    ],
    ids=["tiled", "in pairs", "one for all", "antithetic", "mirrored", "coins"],
)
def test_a_number_that_decides_two_samples_is_found(rule, opposed):
    found = asked(rule)
    assert len(found.together) == 2
    assert found.opposed is opposed


@pytest.mark.parametrize(
    "rule",
    [
        lambda: torch.rand(2 * SIZE)[:SIZE] < 0.7,
        lambda: torch.rand(SIZE).flip(0) < 0.7,
        lambda: (torch.rand(2, SIZE, dtype=torch.float64) < 0.7**0.5).all(dim=0),
    ],
    ids=["unused numbers", "in another order", "two numbers each"],
)
def test_unused_numbers_another_order_and_several_for_one_are_sound(rule):
    found = asked(rule)
    assert found.together == ()
    assert not found.known
    assert "several numbers" in found.why_not


@pytest.mark.parametrize("size", [2, 3, 5, 1000])
@pytest.mark.parametrize("brief", [False, True])
def test_no_other_order_passes_for_its_own(size, brief):
    for seed in range(20):
        call = lambda: np.asarray((torch.rand(size) < 0.1).flip(0))  # noqa: E731
        rng = np.random.default_rng(seed)
        found = decide(call, TorchTape(), Fraction(0.1), Fraction(1, 2**20), rng, brief=brief)
        assert not found.known
        assert found.together == ()


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (lambda: torch.ones(SIZE, dtype=torch.bool), "nothing is drawn"),
        (lambda: (torch.rand(SIZE) < 0.7) & (torch.rand(SIZE) < 0.99), "several numbers"),
        (lambda: (torch.rand(SIZE) < 0.7) & (torch.randint(99, (SIZE,)) > 0), "2 draws of different kinds"),
        (lambda: torch.randperm(SIZE) < 8, "no single threshold"),
        (lambda: (torch.rand(SIZE) - 0.5).abs() < 0.35, "do not decide differently"),
    ],
)
def test_what_is_no_threshold_is_left_to_others(rule, why):
    found = asked(rule)
    assert not found.known
    assert why in found.why_not
    assert found.silent is (why == "nothing is drawn")


@pytest.mark.parametrize(
    ("rule", "keep_prob", "right"),
    [
        (lambda: torch.rand(SIZE) < 0.0, 0, True),
        (lambda: torch.rand(SIZE) <= 0.0, 0, False),
        (lambda: torch.rand(SIZE) < 1.0, 1, True),
        (lambda: torch.rand(SIZE) > 0.0, 1, False),
        (lambda: torch.empty(SIZE).bernoulli_(0.0) == 1, 0, True),
        (lambda: (torch.rand(SIZE, dtype=torch.bfloat16) + 1.0).floor() == 1, 1, False),
    ],
    ids=["<", "<=", "all", "> 0", "coins", "floor in bfloat16"],
)
def test_the_ends_have_no_tolerance(rule, keep_prob, right):
    found = asked(rule, keep_prob)
    assert (found.low == found.high == keep_prob) is right
    assert (found.witness is None) is right
