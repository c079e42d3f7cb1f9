"""A rule where blocks have no layer at all: it is the one of all blocks, not that of those which have one."""

from __future__ import annotations

import pytest

from droppath_audit.models.rules import examined
from droppath_reference import schedule


@pytest.mark.parametrize(("rule", "first"), [("linear", 1), ("ends-early", 1), ("paper", 0)])
@pytest.mark.parametrize("depths", [(2, 2, 2, 2), (3, 4, 6, 3)])
def test_blocks_of_rate_zero_may_have_no_layer(rule: str, first: int, depths: tuple[int, ...]) -> None:
    rates = {"linear": schedule.linear, "ends-early": schedule.efficientnet, "paper": schedule.paper}[rule](
        0.2, sum(depths)
    )
    members = {f"layer{stage}": tuple(range(depth)) for stage, depth in enumerate(depths)}
    names = [f"{container}.{number}.drop_path" for container, numbers in members.items() for number in numbers]
    # What ends early is linear up to less: only the largest that was asked for tells them apart.
    (stack,) = examined(list(zip(names, rates, strict=True))[first:], members, largest=0.2)
    assert (stack.followed.rule, stack.slots) == (rule, sum(depths))


def test_without_such_blocks_the_paper_is_the_paper() -> None:
    names = [f"blocks.{number}.drop_path" for number in range(7)]
    (stack,) = examined(list(zip(names, schedule.paper(0.2, 7), strict=True)), {"blocks": tuple(range(7))})
    assert (stack.followed.rule, stack.slots) == ("paper", 7)


def test_a_block_that_holds_further_ones_gives_them_its_rate() -> None:
    rates = schedule.linear(0.2, 6)
    names = [["stages.0.0.drop_path"], ["stages.0.1.drop_path"], ["stages.1.0.drop_path"]]
    names += [[f"stages.1.1.transformer.{number}.drop_path{which}" for number in (0, 1) for which in (1, 2)]]
    names += [["stages.2.0.drop_path"], [f"stages.2.1.transformer.{number}.drop_path1" for number in (0, 1, 2)]]
    members = {f"stages.{stage}": (0, 1) for stage in range(3)}
    found = [(name, rate) for block, rate in zip(names, rates, strict=True) for name in block]
    (stack,) = examined(found, members)
    assert (stack.followed.rule, stack.slots) == ("linear", 6)
