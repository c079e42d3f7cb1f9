from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.stats.bisection import first_integer, first_real


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_the_first_integer_is_found_from_any_guess(target, guess):
    assert first_integer(lambda n: n >= target, guess) == target


@given(st.floats(0.0, 1.0, exclude_min=True))
def test_the_first_real_is_found_to_the_last_bit(target):
    assert first_real(lambda x: x >= target, 0.0, 1.0) == target


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_swapped_ends_search_downwards(target):
    assert first_real(lambda x: x <= target, 1.0, 0.0) == target


def test_the_far_end_is_returned_where_the_condition_never_holds():
    assert first_real(lambda _: False, 0.0, 3.0) == 3.0
