"""The residual unit of "Deep Networks with Stochastic Depth" (Huang et al. 2016, arXiv:1603.09382).

One decision per mini-batch; nothing is scaled in training, and in evaluation the branch is multiplied by its keep
probability (equation 5), which falls linearly with depth: keep_l = 1 - (l/L)(1 - keep_L) (equation 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualDrop(nn.Module):
    """A shortcut and a branch that is skipped for whole mini-batches.

    What an audit says of it, declared as ``granularity=batch&scaling=eval&form=residual``: every MUST holds. Audited as
    what later libraries do, per sample and scaled in training, it fails DP104 and DP201, and the report names the items
    that declare what it is.

    Args:
        branch: The branch; it is not run for a mini-batch that is dropped, which is where the method saves its time.
        death_rate: drop_prob of the unit.
    """

    def __init__(self, branch: nn.Module, death_rate: float) -> None:
        super().__init__()
        self.branch = branch
        self.death_rate = death_rate

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the mode makes of the branch."""
        if self.training and torch.rand(()).item() < self.death_rate:
            return x
        y: Tensor = self.branch(x)
        return x + y if self.training else x + (1.0 - self.death_rate) * y


def death_rates(last_keep_prob: float, blocks: int) -> list[float]:
    """Return drop_prob of the blocks l = 1, …, L: (l/L)(1 - keep_L), by equation 4."""
    return [block / blocks * (1.0 - last_keep_prob) for block in range(1, blocks + 1)]
