"""Factors: what is drawn lies in its classes, and breaks no constraint."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core import invocation
from droppath_audit.core.configuration import INTEGER, SCALAR
from droppath_audit.core.effort import EFFORTS
from droppath_audit.space.covering import covering
from droppath_audit.space.factors import BATCHES, DROP_PROBS, ELEMENTS, SAMPLES, factors_of
from droppath_audit.targets.loader import load

DTYPES = ("float64", "float32", "float16", "bfloat16", "complex64")
SPECS = (
    "droppath_reference:DropPath",
    "droppath_reference:DropPath?granularity=element",
    "droppath_reference.drop_path:drop_path",
    "droppath_reference:DropPath?input=B,3,32,32",
)


def rows_of(spec, seed=0):
    factors = factors_of(load(spec).facts, DTYPES)
    rng = np.random.default_rng(seed)
    rows, impossible = covering(factors.classes, factors.allowed, rng, frugal=("elements",))
    return factors, rows, impossible, [factors.drawn(row, rng) for row in rows]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spec", SPECS)
def test_what_is_drawn_lies_in_its_classes(spec, seed):
    factors, rows, _, drawn = rows_of(spec, seed)
    for row, at in zip(rows, drawn, strict=True):
        assert BATCHES[row["batch"]][0] <= at.batch <= BATCHES[row["batch"]][1]
        assert ELEMENTS[row["elements"]][0] <= at.elements <= ELEMENTS[row["elements"]][1]
        low, high = DROP_PROBS[row["drop_prob"]]
        assert low * 0.999 <= at.drop_prob <= high * 1.001
        assert (at.layout, at.dtype, at.mode, at.age) == (row["layout"], row["dtype"], row["mode"], row["age"])
        if factors.fixed is not None:
            assert at.features == factors.fixed
        else:
            axes = SAMPLES[row["samples"]]
            assert len(at.features) == len(axes)
            assert all(size <= high for size, (_, high) in zip(at.features, axes, strict=True))
        if at.number == INTEGER:
            assert at.drop_prob in (0.0, 1.0)
        if at.number == SCALAR:
            assert at.drop_prob == float(np.float32(at.drop_prob))


def test_every_class_of_every_factor_is_met_and_what_cannot_meet_is_named_by_no_row():
    factors, rows, impossible, _ = rows_of(SPECS[0])
    for name, classes in factors.classes.items():
        assert {row[name] for row in rows} == set(classes)
    assert len(rows) <= 100
    assert not any(all(row[k] == v for k, v in combination.items()) for row in rows for combination in impossible)


@pytest.mark.parametrize(
    ("given", "kept"), [(0.25, 0.75), (1, 0), (np.float32(0.25), np.float32(0.75)), ("x", "x"), (True, True)]
)
def test_a_rate_to_keep_is_handed_over_as_the_same_kind_of_number(given, kept):
    assert invocation.kept(given) == kept
    assert type(invocation.kept(given)) is type(kept)


def test_other_seeds_draw_other_values():
    assert rows_of(SPECS[0])[3] != rows_of(SPECS[0], seed=1)[3]


def test_a_function_has_no_copies_and_a_layer_that_refuses_keep_prob_0_no_such_rate():
    facts = load(SPECS[2]).facts
    assert factors_of(facts, DTYPES).classes["mode"] == ("as constructed", "after evaluation")
    refusing = replace(facts, dialect=replace(facts.dialect, keep_prob_zero="raises"))
    assert "1" not in factors_of(refusing, DTYPES).classes["drop_prob"]
    assert factors_of(replace(facts, ranks=(2, 3)), DTYPES).classes["samples"] == ("vectors", "tokens")


def test_a_plan_has_the_rows_for_its_target_and_stable_ids():
    check, facts = catalogue()["DP114"], load(SPECS[0]).facts
    one, other = (list(check.planned(facts, "cpu", EFFORTS["standard"], seed)) for seed in (0, 1))
    assert [case.slug for case in one[:70]] == [case.slug for case in other[:70]] == [f"cpu-c{n:02}" for n in range(70)]
    assert one == list(check.planned(facts, "cpu", EFFORTS["standard"], 0))
    assert [case.configuration for case in one] != [case.configuration for case in other]
    assert all(prod(case.configuration.shape) <= 2**20 + 2**16 for case in one)
