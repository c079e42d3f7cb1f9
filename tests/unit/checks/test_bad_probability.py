"""What a constructor takes where it is told no probability, and what comes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath, drop_path


class Base(torch.nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        if drop_prob is not None:
            DropPath(drop_prob)
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.training or self.drop_prob == 0.0:
            return x
        if self.drop_prob is None:
            raise TypeError("drop_prob must be a number; got None")
        return drop_path(x, self.drop_prob, training=True)


class TakesNone(Base):
    def __init__(self, drop_prob=None):
        super().__init__(drop_prob)


class TurnsNoneAway(Base):
    def __init__(self, drop_prob=None):
        if drop_prob is None:
            raise TypeError("drop_prob must be a number; got None")
        super().__init__(drop_prob)


class KeepsByDefault(Base):
    def __init__(self, keep_prob=1):
        if not isinstance(keep_prob, (int, float)):
            raise TypeError(f"keep_prob must be a number; got {keep_prob!r}")
        if not 0 <= keep_prob <= 1:
            raise ValueError(f"keep_prob must lie in [0, 1]; got {keep_prob!r}")
        super().__init__(1.0 - keep_prob)


class RaisesBackward(Base):
    def __init__(self, drop_prob=0.0):
        super().__init__(drop_prob)
        if not isinstance(drop_prob, float):
            raise TypeError(f"drop_prob must be a float; got {drop_prob!r}")

    def forward(self, x):
        y = super().forward(x)
        if self.training and self.drop_prob == 0.0 and y.requires_grad:
            y = y.clone()
            y.register_hook(lambda gradient: [][0])
        return y


def judged(target):
    (result,) = audit(target, only=("DP007",), effort="quick").results
    return result


@pytest.mark.parametrize("target", [TurnsNoneAway, KeepsByDefault, DropPath])
def test_a_default_that_is_refused_at_once_or_that_trains_is_no_fault(target):
    result = judged(target)
    assert result.outcome.value == "pass", result.verdict.observed
    assert "trains or is refused" in result.verdict.observed or target is DropPath


@pytest.mark.parametrize(
    ("target", "said"), [(TakesNone, "with its default, None, the first training step raises TypeError"),
                         (RaisesBackward, "with its default, 0.0, the first backward pass raises IndexError")],
)  # fmt: skip
def test_a_default_that_does_not_train_is_found_and_shown(target, said):
    result = judged(target)
    assert said in result.verdict.observed
    path = f"import sys; sys.path[:] = {sys.path!r}\n"
    done = subprocess.run([sys.executable, "-c", path + result.snippet], capture_output=True, text=True, check=False)
    assert "AssertionError: the first training step raises" in done.stderr, done.stderr + result.snippet
