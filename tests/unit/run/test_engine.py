from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit import audit
from droppath_audit.core.collected import Collected
from droppath_audit.core.events import AuditFinished, AuditStarted, TrialFinished
from droppath_audit.core.verdict import Outcome
from droppath_audit.run import engine
from droppath_audit.run.plan import Settings, make
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial

QUICK = Settings(effort="quick")


class Recorded:
    """A collector that answers from memory."""

    def __init__(self, facts: Facts, answers: dict[str, Collected]) -> None:
        self.facts, self._answers = facts, answers

    def collect(self, trials: Sequence[Trial], **_: object) -> Iterator[tuple[Trial, Collected]]:
        for trial in trials:
            yield trial, self._answers[trial.id]


ZEROS = {"elements": 8, "nan": 0, "nonzero": 0, "became": []}


def test_events_come_in_order_one_for_every_planned_trial(facts: Facts) -> None:
    from dataclasses import replace

    bare = replace(facts, devices={"cpu": ("float64", "float32", "bfloat16")})
    answers = {
        "DP301[cpu-float64]": Collected(ZEROS),
        "DP301[cpu-float32]": Collected(not_applicable="found out late"),
        "DP301[cpu-bfloat16]": Collected(error="raised ValueError: no", traceback="where"),
    }
    first, *middle, last = engine.run(Recorded(bare, answers), Settings(only=("DP301",)))
    assert isinstance(first, AuditStarted)
    assert isinstance(last, AuditFinished)
    assert all(isinstance(event, TrialFinished) for event in middle)
    results = [event.result for event in middle if isinstance(event, TrialFinished)]
    told = [replace(result, snippet_state="", snippet_note="") for result in last.report.results]
    assert [replace(result, snippet_state="", snippet_note="") for result in results] == told
    assert tuple(result.trial for result in results) == first.trials
    assert [str(result.outcome) for result in results] == [
        "pass",
        "not-applicable",
        "not-applicable",
        "error",
    ]
    assert [result.verdict.observed for result in results][1:3] == [
        "found out late",
        "torch has no float16 on cpu",
    ]
    assert results[3].traceback == "where"
    assert last.report.exit_status == 1


def judged(facts: Facts, trial_id: str, collected: Collected, settings: Settings = QUICK) -> Result:
    (trial,) = make(facts, Settings(effort=settings.effort, only=(trial_id,), budget=settings.budget))
    return engine.judge(trial, collected, facts, settings)


def test_a_pass_carries_evidence_and_nothing_to_act_on(facts: Facts) -> None:
    result = judged(facts, "DP301[cpu-float32]", Collected(ZEROS, seconds=2.0))
    assert (result.outcome, result.evidence, result.seconds) == (Outcome.PASS, ZEROS, 2.0)
    assert (result.why, result.fix, result.reproduce, result.snippet) == ("", "", "", "")


def test_a_finding_carries_everything_to_act_on(facts: Facts) -> None:
    result = judged(facts, "DP301[cpu-float32]", Collected({**ZEROS, "nan": 3}))
    assert result.outcome is Outcome.FAIL
    assert result.verdict.observed == "NaN in 3 of 8 values"
    for text in (result.promised, result.why, result.fix, result.snippet):
        assert text
    assert result.reproduce == (
        "droppath-audit package.module:Name --only 'DP301[cpu-float32]' --seed 0 --effort quick"
    )


def test_the_command_repeats_every_setting_that_bears_on_the_verdict(facts: Facts) -> None:
    settings = Settings(effort="thorough", seed=9, budget=1e-3, strict=True)
    (trial,) = make(facts, Settings(only=("DP301[cpu-float32]",)))
    words = shlex.split(engine.reproduce(trial, facts, settings, imports=("one", "two.three")))
    assert words[2:] == [
        "--only", "DP301[cpu-float32]", "--seed", "9", "--effort", "thorough", "--strict",
        "--budget", "0.001", "--import", "one", "--import", "two.three",
    ]  # fmt: skip


def test_an_object_in_hand_is_reproduced_by_a_call() -> None:
    def local(x: Any, drop_prob: float, training: bool) -> Any:
        return x

    (finding,) = audit(local, effort="quick", only=("DP301[cpu-float32]",)).findings
    assert finding.reproduce == "audit(…, only=('DP301[cpu-float32]',), seed=0, effort='quick')"


@pytest.mark.parametrize(
    ("spec", "trial"),
    [
        ("droppath_audit.mutants.law:floor_mask", "DP102[cpu-bfloat16-p0.002]"),
        ("droppath_audit.mutants.shape:raises_on_empty_batch", "DP601[cpu-float64]"),
    ],
)
def test_the_printed_command_gives_the_same_verdict(spec: str, trial: str) -> None:
    import json

    (finding,) = audit(spec, effort="quick", only=(trial,)).findings
    program, *words = shlex.split(finding.reproduce)
    assert program == "droppath-audit"
    command = [sys.executable, "-m", "droppath_audit", *words, "--json", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    (result,) = json.loads(done.stdout)["reports"][0]["results"]
    expected = finding.to_json()
    for name in ("trial", "verdict", "message", "evidence", "p_value"):
        assert result[name] == expected[name]


def test_evidence_that_cannot_be_judged_costs_one_verdict_and_not_the_report() -> None:
    facts = load("droppath_reference:DropPath").facts
    (trial,) = make(facts, Settings(only=("DP301[cpu-float32]",)))
    result = engine.judge(trial, Collected({"nothing": "foreseen"}), facts, Settings())
    assert result.outcome is Outcome.ERROR
    assert "could not be judged: WireError" in result.verdict.observed
    assert "Traceback" in result.traceback
    assert result.reproduce
