"""Compiled code runs no hooks: the monitor refuses it, warns of it, or says that it saw nothing, and breaks nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from droppath_audit import DropPathWarning, SurvivalMonitor
from droppath_audit.core.errors import UsageError


class DropPath(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop_prob = 0.5

    def forward(self, x):
        return x * (torch.rand(len(x), 1) >= self.drop_prob).to(x.dtype) if self.training else x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), DropPath())

    def forward(self, x):
        return self.blocks(self.stem(x))


@pytest.fixture
def model():
    torch._dynamo.reset()
    yield Model()
    torch._dynamo.reset()


def compiled(function):
    return torch.compile(function, backend="eager", fullgraph=True)


def test_a_model_that_is_compiled_is_refused(model):
    with pytest.raises(UsageError, match=r"The model is compiled: _orig_mod\.blocks\.1 runs in compiled code"):
        SurvivalMonitor(compiled(model))
    model.blocks.compile(backend="eager")
    with pytest.raises(UsageError, match=r"blocks is compiled: blocks\.1"):
        SurvivalMonitor(model)


def test_a_part_that_is_compiled_and_drops_nothing_is_no_matter(model):
    model.stem.compile(backend="eager")
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(4, 8))
    assert monitor.counts()[0].decisions == 4


@pytest.mark.parametrize("how", ["model", "in place", "step"])
def test_what_is_compiled_later_is_warned_of_once_and_named(model, how):
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(4, 8))
        if how == "model":
            run = compiled(model)
        elif how == "in place":
            model.compile(backend="eager", fullgraph=True)
            run = model
        else:
            run = compiled(lambda x: model(x).sum())
        with pytest.warns(DropPathWarning, match=r"blocks\.1 runs in compiled code") as caught:
            assert all(run(torch.randn(samples, 8)) is not None for samples in (4, 5, 6))
        assert len([one for one in caught if one.category is DropPathWarning]) == 1
    assert monitor.counts()[0].decisions == 4  # what ran uncompiled
    assert monitor.unseen == ("blocks.1 runs in compiled code, where nothing is counted",)
    assert "not counted: blocks.1 runs in compiled code" in monitor.table()


def test_compiled_code_that_ran_before_the_monitor_came_leaves_it_with_nothing_and_it_says_so(model):
    run = compiled(model)
    run(torch.randn(4, 8))
    monitor = SurvivalMonitor(model)
    run(torch.randn(4, 8))
    assert "or its caller was compiled before" in monitor.unseen[0]
    with pytest.warns(DropPathWarning, match="saw nothing"):
        monitor.__exit__(None, None, None)
    assert monitor.counts() == ()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_runs_as_a_script_is_refused(model):
    with pytest.raises(UsageError, match=r"The model is compiled: blocks\.1"):
        SurvivalMonitor(torch.jit.script(model), layer=r"blocks\.1")
