"""The selftest sees lost claims, alarms and differences from the golden file; the golden file knows every subject."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from droppath_audit.checks import catalogue
from droppath_audit.commands import selftest
from droppath_audit.core.verdict import Verdict
from droppath_audit.run import engine, plan
from droppath_audit.selftest import processes
from droppath_audit.selftest.examination import Row, Subject, examine, marks, subjects
from droppath_audit.selftest.matrix import differences, read, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.check import AnyCheck

FEW = ("DP005", "DP105", "DP301")
MUTANT = "clamps_keep_prob"
GOLDEN = Path(__file__).parent / "kill_matrix.txt"


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch):
    """Let audits consist of three cheap checks, in this process; return them for further changes."""
    few = {check: catalogue()[check] for check in FEW}
    monkeypatch.setattr(plan, "catalogue", lambda: few)
    for module in (plan, engine):
        monkeypatch.setattr(module, "check_of", few.__getitem__)
    monkeypatch.setattr(
        processes, "answers", lambda function, jobs, *, workers, limit: ((job, function(job)) for job in jobs)
    )
    return few


def judged_by(check: str, judge: Callable[..., Verdict], **others: Any) -> AnyCheck:
    """Return a check of the catalogue, documentation and all, that judges otherwise."""
    kind = type(catalogue()[check])
    others = {name: staticmethod(function) for name, function in {"judge": judge, **others}.items()}
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, **others})()


def passes_everything(few, check: str) -> None:
    few[check] = judged_by(check, lambda seen, at, alpha: Verdict.passed())


def mutant(name: str = MUTANT) -> Subject:
    return next(one for one in subjects() if one.name == name)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(selftest.command, list(words), standalone_mode=False)
    assert result.exception is None, result.output
    return result.return_value, result.output


def test_every_mutant_and_every_sound_variant_is_a_subject_and_every_claim_belongs_to_one():
    found = subjects()
    assert len({one.name for one in found}) == len(found)
    claims = {(check, one.name) for one in found for check in one.claims}
    assert claims == {(check.id, name) for check in catalogue().values() for name in check.mutants}
    assert any(one.sound for one in found)
    assert all(one.claims for one in found if not one.sound)


def test_a_claim_is_kept_by_the_check_that_makes_it(few_checks):
    row = examine(mutant(), seed=0)
    assert row.failed == ("DP301",)
    assert row.good
    assert not row.unkept
    assert marks(row) == {"DP301": "*"}


def test_a_check_that_passes_everything_loses_its_claim(few_checks):
    passes_everything(few_checks, "DP301")
    row = examine(mutant(), seed=0)
    assert row.unkept == ("DP301",)
    assert not row.good
    assert marks(row) == {"DP301": "?"}


def test_a_claim_that_quick_leaves_open_is_asked_again_at_standard(few_checks):
    def blind_at_quick(seen, at, alpha):
        right = catalogue()["DP301"].judge(seen, at, alpha)
        return Verdict.passed() if at.effort.name == "quick" else right

    few_checks["DP301"] = judged_by("DP301", blind_at_quick)
    row = examine(mutant(), seed=0)
    assert (row.failed, row.standard, row.unkept) == ((), ("DP301",), ())
    assert marks(row) == {"DP301": "~"}


def test_a_sound_variant_that_breaks_a_must_is_an_alarm(few_checks):
    few_checks["DP005"] = judged_by(
        "DP005",
        lambda seen, at, alpha: Verdict.failed("an alarm for the test"),
        show=lambda seen, at, script: None,
    )
    one = next(one for one in subjects() if one.sound)
    row = examine(one, seed=0)
    assert not row.good
    assert [alarm.partition(": ")[2] for alarm in row.alarms] == ["an alarm for the test"]


def test_no_trial_ends_for_want_of_time(few_checks, monkeypatch):
    for name, effort in dict(plan.EFFORTS).items():
        monkeypatch.setitem(plan.EFFORTS, name, dataclasses.replace(effort, seconds=-1.0))
    row = examine(Subject("fixed_count", mutant("fixed_count").spec, ("DP105",)), seed=0)
    assert "DP105" in row.failed


def test_the_command_ends_with_1_and_names_a_lost_claim(few_checks, tmp_path):
    golden = tmp_path / "golden.txt"
    assert run("--only", MUTANT, "--golden", str(golden), "--update")[0] == 0
    assert read(golden.read_text(encoding="utf-8")) == {MUTANT: "DP301*"}
    assert run("--only", MUTANT, "--golden", str(golden))[0] == 0

    passes_everything(few_checks, "DP301")
    status, output = run("--only", MUTANT, "--golden", str(golden), "--json", str(tmp_path / "matrix.json"))
    assert status == 1
    assert f"{MUTANT}: DP301 claims it and does not fail it" in output
    assert f"golden file  {MUTANT}: lost DP301*, gained DP301?" in output
    written = json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8"))
    assert written["mutants"][MUTANT]["claims_not_kept"] == ["DP301"]

    status, output = run("--only", MUTANT, "--golden", str(golden), "--update")
    assert status == 1
    assert "is left as it was" in output
    assert read(golden.read_text(encoding="utf-8")) == {MUTANT: "DP301*"}


def test_a_kill_that_nobody_claims_is_missed_too(few_checks, tmp_path):
    golden = tmp_path / "golden.txt"
    golden.write_text(f"# heading\n\n{MUTANT}: DP005 DP301*\n", encoding="utf-8")
    status, output = run("--only", MUTANT, "--golden", str(golden))
    assert status == 1
    assert f"golden file  {MUTANT}: lost DP005\n" in output
    assert run("--only", MUTANT, "--golden", str(golden), "--update")[0] == 0
    assert run("--only", MUTANT, "--golden", str(golden))[0] == 0


def test_another_seed_is_not_compared_and_does_not_update(few_checks, tmp_path):
    golden = tmp_path / "golden.txt"
    golden.write_text(f"{MUTANT}: DP005 DP301*\n", encoding="utf-8")
    status, output = run("--only", MUTANT, "--golden", str(golden), "--seed", "1")
    assert status == 0
    assert "Not compared with a golden file" in output
    refused = CliRunner().invoke(selftest.command, ["--seed", "1", "--update", "--golden", str(golden)])
    assert "takes no other --seed" in str(refused.exception)


def test_a_name_that_is_none_is_refused_with_the_nearest():
    refused = CliRunner().invoke(selftest.command, ["--only", "flor_mask"])
    assert "Did you mean 'floor_mask'" in str(refused.exception)


def test_what_has_no_result_is_no_difference_and_what_is_gone_is_one():
    lost = Row(Subject("a", "m:a", ("DP301",)), lost="no answer within 9 seconds")
    assert not lost.good
    assert differences([lost], {"a": "DP301*", "b": ""}, names=["a"]) == [
        "b: in the golden file, but there is no such subject"
    ]
    assert differences([dataclasses.replace(lost, lost="")], {}, names=["a"]) == [
        "a: not in the golden file; now DP301?"
    ]
    assert words(Row(Subject("a", "m:a", ("DP301",)), failed=("DP301", "DP101"), erred=("DP005",))) == (
        "DP005! DP101 DP301*"
    )


def test_the_golden_file_holds_every_subject_and_every_claim():
    golden = read(GOLDEN.read_text(encoding="utf-8"))
    assert list(golden) == [one.name for one in subjects()]
    for one in subjects():
        claimed = [word[:-1] for word in golden[one.name].split() if word[-1] in "*~"]
        assert tuple(claimed) == one.claims, one.name


def test_jobs_that_hang_crash_or_raise_cost_their_own_answer_only():
    jobs = [
        "1 + 1",
        "__import__('time').sleep(600)",
        "__import__('os').abort()",
        "__import__('os')._exit(3)",
        "1 // 0",
        # A child of its own that keeps the pipe open and outlives it.
        "__import__('os').fork() or __import__('time').sleep(600)",
        "'x' * 1_000_000",
        "__import__('os').fork() and (__import__('time').sleep(1) or 5)",
        "__import__('os').fork() and __import__('os')._exit(4) or __import__('time').sleep(600)",
        "__import__('torch').get_num_threads() and 'torch' in __import__('sys').modules",
    ]
    started = time.monotonic()
    found = dict(processes.answers(eval, jobs, workers=2, limit=8.0))
    assert time.monotonic() - started < 300.0  # nobody waits for what sleeps 600 seconds
    assert found["1 + 1"] == 2
    assert found[jobs[1]] == processes.Lost("no answer within 8 seconds")
    assert found[jobs[2]] == processes.Lost("the process was killed by SIGABRT")
    assert found[jobs[3]] == processes.Lost("the process ended with exit status 3 before it answered")
    assert found[jobs[4]].reason.startswith("raised ZeroDivisionError")
    assert found[jobs[5]] > 0
    assert len(found[jobs[6]]) == 1_000_000
    assert found[jobs[7]] == 5  # the copy's 0 is nobody's answer
    assert found[jobs[8]] == processes.Lost("the process ended with exit status 4 before it answered")
    assert found[jobs[9]] is True
