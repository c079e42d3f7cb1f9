"""No sound implementation, in whatever style, is found fault with."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from droppath_audit import audit
from droppath_audit.mutants import mutants
from droppath_audit.sound import sound_variants


def test_there_are_many_and_none_is_a_mutant():
    assert len(sound_variants()) >= 15
    assert not set(sound_variants()) & set(mutants())


@pytest.mark.parametrize("spec", sound_variants().values(), ids=sound_variants().keys())
def test_a_sound_variant_says_in_which_style_it_is(spec):
    module, _, name = spec.partition("?")[0].partition(":")
    assert len(inspect.getdoc(getattr(import_module(module), name)) or "") > 40


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("spec", sound_variants().values(), ids=sound_variants().keys())
def test_a_sound_variant_keeps_every_promise(spec):
    report = audit(spec, effort="quick")
    assert [(result.trial.id, result.verdict.observed) for result in report.findings] == []
    assert report.exit_status == 0
