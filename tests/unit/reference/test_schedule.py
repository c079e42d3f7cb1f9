from __future__ import annotations

import math

import pytest

from droppath_reference import schedule


def test_linear_runs_from_zero_to_the_maximum() -> None:
    assert schedule.linear(0.2, 5) == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_efficientnet_never_reaches_the_maximum() -> None:
    rates = schedule.efficientnet(0.2, 16)
    assert rates == pytest.approx([0.2 * block / 16 for block in range(16)])
    assert rates[-1] == pytest.approx(0.1875)  # the last block of EfficientNet-B0


def test_paper_starts_above_zero_and_ends_at_the_maximum() -> None:
    assert schedule.paper(0.5, 4) == pytest.approx([0.125, 0.25, 0.375, 0.5])


def test_paper_is_equation_four_in_terms_of_keep_prob() -> None:
    keep_last, depth = 0.5, 54
    keep_probs = [1 - block / depth * (1 - keep_last) for block in range(1, depth + 1)]
    assert [1 - p for p in schedule.paper(1 - keep_last, depth)] == pytest.approx(keep_probs)
    assert sum(keep_probs) == pytest.approx((3 * depth - 1) / 4)  # expected number of active blocks, section 3


def test_constant_gives_every_block_the_maximum() -> None:
    assert schedule.constant(0.3, 3) == [0.3, 0.3, 0.3]


def test_stagewise_is_constant_within_a_stage_and_linear_across_stages() -> None:
    assert schedule.stagewise(0.3, [2, 1, 3, 1]) == pytest.approx([0.0, 0.0, 0.1, 0.2, 0.2, 0.2, 0.3])


@pytest.mark.parametrize("maximum", [0.1, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("depth", [2, 3, 7, 12, 49])
def test_the_last_block_of_a_ramp_is_the_maximum_exactly(maximum: float, depth: int) -> None:
    assert schedule.linear(maximum, depth)[-1] == maximum
    assert schedule.paper(maximum, depth)[-1] == maximum
    assert schedule.stagewise(maximum, [1] * depth)[-1] == maximum


def test_a_single_block_follows_each_rule_without_dividing_by_zero() -> None:
    assert {name: rule(0.4, 1) for name, rule in schedule.RULES.items()} == {
        "linear": [0.0],
        "efficientnet": [0.0],
        "paper": [0.4],
        "constant": [0.4],
    }
    assert schedule.stagewise(0.4, [3]) == [0.0, 0.0, 0.0]


def test_warmup_rises_linearly_and_stays_at_the_maximum() -> None:
    assert [schedule.warmup(step, 4, 0.2) for step in range(6)] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2])
    assert schedule.warmup(4, 4, 0.2) == 0.2


def test_no_warmup_is_the_maximum_from_the_first_step() -> None:
    assert schedule.warmup(0, 0, 0.2) == 0.2


@pytest.mark.parametrize("maximum", [-0.1, 1.5, math.nan])
def test_a_maximum_outside_the_unit_interval_is_refused_with_its_value(maximum: float) -> None:
    for rule in schedule.RULES.values():
        with pytest.raises(ValueError, match=str(maximum)):
            rule(maximum, 4)
    with pytest.raises(ValueError, match=str(maximum)):
        schedule.stagewise(maximum, [1, 2])
    with pytest.raises(ValueError, match=str(maximum)):
        schedule.warmup(1, 2, maximum)


@pytest.mark.parametrize("depth", [0, -3])
def test_a_network_without_blocks_is_refused(depth: int) -> None:
    for rule in schedule.RULES.values():
        with pytest.raises(ValueError, match=str(depth)):
            rule(0.1, depth)
    with pytest.raises(ValueError, match=str(depth)):
        schedule.stagewise(0.1, [2, depth])


def test_an_empty_list_of_stages_and_negative_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="depth"):
        schedule.stagewise(0.1, [])
    with pytest.raises(ValueError, match="-1"):
        schedule.warmup(-1, 4, 0.1)
    with pytest.raises(ValueError, match="-4"):
        schedule.warmup(1, -4, 0.1)


@pytest.mark.parametrize("maximum", [0.0, 1.0])
def test_both_ends_of_the_unit_interval_are_maxima(maximum: float) -> None:
    assert schedule.constant(maximum, 2) == [maximum, maximum]
    assert schedule.warmup(1, 1, maximum) == maximum
