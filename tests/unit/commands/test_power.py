from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.effort import EFFORTS
from droppath_audit.stats.planning import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(command_line: Run) -> Run:
    return partial(command_line, "power")


def numbers(line: str) -> list[float]:
    return [float(word.strip("±").replace(",", "")) for word in line.split()]


def test_every_statistical_check_at_every_effort(run: Run) -> None:
    status, out, err = run()
    assert (status, err) == (0, "")
    assert all(re.search(rf"\b{effort}\b", out.splitlines()[0]) for effort in EFFORTS)
    shown = set(re.findall(r"^DP\d{3}", out, re.MULTILINE))
    assert shown == {check.id for check in catalogue().values() if check.statistical}


def test_one_check_case_by_case(run: Run) -> None:
    status, out, _ = run("--check", "DP102", "--effort", "standard")
    assert status == 0
    lines = [line for line in out.splitlines() if line.startswith("DP102")]
    assert len(lines) == 8  # drop probabilities, each for four dtypes
    assert any(re.search(r"standard +0\.1 +4 +±0\.0005 .* 7,366,920$", line) for line in lines)


@pytest.mark.parametrize("name", ["dp105", "batch-counts", "DP1xx"])
def test_a_check_is_named_by_id_name_or_family(name: str, run: Run) -> None:
    status, out, _ = run("--check", name)
    assert status == 0
    assert "DP105 batch-counts" in out


def test_exact_checks_need_no_plan_and_say_so(run: Run) -> None:
    status, out, _ = run("--check", "DP301")
    assert status == 0
    assert "a single counterexample fails them: DP301 keep-prob-zero" in out


def test_the_twins_are_inverse_to_each_other(run: Run) -> None:
    _, samples, _ = run("--resolve", "0.002", "--keep-prob", "0.9")
    (line,) = [line for line in samples.splitlines() if line.strip().startswith("0.9 ")]
    for place, count in enumerate(numbers(line)[1:]):
        _, out, _ = run("--decisions", str(int(count)), "--keep-prob", "0.9")
        (line,) = [line for line in out.splitlines() if line.strip().startswith("0.9 ")]
        assert numbers(line)[1 + place] == pytest.approx(0.002, rel=0.01), STATISTICS[place].name


def test_decisions_are_planned_for_the_whole_grid_unless_told_otherwise(run: Run) -> None:
    _, out, _ = run("--decisions", "1000")
    assert len(re.findall(r"^ *0\.\d+ +", out, re.MULTILINE)) == 6
    _, out, _ = run("--decisions", "1000", "--drop-prob", "0.25")
    assert re.findall(r"^ *(0\.\d+) +", out, re.MULTILINE) == ["0.75"]


def test_too_few_decisions_resolve_nothing(run: Run) -> None:
    _, out, _ = run("--decisions", "3", "--keep-prob", "0.5")
    assert "nothing" in out
    assert "±1 " not in out


def test_smaller_errors_cost_more(run: Run) -> None:
    found = []
    for words in (
        ("--alpha", "0.01"),
        ("--budget", "0.01"),
        ("--alpha", "1e-12"),
        ("--alpha", "1e-12", "--beta", "1e-9"),
    ):
        _, out, _ = run("--resolve", "0.01", "--keep-prob", "0.7", *words)
        (line,) = [line for line in out.splitlines() if line.strip().startswith("0.7 ")]
        found.append(numbers(line)[2:])
    assert all(list(column) == sorted(column) and column[0] < column[3] for column in zip(*found, strict=True))


def test_another_granularity(run: Run) -> None:
    _, out, _ = run("--check", "DP102", "--granularity", "batch", "--effort", "quick")
    assert "±0.05" in out


USAGE = {
    ("--decisions", "0"): "from 1 to",
    ("--decisions", "1.5"): "not a valid integer",
    ("--decisions", "10", "--resolve", "0.1"): "give one of them",
    ("--decisions", "10", "--check", "DP102"): "--decisions asks about one cell, --check about the checks",
    ("--keep-prob", "0.9"): "--keep-prob belongs to --decisions",
    ("--beta", "0.1"): "--beta belongs to --decisions",
    ("--resolve", "0.6", "--keep-prob", "0.5"): "below 0.5",
    ("--resolve", "0"): "--resolve lies above",
    ("--resolve", "nan"): "--resolve lies above",
    ("--decisions", "10", "--keep-prob", "1"): "--keep-prob lies between 0 and 1",
    ("--decisions", "10", "--drop-prob", "-0.1"): "--drop-prob lies between 0 and 1",
    ("--alpha", "0.1", "--budget", "0.1"): "give one of them",
    ("--alpha", "0"): "--alpha is a probability",
    ("--budget", "1"): "--budget is a probability",
    ("--decisions", "10", "--beta", "2"): "--beta is a probability",
    ("--check", "DP31"): "Did you mean 'DP301'",
    ("--effort", "quik"): "Did you mean 'quick'",
    ("--granularity", "sampel"): "Did you mean 'sample'",
}


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_status_2_with_what_would_work_and_no_traceback(words: tuple[str, ...], run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert re.search(USAGE[words], err), err
    assert "Traceback" not in err
