"""Gradients of what checkpoints itself, re-entrantly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.utils.checkpoint import checkpoint

from droppath_audit.frameworks.torch.operations import TorchFramework

if TYPE_CHECKING:
    import torch


def test_what_checkpoints_itself_has_its_gradient():
    def layer(x: torch.Tensor, *, training: bool) -> torch.Tensor:
        assert training
        return 3.0 * checkpoint(lambda x: 2.0 * x, x, use_reentrant=True)

    framework = TorchFramework()
    x = framework.ones((3,), "float64", "cpu")
    result = framework.gradient(layer, x, 5.0 * x)
    assert np.array_equal(framework.numpy(result.gradient), np.full(3, 30.0))
