"""What may happen between a forward pass and its backward passes, and what these may do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from droppath_audit.checks import catalogue
from droppath_audit.core.case import DtypeCase
from droppath_audit.core.effort import EFFORTS
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load, load_object

CHECK = catalogue()["DP407"]


def verdict(target, dtype="float32"):
    at = DtypeCase(dialect=target.dialect, dtype=dtype, effort=EFFORTS["quick"])
    seen = CHECK.collect(LiveProbe(target, at, np.random.default_rng(0)))
    return CHECK.judge(seen, at, 1e-9)


def mask_of(x, keep_prob):
    return torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) < keep_prob


def function(backward):
    """Return a function whose backward pass has the state before the forward pass, the mask and the gradient."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, keep_prob):
            ctx.state, ctx.keep_prob = torch.get_rng_state(), keep_prob
            ctx.mask = mask_of(x, keep_prob).to(x.dtype) / (keep_prob or 1.0)
            return x * ctx.mask

        @staticmethod
        def backward(ctx, gradient):
            return backward(ctx, gradient), None

    def drop_path(x, drop_prob, training):
        return x if not training or drop_prob == 0.0 else Own.apply(x, 1.0 - drop_prob)

    return load_object(drop_path, {}).target


def drawn_again(ctx, gradient):
    torch.set_rng_state(ctx.state)
    return gradient * mask_of(gradient, ctx.keep_prob).to(gradient.dtype) / (ctx.keep_prob or 1.0)


def restored(ctx, gradient):
    with torch.random.fork_rng(devices=[]):
        return drawn_again(ctx, gradient)


def frees(ctx, gradient):
    mask = ctx.mask
    del ctx.mask
    return gradient * mask


@pytest.mark.parametrize(
    ("backward", "second"),
    [(lambda ctx, gradient: gradient * ctx.mask, ", twice alike"), (restored, ", twice alike"), (frees, "")],
    ids=["saved", "restored", "frees"],
)
def test_what_puts_the_generator_back_or_frees_what_it_saved_passes(backward, second):
    said = verdict(function(backward))
    assert said.observed == f"the gradient comes after another call, without moving the generator{second}"


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [True, False])
def test_what_checkpoints_itself_passes(reentrant):
    def drop_path(x, drop_prob, training):
        def drop(x):
            return x * mask_of(x, 1.0 - drop_prob) / ((1.0 - drop_prob) or 1.0)

        if not training or drop_prob == 0.0:
            return x
        return checkpoint(drop, x, use_reentrant=reentrant)

    assert verdict(load_object(drop_path, {}).target).observed.startswith("the gradient comes")


def test_one_decision_a_batch_is_asked_call_by_call():
    assert (
        "after another call"
        in verdict(load("droppath_audit.sound.dialects:batch_at_once?granularity=batch").target).observed
    )


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (drawn_again, "the backward pass moved the framework's generator"),
        (lambda ctx, gradient: gradient * ctx.mask.mul_(1.25), "such as 3.125 after 2.5"),
        (lambda ctx, gradient: gradient * ctx.mask + 0 * torch.rand(1), "the backward pass moved"),
        (lambda ctx, gradient: restored(ctx, gradient).flip(0), "of 64 decisions of the gradient are not the output's"),
    ],
    ids=["rewinds", "writes", "draws", "another"],
)
def test_what_does_otherwise_is_told(backward, words):
    assert words in verdict(function(backward)).observed


def test_a_mask_on_the_layer_is_the_next_calls():
    said = verdict(load("droppath_audit.mutants.late:RemembersItsLastMask").target)
    assert "after another call" in said.observed
    assert "not the output's" in said.observed
