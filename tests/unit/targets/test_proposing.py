"""Factories that are proposed: they run as they are, or have a mark where something is to be filled in."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner

from droppath_audit.commands import cli
from droppath_audit.core.errors import UsageError
from droppath_audit.targets.loader import load, proposed
from droppath_audit.targets.parameters import Sides
from droppath_audit.targets.proposing import MARK, ZEROS, guesses


def propose(*words):
    return CliRunner().invoke(cli, ["propose", *map(str, words)], standalone_mode=False)


def test_a_method_is_called_on_a_stand_in_that_has_what_it_reads(file):
    loaded = load(f"{file}:Block._drop_path")
    assert loaded.facts.notes == ("Block._drop_path is a method; it is called on a stand-in for its object",)
    x = torch.ones(64, 4)
    assert torch.equal(loaded.target.make(0.9)(x, training=False), x)
    assert set(loaded.target.make(0.5)(x, training=True).unique().tolist()) == {0.0, 2.0}


def test_a_method_that_reads_what_nobody_can_guess_names_the_command_that_goes_on(file):
    with pytest.raises(UsageError, match=r"a stand-in for its object needs gate") as caught:
        load(f"{file}:Block._gated")
    command = caught.value.message.splitlines()[-1].strip()
    assert shlex.split(command) == ["droppath-audit", "propose", f"{file}:Block._gated", "-o", "audit_me.py"]


@pytest.mark.parametrize("name", ["ByDropProb", "add_shortcut", "mode_first", "Block._drop_path", "by_pKeep"])
def test_a_proposal_that_is_complete_is_a_factory_that_runs(file, name, tmp_path):
    written = tmp_path / "audit_me.py"
    assert propose(f"{file}:{name}", "-o", written).return_value == 0
    proposal = proposed(f"{file}:{name}")
    assert written.read_text() == proposal.text
    assert proposal.complete
    make = load(f"{written}:make?{'&'.join(proposal.items)}").target.make
    assert set(make(0.25)(torch.ones(64, 4), training=True).unique().tolist()) <= {0.0, torch.tensor(1 / 0.75).item()}


def test_what_nobody_can_guess_has_a_mark(file):
    proposal = proposed(f"{file}:with_constant")
    assert f"scale=...,  # {MARK}: a value for scale" in proposal.text
    assert not proposal.complete


def test_what_has_marks_is_python_all_the_same(file):
    for name in ("WrapsBranch", "with_constant", "Block._gated", "residual_function"):
        text = proposed(f"{file}:{name}").text
        assert MARK in text
        compile(text, name, "exec")


def test_values_are_guessed_with_which_it_runs_and_stay_marked(tmp_path):
    layers = tmp_path / "layers.py"
    layers.write_text(
        "import torch\n"
        "class Shake(torch.nn.Module):\n"
        "    def __init__(self, drop_prob, window):\n"
        "        super().__init__()\n"
        "        self.drop_prob = drop_prob\n"
        "    def forward(self, x, beta):\n"
        "        if not self.training:\n"
        "            return x\n"
        "        kept = torch.rand((len(x),) + (1,) * (x.ndim - 1), dtype=torch.float64) >= self.drop_prob\n"
        "        return torch.where(kept, x / max(1.0 - self.drop_prob, 1e-9), beta * x)\n"
    )
    written = tmp_path / "audit_me.py"
    assert propose(f"{layers}:Shake", "-o", written).return_value == 0
    text = written.read_text()
    assert "window=None,  # GUESSED: a value for window" in text
    assert f"beta={ZEROS},  # GUESSED: a value for beta" in text
    make = load(f"{written}:make?form=factory").target.make
    assert set(make(0.5)(torch.ones(64, 4), training=True).unique().tolist()) == {0.0, 2.0}


def test_nothing_is_guessed_where_more_than_values_is_missing(file):
    sides = Sides("function", {})
    assert [*guesses(proposed(f"{file}:WrapsBranch"), sides)] == [*guesses(proposed(f"{file}:ByDropProb"), sides)] == []
    assert len([*guesses(proposed(f"{file}:with_constant"), sides)]) == 3
    assert [*guesses(proposed(f"{file}:with_constant"), replace(sides, parts=("Linear",)))] == []


def test_a_file_that_is_there_is_not_written_over(file, tmp_path):
    written = tmp_path / "audit_me.py"
    written.write_text("precious")
    refused = propose(f"{file}:ByDropProb", "-o", written).exception
    assert isinstance(refused, UsageError)
    assert "name another" in refused.message
    assert written.read_text() == "precious"


def test_what_needs_no_factory_says_so(file):
    with pytest.raises(UsageError, match="needs no factory: it is one"):
        proposed(f"{file}:make?form=factory")


def test_the_shortcut_of_a_factory_is_zeros_whatever_x_holds():
    x = torch.tensor([0.0, 1.0, math.inf, -math.inf, math.nan])
    assert torch.equal(eval(ZEROS, {"x": x}), torch.zeros(5))  # noqa: S307 - the text is ours
