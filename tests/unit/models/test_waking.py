"""Branches that are zero before training: their parameters are given values, here and in scripts."""

from __future__ import annotations

import torch
from torch import nn

from droppath_audit.frameworks.torch.networks import TorchNetworks


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.gain = nn.BatchNorm1d(4), nn.Parameter(torch.tensor(0.0))
        nn.init.zeros_(self.norm.weight)
        self.line = nn.Linear(4, 4)
        self.gamma = nn.Parameter(torch.full((4,), 1e-6))
        self.count = nn.Parameter(torch.zeros(2, dtype=torch.int64), requires_grad=False)


def test_what_is_zero_is_woken_and_nothing_else() -> None:
    model = Residual()
    kept = {"norm.bias", "line.weight", "line.bias", "gamma", "count"}
    before = {name: value.clone() for name, value in model.named_parameters()}
    lines = TorchNetworks().wake(model)
    after = dict(model.named_parameters())
    assert {name for name, value in after.items() if torch.equal(value, before[name])} == kept
    assert lines
    assert TorchNetworks().wake(model) == ()


def test_the_lines_do_the_same_in_a_script() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4))
    nn.init.zeros_(model[0].weight)
    exec("\n".join(TorchNetworks().wake(nn.Sequential(*[nn.Linear(2, 2, bias=False)]).apply(_zero))), {  # noqa: S102
        "torch": torch, "model": model,
    })  # fmt: skip
    assert bool(model[0].weight.all())
    assert not bool(model[0].bias.any())


def _zero(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.weight)
