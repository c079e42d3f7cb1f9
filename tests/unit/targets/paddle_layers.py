"""DropPath in paddle: one that is sound, and faulty ones; which check must catch which is in test_paddle_audits."""

from __future__ import annotations

import random

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer


def _mask(x, keep_prob):
    return paddle.rand([*x.shape[:1], *[1] * (x.ndim - 1)], dtype="float64") < keep_prob


def _applied(x, mask, drop_prob):
    return paddle.where(mask, x, paddle.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def sound(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, _mask(x, 1.0 - drop_prob), drop_prob)


def careful(x, drop_prob, training):
    """Sound, and refuses what is no probability."""
    if not isinstance(drop_prob, float) or not 0.0 <= drop_prob <= 1.0:
        raise ValueError(f"drop_prob is {drop_prob}")
    return sound(x, drop_prob, training)


class Sound(nn.Layer):
    def __init__(self, drop_prob):
        super().__init__()
        if not isinstance(drop_prob, float) or not 0.0 <= drop_prob <= 1.0:
            raise ValueError(f"drop_prob is {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, x):
        return sound(x, self.drop_prob, self.training)

    def extra_repr(self):
        return f"drop_prob={self.drop_prob}"


def make(drop_prob):
    return lambda x, training: sound(x, drop_prob, training)


class Plain:
    """No layer of paddle, but called like one."""

    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def __call__(self, x, training):
        return sound(x, self.drop_prob, training)


def batchwise(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, paddle.rand([], dtype="float64") < 1.0 - drop_prob, drop_prob)


def elementwise(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, paddle.rand(x.shape, dtype="float64") < 1.0 - drop_prob, drop_prob)


def residual(shortcut, x, drop_prob, training):
    return shortcut + sound(x, drop_prob, training)


def unscaled(x, drop_prob, training):
    return _applied(x, _mask(x, 1.0 - drop_prob), 0.0) if training and drop_prob else x


def of_the_paper(x, drop_prob, training):
    return unscaled(x, drop_prob, training) if training else x * (1.0 - drop_prob)


def refuses_one(x, drop_prob, training):
    if drop_prob == 1.0:
        raise ValueError("drop_prob must be less than 1")
    return sound(x, drop_prob, training)


# From here on, faults.


def active_in_evaluation(x, drop_prob, training):
    return sound(x, drop_prob, True)


def scaled_in_evaluation(x, drop_prob, training):
    return sound(x, drop_prob, training) if training else x * (1.0 - drop_prob)


def drops_at_zero(x, drop_prob, training):
    return sound(x, max(drop_prob, 1e-4), training)


class ModeOfOwnSwitch(Sound):
    def eval(self):
        self.stopped = True
        return super().eval()

    def train(self, mode=True):
        self.stopped = False
        return super().train(mode)

    def forward(self, x):
        return x if getattr(self, "stopped", False) else sound(x, self.drop_prob, True)


def mode_of_gradients(x, drop_prob, training):
    return sound(x, drop_prob, paddle.is_grad_enabled())


def writes_its_input(x, drop_prob, training):
    y = sound(x, drop_prob, training)
    return paddle.assign(y, x) if training and drop_prob and x.stop_gradient else y


def adds_to_its_shortcut(shortcut, x, drop_prob, training):
    return shortcut.add_(sound(x, drop_prob, training))


def mask_of_rank_four(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    mask = paddle.rand([x.shape[0], 1, 1, 1], dtype="float64") < 1.0 - drop_prob
    return x * mask.astype(x.dtype) / ((1.0 - drop_prob) or 1.0)


def widened(x, drop_prob, training):
    return sound(x.astype("float64"), drop_prob, training) if training else x


def accepts_any_probability(x, drop_prob, training):
    return sound(x, drop_prob, training)


class ShowsNothing(Sound):
    def extra_repr(self):
        return ""


class HoldsALambda(Sound):
    def __init__(self, drop_prob):
        super().__init__(drop_prob)
        self.apply_mask = lambda x: sound(x, self.drop_prob, self.training)

    def forward(self, x):
        return self.apply_mask(x)


class StoresItsProbability(Sound):
    def __init__(self, drop_prob):
        super().__init__(drop_prob)
        self.register_buffer("rate", paddle.to_tensor([drop_prob]))


class ComputesKeepProbOnce(Sound):
    def __init__(self, drop_prob):
        super().__init__(drop_prob)
        self.keep_prob = 1.0 - drop_prob

    def forward(self, x):
        return sound(x, 1.0 - self.keep_prob, self.training)


def truncates_integers(x, drop_prob, training):
    y = sound(x.astype("float64"), drop_prob, training) if training and drop_prob else x
    return y.astype(x.dtype)


def biased(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0):
        return sound(x, drop_prob, training)
    return _applied(x, _mask(x, 1.0 - 1.1 * drop_prob), drop_prob)


def keeps_what_it_should_drop(x, drop_prob, training):
    return _applied(x, _mask(x, drop_prob), drop_prob) if training else x


def whole_percents(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    drawn = paddle.randint(100, shape=[x.shape[0]] + [1] * (x.ndim - 1))
    return _applied(x, drawn >= round(100 * drop_prob), drop_prob)


def fixed_count(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    size = int(x.shape[0] * (1.0 - drop_prob) + float(paddle.rand([])))
    kept = paddle.argsort(paddle.rand([x.shape[0]])) < size
    return _applied(x, kept.reshape([-1] + [1] * (x.ndim - 1)), drop_prob)


def pairs_of_samples(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = (paddle.rand([(x.shape[0] + 1) // 2]) < 1.0 - drop_prob).repeat_interleave(2)[: x.shape[0]]
    return _applied(x, kept.reshape([-1] + [1] * (x.ndim - 1)), drop_prob)


class FrozenAfterFirstCall(Sound):
    def forward(self, x):
        if not self.training or self.drop_prob == 0.0:
            return x
        masks = self.__dict__.setdefault("masks", {})
        if x.shape[0] not in masks:
            masks[x.shape[0]] = paddle.rand([x.shape[0]]) < 1.0 - self.drop_prob
        return _applied(x, masks[x.shape[0]].reshape([-1] + [1] * (x.ndim - 1)), self.drop_prob)


def off_by_half_a_percent(x, drop_prob, training):
    y = sound(x, drop_prob, training)
    return y * 1.005 if training and drop_prob else y


def leaks_a_thousandth(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0):
        return sound(x, drop_prob, training)
    mask = _mask(x, 1.0 - drop_prob).astype(x.dtype)
    return x * (mask / (1.0 - drop_prob) + (1.0 - mask) * 0.001)


def never_floored(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0):
        return sound(x, drop_prob, training)
    keep_prob = 1.0 - drop_prob
    return x / keep_prob * (keep_prob + paddle.rand([x.shape[0]] + [1] * (x.ndim - 1)).astype(x.dtype))


def heavier_are_dropped(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0):
        return sound(x, drop_prob, training)
    size = x.abs().astype("float64").reshape([x.shape[0], -1]).sum(-1) + 1e-9 * paddle.rand([x.shape[0]], "float64")
    kept = paddle.argsort(paddle.argsort(size)) < x.shape[0] * (1.0 - drop_prob) - float(paddle.rand([]))
    return _applied(x, kept.reshape([-1] + [1] * (x.ndim - 1)), drop_prob)


def random_scale(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    factors = 0.5 + paddle.randint(2, shape=[x.shape[0]] + [1] * (x.ndim - 1)).astype(x.dtype)
    return sound(x, drop_prob, True) * factors


def divides_by_zero(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return x / (1.0 - drop_prob) * _mask(x, 1.0 - drop_prob).astype(x.dtype)


def identity_at_keep_prob_zero(x, drop_prob, training):
    return x if drop_prob == 1.0 else sound(x, drop_prob, training)


def fresh_zeros_at_keep_prob_zero(x, drop_prob, training):
    return paddle.zeros_like(x.detach()) if training and drop_prob == 1.0 else sound(x, drop_prob, training)


def fresh_zeros_for_a_dropped_batch(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0) or not x.shape[0]:
        return sound(x, drop_prob, training)
    mask = _mask(x, 1.0 - drop_prob)
    return _applied(x, mask, drop_prob) if mask.any() else paddle.zeros_like(x.detach())


def raises_on_empty_batch(x, drop_prob, training):
    if training and drop_prob and not x.shape[0]:
        raise RuntimeError("no samples")
    return sound(x, drop_prob, training)


def adds_an_axis_to_scalars(x, drop_prob, training):
    return sound(x.reshape([1]) if x.ndim == 0 else x, drop_prob, training)


class _ForgottenFactor(PyLayer):
    @staticmethod
    def forward(ctx, x, keep_prob):
        mask = _mask(x, keep_prob).astype(x.dtype)
        ctx.save_for_backward(mask)
        return x * mask / keep_prob

    @staticmethod
    def backward(ctx, gradient):
        (mask,) = ctx.saved_tensor()
        return gradient * mask


class _NoWayBack(PyLayer):
    @staticmethod
    def forward(ctx, x):
        return x * 2.0

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("no way back")


def raises_in_backward(x, drop_prob, training):
    return _NoWayBack.apply(x)


def gradient_without_factor(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0):
        return sound(x, drop_prob, training)
    return _ForgottenFactor.apply(x, 1.0 - drop_prob)


def detached_from_the_graph(x, drop_prob, training):
    return sound(x.detach(), drop_prob, training) if training and drop_prob else x


def draws_from_numpy(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = paddle.to_tensor(np.random.random(x.shape[0]) < 1.0 - drop_prob)
    return _applied(x, kept.reshape([-1] + [1] * (x.ndim - 1)), drop_prob)


def draws_from_python(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = paddle.to_tensor([random.random() < 1.0 - drop_prob for _ in range(x.shape[0])], dtype="bool")  # noqa: S311
    return _applied(x, kept.reshape([-1] + [1] * (x.ndim - 1)), drop_prob)


def reseeds_every_call(x, drop_prob, training):
    if training and drop_prob:
        paddle.seed(1234)
    return sound(x, drop_prob, training)


def draws_for_nothing(x, drop_prob, training):
    mask = _mask(x, 1.0 - drop_prob)
    return _applied(x, mask, drop_prob) if training and drop_prob else x
