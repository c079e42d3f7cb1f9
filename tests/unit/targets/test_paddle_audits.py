"""Whole audits of layers in paddle: sound ones pass, every fault is found, and snippets tell one from the other."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # paddle's import misses a compiler cache, aloud
    pytest.importorskip("paddle")

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.scripts import script_for
from droppath_audit.targets.loader import load

FILE = Path(__file__).with_name("paddle_layers.py")

FAULTS = {
    "active_in_evaluation": ("DP001",),
    "scaled_in_evaluation": ("DP001",),
    "drops_at_zero": ("DP002",),
    "ModeOfOwnSwitch": ("DP003",),
    "mode_of_gradients": ("DP003",),
    "writes_its_input": ("DP004", "DP601"),
    "adds_to_its_shortcut?form=residual": ("DP004",),
    "mask_of_rank_four": ("DP005", "DP601"),
    "widened": ("DP005",),
    "accepts_any_probability": ("DP007",),
    "ShowsNothing": ("DP008",),
    "HoldsALambda": ("DP008",),
    "StoresItsProbability": ("DP008",),
    "ComputesKeepProbOnce": ("DP008",),
    "truncates_integers": ("DP009",),
    "biased": ("DP101", "DP102", "DP203"),
    "keeps_what_it_should_drop": ("DP102",),
    "whole_percents": ("DP303",),
    "batchwise": ("DP104",),
    "elementwise": ("DP104", "DP601"),
    "sound?granularity=batch": ("DP104",),
    "sound?granularity=element": ("DP104",),
    "fixed_count": ("DP105",),
    "pairs_of_samples": ("DP106",),
    "FrozenAfterFirstCall": ("DP107",),
    "off_by_half_a_percent": ("DP201", "DP203"),
    "unscaled": ("DP201", "DP601"),
    "leaks_a_thousandth": ("DP202",),
    "never_floored": ("DP201", "DP202", "DP102"),
    "heavier_are_dropped": ("DP203",),
    "random_scale": ("DP204",),
    "divides_by_zero": ("DP301", "DP302", "DP402", "DP601"),
    "identity_at_keep_prob_zero": ("DP301",),
    "fresh_zeros_at_keep_prob_zero": ("DP302", "DP405"),
    "fresh_zeros_for_a_dropped_batch": ("DP405",),
    "raises_on_empty_batch": ("DP304", "DP601"),
    "adds_an_axis_to_scalars": ("DP305",),
    "sound?keep_prob_zero=raises": ("DP306",),
    "gradient_without_factor": ("DP401", "DP402", "DP601"),
    "detached_from_the_graph": ("DP401", "DP601"),
    "draws_from_numpy": ("DP501", "DP502"),
    "draws_from_python": ("DP501", "DP502"),
    "reseeds_every_call": ("DP502",),
    "draws_for_nothing": ("DP503",),
}  # fmt: skip
"""What follows the file in a SPEC -> checks that must fail."""

SOUND = (
    "sound", "careful", "Sound", "make?form=factory", "Plain", "batchwise?granularity=batch",
    "elementwise?granularity=element", "residual?form=residual", "unscaled?scaling=none",
    "of_the_paper?scaling=eval", "refuses_one?keep_prob_zero=raises",
)  # fmt: skip


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.parametrize("spec", SOUND)
def test_a_sound_layer_in_every_form_has_no_finding(spec):
    report = audit(f"{FILE}:{spec}", effort="quick")
    assert [(finding.trial.id, finding.verdict.observed) for finding in report.findings] == []
    assert report.counts["inconclusive"] == report.counts["error"] == 0
    assert report.counts["run"] > 100


def test_a_layer_that_minds_its_manners_has_no_remark_either():
    report = audit(f"{FILE}:Sound", effort="quick")
    assert [result.trial.id for result in report.results if result.verdict.outcome.value == "fail"] == []


def outcome_of(script):
    names = {"__name__": "snippet", "print": lambda *_, **__: None}
    try:
        exec(compile(script, "<snippet>", "exec"), names)  # noqa: S102
    except AssertionError:
        return "fails"
    except Exception as error:
        return f"raises {error!r}"
    return "holds"


@pytest.mark.parametrize("spec", FAULTS)
def test_a_fault_is_found_and_its_snippet_fails_there_and_holds_on_a_sound_layer(spec):
    checks = FAULTS[spec]
    report = audit(f"{FILE}:{spec}", effort="quick", only=checks)
    found = {result.trial.check: result for result in report.results if result.bad}
    assert set(found) == set(checks)
    for check, result in found.items():
        where = (check, result.verdict.observed)
        raising = "raised" in result.verdict.observed
        assert (*where, outcome_of(result.snippet).split()[0]) == (*where, "raises" if raising else "fails")
        if "?" not in spec and result.evidence:  # otherwise the sound layer has another dialect
            kind = "Sound" if spec[0].isupper() else "careful"
            script = script_for(load(f"{FILE}:{kind}").facts, result.trial.case)
            one = catalogue()[check]
            one.show(one.load(result.evidence), result.trial.case, script)
            assert (*where, outcome_of(script.text())) == (*where, "holds")


def test_the_printed_command_gives_the_same_verdict_in_a_process_without_torch(tmp_path):
    (finding,) = audit(f"{FILE}:divides_by_zero", effort="quick", only=("DP301[cpu-float32]",)).findings
    program, *words = shlex.split(finding.reproduce)
    assert program == "droppath-audit"
    done = subprocess.run(
        [sys.executable, "-m", "droppath_audit", *words],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    assert "NaN in" in done.stdout


def test_neither_the_audit_nor_the_oracle_loads_torch():
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from droppath_audit import audit\n"
        "import droppath_reference, droppath_reference.law, droppath_reference.schedule\n"
        f"report = audit({f'{FILE}:sound'!r}, effort='quick', only=('DP1xx', 'DP301', 'DP601'))\n"
        "assert report.counts['pass'] > 10, report.counts\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment())


def test_where_torch_is_missing_a_target_taken_for_its_own_is_refused_in_words(tmp_path):
    file = tmp_path / "silent.py"
    file.write_text("def silent(x, drop_prob, training):\n    return x\n")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from droppath_audit.targets.loader import load\n"
        "from droppath_audit.core.errors import UsageError\n"
        "try:\n"
        f"    load({f'{file}:silent'!r})\n"
        "except UsageError as error:\n"
        "    assert 'is taken for a target of torch, which is not installed' in error.message, error.message\n"
        "    assert 'framework=NAME, one of numpy, paddle' in error.message, error.message\n"
        "else:\n"
        "    raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
