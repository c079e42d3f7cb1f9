"""A target whose file cannot be imported is lifted out of it, and audited apart from it."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from droppath_audit import instead
from droppath_audit.core.interruption import Interruption

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = """
import torch
from typing import TYPE_CHECKING
from nowhere.to_be_found import Registry, noise

if TYPE_CHECKING:
    from torch import Tensor

HALF = 0.5

def stochastic_depth(x: "Tensor", drop_prob: float, training) -> "Tensor":
    if not training or drop_prob == 0.0:
        return x
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) + HALF < 1.0 - drop_prob + HALF
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)

def noisy_depth(x, drop_prob, training):
    return stochastic_depth(x, drop_prob, training) + noise(x)

class Trainer(Registry):
    pass
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "trainer.py").write_text(FILE, encoding="utf-8")
    return "trainer.py"


def test_a_definition_that_needs_nothing_of_what_is_missing_is_audited_apart_from_its_file(
    file: str, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    asked = ("--only", "DP301", "--only", "DP104", "--effort", "quick")
    status, out, said = command_line(f"{file}:stochastic_depth?granularity=sample", *asked)
    assert status == 0
    assert "needs the module 'nowhere'" in said
    assert "stochastic_depth needs nothing of that, and is audited apart from its file: " in said
    spec = said.rstrip().rpartition(" ")[2]
    assert spec.endswith("/trainer.py:stochastic_depth?granularity=sample")
    assert spec in out
    text = Path(spec.partition(".py:")[0] + ".py").read_text(encoding="utf-8")
    assert text.startswith("# Lifted out of ")
    # The commands of the report are about that file; it is written anew, and nothing else is, when it is asked again.
    again = command_line(f"{file}:stochastic_depth?granularity=sample", *asked, "--plan")
    assert (again[0], again[2]) == (0, said)
    assert command_line(spec, *asked)[0] == 0


def test_a_proposal_lifts_a_definition_out_of_its_file(
    file: str, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, _, said = command_line("propose", f"{file}:stochastic_depth?granularity=sample", "-o", "audit_me.py")
    assert status == 0
    (printed,) = re.findall(r"droppath-audit (.*)$", said, re.MULTILINE)
    assert printed == "'audit_me.py:stochastic_depth?granularity=sample'"
    assert command_line(*shlex.split(printed), "--only", "DP301", "--only", "DP104", "--effort", "quick")[0] == 0


@pytest.mark.parametrize("name", ["noisy_depth", "Trainer", "nothing"])
def test_nothing_is_promised_of_what_needs_the_missing_module_or_is_not_there(
    file: str, name: str, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, _, refusal = command_line(f"{file}:{name}")
    assert status == 2
    assert "propose" not in refusal
    status, _, refusal = command_line("propose", f"{file}:{name}")
    assert status == 2
    assert "not lifted out of its file, because" in refusal


UNDEFINED = """
class Bare(nn.Module):
    def forward(self, x):
        return drop_path(x, self.drop_prob, self.training)
"""


def test_what_a_file_never_defines_cannot_be_lifted_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.py").write_text(UNDEFINED, encoding="utf-8")
    status, _, refusal = command_line("bare.py:Bare")
    assert status == 2
    assert "name 'nn' is not defined" in refusal
    assert "propose" not in refusal, "its source would be the same file"
    status, _, refusal = command_line("propose", "bare.py:Bare")
    assert status == 2
    assert "its file never says what nn and drop_path is" in refusal


METHOD = """
import torch

class Block:
    def _drop_path(self, x, residual):
        if not self.training or self.drop_prob == 0.0:
            return x + residual
        kept = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), dtype=torch.float64) < 1.0 - self.drop_prob
        return x + torch.where(kept, residual, torch.zeros_like(x)) / ((1.0 - self.drop_prob) or 1.0)
"""


def test_a_method_beside_a_shortcut_is_given_one_of_any_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    """With zeros in the shortcut's place -0 would become +0, and a changed shortcut would not be seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block.py").write_text(METHOD, encoding="utf-8")
    status, said, _ = command_line(
        "block.py:Block._drop_path", "--only", "DP001", "--only", "DP2xx", "--effort", "quick"
    )
    assert status == 0
    assert "residual" in said
    assert command_line("propose", "block.py:Block._drop_path", "-o", "audit_me.py")[0] == 0
    text = (tmp_path / "audit_me.py").read_text(encoding="utf-8")
    assert "x=shortcut," in text
    assert "residual=x," in text


BLOCK = """
import torch
from torch import nn

class Stage(nn.Module):
    def __init__(self, channels, skip_rate=0.0):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.skip_rate = skip_rate

    def forward(self, x):
        y = self.norm(self.conv(x))
        if self.training and self.skip_rate > 0.0:
            kept = torch.rand(len(x), 1, 1, 1) >= self.skip_rate
            y = torch.where(kept, y / ((1.0 - self.skip_rate) or 1.0), torch.zeros_like(y))
        return x + y

class Given(nn.Module):
    # Both of its sides are handed over.
    def __init__(self, branch: nn.Module, shortcut: nn.Module, skip_rate: float):
        super().__init__()
        self.branch, self.shortcut, self.skip_rate = branch, shortcut, skip_rate

    def forward(self, x):
        y = self.branch(x)
        if self.training and self.skip_rate > 0.0:
            kept = torch.rand(len(x), 1, 1, 1) >= self.skip_rate
            y = torch.where(kept, y / ((1.0 - self.skip_rate) or 1.0), torch.zeros_like(y))
        return self.shortcut(x) + y

class WithMethod(Stage):
    def drop_path(self, y, p, training):
        if not training or p == 0.0:
            return y
        kept = torch.rand((len(y),) + (1,) * (y.ndim - 1), dtype=torch.float64) >= p
        return torch.where(kept, y / ((1.0 - p) or 1.0), torch.zeros_like(y))
"""


QUICKLY = ("--only", "DP001", "--only", "DP002", "--only", "DP104", "--only", "DP301", "--effort", "quick")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "stage.py").write_text(BLOCK, encoding="utf-8")
    return "stage.py:Stage"


def test_a_block_is_audited_by_a_factory_that_is_written_for_it(
    stage: str, tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, said = command_line(stage, *QUICKLY, "--only", "DP206")
    assert status == 0
    assert "every MUST holds" in out
    assert "DP206" not in out
    first, left_out = said.splitlines()
    spec = first.rpartition(": ")[2]
    assert spec.startswith(str(tmp_path / "state"))
    assert spec.endswith("audit_me.py:make?form=factory&dtypes=float32")
    # The checks of values and gradients of x, which say nothing of the block.
    assert {"DP4*", "DP206"} <= set(left_out.partition(": ")[2].split(", "))
    again = command_line(stage, *QUICKLY, "--plan")
    assert (again[0], again[2]) == (0, said)
    status, out, _ = command_line(spec, *QUICKLY)
    assert status == 0, "the commands of the report lead there"


def test_what_no_spec_can_say_a_factory_says_at_the_first_try(
    stage: str, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, said = command_line(stage.replace("Stage", "Given"), *QUICKLY)
    assert status == 0
    assert "every MUST holds" in out
    assert said.startswith("droppath-audit: Given is audited by the factor of its branch: ")


def test_a_block_of_which_no_factory_runs_is_refused_with_the_command_that_writes_one(
    stage: str, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr("droppath_audit.instead.SECONDS", 0.01)
    status, _, refusal = command_line(stage, *QUICKLY)
    assert status == 2
    assert "It makes layers of its own (Conv2d, BatchNorm2d): a block" in refusal
    status, _, said = command_line(*shlex.split(refusal.splitlines()[-1])[1:])
    assert status == 0
    assert said.startswith("It runs as it is: ")
    words = shlex.split(said.partition(": ")[2])[1:]
    assert words[0] == "audit_me.py:make?form=factory&dtypes=float32"
    assert {"DP4*", "DP206"} <= set(words)


def test_else_it_is_audited_by_its_method_that_drops(
    stage: str, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr("droppath_audit.instead.SECONDS", 0.01)
    status, _, said = command_line(stage.replace("Stage", "WithMethod"), *QUICKLY)
    assert status == 0
    assert said.splitlines() == [
        "droppath-audit: WithMethod does more than drop. It is audited by its method that drops: "
        "stage.py:WithMethod.drop_path"
    ]


def test_whoever_ends_it_while_a_factory_is_written_is_heard(
    stage: str, monkeypatch: pytest.MonkeyPatch, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    def interrupted(interruption: Interruption) -> bool:
        interruption.signal = signal.SIGTERM
        return True

    def writes(*given: object) -> str:
        monkeypatch.setattr(Interruption, "told", property(interrupted))
        return proposed(*given)

    proposed = instead._proposed
    monkeypatch.setattr(instead, "_proposed", writes)
    status, _, said = command_line(stage, *QUICKLY)
    assert status == 128 + signal.SIGTERM
    assert said == f"droppath-audit: Interrupted while a factory for {stage} was being written.\n"
