"""A layer of a stack is audited as the one that drops at the rate that it is given, or refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from droppath_audit.api import audit
from droppath_audit.core.errors import UsageError
from droppath_audit.run.admitting import admitted
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Each stands in one text with what draws, so that a schedule is all that it says.
SCHEDULES = {
    "first_is_0": ("layer_idx, num_layers", "rate * layer_idx / (num_layers - 1)"),
    "first_is_1": ("layer_idx, num_layers", "rate * layer_idx / num_layers"),
    "one_more": ("i, total", "rate * (i + 1) / total"),
    "of_twelve": ("block_id, n_blocks=12", "rate * block_id / (n_blocks - 1)"),
    "hidden_depth": ("index", "min(1.0, rate * index / 30)"),
    "falling": ("l, L", "rate * (1.0 - l / L)"),
    "bare": ("layer, num_layers", "rate * layer / num_layers"),
    "at_its_default": ("layer_idx=3", "rate if layer_idx == 3 else 0.0"),
    "from_its_default": ("layer_idx=0, depth=12", "rate * layer_idx / depth"),
    "no_part": ("layer_id", "rate"),
    "nothing_ever": ("layer_id", "0.0"),
    "nowhere": ("layer_idx", "rate * layer_idx / (layer_idx + 1)"),
}
TEXT = """
import torch
from torch import nn

def drop(x, p, training):
    if not training or p == 0.0:
        return x
    kept = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), dtype=torch.float64, device=x.device) < 1.0 - p
    return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - p) or 1.0)

class DropPath(nn.Module):
    def __init__(self, rate, {arguments}):
        super().__init__()
        self.p = {share}

    def forward(self, x):
        return drop(x, self.p, self.training)

def drop_path(x, rate, {arguments}, *, training):
    return drop(x, {share}, training)
"""


@pytest.fixture
def of(tmp_path: Path) -> Callable[..., str]:
    def made(schedule: str, name: str = "DropPath") -> str:
        arguments, share = SCHEDULES[schedule]
        file = tmp_path / f"{schedule}.py"
        file.write_text(TEXT.format(arguments=arguments, share=share))
        return f"{file}:{name}"

    return made


@pytest.mark.parametrize(
    ("schedule", "called"),
    [
        ("first_is_0", "DropPath(rate=p, layer_idx=1, num_layers=2)(x)"),
        ("first_is_1", "DropPath(rate=p, layer_idx=2, num_layers=2)(x)"),
        ("one_more", "DropPath(rate=p, i=1, total=2)(x)"),
        ("of_twelve", "DropPath(rate=p, block_id=11)(x)"),
        ("hidden_depth", "DropPath(rate=p, index=30)(x)"),
        ("falling", "DropPath(rate=p, l=0, L=2)(x)"),
        ("bare", "DropPath(rate=p, layer=2, num_layers=2)(x)"),
        ("at_its_default", "DropPath(rate=p)(x)"),
        ("from_its_default", "DropPath(rate=p, layer_idx=12)(x)"),
        ("no_part", "DropPath(rate=p, layer_id=1)(x)"),
    ],
)
def test_the_layer_that_drops_at_the_rate_that_it_is_given_is_found(of, schedule: str, called: str) -> None:
    facts = admitted(load(of(schedule))).facts
    assert facts.called == called
    changed = re.search(r"(\w+)=(\d+)", called)
    moved = schedule in ("first_is_1", "of_twelve", "hidden_depth", "falling", "bare", "from_its_default")
    note = "the layer of the stack that drops at the rate that it is given"
    assert any(note in said for said in facts.notes) == moved
    assert changed or not moved


def test_it_is_found_where_a_call_says_which_layer_it_is(of) -> None:
    assert admitted(load(of("first_is_1", "drop_path"))).facts.called == (
        "drop_path(x, rate=p, layer_idx=2, num_layers=2, training)"
    )
    assert admitted(load(of("from_its_default", "drop_path"))).facts.called == (
        "drop_path(x, rate=p, training, layer_idx=12)"
    )


def test_its_law_is_that_of_the_rate(of) -> None:
    report = audit(of("first_is_1"), only=["DP102[cpu-float32-p0.3]", "DP201[cpu-float32-p0.3]"], effort="quick")
    assert report.exit_status == 0


def test_a_layer_that_drops_nothing_at_any_index_is_audited_as_it_is(of) -> None:
    report = audit(of("nothing_ever"), only=["DP102[cpu-float32-p0.5]"], effort="quick")
    assert report.exit_status == 1


def test_where_no_layer_drops_at_the_rate_one_message_says_how_to_go_on(of) -> None:
    with pytest.raises(UsageError, match="none of the first drops at the rate") as refused:
        admitted(load(of("nowhere")))
    assert f"  droppath-audit propose {of('nowhere')} -o audit_me.py" in str(refused.value).splitlines()


def test_an_index_that_the_spec_gives_is_kept(of) -> None:
    facts = admitted(load(f"{of('first_is_1')}?init.layer_idx=1&init.num_layers=1")).facts
    assert facts.called == "DropPath(rate=p, layer_idx=1, num_layers=1)(x)"
