"""Covering arrays: all that can meet meets, and nothing else is in a row."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from droppath_audit.space.covering import covering

FACTORS = {"a": ("1", "2", "3"), "b": ("x", "y"), "c": ("u", "v", "w", "z"), "d": ("0", "1")}


def anything(_row):
    return True


def not_one_with_y(row):
    return not (row.get("a") == "1" and row.get("b") == "y")


def array(allowed=anything, seed=0, **named):
    return covering(FACTORS, allowed, np.random.default_rng(seed), **named)


def met(rows, strength):
    return {tuple((name, row[name]) for name in names) for row in rows for names in combinations(FACTORS, strength)}


def wanted(strength, allowed):
    return {
        tuple(zip(names, values, strict=True))
        for names in combinations(FACTORS, strength)
        for values in product(*(FACTORS[name] for name in names))
        if allowed(dict(zip(names, values, strict=True)))
    }


@pytest.mark.parametrize("allowed", [anything, not_one_with_y])
@pytest.mark.parametrize("strength", [2, 3])
def test_all_combinations_that_are_allowed_meet_and_no_others(strength, allowed):
    rows, impossible = array(allowed, strength=strength)
    assert met(rows, strength) == wanted(strength, allowed)
    assert impossible == []
    assert all(allowed(row) for row in rows)


def test_it_is_small_and_follows_from_the_randomness_alone():
    rows, _ = array()
    assert len(rows) <= 15  # 12 at best: three values times four
    assert array()[0] == rows
    assert array(seed=1)[0] != rows


def test_what_no_row_can_hold_is_said():
    def allowed(row):  # a part of a row seems possible that no whole row is
        return not (row.get("a") == "1" and row.get("d") == "0" and "c" in row)

    rows, impossible = array(allowed)
    assert {"a": "1", "d": "0"} in impossible
    assert met(rows, 2) == wanted(2, allowed) - {(("a", "1"), ("d", "0"))}


@pytest.mark.parametrize("strength", [1, 5])
def test_more_factors_than_there_are_cannot_meet(strength):
    with pytest.raises(ValueError, match="4 factors have no combinations"):
        array(strength=strength)
