"""Whole audits of layers on NumPy arrays: sound ones pass, every fault is found, and its script shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from droppath_audit import audit
from droppath_audit.targets.loader import load

FILE = Path(__file__).with_name("numpy_layers.py")

SOUND = (
    "keyed", "DropPath", "Switched", "make?form=factory", "batchwise?granularity=batch", "residual?form=residual",
    "unscaled?scaling=none", "keyed_where_given", "HoldsAGenerator", "MustBeGivenOne", "DrawsFromNumPy",
    "AroundABranch?form=residual",
)  # fmt: skip
# All but what is the law of a generator that they share: the command below asks that of one that is called plainly.
STYLE = (
    "DP0xx",
    "DP101",
    "DP102[cpu-float32*]",
    "DP104",
    "DP107",
    "DP108",
    "DP2xx",
    "DP3xx",
    "DP5xx",
    "DP6xx",
    "DP8xx",
)

FAULTS = {
    "ActiveInEvaluation": "DP001",
    "AroundABranchAtHalf?form=residual": "DP001",
    "drops_at_zero": "DP002",
    "writes_its_input": "DP004",
    "widened": "DP005",
    "four_bits_in_half_precision": "DP102",
    "per_element": "DP104",
    "reuses_its_first_key": "DP107",
    "never_rescaled": "DP201",
    "divides_by_zero": "DP301",
    "draws_from_python": "DP502",
}
"""What follows the file in a SPEC -> the check that must fail."""


def run(*words, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, **options)


@pytest.mark.parametrize("only", [STYLE, pytest.param((), marks=pytest.mark.selftest)], ids=["style", "all"])
@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_layer_of_every_style_has_no_finding(spec, only):
    report = audit(f"{FILE}:{spec}", effort="quick", framework="numpy", only=only)
    assert [(finding.trial.id, finding.verdict.observed) for finding in report.findings] == []
    assert report.counts["inconclusive"] == report.counts["error"] == 0
    assert report.counts["run"] > 80


@pytest.mark.parametrize("spec", FAULTS)
def test_a_fault_is_found_and_its_script_fails_by_an_assertion(spec, tmp_path):
    report = audit(f"{FILE}:{spec}", effort="quick", framework="numpy", only=(FAULTS[spec],))
    assert report.findings, report.counts
    script = tmp_path / "script.py"
    script.write_text(report.findings[0].snippet)
    done = run(str(script), cwd=tmp_path)
    assert done.returncode == 1, report.findings[0].snippet
    assert "AssertionError" in done.stderr.splitlines()[-1], done.stderr
    assert "torch" not in report.findings[0].snippet


def test_half_precision_alone_is_found_biased_where_it_alone_is():
    report = audit(f"{FILE}:four_bits_in_half_precision", effort="quick", framework="numpy", only=("DP102",))
    assert {finding.trial.case.dtype for finding in report.findings} == {"float16"}


@pytest.mark.parametrize("spec", ["drop_path", "keyed", "DropPath", "make?form=factory"])
def test_what_names_numpy_alone_is_numpys_without_being_told(spec):
    assert load(f"{FILE}:{spec}").facts.framework == "numpy"


def test_the_command_passes_a_sound_function_and_loads_no_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')", encoding="utf-8")
    done = run("-m", "droppath_audit", f"{FILE}:drop_path?framework=numpy", "--effort", "quick", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_device_that_numpy_does_not_have_is_refused_in_one_sentence(tmp_path):
    done = run("-m", "droppath_audit", f"{FILE}:drop_path?framework=numpy", "--device", "cuda", cwd=tmp_path)
    assert done.returncode == 2
    assert "'cuda' is not available to numpy" in " ".join(done.stderr.split())
