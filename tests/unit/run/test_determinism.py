from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from droppath_audit import audit
from droppath_audit.core.events import AuditFinished
from droppath_audit.report.json import document
from droppath_audit.run import engine
from droppath_audit.run.plan import Settings
from droppath_audit.run.supervisor import Supervisor

if TYPE_CHECKING:
    from droppath_audit.core.report import Report

# Sound in its law, so that no trial comes near the time at which sampling ends.
SPEC = "droppath_audit.mutants.edges:clamps_keep_prob"


def comparable(report: Report) -> dict[str, dict[str, Any]]:
    """Return results by trial as the report writes them, without what a clock measured."""
    results = document([report])["reports"][0]["results"]
    return {result["trial"]: {k: v for k, v in result.items() if k != "seconds"} for result in results}


@pytest.fixture(scope="module")
def full() -> dict[str, dict[str, Any]]:
    with Supervisor(SPEC, jobs=2) as supervisor:
        *_, last = engine.run(supervisor, Settings(effort="quick"))
    assert isinstance(last, AuditFinished)
    return comparable(last.report)


def test_two_processes_of_their_own_and_this_one_give_the_same_report(full: dict[str, Any]) -> None:
    here = comparable(audit(SPEC, effort="quick"))
    # Ageing ends by processor time where a machine is slow, and is marked then.
    late = {trial for report in (here, full) for trial, result in report.items() if result["stopped_by_time"]}
    assert late <= {"DP604[cpu-float32]"}
    assert {trial: result for trial, result in here.items() if trial not in late} == {
        trial: result for trial, result in full.items() if trial not in late
    }


@pytest.mark.parametrize(
    "trial",
    ["DP101[cpu-bfloat16]", "DP203[cpu-float32-p0.3]", "DP401[cpu-float16-p0.9]", "DP601[cpu-float64]"],
)
def test_a_trial_alone_gives_what_it_gave_among_all(trial: str, full: dict[str, Any]) -> None:
    assert comparable(audit(SPEC, effort="quick", only=(trial,))) == {trial: full[trial]}


@pytest.mark.parametrize("check", ["DP601", "DP602"])
def test_what_hypothesis_did_before_in_this_process_does_not_matter(check: str, full: dict[str, Any]) -> None:
    @hypothesis.settings(database=None, derandomize=True)
    @hypothesis.given(st.floats(0.0, 1.0), st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 16))
    def earlier(share: float, seed: int, size: int, batch: int) -> None:
        """Leave the constants of this file and its neighbours where Hypothesis keeps them."""

    earlier()
    found = comparable(audit(SPEC, effort="quick", only=(check,)))
    assert found == {trial: full[trial] for trial in found}


def test_order_does_not_matter(full: dict[str, Any]) -> None:
    from droppath_audit.run.driving import InProcess
    from droppath_audit.run.plan import make
    from droppath_audit.targets.loader import load

    loaded = load(SPEC)
    settings = Settings(effort="quick", only=("DP101", "DP301", "DP302"))
    backwards = [trial for trial in reversed(make(loaded.facts, settings)) if not trial.reason]
    for trial, collected in InProcess(loaded).collect(backwards):
        result = engine.judge(trial, collected, loaded.facts, settings).to_json()
        assert result["evidence"] == full[trial.id]["evidence"]
        assert result["message"] == full[trial.id]["message"]


def test_another_seed_draws_other_numbers(full: dict[str, Any]) -> None:
    other = comparable(audit(SPEC, effort="quick", seed=1, only=("DP101", "DP203[*-p0.5]")))
    same = [trial for trial, result in other.items() if result["evidence"] == full[trial]["evidence"]]
    assert len(other) == 8
    assert same == []


def meddling(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    return x * (1.0 - drop_prob) if training else x


@pytest.mark.parametrize("spec", [SPEC, meddling])
def test_global_state_is_what_it_was(spec: object) -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    audit(spec, effort="quick", only=("DP002", "DP101", "DP302", "DP601[cpu-float32]"))
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_num_threads() == threads


def test_what_the_global_generators_held_before_does_not_matter() -> None:
    reports = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        reports.append(comparable(audit(SPEC, effort="quick", only=("DP101", "DP601[cpu-float32]"))))
    assert reports[0] == reports[1]
