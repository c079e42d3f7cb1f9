"""DP603: what was not examined is named, and judged where only this check gets to."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.case import RowsCase
from droppath_audit.core.configuration import Configuration
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants import mutants
from droppath_audit.probes.conditions import Way
from droppath_audit.probes.excuses import Excuse
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load
from droppath_reference.drop_path import drop_path

CHECK = catalogue()["DP603"]
ROWS = (Configuration(), Configuration((3, 4, 4), tracked=True), Configuration(dtype="complex64"))


def at(rows=ROWS, seconds=1e6):
    return RowsCase(effort=replace(EFFORTS["quick"], seconds=seconds), rows=rows)


def collected(spec, case=None):
    loaded = load(spec)
    with loaded.target.framework.scope():
        return CHECK.collect(LiveProbe(loaded.target, case or at(), np.random.default_rng(0)))


def judged(spec, case=None):
    return CHECK.judge(collected(spec, case), at(), 0.0)


def wrong_for_batches_of_57(x, drop_prob, training):
    if x.ndim > 0 and x.shape[0] == 57:
        return 2 * x
    return drop_path(x, drop_prob, training)


def right_for_batches_of_57(x, drop_prob, training):
    if x.ndim > 0 and x.shape[0] == 57:
        return drop_path(1 * x, drop_prob, training)
    return drop_path(x, drop_prob, training)


def never_false(x, drop_prob, training):
    if x.numel() > -1:
        x = 1 * x
    return drop_path(x, drop_prob, training)


class Lives(torch.nn.Module):
    """Has paths that only a life of calls, copies and changes gets to."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob, self.copied, self.trained = drop_prob, False, False

    def __setstate__(self, state):
        super().__setstate__(state)
        self.copied = True

    def forward(self, x):
        if self.copied:
            x = 1 * x
        if not self.training and self.trained:
            return x
        if x.numel() == 0:
            return x.clone()
        if torch.is_floating_point(x) and not torch.isfinite(x).all():
            x = 1 * x
        if type(x) is not torch.Tensor:
            x = 1 * x
        self.trained = True
        return drop_path(x, self.drop_prob, self.training)

    def extra_repr(self):
        if self.copied:
            return "copied"
        return f"drop_prob={self.drop_prob}"


def named(name):
    return f"{__file__}:{name}"


def test_what_was_never_executed_is_named_with_its_condition():
    verdict = judged(mutants()["leaves_sparse_ones_alone"])
    assert verdict.outcome is Outcome.FAIL
    assert verdict.level is None
    assert "was never executed: `if x.is_sparse`" in verdict.observed
    assert "3 of 4 branches" in verdict.observed
    assert ("arcs between lines" in verdict.observed) is (sys.version_info < (3, 12))


def test_a_condition_that_is_always_so_is_named_as_well():
    verdict = judged(named("never_false"))
    assert verdict.outcome is Outcome.FAIL
    assert "was never false: `if x.numel() > -1`" in verdict.observed


@pytest.mark.parametrize("spec", ["droppath_reference:DropPath", "Lives", "right_for_batches_of_57"])
def test_what_is_reached_by_some_call_is_no_finding(spec):
    seen = collected(spec if ":" in spec else named(spec))
    assert not seen.never
    assert not seen.found
    assert seen.taken > 1


def test_what_is_broken_where_no_row_gets_to_is_a_broken_must():
    seen = collected(named("wrong_for_batches_of_57"))
    verdict = CHECK.judge(seen, at(), 0.0)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.level is Level.MUST
    assert seen.found[0].at.batch == 57
    assert "no planned configuration" in verdict.observed


@pytest.mark.parametrize("rows", [(), (Configuration(layout="sliced"),)])
def test_what_the_spec_leaves_out_is_not_judged(rows):
    """Rows that hold no contiguous x of float32 stand for a target that is given none."""
    assert not collected(named("wrong_for_batches_of_57"), at(rows)).found


def test_what_a_row_gets_to_is_left_to_the_check_of_rows():
    assert not collected(named("wrong_for_batches_of_57"), at((*ROWS, Configuration(batch=57)))).found


def test_an_option_that_nobody_asks_for_is_told_and_no_finding():
    verdict = judged("droppath_reference:DropPath")
    assert verdict.outcome is Outcome.PASS
    assert "not asked for: scaling, granularity" in verdict.observed.replace("branch, ", "")
    assert "never called" not in verdict.observed
    other = judged("droppath_reference:DropPath?scaling=eval&granularity=element")
    assert other.outcome is Outcome.PASS


def test_the_report_says_beside_the_check_how_much_was_examined():
    verdict = judged(mutants()["leaves_sparse_ones_alone"])
    assert verdict.brief == "3 of 4 branches examined"


def test_without_time_nothing_is_said_of_what_was_not_reached():
    verdict = judged(mutants()["leaves_sparse_ones_alone"], at(seconds=1e-9))
    assert verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is")
@pytest.mark.parametrize(("spec", "said"), [("script", "no code in Python"), ("text", "no source")])
def test_code_that_cannot_be_read_is_not_applicable(spec, said):
    names = {"torch": torch}
    exec("def text(x, drop_prob: float, training: bool):\n    return torch.dropout(x, 0.0, training)\n", names)  # noqa: S102
    obj = torch.jit.script(_scripted) if spec == "script" else names["text"]
    report = audit(obj, only=("DP603",), effort="quick", framework="torch")
    assert [result.outcome for result in report.results] == [Outcome.NOT_APPLICABLE]
    assert said in report.results[0].verdict.observed


def _scripted(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    return torch.dropout(x, 0.0, training)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a trace function is in nobody's way there")
def test_a_process_that_is_traced_already_is_not_applicable():
    sys.settrace(lambda *_: None)
    try:
        with pytest.raises(NotApplicable, match="another tool"):
            collected("droppath_reference:DropPath")
    finally:
        sys.settrace(None)


def test_its_rows_are_those_of_the_check_of_rows(facts):
    for seed in range(2):
        (case,) = CHECK.planned(facts, "cpu", EFFORTS["quick"], seed)
        others = catalogue()["DP114"].planned(facts, "cpu", EFFORTS["quick"], seed)
        assert case.rows == tuple(other.configuration for other in others)
        assert len(case.rows) > 30


def test_nested_code_is_told_once_and_options_by_name():
    way = Way("a.py", "f", 3, "if x.is_sparse", "x.is_sparse", True, 4, 6, ("if x.is_sparse:", "return x"), None)
    assert way.describe() == "lines 4–6 were never executed: `if x.is_sparse`"
    assert replace(way, wanted=False).describe() == "lines 4–6 were never executed: else of `if x.is_sparse`"
    assert replace(way, wanted=False, first=0).describe() == "line 3 was never false: `if x.is_sparse`"
    assert replace(way, last=4).describe() == "line 4 was never executed: `if x.is_sparse`"
    assert replace(way, excuse=Excuse("option", ("mode",))).excuse.names == ("mode",)
