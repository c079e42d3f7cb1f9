"""What may come into a backward pass, and what nobody promises of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.checks import catalogue
from droppath_audit.core.case import DtypeCase
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import NotApplicable
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load, load_object

CHECK = catalogue()["DP406"]


def verdict(target):
    at = DtypeCase(dialect=target.dialect, dtype="float32", effort=EFFORTS["quick"])
    seen = CHECK.collect(LiveProbe(target, at, np.random.default_rng(0)))
    return CHECK.judge(seen, at, 1e-9)


def function(backward):
    """Return a function that draws and multiplies, with this backward pass of an incoming gradient and the mask."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, mask):
            ctx.save_for_backward(mask)
            return x * mask

        @staticmethod
        def backward(ctx, gradient):
            return backward(gradient, *ctx.saved_tensors), None

    def drop_path(x, drop_prob, training):
        if not training or drop_prob == 0.0:
            return x
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) < 1.0 - drop_prob
        return Own.apply(x, mask.to(x.dtype) / ((1.0 - drop_prob) or 1.0))

    return load_object(drop_path, {}).target


@pytest.mark.parametrize(
    "backward",
    [
        lambda gradient, mask: gradient * mask,  # NaN where an infinity meets a mask of zero
        lambda gradient, mask: torch.where(mask != 0, gradient * mask, 0.0),
        lambda gradient, mask: gradient.clone().mul_(mask),
    ],
)
def test_what_multiplies_or_selects_passes(backward):
    said = verdict(function(backward))
    assert said.observed.startswith("passed on as the law says: contiguous, transposed, sliced, expanded")
    assert "non-finite" in said.observed


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (lambda gradient, mask: gradient.view(gradient.shape) * mask.view(-1)[0] * 0 + 1, "DP401"),
        (lambda gradient, mask: torch.where(gradient.isnan(), 0.0, gradient) * mask, "with non-finite"),
        (lambda gradient, mask: gradient.clamp(-1e30, 1e30) * mask, "with non-finite"),
        (lambda gradient, mask: gradient.flatten().view(-1).mul_(mask.expand_as(gradient).flatten()), "what came in."),
        (lambda gradient, mask: gradient.add_(0) * mask, "the values that it had"),
        (lambda gradient, mask: gradient.view(-1).view(gradient.shape) * mask, "with transposed"),
        (lambda gradient, mask: gradient[:, :1] * mask.expand_as(gradient), "kept elements have a wrong gradient"),
    ],
)
def test_what_does_otherwise_is_told(backward, words):
    try:
        said = verdict(function(lambda gradient, mask: backward(gradient, mask).reshape(gradient.shape))).observed
    except NotApplicable as error:  # which is another check's to report
        said = str(error)
    assert words in f"{said}."


def test_one_decision_a_batch_is_seen_kept_and_dropped():
    target = load("droppath_audit.sound.dialects:batch_at_once?granularity=batch").target
    assert isinstance(target.dialect, Dialect)
    assert "as the law says" in verdict(target).observed
