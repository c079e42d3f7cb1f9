from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.exact.steps import Steps, steps


class Counted:
    """A function of ranks that counts how often it is asked."""

    def __init__(self, starts: list[int], outcomes: list[float]) -> None:
        self.starts, self.outcomes = np.array(starts), np.array(outcomes)
        self.evaluations = 0

    def __call__(self, ranks: np.ndarray) -> np.ndarray:
        self.evaluations += ranks.size
        return self.outcomes[np.searchsorted(self.starts, ranks, side="right") - 1]


def found(function: Counted, size: int, *, costly: bool = False) -> Steps:
    return steps(function, size, np.random.default_rng(0), costly=costly)


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("size", [2, 50, 2304, 2**16 + 1, 2**24, 2**53])
@pytest.mark.parametrize("share", [0.0, 1e-12, 0.1, 0.5, 0.998, 1.0])
def test_a_threshold_is_found_to_the_rank(size: int, share: float, costly: bool) -> None:
    threshold = min(size - 1, max(1, round(share * size)))
    function = Counted([0, threshold], [1.0, 0.0])
    result = found(function, size, costly=costly)
    assert result.starts.tolist() == [0, threshold]
    assert result.outcomes.tolist() == [1.0, 0.0]
    assert result.whole == (size <= (64 if costly else 2**16))
    assert function.evaluations <= (200 if costly else max(size, 40_000)) or size == 2**16 + 1


def test_three_values_and_a_single_rank_at_the_end_are_found() -> None:
    function = Counted([0, 1000, 2**53 - 1], [0.0, 1.0, 2.0])
    result = found(function, 2**53)
    assert result.starts.tolist() == [0, 1000, 2**53 - 1]


def test_values_that_change_back_are_found_where_all_can_be_evaluated() -> None:
    result = found(Counted([0, 7, 2000, 2001], [0.0, 1.0, 0.0, 1.0]), 2**16)
    assert result.whole
    assert result.starts.tolist() == [0, 7, 2000, 2001]


@pytest.mark.parametrize("costly", [False, True])
def test_values_that_change_back_on_a_large_alphabet_are_refused(costly: bool) -> None:
    with pytest.raises(NotApplicable, match="neither rises nor falls"):
        found(Counted([0, 2**20, 2**22], [0.0, 1.0, 0.0]), 2**24, costly=costly)


def test_a_function_without_steps_is_refused() -> None:
    with pytest.raises(NotApplicable, match="no mask"):
        steps(lambda ranks: ranks / 2.0**24, 2**24, np.random.default_rng(0))


def test_nan_is_an_outcome_and_infinity_is_large() -> None:
    assert found(Counted([0, 7], [np.nan, 1.0]), 2**24).starts.tolist() == [0, 7]
    assert found(Counted([0, 7], [np.inf, 1.0]), 2**24).starts.tolist() == [0, 7]
