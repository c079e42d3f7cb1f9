"""What evaluation has to do with training, exactly: over all masks of a net, and for blocks that are taken out.

In a net of residual blocks whose branches are linear, the output is linear in every decision, and decisions are
independent: the mean over all masks, each weighted with its probability, is the output with every decision at its mean.
Inverted scaling makes that mean 1, and evaluation does nothing; scaling in evaluation multiplies by it (Huang et al.
2016, arXiv:1603.09382, eq. 5). The masks are fed to the reference as the numbers that it draws.
"""

from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from droppath_reference import DropPath
from droppath_reference.schedule import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCKS, WIDTH = 6, 5
LAYERS = 2 * BLOCKS  # two branches a block: 4096 masks
ROUNDING = 2.0**-53


class Fed(TorchFunctionMode):
    """Gives the numbers of a list, one tensor a draw, in place of those of ``torch.rand``."""

    def __init__(self, draws: list[Tensor]) -> None:
        super().__init__()
        self._draws: Iterator[Tensor] = iter(draws)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.rand:
            return next(self._draws).reshape(args[0])
        return func(*args, **(kwargs or {}))


class Branch(nn.Module):
    """A linear map, or one with a nonlinearity behind it."""

    def __init__(self, *, bends: bool) -> None:
        super().__init__()
        self.map, self.bends = nn.Linear(WIDTH, WIDTH, bias=False), bends

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.map(x)
        return y.relu() if self.bends else y


class Block(nn.Module):
    """Two residual branches, one after the other, as in a transformer."""

    def __init__(self, drop_prob: float, scaling: str, *, bends: bool) -> None:
        super().__init__()
        self.first, self.second = Branch(bends=bends), Branch(bends=bends)
        self.drop_first, self.drop_second = (DropPath(drop_prob, scaling=scaling) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_first(self.first(x))
        return x + self.drop_second(self.second(x))


def net(scaling: str, *, rates: list[float] | None = None, bends: bool = False) -> nn.Sequential:
    """Return a net of random weights, in float64; by default its rates are those of the paper, up to 0.6."""
    torch.manual_seed(0)
    rates = RULES["paper"](0.6, BLOCKS) if rates is None else rates
    return nn.Sequential(*(Block(rate, scaling, bends=bends) for rate in rates)).double()


MASKS = list(itertools.product((1, 0), repeat=LAYERS))


def outputs(model: nn.Sequential, x: Tensor, masks: list[tuple[int, ...]]) -> Tensor:
    """Return what the net makes of x in training under each mask: of shape (masks, width)."""
    batch = x.expand(len(masks), WIDTH)
    # Below every keep probability but 0, and above every one but 1, where nothing is drawn.
    numbers = [[0.0 if mask[layer] else 1.0 - ROUNDING for mask in masks] for layer in range(LAYERS)]
    draws = [torch.tensor(column, dtype=torch.float64) for column in numbers]
    rates = [rate for block in model for rate in [block.drop_first.drop_prob] * 2]  # type: ignore[union-attr]
    with Fed([draw for draw, rate in zip(draws, rates, strict=True) if rate > 0]):
        return model.train()(batch)  # type: ignore[no-any-return]


def weights(model: nn.Sequential, masks: list[tuple[int, ...]]) -> list[float]:
    """Return the probability of each mask."""
    rates = [rate for block in model for rate in [block.drop_first.drop_prob] * 2]  # type: ignore[union-attr]
    return [math.prod(1.0 - p if kept else p for kept, p in zip(mask, rates, strict=True)) for mask in masks]


def mean(model: nn.Sequential, x: Tensor) -> Tensor:
    """Return the weighted mean over all masks; each component is a sum that is rounded once."""
    by_mask, share = outputs(model, x, MASKS).tolist(), weights(model, MASKS)
    return torch.tensor(
        [math.fsum(w * row[i] for w, row in zip(share, by_mask, strict=True)) for i in range(WIDTH)],
        dtype=torch.float64,
    )


def bound(model: nn.Sequential, x: Tensor) -> Tensor:
    """Return how far the mean and the evaluation may lie apart by rounding alone.

    A term of either is a product along one path through the net. Each layer rounds it less often than width + 3 times
    (a product, its sum, a factor, the addition), its weight three times a layer (the factor, 1 - p, the product), and
    both are rounded once more. So both are off by less than gamma_k times the sum of the paths' absolute values
    (Higham 2002, section 3.1), which is the net of absolute values.
    """
    k = LAYERS * (WIDTH + 6) + 3
    gamma = k * ROUNDING / (1 - k * ROUNDING)
    total = x.abs()
    for block in model:
        for branch in (block.first, block.second):  # type: ignore[union-attr]
            total = total + total @ branch.map.weight.detach().abs().T  # type: ignore[union-attr, operator]
    return 2 * gamma * total


X = torch.linspace(-1.0, 2.0, WIDTH, dtype=torch.float64)


def apart(model: nn.Sequential, x: Tensor = X) -> Tensor:
    """Return the distance of mean and evaluation, in multiples of the bound."""
    with torch.no_grad():
        return ((mean(model, x) - model.eval()(x)).abs() / bound(model, x)).max()


def test_the_weights_are_a_distribution_and_every_mask_is_another_output() -> None:
    model = net("inverted")
    assert math.fsum(weights(model, MASKS)) == pytest.approx(1.0, abs=1e-14)
    with torch.no_grad():
        assert len(outputs(model, X, MASKS).unique(dim=0)) == 2**LAYERS


@pytest.mark.parametrize("scaling", ["inverted", "eval"])
@pytest.mark.parametrize(
    "rates", [None, [0.5] * BLOCKS, [0.0, 0.1, 0.3, 0.5, 0.9, 0.999]], ids=["paper", "half", "any"]
)
def test_in_a_linear_net_the_mean_over_all_masks_is_evaluation(scaling: str, rates: list[float] | None) -> None:
    """To 3e-14 times the net of absolute values."""
    assert apart(net(scaling, rates=rates)) <= 1.0


def test_a_rate_of_one_is_evaluated_as_dropped_where_evaluation_scales_and_as_kept_where_training_does() -> None:
    """With inverted scaling nobody can divide by a keep probability of 0: training and evaluation are two nets."""
    rates = [0.1, 0.2, 1.0, 0.2, 0.1, 0.3]
    assert apart(net("eval", rates=rates)) <= 1.0
    assert apart(net("inverted", rates=rates)) > 1e8


@pytest.mark.parametrize("scaling", ["inverted", "eval"])
def test_in_a_net_that_bends_it_is_not(scaling: str) -> None:
    """So the test above can fail: the distance is no rounding, by eight orders of magnitude."""
    assert apart(net(scaling, bends=True)) > 1e8


def test_without_any_scaling_it_is_not() -> None:
    assert apart(net("none")) > 1e8


def test_where_all_layers_decide_alike_it_is_not() -> None:
    """The mean of a product is that of independent factors: two masks, all and none, have another one."""
    model = net("inverted", rates=[0.5] * BLOCKS)
    with torch.no_grad():
        both = outputs(model, X, [(1,) * LAYERS, (0,) * LAYERS]).mean(0)
        assert ((both - model.eval()(X)).abs() / bound(model, X)).max() > 1e8


def removed(model: nn.Sequential, number: int) -> nn.Sequential:
    """Return a copy in which a block is its shortcut."""
    other = copy.deepcopy(model)
    other[number] = nn.Identity()
    return other


@pytest.mark.parametrize("bends", [False, True], ids=["linear", "bent"])
@pytest.mark.parametrize("scaling", ["inverted", "eval", "none"])
def test_a_block_that_is_always_dropped_is_a_block_taken_out_bit_for_bit(scaling: str, bends: bool) -> None:
    """In any net: in training, and in evaluation where that scales by the keep probability, which is 0."""
    whole = net(scaling, rates=[0.0] * BLOCKS, bends=bends)
    x = torch.randn(7, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        for number in range(BLOCKS):
            model = copy.deepcopy(whole)
            model[number].drop_first.drop_prob = model[number].drop_second.drop_prob = 1.0  # type: ignore[union-attr]
            pruned = removed(whole, number)
            assert torch.equal(model.train()(x), pruned(x))
            assert not torch.equal(model.train()(x), whole(x))
            assert torch.equal(model.eval()(x), pruned(x)) == (scaling == "eval")


def test_a_block_taken_out_is_a_mask_of_training() -> None:
    """Without scaling in training: the net without a block is one of those that were trained."""
    model = net("eval", rates=[0.3] * BLOCKS, bends=True)
    plain = net("none", rates=[0.0] * BLOCKS, bends=True)
    with torch.no_grad():
        for number in range(BLOCKS):
            mask = tuple(0 if layer // 2 == number else 1 for layer in range(LAYERS))
            assert torch.equal(outputs(model, X, [mask])[0], removed(plain, number).eval()(X))
