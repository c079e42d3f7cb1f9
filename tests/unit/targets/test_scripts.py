"""A script constructs, switches and calls every target that the loader can drive, and is made of nothing of ours."""

from __future__ import annotations

import sys

import pytest
import torch

from droppath_audit.core.case import Cell
from droppath_audit.scripts import LiveScript, script_for
from droppath_audit.targets.loader import load


@pytest.fixture
def shape(loaded):
    return (8, 4) if loaded.facts.fixed_shape is None else (8, *loaded.facts.fixed_shape[1:])


@pytest.fixture
def script(loaded):
    made = script_for(loaded.facts, Cell(dtype="float64", dialect=loaded.facts.dialect))
    assert isinstance(made, LiveScript)
    return made


def run(script):
    names, path = {}, list(sys.path)
    with torch.random.fork_rng(devices=()):
        exec(script.text(), names)  # noqa: S102 - a script is there to be run
    sys.path[:] = path
    return names


def test_the_output_has_the_shape_of_the_input(loaded, script, shape):
    script.plain(0.5, shape)
    names = run(script)
    assert names["y"].shape == names["x"].shape == shape
    assert "droppath_audit" not in script.text()


def test_the_probability_has_its_meaning(loaded, script, shape):
    script.layer(0.0)
    script.random(shape)
    script.run(0.0)
    # The output must also be an expression to which a method can be applied.
    script.add(f"changed = {script.call(0.0)}.add(1)")
    if loaded.facts.dialect.keep_prob_zero == "zeros":
        script.layer(1.0)
        script.add(f"z = {script.call(1.0)}")
    names = run(script)
    assert torch.equal(names["y"], names["x"])
    assert torch.equal(names["changed"], names["x"] + 1)
    assert "z" not in names or torch.count_nonzero(names["z"]) == 0


def test_the_mode_has_its_meaning_also_where_it_is_switched(loaded, script, shape):
    if not loaded.facts.evaluates:
        pytest.skip("the target has no evaluation mode")
    script.layer(0.875)
    script.random(shape)
    script.switch(0.875, training=False)
    script.run(0.875, training=False)
    names = run(script)
    assert torch.equal(names["y"], (0.125 if loaded.facts.dialect.scaling == "eval" else 1.0) * names["x"])


def test_a_script_imports_the_framework_and_the_name():
    facts = load("torch.nn.functional:dropout?granularity=element").facts
    assert script_for(facts, Cell()).text().splitlines() == [
        "import numpy as np", "import torch", "from torch.nn.functional import dropout", "torch.manual_seed(0)",
    ]  # fmt: skip
