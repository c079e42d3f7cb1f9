"""What is faulty only compiled, captured or scripted is found there, and nowhere else; what is sound is sound there.

Code is compiled for every trial: what takes minutes is run by ``tox -e selftest``.
"""

from __future__ import annotations

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants.variants import mutants_of_variants
from droppath_audit.run.admitting import admitted
from droppath_audit.selftest.examination import killing_result
from droppath_audit.targets.loader import load

COMPILED = [name for name, (_, variants) in mutants_of_variants().items() if variants == ("compile",)]
OTHERS = [name for name in mutants_of_variants() if name not in COMPILED]
SOUND = [
    "droppath_reference:DropPath",
    "droppath_audit.sound.draws:bernoulli_then_divide",
    "droppath_audit.sound.draws:noise_times_input",
    "droppath_audit.sound.manners:CountsItsCalls",
    "droppath_audit.sound.dialects:adds_the_shortcut?form=residual&call=(r,x)",
    "droppath_audit.sound.dialects:batch_at_once?granularity=batch",
]
ALL = ("compile", "export", "fx", "script", "vmap")
CHEAP = ("DP00*", "DP107", "DP401", "DP704")

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def claiming(name):
    return [check.id for check in catalogue().values() if name in check.mutants]


@pytest.mark.parametrize("name", [*OTHERS, *(pytest.param(name, marks=pytest.mark.selftest) for name in COMPILED)])
def test_it_is_found_in_its_variant_and_the_script_shows_it(name, outcome_of):
    spec, variants = mutants_of_variants()[name]
    loaded = admitted(load(spec))
    for check in claiming(name):
        result = killing_result(loaded, check, seed=0, variants=variants)
        assert result is not None, check
        assert result.trial.case.variant.startswith(variants)
        assert f"--variants {variants[0]}" in result.reproduce
        assert outcome_of(result.snippet) == "fails", result.snippet


@pytest.mark.parametrize("name", COMPILED)
def test_the_cheapest_compiler_tells_it(name):
    spec, variants = mutants_of_variants()[name]
    (check,) = claiming(name)
    report = audit(spec, variants=variants, effort="quick", only=(f"{check}[*-compile-aot]",))
    (result,) = [one for one in report.results if one.outcome is not Outcome.NOT_APPLICABLE]
    assert result.outcome is Outcome.FAIL, result.verdict.observed
    assert result.is_finding(strict=True)


@pytest.mark.parametrize("name", mutants_of_variants())
@pytest.mark.selftest
def test_it_is_right_as_it_is_written(name):
    assert audit(mutants_of_variants()[name][0], effort="quick").findings == ()


@pytest.mark.parametrize("spec", SOUND)
def test_what_is_sound_is_sound_captured_and_mapped(spec):
    report = audit(
        spec, variants=("export", "script", "vmap"), effort="quick", only=("DP00*", "DP107", "DP401", "DP704")
    )
    assert [(one.trial.id, one.verdict.observed) for one in report.findings] == []
    assert report.counts["run"] > 5


@pytest.mark.selftest
@pytest.mark.parametrize("spec", SOUND)
def test_what_is_sound_is_sound_in_every_variant(spec):
    report = audit(spec, variants=ALL, effort="quick")
    assert [(one.trial.id, one.verdict.observed) for one in report.findings] == []
    assert {one.trial.case.variant for one in report.results if one.outcome is Outcome.PASS} > {
        "compile",
        "compile-aot",
    }
