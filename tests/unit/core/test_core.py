from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from droppath_audit.core.case import Case, Cell, DtypeCase
from droppath_audit.core.check import Design
from droppath_audit.core.dialect import CHOICES, Dialect
from droppath_audit.core.documentation import Documentation
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.facts import Facts
from droppath_audit.core.level import Level
from droppath_audit.core.report import AuditFailed, Report
from droppath_audit.core.result import Result
from droppath_audit.core.trial import Trial
from droppath_audit.core.verdict import Outcome, Verdict

CELL = Cell("cpu", "float32", 0.1)


def test_every_choice_of_a_dialect_is_accepted_and_described_differently() -> None:
    described = set()
    for field, choices in CHOICES.items():
        for choice in choices:
            dialect = Dialect(**{field: choice})
            assert Dialect(**dialect.to_json()) == dialect
            described.add(dialect.describe())
    assert len(described) == 1 + sum(len(choices) - 1 for choices in CHOICES.values())


@pytest.mark.parametrize("field", CHOICES)
def test_a_dialect_refuses_what_it_does_not_know_and_names_the_nearest(field: str) -> None:
    wrong = CHOICES[field][0] + "x"
    with pytest.raises(UsageError, match=f"{field}={wrong} is not known.*Did you mean '{CHOICES[field][0]}'"):
        Dialect(**{field: wrong})


@pytest.mark.parametrize(
    ("case", "slug", "words"),
    [
        (Case(), "cpu", "cpu"),
        (CELL, "cpu-float32-p0.1", "cpu, float32, drop_prob 0.1"),
        (DtypeCase("cuda:0", "bfloat16"), "cuda:0-bfloat16", "cuda:0, bfloat16"),
        (Cell(drop_prob=0.0), "cpu-float32-p0", "cpu, float32, drop_prob 0"),
        (Case(variant="compiled"), "cpu-compiled", "cpu, compiled"),
        (
            Cell(drop_prob=0.998, variant="compiled"),
            "cpu-float32-p0.998-compiled",
            "cpu, float32, drop_prob 0.998, compiled",
        ),
    ],
)
def test_a_case_in_an_id_and_in_words(case: Case, slug: str, words: str) -> None:
    assert (case.slug, case.describe()) == (slug, words)


DOC = """DP123 some-name: a promise: with a colon.

What it checks
    First line
    and second.
Why it matters
    Why.
How to fix
    How.

    In two paragraphs.
Seen in
    Nowhere.
"""


def test_a_docstring_is_taken_apart() -> None:
    parsed = Documentation(DOC)
    assert (parsed.id, parsed.slug, parsed.promise) == ("DP123", "some-name", "a promise: with a colon.")
    assert (parsed.what, parsed.why) == ("First line and second.", "Why.")
    assert (parsed.fix, parsed.seen) == ("How. In two paragraphs.", "Nowhere.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DOC.replace("DP123", "DP12"), "begins with"),
        (DOC.replace("some-name", "Some_Name"), "begins with"),
        ("", "begins with"),
        (DOC.replace("Seen in", "Seen at"), "'Seen in'"),
        (DOC.replace("    Why.\n", ""), "DP123: no text under 'Why it matters'"),
    ],
)
def test_a_docstring_that_lacks_something_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Documentation(text)


def test_nearest_keeps_the_spelling_of_the_candidate_and_says_nothing_of_the_rest() -> None:
    assert nearest("dp30", ["DP301", "keep"]) == " Did you mean 'DP301'?"
    assert nearest("zzz", ["DP301", "keep"]) == ""


def test_entropy_depends_on_root_seed_and_id_alone() -> None:
    trial = Trial("DP123", "some-name", Level.MUST, CELL)
    assert trial.id == "DP123[cpu-float32-p0.1]"
    assert replace(trial, alpha=0.5, slug="other").entropy == trial.entropy == [0, 2626789358]
    assert replace(trial, root_seed=1).entropy != trial.entropy
    assert replace(trial, case=replace(CELL, drop_prob=0.3)).entropy != trial.entropy


def test_verdicts_have_the_outcome_they_are_named_after() -> None:
    assert [
        verdict.outcome
        for verdict in (
            Verdict.passed(), Verdict.failed("x"), Verdict.inconclusive("x"), Verdict.not_applicable("x"),
            Verdict.error("x"),
        )
    ] == [outcome for outcome in Outcome if outcome is not Outcome.WAIVED]  # fmt: skip
    assert [str(outcome) for outcome in Outcome] == [
        "pass", "fail", "inconclusive", "not-applicable", "error", "waived",
    ]  # fmt: skip


FACTS = Facts("a:b", "class", "", "", "", Dialect(), "torch", "0", {"cpu": ("float32",)})


def report(*outcomes: tuple[Level, Outcome], strict: bool = False) -> Report:
    results = tuple(
        Result(Trial("DP123", "some-name", level, replace(CELL, drop_prob=i / 100)), Verdict(outcome, f"seen {i}"))
        for i, (level, outcome) in enumerate(outcomes)
    )
    return Report(FACTS, "0", 0, 1e-6, "quick", strict, results, 1.0)


MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO
PASS, FAIL, OPEN, NONE, ERROR, WAIVED = list(Outcome)


@pytest.mark.parametrize(
    ("outcomes", "status", "strictly"),
    [
        ([(MUST, PASS)], 0, 0),
        ([(MUST, PASS), (MUST, FAIL)], 1, 1),
        ([(MUST, PASS), (MUST, ERROR)], 1, 1),
        ([(MUST, PASS), (MUST, WAIVED), (SHOULD, WAIVED)], 0, 0),
        ([(MUST, WAIVED), (MUST, FAIL)], 1, 1),
        ([(MUST, PASS), (MUST, OPEN)], 3, 3),
        ([(MUST, OPEN), (MUST, FAIL)], 1, 1),
        ([(MUST, PASS), (SHOULD, FAIL)], 0, 1),
        ([(MUST, PASS), (SHOULD, ERROR)], 0, 1),
        ([(MUST, PASS), (SHOULD, OPEN)], 0, 3),
        ([(MUST, PASS), (INFO, FAIL)], 0, 0),
        ([(MUST, NONE), (SHOULD, NONE)], 2, 2),
        ([], 2, 2),
    ],
)
def test_exit_status(outcomes: list[tuple[Level, Outcome]], status: int, strictly: int) -> None:
    assert report(*outcomes).exit_status == status
    assert report(*outcomes, strict=True).exit_status == strictly


@pytest.mark.parametrize(("status", "verdict"), [(0, PASS), (1, FAIL), (2, OPEN), (3, OPEN)])
def test_the_verdict_of_a_report_goes_with_its_status(status: int, verdict: Outcome) -> None:
    made = {0: [(MUST, PASS)], 1: [(MUST, FAIL)], 2: [(MUST, NONE)], 3: [(MUST, OPEN)]}[status]
    assert (report(*made).exit_status, report(*made).verdict) == (status, verdict)


def test_counts() -> None:
    made = report((MUST, PASS), (MUST, PASS), (MUST, FAIL), (SHOULD, FAIL), (MUST, NONE), (MUST, OPEN))
    assert made.counts == {
        "planned": 6, "run": 5, "pass": 2, "fail": 2, "inconclusive": 1, "not-applicable": 1, "error": 0,
        "waived": 0,
    }  # fmt: skip
    assert [len(part) for part in (made.findings, made.warnings, made.open)] == [1, 1, 1]


def test_raise_for_findings_lists_them_and_only_them() -> None:
    report((MUST, PASS), (SHOULD, FAIL), (MUST, OPEN)).raise_for_findings()
    with pytest.raises(AuditFailed) as caught:
        report((MUST, PASS), (MUST, FAIL), (SHOULD, FAIL)).raise_for_findings()
    assert str(caught.value) == "a:b: 1 finding\nDP123[cpu-float32-p0.01]: seen 1"
    assert isinstance(caught.value, AssertionError)
    with pytest.raises(AuditFailed, match="2 findings"):
        report((MUST, FAIL), (MUST, ERROR)).raise_for_findings()


def test_a_deterministic_result_has_no_share_of_the_budget() -> None:
    trial = Trial("DP123", "some-name", MUST, CELL, alpha=0.0)
    data = Result(trial, Verdict.passed()).to_json()
    assert (data["alpha"], data["resolves"]) == (None, None)
    statistical = replace(trial, alpha=1e-9, design=Design(0.5, "x", 3))
    data = Result(statistical, Verdict.passed()).to_json()
    assert (data["alpha"], data["resolves"]) == (1e-9, 0.5)


def test_core_needs_the_standard_library_alone() -> None:
    script = (
        "import sys, pkgutil, importlib, droppath_audit.core as core\n"
        "before = set(sys.modules)\n"
        "for found in pkgutil.iter_modules(core.__path__):\n"
        "    importlib.import_module('droppath_audit.core.' + found.name)\n"
        "roots = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "sys.exit(str(roots - set(sys.stdlib_module_names) - {'droppath_audit'}) if "
        "roots - set(sys.stdlib_module_names) - {'droppath_audit'} else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_p_value_that_is_not_a_number_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="judges nothing"):
        Verdict.passed(p_value=float("nan"))


def test_a_refusal_travels_with_its_command_which_ends_its_message() -> None:
    error = UsageError("It is open.", "a traceback", advice=" Run next:", command="droppath-audit a.py:B")
    assert error.message == str(error) == "It is open. Run next:\n  droppath-audit a.py:B"
    again = UsageError.from_json(json.loads(json.dumps(error.to_json())))
    assert (again.message, again.command, again.detail) == (error.message, error.command, error.detail)
    assert UsageError("It is wrong.").message == "It is wrong."
