from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.stats.bisection import first_integer, first_real


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_the_first_integer_is_found_from_any_guess(target, guess):
    found = first_integer(lambda n: n >= target, guess)
    assert found == target
    assert isinstance(found, int)


@given(st.floats(0.0, 1.0, exclude_min=True))
def test_the_first_real_is_found_to_the_last_bit(target):
    assert first_real(lambda x: x >= target, 0.0, 1.0) == target


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_swapped_ends_search_downwards(target):
    assert first_real(lambda x: x <= target, 1.0, 0.0) == target


def test_the_far_end_is_returned_where_the_condition_never_holds():
    assert first_real(lambda _: False, 0.0, 3.0) == 3.0


@pytest.mark.parametrize("target", [1.0 + 2.0**-52, math.pi / 2.0, 2.0])
def test_every_step_halves_what_is_left(target):
    # Of the 2^52 numbers in (1, 2] one is left after 52 halvings.
    asked = []
    first_real(lambda x: asked.append(x) or x >= target, 1.0, 2.0)
    assert len(asked) == 52
