"""Torch's gradients: a cotangent reaches the output as it is, and costs no import."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.torch.operations import TorchFramework

FRAMEWORK = TorchFramework()
WITHOUT = """
import sys, torch
from droppath_audit.targets.loader import load
target = load("droppath_reference:DropPath").target
x = torch.ones(4, 3)
target.framework.gradient(target.make(0.5), x, x)
target.framework.second_order(target.make(0.5), x, x, x)
assert "sympy" not in sys.modules
"""


class Seen(torch.autograd.Function):
    """Doubles, and keeps what comes back."""

    came: torch.Tensor

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        Seen.came = grad
        return grad * 2


def doubled(x, training):
    return Seen.apply(x)


def test_a_gradient_imports_no_sympy():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, env=environment)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.complex64])
def test_the_cotangent_comes_as_it_is(dtype):
    x = torch.randn(4, 3).to(dtype)
    cotangent = torch.arange(4).to(dtype)[:, None].expand(4, 3)
    found = FRAMEWORK.gradient(doubled, x, cotangent)
    assert Seen.came.stride() == cotangent.stride()
    assert torch.equal(Seen.came, cotangent)
    assert torch.equal(found.gradient, 2 * cotangent)


def test_an_output_of_another_shape_is_refused_in_the_words_of_torch():
    with pytest.raises(TargetRaised, match="Mismatch in shape"):
        FRAMEWORK.gradient(doubled, torch.ones(4, 3), torch.ones(4, 2))


def test_an_output_of_another_dtype_is_differentiated_as_torch_does():
    def widened(x, training):
        return Seen.apply(x.float())

    x = torch.ones(4, 3, dtype=torch.float16)
    found = FRAMEWORK.gradient(widened, x, torch.ones(4, 3, dtype=torch.float16))
    assert torch.equal(found.gradient, 2 * x)


def counted(x, training):
    class Counting(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.factor = torch.ones(())
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            ctx.factor.add_(1)
            return grad * ctx.factor

    return Counting.apply(x)


def into_one_buffer(x, training):
    class Buffered(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.buffer = torch.zeros_like(x)
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return ctx.buffer.add_(grad)

    return Buffered.apply(x)


def test_of_two_backward_passes_the_graph_is_kept_and_so_is_the_first_gradient():
    x = torch.full((3,), 2.0)
    first, second = FRAMEWORK.backward_twice(lambda x, training: x * x, x, x)  # which saves what a pass frees
    assert torch.equal(first, 2 * x * x)
    assert torch.equal(second, first)
    first, second = FRAMEWORK.backward_twice(into_one_buffer, x, x)
    assert torch.equal(second, 2 * first)


def test_two_backward_passes_through_one_graph_are_told_apart():
    x = torch.ones(3)
    first, second = FRAMEWORK.backward_twice(counted, x, 2 * x)
    assert torch.equal(first, 4 * x)
    assert torch.equal(second, 6 * x)
    assert FRAMEWORK.backward_twice(lambda x, training: x.detach(), x, x) is None
    assert FRAMEWORK.backward_twice(lambda x, training: torch.ones(3, requires_grad=True) * 1, x, x) is None
