"""The page says what was measured, names everything that is wrong, and an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
import os
import shutil
import types
from pathlib import Path

import numpy as np
import pytest

import droppath_audit
from droppath_audit.checks import catalogue
from droppath_audit.selftest import processes
from tools.calibrating import questions, scratch
from tools.calibrating.__main__ import main
from tools.calibrating.alarms import Kills, kills
from tools.calibrating.asking import Numbers, all_answers, kill_questions
from tools.calibrating.page import Page
from tools.calibrating.questions import Part, Question
from tools.calibrating.scratch import Digests, Scratch


def quick(p_values=(), alarms=()):
    return {"alarms": list(alarms), "open": [], "p": {"DP101": list(p_values)}}


def measured(**changes):
    rng = np.random.default_rng(np.random.SeedSequence(0))
    return {
        "checks": tuple(catalogue()),
        "elsewhere": ("DP702",),
        "seeds": 3,
        "claims": {"floor_mask": ("DP101", "DP102")},
        "kills": {"floor_mask": [{"DP101": "DP101[x]", "DP102": "DP102[x]"}] * 3},
        "audits": {
            "quick": {"the reference": [quick(rng.random(10)) for _ in range(100)], "other_way": [quick()] * 50},
            "standard": {"the reference": [quick()] * 7},
        },
        "synthetic": [quick(rng.random(10)) for _ in range(2000)],
        "lost": {"kills": [], "audits": [], "synthetic": []},
    } | changes


def test_a_page_of_what_is_as_it_should_be(monkeypatch):
    monkeypatch.setattr("tools.calibrating.page.commit", lambda: "0123abc")
    page = Page(measured())
    assert page.text.count(" at commit 0123abc, torch") == 3
    assert page.wrong == []
    assert page.text.count("Every figure is as it should be.") == 3
    assert "| `floor_mask` | DP101 3, DP102 3 |" in page.text
    assert "6 of 6 kills by 2 claims on 1 mutants" in page.text
    assert "150 audits of correct code at effort quick" in page.text
    assert "7 audits of correct code at effort standard" in page.text
    assert page.text.count("0 raised an alarm") == 2
    assert "Of these checks alone" not in page.text
    assert "or by `tests/devices`: DP702." in page.text
    assert "| those of an audit, budget/2^14 | 2000 | 0 | 20 |" in page.text


def test_a_kill_that_fails_under_one_seed_is_named():
    kills = [{"DP101": "DP101[x]", "DP102": trial} for trial in ("DP102[x]", "", "DP102[x]")]
    page = Page(measured(kills={"floor_mask": kills}))
    assert page.wrong == ["floor_mask: DP102 kills it under 2 of 3 seeds"]
    assert "- floor_mask: DP102 kills it under 2 of 3 seeds" in page.text


def test_a_seed_without_an_answer_is_not_counted_as_a_kill():
    page = Page(measured(kills={"floor_mask": measured()["kills"]["floor_mask"][:2]}))
    assert "floor_mask: DP101 kills it under 2 of 3 seeds" in page.wrong


def test_a_part_is_measured_anew_and_the_others_stay(monkeypatch):
    monkeypatch.setattr("tools.calibrating.page.commit", lambda: "0123abc")
    first = Page(measured(synthetic=[quick([1.0], ["DP102[x]: biased"])] * 2000))
    monkeypatch.setattr("tools.calibrating.page.commit", lambda: "4567def")
    second = Page(measured(lost={"kills": ["floor_mask: crashed"]}), first.text)
    assert second.wrong == ["floor_mask: crashed"]
    whole, changed = first.text.split("\n## "), second.text.split("\n## ")
    assert [part == other for part, other in zip(whole, changed, strict=True)] == [True, False, True, True]
    assert "commit 4567def" in changed[1]
    assert "- floor_mask: crashed" in changed[1]
    assert Page(measured(lost={"kills": []})).text.count("Not measured yet.") == 2


def test_an_alarm_is_named():
    for effort in ("quick", "standard"):
        audits = measured()["audits"]
        audits[effort]["other_way"] = [quick()] * 49 + [quick(alarms=["DP301[cpu]: NaN"])]
        page = Page(measured(audits=audits))
        assert page.wrong == ["other_way: alarm DP301[cpu]: NaN"]
        assert "1 raised an alarm" in page.text


def test_a_page_of_some_checks_says_which():
    assert "Of these checks alone: DP101, DP114." in Page(measured(checks=("DP101", "DP114"))).text


def test_p_values_that_are_too_small_are_named():
    rng = np.random.default_rng(np.random.SeedSequence(0))
    audits = {"the reference": [quick(rng.random((2, 10)).min(axis=0)) for _ in range(100)]}
    page = Page(measured(audits={"quick": audits}))
    assert "the reference, at effort quick: p-values of DP101 are smaller than they may be" in page.wrong


def test_more_alarms_than_the_budget_allows_are_named():
    # 20 are allowed on average; the test rejects from 32 on.
    for alarms, wrong in ((31, False), (32, True)):
        audits = [quick([1.0], ["DP102[x]: biased"])] * alarms + [quick([1.0])] * (2000 - alarms)
        page = Page(measured(synthetic=audits))
        assert any("synthetic audits alarm" in line for line in page.wrong) is wrong


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Ask questions of a scratch file; return the answers, the part and the jobs that ran."""

    def asked(*wanted):
        jobs = []

        def instead(function, upcoming, *, workers, limit):
            for job in upcoming:
                jobs.append(job)
                name, checks = job
                yield job, (processes.Lost("crashed") if name == "b" else dict.fromkeys(checks, name.upper()))

        monkeypatch.setattr(questions, "answers", instead)
        part = Part("letters", Scratch(tmp_path), 1)
        made = [Question(key, checks, lambda missing, key=key: (key, missing)) for key, checks in wanted]
        return part.run(None, made), part, jobs

    return asked


def test_an_interrupted_run_goes_on(tmp_path, ask):
    kept = Scratch(tmp_path)
    kept.add("a", {"DP101": "A", "DP102": "A"})
    with kept.path.open("a", encoding="utf-8") as file:
        file.write('\n{"b": "cut o')  # the run was interrupted here
    found, part, jobs = ask(("a", ("DP101", "DP102")), ("b", ("DP101",)), ("c", ("DP101",)))
    assert found == {"a": {"DP101": "A", "DP102": "A"}, "c": {"DP101": "C"}}
    assert jobs == [("b", ("DP101",)), ("c", ("DP101",))]
    assert part.lost == ["b: crashed"]
    assert Scratch(tmp_path).known("c", ["DP101"]) == {"DP101": "C"}
    assert all(json.loads(line) for line in kept.path.read_text(encoding="utf-8").splitlines() if line[-1:] == "}")


def test_a_check_that_changed_is_asked_again_and_no_other(tmp_path, ask, monkeypatch):
    ask(("a", ("DP101", "DP102", "DP103")))
    before = Digests.check
    monkeypatch.setattr(
        Digests, "check", lambda digests, check: before(digests, check) + ("*" if check == "DP102" else "")
    )
    found, _, jobs = ask(("a", ("DP101", "DP102", "DP103")))
    assert jobs == [("a", ("DP102",))]
    assert found == {"a": {"DP101": "A", "DP102": "A", "DP103": "A"}}


def test_every_check_and_every_subject_but_the_reference_has_a_file_of_its_own():
    from droppath_audit.selftest.examination import REFERENCE, Subject, subjects

    digests = Digests()
    assert all(digests.check(check).startswith(f"{check}:") for check in catalogue())
    assert all(digests.subject(one).startswith(f"{one.name}:") for one in subjects())
    assert digests.subject(Subject("the reference", REFERENCE)) == "the reference"


@pytest.fixture
def change(tmp_path, monkeypatch):
    """Return digests after a change of one file of the package."""
    folder = tmp_path / "droppath_audit"
    shutil.copytree(Path(droppath_audit.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(droppath_audit, "__file__", str(folder / "__init__.py"))

    def changed(name):
        with (folder / f"{name}.py").open("a", encoding="utf-8") as file:
            file.write("#")
        return Digests()

    return changed


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("checks/dp106_neighbours", {"DP106"}),
        ("probes/patterns", {"DP106"}),
        ("exact/words", {"DP103", "DP114", "DP115", "DP603"}),  # imported by what it imports
        ("fuzz/strategies", {"DP601", "DP602"}),
        ("scripts/concurrency", {"DP504"}),
        ("stats/mean", {"DP203"}),
    ],
)
def test_a_digest_is_that_of_all_files_a_check_is_made_of(change, name, checks):
    before, now = Digests(), change(name)
    assert {check for check in catalogue() if now.check(check) != before.check(check)} == checks
    assert now.shared == before.shared


@pytest.mark.parametrize(
    "name",
    [
        "core/trial",
        "stats/certificate",
        "frameworks/torch/operations",
        "frameworks/torch/adapter",  # found by being there
        "probes/counting",
        "scripts/script",  # a script that cannot be written makes an error of a failure
        "run/engine",
        "targets/loader",
        "selftest/examination",
        "checks/__init__",
    ],
)
def test_what_every_answer_depends_on_is_shared(change, name):
    before = Digests().shared
    assert change(name).shared != before


@pytest.mark.parametrize("name", ["report/terminal", "commands/audit", "certification/ledger", "run/supervisor", "api"])
def test_no_answer_depends_on_what_only_shows_it(change, name):
    before, now = Digests(), change(name)
    assert now.shared == before.shared
    assert all(now.check(check) == before.check(check) for check in catalogue())


def test_a_subject_depends_on_its_file_and_no_check_on_it(change):
    from droppath_audit.selftest.examination import subjects

    before, now = Digests(), change("mutants/law")
    others = {one.name for one in subjects() if now.subject(one) != before.subject(one)}
    assert others == {one.name for one in subjects() if one.spec.startswith("droppath_audit.mutants.law:")} != set()
    assert now.shared == before.shared
    assert all(now.check(check) == before.check(check) for check in catalogue())


@pytest.mark.parametrize("name", ["alarms.py", "synthetic.py"])
def test_the_digest_of_what_is_shared_is_also_that_of_the_code_that_asks(tmp_path, monkeypatch, name):
    before = Digests().shared
    folder = tmp_path / "calibrating"
    shutil.copytree(Path(scratch.__file__).parent, folder)
    monkeypatch.setattr(scratch, "__file__", str(folder / "scratch.py"))
    assert Digests().shared == before
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write("#")
    assert Digests().shared != before


def test_a_mutant_is_asked_under_some_seeds_at_a_time(tmp_path):
    from droppath_audit.selftest.examination import Subject

    asked = kill_questions(Subject("m", "m:m", ("DP101",)), 12, Scratch(tmp_path))
    assert [one.key for one in asked] == ["kills/m/0-5", "kills/m/5-10", "kills/m/10-12"]
    assert [one.job(("DP101",)) for one in asked][2] == Kills("m:m", range(10, 12), ("DP101",))


def test_the_trial_that_killed_is_tried_first_under_the_next_seed(monkeypatch):
    """What a seed leaves behind in its process does not reach the next one, and what it found does."""
    left = []

    def instead(_, check, *, seed, first):
        if check == "DP102" and seed == 0:
            return None
        left.append(seed)
        trial = f"{check}[{'' if len(left) == 1 else 'spoilt, '}{first or 'none'} before {seed}]"
        return types.SimpleNamespace(trial=types.SimpleNamespace(id=trial))

    monkeypatch.setattr("tools.calibrating.alarms.killing_result", instead)
    found = kills(Kills("droppath_reference:DropPath", range(3), ("DP101",)))
    assert found == {"DP101": [
        "DP101[none before 0]",
        "DP101[DP101[none before 0] before 1]",
        "DP101[DP101[DP101[none before 0] before 1] before 2]",
    ]}  # fmt: skip
    assert kills(Kills("droppath_reference:DropPath", range(2), ("DP102",))) == {"DP102": ["", "DP102[none before 1]"]}


def test_a_seed_that_is_lost_loses_the_job(monkeypatch):
    monkeypatch.setattr("tools.calibrating.alarms.killing_result", lambda *_, **__: os._exit(3))
    with pytest.raises(RuntimeError, match="seed 4: the process ended with exit status 3"):
        kills(Kills("droppath_reference:DropPath", range(4, 6), ("DP101",)))


def test_one_check_alone_is_asked_of_those_it_claims_and_of_sound_code(tmp_path, monkeypatch):
    from droppath_audit.selftest.examination import subjects

    asked = []

    def instead(function, upcoming, *, workers, limit):
        for job in upcoming:
            asked.append(job)
            nothing = [""] * len(job.seeds) if isinstance(job, Kills) else {"alarms": [], "open": [], "p": []}
            yield job, dict.fromkeys(job.checks, nothing)

    monkeypatch.setattr(questions, "answers", instead)
    found = all_answers(Numbers(2, 30, 10, 20), Scratch(tmp_path), 1, ("DP402",))
    assert {job.checks for job in asked} == {("DP402",)}
    claimed = {one.name: ("DP402",) for one in subjects() if "DP402" in one.claims}
    assert found["claims"] == claimed
    assert len(asked) == len(claimed) + 30 + 10
    assert {effort: sum(map(len, one.values())) for effort, one in found["audits"].items()} == {
        "quick": 30,
        "standard": 10,
    }
    assert found["synthetic"] == [], "it draws nothing that is counted"


def test_one_check_alone_does_not_write_the_page_about_all(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["tools.calibrating", "--only", "DP402"])
    with pytest.raises(SystemExit):
        main()
    assert "name another file with --page" in capsys.readouterr().err
