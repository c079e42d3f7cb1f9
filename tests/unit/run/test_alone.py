"""A trial alone has the verdict that it has in the audit, whatever the target keeps in its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.verdict import Outcome

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = ("DP001", "DP003", "DP301")

KEEPS = """
import functools
import torch

calls = {keeps}

def drop_path(x, drop_prob, training):
    {count}
    if not training or drop_prob == 0.0 or {often}:
        return x
    mask = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)
"""

# After 200 calls, fewer than DP001 makes and more than any trial of it does, the layer stops dropping.
WAYS = {
    "list": ("[]", "calls.append(1)", "len(calls) > 200"),
    "cache": (
        "functools.lru_cache(None)(lambda number: number)",
        "calls(calls.cache_info().currsize)",
        "calls.cache_info().currsize > 200",
    ),
}

ASIDE = """
import torch
from droppath_reference import DropPath

class Aside(DropPath):
    def forward(self, x):
        return x if torch.compiler.is_compiling() else super().forward(x)

def make(drop_prob):
    layer = torch.compile({layer}(drop_prob), backend="eager")
    def run(x, training):
        layer.train(training)
        return layer(x)
    return run
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_target_that_counts_its_calls_is_never_worn_out(tmp_path: Path, isolated, way: str) -> None:
    keeps, count, often = WAYS[way]
    file = tmp_path / "keeps.py"
    file.write_text(KEEPS.format(keeps=keeps, count=count, often=often), encoding="utf-8")
    together = isolated(f"{file}:drop_path", *CHECKS)
    outcomes = {result.trial.id: result.outcome for result in together.results}
    assert set(outcomes.values()) == {Outcome.PASS}
    calls = sum("DP001" in trial for trial in outcomes) * 8
    assert calls > 200  # in one process DP003 and DP301 would meet a worn-out layer


def test_a_layer_that_steps_aside_while_it_is_compiled_is_found_in_every_trial(tmp_path: Path, isolated) -> None:
    file = tmp_path / "aside.py"
    file.write_text(ASIDE.format(layer="Aside"), encoding="utf-8")
    together = isolated(f"{file}:make?form=factory", "DP003", "DP301[cpu-bfloat16]")
    assert len(together.results) > 1
    assert {result.outcome for result in together.results} == {Outcome.FAIL}
    alone = isolated(f"{file}:make?form=factory", "DP301[cpu-bfloat16]")
    assert [result.outcome for result in alone.results] == [Outcome.FAIL]


@pytest.mark.selftest
def test_a_correct_layer_passes_compiled(tmp_path: Path, isolated) -> None:
    file = tmp_path / "compiled.py"
    file.write_text(ASIDE.format(layer="DropPath"), encoding="utf-8")
    report = isolated(f"{file}:make?form=factory", "DP003", "DP101[cpu-float32]", "DP301[cpu-float16]")
    assert {result.outcome for result in report.results} == {Outcome.PASS}


FULL = """
import torch

@torch.compile(fullgraph=True, backend="aot_eager")
def drop_path(x, drop_prob, training):
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device) < keep_prob
    return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)
"""


def test_a_correct_function_passes_as_one_full_graph(tmp_path: Path, isolated) -> None:
    """Of such a graph torch counts no frames, its backward pass may run once, and its second derivative is missing."""
    file = tmp_path / "full.py"
    file.write_text(FULL, encoding="utf-8")
    trials = ("DP005[cpu-float32]", "DP103[cpu-float32-p0.1]", "DP402[cpu-float64-p0.5]", "DP403[cpu-float64]")
    report = isolated(f"{file}:drop_path", *trials, "DP505[cpu-float32]")
    found = {result.trial.check: result for result in report.results}
    assert [found[check].outcome for check in ("DP005", "DP402", "DP505")] == [Outcome.PASS] * 3
    assert found["DP005"].verdict.observed.startswith("12 of 12 calls")  # more shapes than torch compiles unasked
    assert "its eager original does" in found["DP103"].verdict.observed
    assert "no second derivative of compiled code" in found["DP403"].verdict.observed
    assert report.facts.origin == f"{file}:4"
    assert not [note for note in report.facts.notes if "alone is taken" in note]


def test_a_compiled_target_of_which_nothing_is_compiled_is_an_error(tmp_path: Path, isolated) -> None:
    file = tmp_path / "never.py"
    text = (
        ASIDE.format(layer="DropPath").replace('backend="eager"', "backend=refuses")
        + "\ndef refuses(graph, inputs):\n    raise RuntimeError('no')\n\nimport torch._dynamo\n"
        + ("torch._dynamo.config.suppress_errors = True\n")
    )
    file.write_text(text, encoding="utf-8")
    (result,) = isolated(f"{file}:make?form=factory", "DP301[cpu-float32]").results
    assert result.outcome is Outcome.ERROR
    assert "nothing of it could be" in result.verdict.observed
