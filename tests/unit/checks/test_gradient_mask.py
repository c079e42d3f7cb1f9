"""What comes between a forward and a backward pass, and the batches on which that is tried."""

from __future__ import annotations

from droppath_audit import audit


def observed(name, check="DP401"):
    report = audit(f"droppath_audit.mutants.gradient:{name}", only=(check,), effort="quick")
    return {finding.verdict.observed for finding in report.findings}


def test_a_rate_that_is_read_late_is_seen_once_it_was_changed():
    said = observed("LooksAtItsRateLate")
    assert said
    assert all(text.startswith("with another drop_prob before the backward pass, ") for text in said)


def test_a_mode_that_is_read_late_is_seen_after_an_evaluation():
    assert all(text.startswith("with a call in evaluation before the") for text in observed("LooksAtItsModeLate"))


def test_what_needs_nothing_in_between_is_told_without_it():
    assert all("before the backward pass" not in text for text in observed("gradient_without_factor"))


def test_a_fault_of_odd_batches_is_told_as_one():
    assert all(text.startswith("in an odd batch, ") for text in observed("gradient_in_pairs"))


def test_a_function_that_is_told_its_rate_in_the_call_is_not_asked_for_a_change():
    report = audit("droppath_audit.sound.draws:bernoulli_then_divide", only=("DP401",), effort="quick")
    assert report.counts["run"] == report.counts["pass"] == 16
