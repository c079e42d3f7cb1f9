"""Decisions of successive calls: which can be read, which follow each other, which stand side by side."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.calls import Calls, Decisions, runs, widest
from droppath_audit.probes.dependence import table
from droppath_audit.probes.instances import OFFSETS, Instances

RNG = np.random.default_rng(np.random.SeedSequence(0))


def decisions(
    calls: int, width: int = 3, *, layer: str = "", first: int = 0, unread: tuple[int, ...] = ()
) -> Decisions:
    seen = np.ones((calls, width), dtype=bool)
    seen[list(unread), 1] = False
    return Decisions(RNG.random((calls, width)) < 0.5, seen, width, layer, first)


def test_parts_that_follow_each_other_are_one_run() -> None:
    parts = [decisions(2), decisions(3, first=2)]
    (run,) = runs(parts)
    assert run.masks.tolist() == [*parts[0].kept.tolist(), *parts[1].kept.tolist()]
    assert run.numbers.tolist() == [0, 1, 2, 3, 4]


def test_a_call_that_cannot_be_read_altogether_ends_a_run() -> None:
    part = decisions(6, unread=(0, 3), first=10)
    found = runs([part])
    assert [run.numbers.tolist() for run in found] == [[11, 12], [14, 15]]
    assert [run.masks.tolist() for run in found] == [part.kept[1:3].tolist(), part.kept[4:].tolist()]
    assert runs([decisions(2, unread=(0, 1))]) == []


@pytest.mark.parametrize(
    "other",
    [decisions(2, first=3), decisions(2, first=2, layer="b"), decisions(2, 4, first=2)],
    ids=("gap", "layer", "width"),
)
def test_a_gap_another_layer_and_another_width_end_a_run(other: Decisions) -> None:
    one = decisions(2)
    assert [run.masks.tolist() for run in runs([one, other])] == [one.kept.tolist(), other.kept.tolist()]


def test_the_widest_calls_are_taken_together() -> None:
    wide, later = decisions(2, 4), decisions(3, 4, first=9)
    masks = widest([decisions(5), wide, later])
    assert masks.tolist() == [*wide.kept.tolist(), *later.kept.tolist()]


def calls(y: list[list[list[float]]], granularity: str = "sample", drop_prob: float = 0.5) -> Calls:
    array = np.array(y)
    x, readable = np.ones(array.shape), np.ones(array.shape, dtype=bool)
    readable[:, :, 0] = False  # the first element of a sample says nothing
    return Calls(array.shape[1:], "float32", drop_prob, granularity, x, array, np.zeros(array.shape), readable)


def test_the_first_element_that_can_be_read_speaks_for_a_decision() -> None:
    found = calls([[[2.0, 0.0, 2.0], [0.0, 2.0, 0.0]]]).decisions()
    assert (found.kept.tolist(), found.seen.tolist(), found.counts) == ([[False, True]], [[True, True]], (1, 2))
    found = calls([[[2.0, 0.0, 2.0], [0.0, 2.0, 0.0]]], "element").decisions()
    assert found.seen.tolist() == [[False, True, True] * 2]
    assert found.counts == (2, 4)


@pytest.mark.parametrize(("drop_prob", "see"), [(0.0, "DP002"), (0.5, "DP201"), (1.0, "DP301")])
def test_no_decision_is_read_from_nan(drop_prob: float, see: str) -> None:
    with pytest.raises(NotApplicable, match=see):
        calls([[[0.0, np.nan, 2.0]]], drop_prob=drop_prob).decisions()
    assert calls([[[np.nan, 2.0, np.nan]]], drop_prob=drop_prob).decisions().counts == (1, 1)  # where it says nothing


def test_tables_of_instances_are_those_of_calls_side_by_side() -> None:
    masks = {name: RNG.random((length, 5)) < 0.5 for name, length in (("a", 8), ("b", 6), ("c", 2))}
    numbers = {"a": np.arange(3, 11), "b": np.array([0, 1, 4, 5, 6, 20]), "c": np.array([100, 101])}
    pairs = (("a", "b"), ("b", "a"), ("a", "c"))
    instances = Instances(masks, numbers, pairs)
    expected = {}
    for first, second in pairs:
        for offset in OFFSETS:
            beside = [
                (masks[first][i], masks[second][j])
                for i, one in enumerate(numbers[first])
                for j, other in enumerate(numbers[second])
                if other == one + offset
            ]
            if beside:
                ours, theirs = (np.array(part) for part in zip(*beside, strict=True))
                expected[first, second, offset] = table(ours, theirs)
    assert instances.tables() == expected
    assert instances.table("a", "c", 0) == (0, 0, 0, 0)
    assert {pair[:2] for pair in expected} == {("a", "b"), ("b", "a")}
    assert instances.tables()["a", "b", 2] == instances.tables()["b", "a", -2][:1] + tuple(
        instances.tables()["b", "a", -2][i] for i in (2, 1, 3)
    )


def test_a_table_counts_both_first_only_second_only_neither() -> None:
    first, second = np.array([1, 1, 1, 0, 0, 0], bool), np.array([1, 1, 0, 1, 0, 0], bool)
    assert table(first, second) == (2, 1, 1, 2)
