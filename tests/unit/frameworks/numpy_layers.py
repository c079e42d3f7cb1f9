"""DropPath on NumPy arrays: sound ones of every style, and faulty ones that test_numpy_audits gives to checks."""

from __future__ import annotations

import copy
import random

import numpy as np


def _applied(x, kept, keep_prob):
    """Return x / keep_prob where kept, of shape (B,) or (), and zeros elsewhere."""
    kept = np.reshape(kept, np.shape(kept) + (1,) * (x.ndim - np.ndim(kept)))
    return np.where(kept, x / (keep_prob or 1.0), x.dtype.type(0))


def drop_path(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, np.random.random(x.shape[:1]) >= drop_prob, 1.0 - drop_prob)


def keyed(x, drop_prob, training, rng):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, rng.random(x.shape[:1]) >= drop_prob, 1.0 - drop_prob)


def keyed_where_given(x, drop_prob, training, rng=None):
    return keyed(x, drop_prob, training, np.random.default_rng() if rng is None else rng)


class DropPath:
    def __init__(self, drop_prob):
        if not isinstance(drop_prob, float) or not 0.0 <= drop_prob <= 1.0:
            raise ValueError(f"drop_prob is {drop_prob}")
        self.drop_prob = drop_prob

    def __call__(self, x, training):
        return drop_path(x, self.drop_prob, training)

    def __repr__(self):
        return f"DropPath(drop_prob={self.drop_prob})"


class HoldsAGenerator:
    def __init__(self, drop_prob, rng=None):
        self.drop_prob = drop_prob
        self.rng = np.random.default_rng() if rng is None else rng

    def __call__(self, x, training):
        return keyed(x, self.drop_prob, training, self.rng)


class MustBeGivenOne(HoldsAGenerator):
    def __init__(self, drop_prob, generator):
        super().__init__(drop_prob, generator)


class DrawsFromNumPy(DropPath):
    def __init__(self, drop_prob, rng=None):
        super().__init__(drop_prob)
        assert rng is None


class Switched(DropPath):
    """Told its mode by train() and eval(), without being a layer of any framework."""

    training = True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def __call__(self, x):
        return drop_path(x, self.drop_prob, self.training)


def make(drop_prob):
    return lambda x, training: drop_path(x, drop_prob, training)


def batchwise(x, drop_prob, training, rng):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, rng.random() >= drop_prob, 1.0 - drop_prob)


def residual(shortcut, x, drop_prob, training):
    return shortcut + drop_path(x, drop_prob, training)


def unscaled(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, np.random.random(x.shape[:1]) >= drop_prob, 1.0)


# From here on, faults.


class ActiveInEvaluation(Switched):
    def __call__(self, x):
        return drop_path(x, self.drop_prob, True)


def never_rescaled(x, drop_prob, training):
    return unscaled(x, drop_prob, training)


def per_element(x, drop_prob, training, rng):
    if not training or drop_prob == 0.0:
        return x
    return _applied(x, rng.random(x.shape) >= drop_prob, 1.0 - drop_prob)


first_keys = []


def reuses_its_first_key(x, drop_prob, training, rng):
    if not first_keys:
        first_keys.append(rng)
    return keyed(x, drop_prob, training, copy.deepcopy(first_keys[0]))


class AroundABranch:
    """It calls what it is given: NumPy has no layers, and a branch is any function."""

    def __init__(self, block_fn, survival_prob):
        self.block_fn, self.survival_prob = block_fn, survival_prob

    def forward(self, x, is_training):
        return x + drop_path(self.block_fn(x), 1.0 - self.survival_prob, is_training)


class AroundABranchAtHalf(AroundABranch):
    def forward(self, x, is_training):
        y = self.block_fn(x)
        return x + (drop_path(y, 1.0 - self.survival_prob, True) if is_training else y * y.dtype.type(0.5))


def drops_at_zero(x, drop_prob, training):
    return drop_path(x, max(drop_prob, 1e-3), training)


def divides_by_zero(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = np.random.random(x.shape[:1]) >= drop_prob
    return x / x.dtype.type(1.0 - drop_prob) * kept.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))


def widened(x, drop_prob, training):
    return drop_path(x, drop_prob, training).astype(np.result_type(x, np.float64)) if training else x


def writes_its_input(x, drop_prob, training):
    x[...] = drop_path(x, drop_prob, training)
    return x.copy()


def draws_from_python(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = np.array([random.random() >= drop_prob for _ in range(x.shape[0])], bool)  # noqa: S311
    return _applied(x, kept, 1.0 - drop_prob)


def four_bits_in_half_precision(x, drop_prob, training):
    if not training or drop_prob in (0.0, 1.0) or x.dtype != np.float16:
        return drop_path(x, drop_prob, training)
    drawn = np.random.randint(0, 16, x.shape[:1]) / np.float16(16)
    return _applied(x, drawn >= drop_prob, 1.0 - drop_prob)
