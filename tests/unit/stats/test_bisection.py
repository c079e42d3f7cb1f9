from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.stats.bisection import first_integer, first_real

if TYPE_CHECKING:
    from collections.abc import Callable


def asked(target: int, guess: int) -> list[int]:
    """Return the integers that a search asks about on its way to ``target``."""
    questions: list[int] = []

    def holds(n: int) -> bool:
        questions.append(n)
        assert len(questions) < 200, "a search that asks without end"
        return n >= target

    found = first_integer(holds, guess)
    assert found == target
    assert isinstance(found, int)
    return questions


def patient(holds: Callable[[float], bool]) -> Callable[[float], bool]:
    """Return the condition with an end to its patience: doubles are told apart by 1100 halvings of an interval."""
    questions: list[float] = []

    def asked_of(x: float) -> bool:
        questions.append(x)
        assert len(questions) < 1200, "a search that asks without end"
        return holds(x)

    return asked_of


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_the_first_integer_is_found_from_any_guess(target, guess):
    questions = asked(target, guess)
    # A condition may not be defined for anything else, and takes longer the larger the integer.
    assert all(type(n) is int and n >= 1 for n in questions)
    assert max(questions) <= max(guess, 1, 2 * (target - 1))


@pytest.mark.parametrize("target", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("guess", [0, 1, 2, 3, 4, 5])
def test_small_integers_are_found_without_asking_further_than_twice_what_fails(target, guess):
    assert max(asked(target, guess)) <= max(guess, 1, 2 * (target - 1))


@pytest.mark.parametrize("exponent", range(12))
def test_a_guess_that_is_too_large_costs_one_question_for_each_of_its_bits(exponent):
    guess = 2**exponent
    for smaller in range(exponent + 1):
        assert len(asked(2**smaller, guess)) <= guess.bit_length()


@given(st.floats(0.0, 1.0, exclude_min=True))
def test_the_first_real_is_found_to_the_last_bit(target):
    assert first_real(patient(lambda x: x >= target), 0.0, 1.0) == target


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_swapped_ends_search_downwards(target):
    assert first_real(patient(lambda x: x <= target), 1.0, 0.0) == target


def test_the_far_end_is_returned_where_the_condition_never_holds():
    assert first_real(patient(lambda _: False), 0.0, 3.0) == 3.0


@pytest.mark.parametrize("target", [1.0 + 2.0**-52, math.pi / 2.0, 2.0])
def test_every_step_halves_what_is_left(target):
    # Of the 2^52 numbers in (1, 2] one is left after 52 halvings.
    questions = []
    first_real(lambda x: questions.append(x) or x >= target, 1.0, 2.0)
    assert len(questions) == 52
