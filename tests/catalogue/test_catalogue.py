"""Laws that every check and every mutant obeys, whoever adds it."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from droppath_audit import checks
from droppath_audit.checks import catalogue
from droppath_audit.core.documentation import FAMILIES
from droppath_audit.core.effort import EFFORTS
from droppath_audit.mutants import mutants
from droppath_audit.mutants.costs import mutants_of_cost
from droppath_audit.mutants.variants import mutants_of_variants

CHECKS = list(catalogue().values())
CLAIMS = [(check, name) for check in CHECKS for name in check.mutants]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_is_documented_under_every_heading(check):
    documentation = check.documentation
    assert documentation.promise.endswith(".")
    for text in (documentation.what, documentation.why, documentation.fix, documentation.seen):
        assert len(text) > 40
        assert text.endswith((".", "?"))
    assert check.family in FAMILIES.values()


def test_a_check_stands_in_the_file_that_its_title_names():
    files = {path.stem for path in Path(checks.__path__[0]).glob("dp*.py")}
    assert files == {f"{check.id}_{check.slug}".lower().replace("-", "_") for check in CHECKS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_has_unique_cases_at_every_effort(check):
    for effort in EFFORTS.values():
        slugs = [case.slug for case in check.cases("cpu", effort)]
        assert slugs
        assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_claims_a_mutant(check):
    assert bool(check.mutants) != check.away  # what shows on other devices alone is in ``tests/devices``


def test_every_mutant_is_claimed_and_every_claim_is_a_mutant():
    assert {name for _, name in CLAIMS} == {*mutants(), *mutants_of_variants(), *mutants_of_cost()}


EVERYONE = {**mutants(), **mutants_of_cost(), **{name: spec for name, (spec, _) in mutants_of_variants().items()}}


@pytest.mark.parametrize("spec", EVERYONE.values(), ids=EVERYONE.keys())
def test_a_mutant_says_what_is_wrong_with_it(spec):
    module, _, name = spec.partition("?")[0].partition(":")
    assert len(inspect.getdoc(getattr(import_module(module), name)) or "") > 40
