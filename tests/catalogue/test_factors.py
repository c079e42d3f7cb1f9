"""No factor of a configuration is there for show: without it, the mutant that it is there for passes.

``tox -e selftest`` runs them; the suite asks one of them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue, dp114_everywhere
from droppath_audit.core.configuration import FLOAT, FRESH, NEW, NO_SURROUNDING
from droppath_audit.mutants import mutants
from droppath_audit.space import planning
from droppath_audit.space.factors import factors_of
from tests.in_part import in_part

# What a factor is held at, and the mutant that it is there for.
HELD = {
    "samples": (("vectors",), "maps_drawn_in_their_dtype"),
    "batch": (("10 to 99",), "mirrors_batches_of_hundreds"),
    "elements": (("up to 2^12", "up to 2^18"), "evaluation_loses_the_remainder"),
    "layout": (("contiguous",), "strided_batch_is_one_decision"),
    "dtype": (("float64", "float32"), "complex_parts_decide_apart"),
    "drop_prob": (("below 1/2",), "antithetic_at_high_rates"),
    "tracked": (("untracked",), "tracked_draws_in_its_dtype"),
    "surrounding": ((NO_SURROUNDING,), "unscaled_under_no_grad"),
    "mode": ((FRESH,), "UnpicklesWithoutFactor"),
    "age": ((NEW,), "OneDecisionOnceABatchShrinks"),
    "number": ((FLOAT,), "takes_floats_alone"),
}
IN_THE_SUITE = ("tracked",)


def found(name: str) -> bool:
    return bool(audit(mutants()[name], effort="quick", only=("DP114",)).findings)


def test_every_factor_is_held_by_some_row_here():
    facts = audit("droppath_reference:DropPath", effort="quick", only=("DP305",)).facts
    assert set(factors_of(facts, ("float32",)).classes) == set(HELD)
    assert all(mutant in catalogue()["DP114"].mutants for _, mutant in HELD.values())


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
@pytest.mark.parametrize("factor", in_part(HELD, IN_THE_SUITE))
def test_without_a_factor_its_mutant_passes(factor, monkeypatch):
    held, mutant = HELD[factor]
    assert found(mutant)

    def without(facts, dtypes):
        factors = factors_of(facts, dtypes)
        return replace(factors, classes={**factors.classes, factor: held})

    monkeypatch.setattr(planning, "factors_of", without)
    if factor == "drop_prob":  # one inside is asked in every row, for the law alone
        monkeypatch.setattr(dp114_everywhere, "INSIDE", (0.1, 0.5))
    assert not found(mutant)
