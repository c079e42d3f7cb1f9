"""Layers that run their branch themselves are handed one that returns what theirs would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from droppath_audit.api import audit
from droppath_audit.run.admitting import admitted
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
import torch
from torch import nn

def kept(x, p):
    return torch.rand((len(x),) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device) < 1.0 - p

class Wrapper(nn.Module):
    def __init__(self, layer, drop_prob):
        super().__init__()
        self.layer, self.drop_prob = layer, drop_prob

class Skips(Wrapper):
    def forward(self, x):
        y = self.layer(x)
        if not self.training or self.drop_prob == 0.0:
            return y
        return torch.where(kept(x, self.drop_prob), x + (y - x) / ((1.0 - self.drop_prob) or 1.0), x)

class ResidualThatSkips(Skips):
    pass

class Unscaled(Wrapper):
    def forward(self, x):
        return torch.where(kept(x, self.drop_prob), self.layer(x), x) if self.training else self.layer(x)

class SkipsInEvaluation(Wrapper):
    def forward(self, x):
        return torch.where(kept(x, self.drop_prob), self.layer(x), x) if self.training else x

class Branch(Wrapper):
    def forward(self, x):
        y = self.layer(x)
        if not self.training or self.drop_prob == 0.0:
            return y
        return torch.where(kept(x, self.drop_prob), y, torch.zeros_like(y)) / ((1.0 - self.drop_prob) or 1.0)

class TakesApart(Branch):
    def forward(self, x, mask=None):
        y, mask = self.layer(x, mask)
        if not self.training or self.drop_prob == 0.0:
            return y
        return torch.where(kept(x, self.drop_prob), y, torch.zeros_like(y)) / ((1.0 - self.drop_prob) or 1.0)

class Tuples(Branch):
    def forward(self, x, lengths):
        if self.training and self.drop_prob > 0.0 and torch.rand((), device=x.device) < self.drop_prob:
            return x, lengths
        return self.layer(x, lengths)
"""
ADDS = (
    "form=residual, of a layer that returns its input where it skips the branch: "
    "the branch adds its output to that here"
)
TUPLE = "the branch that it is given returns a tuple, of its output and all that it is given beside x"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "wrappers.py"
    written.write_text(TEXT)
    return written


@pytest.mark.parametrize(
    ("name", "form", "notes"),
    [
        ("Skips", "residual", [ADDS]),
        ("ResidualThatSkips", "residual", ["residual, by the name of ResidualThatSkips", ADDS]),
        ("Unscaled", "residual", [ADDS]),
        ("SkipsInEvaluation", "residual", [ADDS]),
        ("Branch", "branch", ["form=branch, by what a call at drop_prob = 0 returns"]),
        ("TakesApart", "branch", ["form=branch, by what a call at drop_prob = 0 returns", TUPLE]),
        (
            "Tuples",
            "residual",
            [
                "lengths is None: it is handed on to the branch, and nothing else is done with it",
                ADDS,
                TUPLE,
                "output=0: of several outputs the first tensor is audited",
                "every call keeps or drops all samples: DP104 judges that, and all others take it as it is",
            ],
        ),
    ],
)
def test_the_branch_returns_what_the_layer_wants_of_it(file: Path, name: str, form: str, notes: list[str]) -> None:
    facts = admitted(load(f"{file}:{name}")).facts
    assert facts.dialect.form == form
    assert list(facts.notes) == notes


def test_a_form_that_is_declared_is_kept(file: Path) -> None:
    facts = admitted(load(f"{file}:Skips?form=branch")).facts
    assert (facts.dialect.form, facts.notes) == ("branch", ())


@pytest.mark.parametrize("name", ["Skips", "ResidualThatSkips", "TakesApart"])
def test_sound_ones_pass(file: Path, name: str) -> None:
    only = ["DP001[cpu-float32-p0.3]", "DP102[cpu-float32-p0.3]", "DP104[cpu-float32]", "DP201[cpu-float32-p0.3]"]
    assert audit(f"{file}:{name}", only=[*only, "DP202[cpu-float32-p0.3]"], effort="quick").exit_status == 0


@pytest.mark.parametrize(("name", "check"), [("Unscaled", "DP203"), ("SkipsInEvaluation", "DP001")])
def test_the_script_of_a_fault_hands_over_the_same_branch(file: Path, name: str, check: str) -> None:
    (result,) = audit(f"{file}:{name}", only=[f"{check}[cpu-float32-p0.3]"], effort="quick").results
    assert str(result.outcome) == "fail"
    with pytest.raises(AssertionError):
        exec(result.snippet, {})  # noqa: S102 - a script is there to be run


def test_the_script_of_a_tuple_hands_over_one(file: Path) -> None:
    (result,) = audit(f"{file}:Tuples", only=["DP104[cpu-float32]"], effort="quick").results
    assert str(result.outcome) == "fail"
    assert "lambda shortcut, *beside: (shortcut + (" in result.snippet
    with pytest.raises(AssertionError):
        exec(result.snippet, {})  # noqa: S102 - a script is there to be run
