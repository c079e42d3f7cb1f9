"""What in a network drops paths, and what only speaks of it."""

from __future__ import annotations

import torch
from torch import nn

from droppath_audit.frameworks.torch.networks import TorchNetworks
from droppath_audit.models.sites import found


def drop_path(x: torch.Tensor, drop_prob: float = 0.0, training: bool = False) -> torch.Tensor:
    if not training:
        return x
    return x * x.new_empty(len(x), 1).bernoulli_(1.0 - drop_prob) / (1.0 - drop_prob)


def drop_path_of(drop_prob: float, x: torch.Tensor, training: bool = False) -> torch.Tensor:
    return drop_path(x, drop_prob, training)


def calculate_drop_path_rates(drop_path_rate: float, depths: int | list[int], stagewise: bool = False) -> list[float]:
    return [drop_path_rate] * (depths if isinstance(depths, int) else sum(depths)) if not stagewise else []


class Calls(nn.Module):
    def forward(self, x):
        return x + drop_path(x, 0.1, self.training)


def test_a_function_that_computes_rates_is_no_place_where_paths_are_dropped() -> None:
    sites, held = found(TorchNetworks().network(Calls(), "cpu"))
    assert [site.name for site in sites] == ["drop_path()", "drop_path_of()"]
    assert [(site.attribute, site.mode) for site in sites] == [("drop_prob", "training")] * 2
    assert held == []
