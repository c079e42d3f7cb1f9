"""The option ``--benchmark``, and the table that it adds to a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]


def test_the_command_has_a_table_of_times_and_the_other_costs(command_line: Run) -> None:
    status, out, _ = command_line("--benchmark", "--only", "DP801", "--only", "DP802", "--effort", "quick")
    assert status == 0
    assert all(word in out for word in ("bare multiply", "8×64×56×56", "bfloat16", "memory"))


@pytest.mark.parametrize("check", ["DP801", "work-skipped"])
def test_without_it_there_is_no_such_trial(command_line: Run, check: str) -> None:
    status, _, err = command_line("--only", check)
    assert (status, "It runs with --benchmark alone." in err) == (2, True)
