"""Forward, and forward with backward: the reference, the rule that timm uses, and the bare multiply."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from droppath_reference import DropPath

SHAPES = {"tall": (65536, 1), "tokens": (64, 197, 192)}


class Bernoulli(nn.Module):
    """The rule of the fastest common implementations: a scaled Bernoulli mask of x's dtype, multiplied."""

    def forward(self, x: Tensor) -> Tensor:
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(0.9)
        return x * mask.div_(0.9)


class Multiply(nn.Module):
    """The least that a layer can do: one multiplication by a mask that is there already."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1.1


LAYERS = {"reference": lambda: DropPath(0.1), "bernoulli": Bernoulli, "multiply": Multiply}


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "forward-backward"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer(benchmark, layer, shape, backward):
    benchmark.group = f"{shape} {'forward-backward' if backward else 'forward'}"
    module, x = LAYERS[layer]().train(), torch.ones(SHAPES[shape], requires_grad=backward)
    gradient = torch.ones(SHAPES[shape])

    def run() -> None:
        y = module(x)
        if backward:
            torch.autograd.grad(y, x, gradient)

    benchmark(run)
