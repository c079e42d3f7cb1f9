from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from droppath_audit.core.code import Code
from droppath_audit.targets.loader import load

SHAPE = (8, 4)


def run(lines):
    names = {}
    path = list(sys.path)
    with torch.random.fork_rng(devices=()):
        exec("\n".join(lines), names)  # noqa: S102 - a snippet is there to be run
    sys.path[:] = path
    return names


@pytest.fixture
def shape(loaded):
    return SHAPE if loaded.facts.fixed_shape is None else (8, *loaded.facts.fixed_shape[1:])


def test_the_snippet_gives_an_output_of_the_inputs_shape(loaded, shape):
    names = run(loaded.facts.code.run(0.5, shape, "float32", "cpu"))
    assert names["y"].shape == names["x"].shape == shape


def test_the_snippet_passes_the_probability_with_its_meaning(loaded, shape):
    lines = loaded.facts.code.run(0.0, shape, "float64", "cpu", random=True)
    # The output must also be an expression to which a method can be applied.
    names = run([*lines, f"changed = {loaded.facts.code.output(0.0)}.add(1)"])
    assert torch.equal(names["y"], names["x"])
    assert torch.equal(names["changed"], names["x"] + 1)
    if loaded.facts.dialect.keep_prob_zero == "zeros":
        assert torch.count_nonzero(run(loaded.facts.code.run(1.0, shape, "float64", "cpu"))["y"]) == 0


def test_the_snippet_passes_the_mode_with_its_meaning(loaded, shape):
    if loaded.facts.evaluates:
        names = run(loaded.facts.code.run(0.875, shape, "float32", "cpu", training=False, random=True))
        scale = 0.125 if loaded.facts.dialect.scaling == "eval" else 1.0
        assert torch.equal(names["y"], scale * names["x"])


def test_the_snippet_survives_the_way_to_json(loaded, shape):
    code = Code.from_json(loaded.facts.code.to_json())
    assert code.run(0.5, shape, "float32", "cpu") == loaded.facts.code.run(0.5, shape, "float32", "cpu")


def test_a_snippet_of_a_file_runs_where_the_spec_was_given_and_finds_the_files_beside_it(tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("def keep(x):\n    return x\n")
    (tmp_path / "layer.py").write_text(
        "from beside_it import keep\ndef drop_path(x, drop_prob, training):\n    return keep(x)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    lines = load("layer.py:drop_path").facts.code.run(0.5, SHAPE, "float32", "cpu")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text("\n".join([*lines, "print(tuple(y.shape))"]))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "(8, 4)"


def test_a_snippet_of_a_module_imports_the_name_and_nothing_of_this_package():
    lines = load("torch.nn.functional:dropout?granularity=element").facts.code.run(0.5, SHAPE, "float32", "cpu")
    assert lines[:2] == ["import torch", "from torch.nn.functional import dropout"]
    assert "droppath_audit" not in "\n".join(lines)
