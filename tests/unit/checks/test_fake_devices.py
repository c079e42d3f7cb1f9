"""What DP701 finds on devices that are not here, how much it weighs, and what it leaves alone."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath


def judged(target, **items):
    (result,) = audit(target, only=("DP701",), effort="quick", **items).results
    return result.outcome.value, result.is_finding(strict=False), result.verdict.observed


def layer(decide):
    """Return a layer that applies the decisions of a function of x and drop_prob."""

    def target(x: torch.Tensor, drop_prob: float, training: bool):
        if not training or drop_prob == 0.0:
            return x
        mask = decide(x, drop_prob)
        shaped = mask.view((-1,) + (1,) * (x.ndim - 1)) if mask.dim() else mask
        return torch.where(shaped, x, torch.zeros_like(x)) / (1.0 - drop_prob or 1.0)

    return target


def there(x, drop_prob):
    return torch.rand(len(x), device=x.device) >= drop_prob


@pytest.mark.parametrize(
    "items",
    [{}, {"granularity": "batch"}, {"granularity": "element"}, {"form": "residual"}, {"scaling": "eval"}],
    ids=str,
)
def test_the_reference_passes_on_all_four(items):
    outcome, _, observed = judged(DropPath, **items)
    assert outcome == "pass"
    assert "cuda, mps, xpu, meta" in observed


@pytest.mark.parametrize(
    "decide",
    [
        lambda x, p: (torch.rand(len(x)) >= p).to(x.device),
        lambda x, p: torch.rand(len(x)).to(x) >= p,
        lambda x, p: torch.zeros_like(x[..., 0]).copy_(torch.rand(len(x))) >= p,
        lambda x, p: torch.from_numpy(np.random.rand(len(x)) >= p).to(x.device),
        lambda x, p: torch.tensor([random.random() >= p for _ in range(len(x))], device=x.device),  # noqa: S311
        lambda x, p: torch.rand(len(x), dtype=torch.float64).type_as(x) >= p,
    ],
    ids=["to the device", "to x", "copied", "numpy", "python", "type_as"],
)
def test_a_mask_that_is_made_on_the_cpu_is_a_broken_must_however_it_gets_there(decide):
    outcome, must, observed = judged(layer(decide))
    assert (outcome, must) == ("fail", True)
    assert "[16] is made at random on the CPU" in observed


def test_a_mask_that_stays_on_the_cpu_is_one_too():
    outcome, must, observed = judged(layer(lambda x, p: torch.rand(len(x)) >= p))
    assert (outcome, must) == ("fail", True)
    assert "where mixes the device and the CPU (bool[16, 1])" in observed


def test_a_mask_on_the_current_device_is_one_too_where_x_is_on_another():
    outcome, must, observed = judged(layer(lambda x, p: torch.rand(len(x), device=x.device.type) >= p))
    assert (outcome, must) == ("fail", True)
    assert "on cuda, xpu: where raises: bool[16, 1] on cuda:0 meets one on cuda:1" in observed


def test_a_device_that_was_remembered_is_one_too():
    class Remembers(torch.nn.Module):
        def __init__(self, drop_prob: float) -> None:
            super().__init__()
            self.drop_prob, self.device = drop_prob, torch.empty(0).device

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training or self.drop_prob == 0.0:
                return x
            mask = torch.rand((len(x), *[1] * (x.ndim - 1)), device=self.device) >= self.drop_prob
            return torch.where(mask, x, 0.0) / (1.0 - self.drop_prob or 1.0)

    assert judged(Remembers)[:2] == ("fail", True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: y.float(), "bfloat16[16, 12] on cuda:1 comes back as float32[16, 12]"),
        (lambda y: y.flatten(), "comes back as float32[192]"),
        (lambda y: y.cpu(), "comes back as float32[16, 12] on cpu"),
    ],
)
def test_an_output_that_does_not_follow_on_accelerators_is_a_broken_must(change, words):
    sound = layer(there)

    def target(x: torch.Tensor, drop_prob: float, training: bool):
        y = sound(x, drop_prob, training)
        return y if x.is_cpu or y is x else change(y)

    outcome, must, observed = judged(target)
    assert (outcome, must) == ("fail", True)
    assert words in observed


@pytest.mark.parametrize(
    "decide",
    [
        lambda x, p: there(x, p + 0.0 * float(x.sum())),
        lambda x, p: there(x, p if not torch.isnan(x).any() else 0.5),
        lambda x, p: there(x, torch.tensor([p]).to(x.device)),
        lambda x, p: (
            torch.rand(len(x), generator=torch.Generator().manual_seed(int(torch.randint(9**9, ())))) >= p
        ).to(x),
    ],
    ids=["float()", "bool()", "a constant in every call", "a generator that it names"],
)
def test_what_costs_a_wait_is_a_broken_should(decide):
    def kept(x, p):
        return decide(x, p).bool()

    assert judged(layer(kept))[:2] == ("fail", False)


@pytest.mark.parametrize(
    "decide",
    [
        lambda x, p: torch.rand(len(x), device=x.device) >= torch.tensor(p),
        lambda x, p: torch.rand(len(x), device=x.device) >= torch.tensor(p).to(x.device),
        lambda x, p: torch.rand(len(x), device=x.device) >= torch.tensor(p, device=x.device),
        lambda x, p: x.new_empty(len(x)).uniform_() >= p,
        lambda x, p: torch.bernoulli(torch.full((len(x),), 1 - p, device=x.device)).bool(),
    ],
    ids=["a number of the CPU", "moved", "made there", "new_empty", "bernoulli"],
)
def test_numbers_without_axes_and_draws_on_the_device_are_none(decide):
    assert judged(layer(decide))[0] == "pass"


def test_a_decision_of_the_cpu_that_stays_there_is_none():
    def skips(x: torch.Tensor, drop_prob: float, training: bool):
        if not training or drop_prob == 0.0:
            return x
        return torch.zeros_like(x) if torch.rand(1).item() < drop_prob else x / (1.0 - drop_prob)

    assert judged(skips, granularity="batch")[0] == "pass"


def test_a_cache_that_the_first_call_fills_is_none():
    held = {}

    def decide(x, p):
        if (x.device, len(x)) not in held:
            held[x.device, len(x)] = torch.full((len(x),), 1 - p).to(x.device)
        return torch.bernoulli(held[x.device, len(x)]).bool()

    assert judged(layer(decide))[0] == "pass"


def test_what_cannot_be_faked_is_not_applicable_and_quoted():
    sound = layer(there)

    def refuses(x: torch.Tensor, drop_prob: float, training: bool):
        if not x.is_cpu:
            torch.Generator(x.device)
        return sound(x, drop_prob, training)

    outcome, _, observed = judged(refuses)
    assert outcome == "not-applicable"
    assert "cuda: Cannot get CUDA generator without ATen_cuda library" in observed


def test_a_layer_that_computes_in_numpy_raises_there():
    def target(x: torch.Tensor, drop_prob: float, training: bool):
        if not training or drop_prob == 0.0:
            return x
        kept = np.random.rand(len(x), *[1] * (x.ndim - 1)) >= drop_prob
        return torch.from_numpy(np.where(kept, x.detach().numpy() / np.float32(1.0 - drop_prob or 1.0), np.float32(0)))

    outcome, must, observed = judged(target)
    assert (outcome, must) == ("fail", True)
    assert "numpy mixes" in observed


def test_where_only_some_devices_refuse_the_others_are_judged():
    def decide(x, p):
        return (there(x, p), x[:1])[0]  # torch indexes on no device that it is not linked with

    outcome, _, observed = judged(layer(decide))
    assert outcome == "pass"
    assert observed.startswith("on meta ")
    assert "not linked with support for cuda" in observed
    outcome, must, observed = judged(layer(lambda x, p: decide(x, p) & (torch.rand(len(x)) >= 0.0).to(x.device)))
    assert (outcome, must, observed[:8]) == ("fail", False, "on meta:")


def test_it_costs_little_and_imports_no_compiler():
    lines = [
        "import sys, time",
        "from droppath_audit import audit",
        "audit('droppath_reference:DropPath', only=('DP001',), effort='quick')",
        "began = time.process_time()",
        "audit('droppath_reference:DropPath', only=('DP701',), effort='quick')",
        "assert time.process_time() - began < 1.0, time.process_time() - began  # 0.1 is usual",
        "assert 'torch._dynamo' not in sys.modules",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, timeout=300)


def test_a_layer_whose_buffers_move_is_judged_where_they_can():
    class Holds(torch.nn.Module):
        def __init__(self, drop_prob: float) -> None:
            super().__init__()
            self.register_buffer("keep_prob", torch.tensor([1.0 - drop_prob]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not self.training:
                return x
            mask = torch.rand((len(x), *[1] * (x.ndim - 1)), device=x.device) < self.keep_prob
            return torch.where(mask, x / self.keep_prob.to(x.dtype), 0.0)

    assert judged(Holds)[0] == "pass"
