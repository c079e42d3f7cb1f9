from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.torch.tape import TorchTape

TAPE = TorchTape()
X = torch.full((5, 1), 0.25)

CALLS = {
    "rand": (lambda: torch.rand(5), "rand", "uniform", (0, 1)),
    "rand_like": (lambda: torch.rand_like(X, dtype=torch.float64), "rand_like", "uniform", (0, 1)),
    "uniform_": (lambda: torch.empty(5).uniform_(-1, 2), "uniform_", "uniform", (-1, 2)),
    "uniform_ by default": (lambda: torch.empty(5).uniform_(), "uniform_", "uniform", (0, 1)),
    "randint": (lambda: torch.randint(7, (5,)), "randint", "integer", (0, 7)),
    "randint low": (lambda: torch.randint(2, 7, (5,)), "randint", "integer", (2, 7)),
    "randint_like": (lambda: torch.randint_like(X, 7), "randint_like", "integer", (0, 7)),
    "random_ to": (lambda: torch.empty(5).random_(7), "random_", "integer", (0, 7)),
    "random_ from": (lambda: torch.empty(5).random_(2, 7), "random_", "integer", (2, 7)),
    "random_": (lambda: torch.empty(5).random_(), "random_", "other", (0, 1)),
    "randn": (lambda: torch.randn(5), "randn", "other", (0, 1)),
}
BERNOULLIS = {
    "bernoulli": (lambda: torch.bernoulli(X), 0.25, "float32"),
    "bernoulli p": (lambda: torch.bernoulli(X, 0.75), 0.75, ""),
    "bernoulli_": (lambda: torch.empty(5).bernoulli_(), 0.5, ""),
    "bernoulli_ p": (lambda: torch.empty(5).bernoulli_(0.75), 0.75, ""),
    "bernoulli_ tensor": (lambda: torch.empty(5, 1).bernoulli_(X.bfloat16()), 0.25, "bfloat16"),
    "bernoulli_ of itself": (lambda: (y := X.clone()).bernoulli_(y), 0.25, "float32"),
    "dropout": (lambda: torch.nn.functional.dropout(X, 0.25), 0.75, ""),
    "native_dropout": (lambda: torch.native_dropout(X, 0.25, True), 0.75, ""),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_recorded_with_its_range(name: str) -> None:
    call, op, kind, (low, high) = CALLS[name]
    with TAPE.record() as draws:
        result = call()
    (draw,) = draws
    assert (draw.op, draw.kind, draw.low, draw.high) == (op, kind, low, high)
    assert (draw.shape, draw.dtype, draw.device) == (tuple(result.shape), str(result.dtype)[6:], "cpu")
    assert np.array_equal(draw.values, result.double().numpy())
    assert draw.numbers == 5


@pytest.mark.parametrize("name", BERNOULLIS)
def test_a_bernoulli_call_is_recorded_with_its_probability(name: str) -> None:
    call, probability, held_by = BERNOULLIS[name]
    with TAPE.record() as draws:
        call()
    (draw,) = draws
    assert (draw.kind, draw.probability, draw.probability_dtype) == ("bernoulli", probability, held_by)
    assert set(draw.values.reshape(-1)) <= {0.0, 1.0}


def test_probabilities_that_differ_are_none_of_them() -> None:
    with TAPE.record() as draws:
        torch.bernoulli(torch.tensor([0.2, 0.8]))
    assert draws[0].probability is None


@pytest.mark.parametrize("name", [*CALLS, *BERNOULLIS])
def test_a_draw_is_replaced_and_the_original_comes_back(name: str) -> None:
    call = (CALLS.get(name) or BERNOULLIS[name])[0]
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    with TAPE.replace(values) as numbers:
        result = call()
    assert numbers == [5]
    output = result[0] if name == "native_dropout" else result
    scale = X[0].item() / 0.75 if "dropout" in name else 1.0
    assert np.allclose(output.double().numpy().reshape(-1), values * scale)
    with TAPE.replace(np.zeros(4)) as numbers:
        call()
    assert numbers == [5]


@pytest.mark.parametrize("name", [name for name in (*CALLS, *BERNOULLIS) if name not in ("random_", "randn")])
def test_a_draw_is_made_again_from_a_seed(name: str) -> None:
    call = (CALLS.get(name) or BERNOULLIS[name])[0]
    state = torch.get_rng_state()
    with torch.random.fork_rng(devices=()), TAPE.record() as draws:
        torch.manual_seed(3)
        call()
    assert np.array_equal(TAPE.redraw(draws[0], 5, 3), draws[0].values.reshape(-1))
    assert torch.equal(torch.get_rng_state(), state)


def test_what_cannot_be_drawn_alone_says_so() -> None:
    with TAPE.record() as draws:
        torch.randperm(5)
    with pytest.raises(NotApplicable, match="randperm"):
        TAPE.redraw(draws[0], 5, 0)


class DrawsInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.rand(gradient.shape)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_backward_checkpointing_vmap_and_scripted_code_are_seen() -> None:
    x = torch.ones(4, 3, requires_grad=True)
    with TAPE.record() as draws:
        DrawsInBackward.apply(x).sum().backward()
    assert [draw.shape for draw in draws] == [(4, 3)]

    with TAPE.record() as draws:
        checkpoint(lambda y: y * torch.rand(4, 1), x, use_reentrant=False).sum().backward()
    assert [draw.shape for draw in draws] == [(4, 1), (4, 1)]
    assert np.array_equal(draws[0].values, draws[1].values)

    with TAPE.record() as draws:
        torch.func.vmap(lambda y: y * torch.rand(1), randomness="different")(x)
    assert [draw.numbers for draw in draws] == [4]

    @torch.jit.script
    def scripted(y: torch.Tensor) -> torch.Tensor:
        return y * torch.rand([y.size(0), 1])

    with TAPE.record() as draws:
        for _ in range(4):  # it is compiled after two
            scripted(x)
    assert [draw.shape for draw in draws] == [(4, 1)] * 4


def test_the_compiler_is_not_imported_for_a_tape() -> None:
    import subprocess
    import sys

    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import torch; from droppath_audit.frameworks.torch.tape import TorchTape\n"
        "with TorchTape().record() as draws: torch.rand(3)\n"
        "assert len(draws) == 1 and 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
