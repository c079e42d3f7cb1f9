from __future__ import annotations

from dataclasses import replace

import pytest

from droppath_audit.fuzz.oracle import violations
from droppath_audit.fuzz.strategies import Example
from droppath_audit.targets.loader import load

SOUND = "droppath_audit.sound.applications:multiplies_by_the_reciprocal"
EXAMPLE = Example(
    shape=(8,), layout="contiguous", drop_prob=0.99999, training=True, gradient=True, special=False, seed=0
)


@pytest.mark.parametrize("seed", range(8))
def test_a_factor_that_the_dtype_cannot_hold_is_not_judged_in_the_gradient(seed: int) -> None:
    # In float16 1/q = 1e5 overflows in the backward pass, and infinity times a mask of zero is NaN.
    target = load(SOUND).target
    assert violations(target, replace(EXAMPLE, seed=seed), "float16", "cpu") == []
    assert violations(target, replace(EXAMPLE, seed=seed), "float32", "cpu") == []


def test_a_dropped_element_without_a_zero_gradient_is_found_where_the_factor_is_a_number() -> None:
    target = load("droppath_audit.mutants.gradient:gradient_with_another_mask").target
    example = replace(EXAMPLE, drop_prob=0.5, shape=(64,))
    assert [violation.kind for violation in violations(target, example, "float16", "cpu")] == ["gradient"]
