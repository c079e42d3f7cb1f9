"""No sound implementation, in whatever style and dialect, is found fault with.

An audit is shared out in parts: part 0 is every tenth trial, beginning with another one for every implementation, so
that each trial meets several of them and each implementation nearly every check. The suite runs that; the other parts
are run by ``tox -e selftest``.
"""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from droppath_audit import audit
from droppath_audit.mutants import mutants
from droppath_audit.run.plan import Settings, make
from droppath_audit.sound import sound_variants
from droppath_audit.targets.loader import load

DIALECTS = (
    "granularity=batch",
    "granularity=element",
    "scaling=none",
    "scaling=eval",
    "form=residual",
    "granularity=batch&scaling=eval&form=residual",
)
IMPLEMENTATIONS = {**sound_variants(), **{items: f"droppath_reference:DropPath?{items}" for items in DIALECTS}}
PARTS = 10


def test_there_are_many_and_none_is_a_mutant():
    assert len(sound_variants()) >= 15
    assert not set(sound_variants()) & set(mutants())


@pytest.mark.parametrize("spec", sound_variants().values(), ids=sound_variants().keys())
def test_a_sound_variant_says_in_which_style_it_is(spec):
    module, _, name = spec.partition("?")[0].partition(":")
    assert len(inspect.getdoc(getattr(import_module(module), name)) or "") > 40


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.selftest) for part in range(1, PARTS))])
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_a_sound_implementation_keeps_every_promise(name, part):
    first = (list(IMPLEMENTATIONS).index(name) + part) % PARTS
    spec = IMPLEMENTATIONS[name]
    trials = [trial.id for trial in make(load(spec).facts, Settings(effort="quick")) if not trial.reason]
    report = audit(spec, effort="quick", only=trials[first::PARTS])
    assert report.counts["run"] > 30
    assert [(result.trial.id, result.verdict.observed) for result in report.findings] == []
    assert report.exit_status == 0
