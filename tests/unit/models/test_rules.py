"""Rules of rates: recognised where they are followed, and where they are left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.models.rules import ORACLES, examined, groupings
from droppath_reference import schedule


def named(rates, pattern="blocks.{}.drop_path"):
    return [(pattern.format(number), rate) for number, rate in enumerate(rates)]


@pytest.mark.parametrize("rule", ORACLES)
@given(largest=st.floats(0.01, 1.0), depth=st.integers(3, 40))
def test_each_rule_is_recognised_by_its_rates_alone(rule, largest, depth):
    rates = ORACLES[rule](largest, depth)
    (stack,) = examined(named(rates), {"blocks": range(depth)}, declared=rule)
    assert stack.followed.rule == rule
    assert stack.followed.largest == pytest.approx(largest, rel=1e-9)
    (undeclared,) = examined(named(rates), {"blocks": range(depth)}, largest=largest)
    assert undeclared.followed.rule == rule
    (alone,) = examined(named(rates), {"blocks": range(depth)})
    # Without the largest rate, one that is never reached cannot be told from a smaller one that is.
    assert alone.followed.rule == ("linear" if rule == "ends-early" else rule)


@given(largest=st.floats(0.05, 1.0), depth=st.integers(4, 40), data=st.data())
def test_one_rate_that_is_off_is_named(largest, depth, data):
    rates = schedule.linear(largest, depth)
    off = data.draw(st.integers(1, depth - 2))
    rates[off] += 1e-3
    (stack,) = examined(named(rates), {"blocks": range(depth)}, "linear", largest)
    assert [one.block for one in stack.followed.departures] == [f"blocks.{off}.drop_path"]
    assert stack.followed.departures[0].expected == pytest.approx(rates[off] - 1e-3)


def test_what_single_precision_makes_of_a_rate_is_the_rule_and_no_more():
    rates = schedule.linear(0.3, 12)
    (near,) = examined(named([rate + 1e-7 for rate in rates]), {}, "linear")
    (far,) = examined(named([rate + (1e-5 if number == 5 else 0.0) for number, rate in enumerate(rates)]), {}, "linear")
    assert near.followed.rule
    assert not far.followed.rule


def test_another_largest_rate_than_was_asked_for_is_none():
    rates = named(schedule.linear(0.2, 6))
    assert examined(rates, {}, "linear", 0.2)[0].followed.rule
    assert not examined(rates, {}, "linear", 0.1)[0].followed.rule


def test_blocks_with_two_layers_are_one_block():
    rates = [(f"blocks.{n}.{name}", rate) for n, rate in enumerate(schedule.linear(0.3, 5)) for name in ("a", "b")]
    (stack,) = examined(rates, {"blocks": range(5)}, "linear", 0.3)
    assert (stack.followed.rule, stack.slots) == ("linear", 5)


def test_layers_in_wrappers_are_told_by_the_block_around_them():
    rates = [
        (f"blocks.{n}.residuals.{m}.drop", rate) for n, rate in enumerate(schedule.paper(0.3, 4)) for m in range(2)
    ]
    (stack,) = examined(rates, {"blocks": range(4)}, "paper")
    assert (stack.followed.rule, stack.slots) == ("paper", 4)


def test_blocks_without_a_rate_count_where_the_rule_counts_them():
    whole = schedule.efficientnet(0.3, 6)
    rates = [(f"blocks.{n}.drop", whole[n]) for n in (1, 3, 4)]
    (stack,) = examined(rates, {"blocks": range(6)}, "ends-early", 0.3)
    assert (stack.followed.rule, stack.slots) == ("ends-early", 6)


def test_two_stacks_follow_a_rule_each():
    rates = named(schedule.linear(0.3, 5), "encoder.{}.drop") + named(schedule.paper(0.2, 3), "decoder.{}.drop")
    found = examined(rates, {})
    assert [(stack.name, stack.followed.rule) for stack in found] == [("encoder", "linear"), ("decoder", "paper")]


def test_stages_may_have_one_rate_each():
    rates = [
        (f"stages.{stage}.blocks.{block}.drop", rate)
        for stage, (rate, depth) in enumerate(zip(schedule.linear(0.2, 3), (2, 3, 1), strict=True))
        for block in range(depth)
    ]
    assert examined(rates, {})[0].followed.rule == "stagewise"


def test_groupings_go_from_the_smallest_module_to_the_largest():
    names = ["stages.0.blocks.0.drop", "stages.0.blocks.1.drop", "stages.1.blocks.0.drop"]
    assert list(groupings(names)) == [
        ["stages.0.blocks.0", "stages.0.blocks.1", "stages.1.blocks.0"],
        ["stages.0", "stages.0", "stages.1"],
    ]


RUNS = (0.0, 0.0, 0.1, 0.1, 0.2, 0.2)


def test_stages_in_one_list_are_told_by_their_rates():
    (stack,) = examined(named(RUNS, "stages.{}.drop_path"), {"stages": range(6)})
    assert stack.followed.rule == "stagewise"


def test_stages_in_lists_of_their_own_are_those_lists():
    """As in transformers' CvT, whose blocks take the rate of their stage's number."""
    names = [f"stages.{stage}.layers.{block}.drop" for stage, depth in enumerate((1, 2, 3)) for block in range(depth)]
    (stack,) = examined(list(zip(names, RUNS, strict=True)), {})
    assert not stack.followed.rule


def test_a_rate_that_comes_once_is_no_stage():
    (stack,) = examined(named((0.0, 0.3, 0.3, 0.3), "blocks.{}.drop_path"), {"blocks": range(4)})
    assert not stack.followed.rule
