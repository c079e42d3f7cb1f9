"""The option ``--variants``, and what a report on variants says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]


def test_the_command_refuses_with_2_and_names_what_a_check_needs(
    command_line: Run,
) -> None:
    status, _, err = command_line("--variants", "eager,compilee")
    assert (status, "There is no variant 'compilee'" in err) == (2, True)
    status, _, err = command_line("--only", "DP703")
    assert (status, "see --variants" in err) == (2, True)


def test_a_report_names_the_variant_and_what_is_not_run(command_line: Run) -> None:
    status, out, _ = command_line(
        "droppath_audit.mutants.variants.compiled:EvaluatesNoMoreExported",
        "--variants", "eager, export", "--effort", "quick", "--only", "DP001[cpu-float32*",
    )  # fmt: skip
    assert status == 1
    assert "in export" in out
    assert "on one device, in one variant" in " ".join(out.split())
    assert "DP001[cpu-float32-p0.3-export]" in out
