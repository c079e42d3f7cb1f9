"""What costs more than it must is found with ``--benchmark``, and is right in every other respect."""

from __future__ import annotations

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.mutants.costs import mutants_of_cost
from droppath_audit.run.admitting import admitted
from droppath_audit.selftest.examination import killing_result
from droppath_audit.targets.loader import load
from tests.in_part import in_part

SOUND = [
    "droppath_reference:DropPath",
    "droppath_reference:DropPath?granularity=batch",
    "droppath_reference:DropPath?granularity=element",
    "droppath_reference:DropPath?form=residual",
    "droppath_audit.sound.draws:bernoulli_then_divide",
    "droppath_audit.sound.draws:noise_times_input",
    "droppath_audit.sound.draws:dropout_on_ones",
    "droppath_audit.sound.draws:float32_draw_then_cast",
    "droppath_audit.sound.dialects:skips_a_dropped_branch?form=residual&granularity=batch",
]
SHORT = set(mutants_of_cost()) - {"stacks_sample_by_sample"}


@pytest.mark.parametrize("name", in_part(mutants_of_cost(), SHORT))
def test_every_check_kills_what_it_claims_and_its_script_shows_it(name, outcome_of):
    loaded = admitted(load(mutants_of_cost()[name]))
    for check in (one.id for one in catalogue().values() if name in one.mutants):
        result = killing_result(loaded, check, seed=0)
        assert result is not None, check
        assert not result.is_finding()
        assert "--benchmark" in result.reproduce
        assert outcome_of(result.snippet) == "fails", result.snippet


@pytest.mark.parametrize("name", mutants_of_cost())
@pytest.mark.selftest
def test_it_is_right_in_every_other_respect(name):
    assert audit(mutants_of_cost()[name], effort="quick").findings == ()


@pytest.mark.parametrize("spec", SOUND)
def test_what_is_frugal_is_said_to_be(spec):
    report = audit(spec, effort="quick", benchmark=True, only=("DP802", "DP804"), strict=True)
    assert [(one.trial.id, one.verdict.observed) for one in report.results if one.bad] == []
    assert report.counts["run"] == 3
