from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from droppath_reference.drop_path import GRANULARITIES, SCALINGS, DropPath, drop_path

if TYPE_CHECKING:
    from collections.abc import Callable

# At p = 0.5 two masks of 512 samples agree by chance once in 2**512.
BATCH = 512


def replayed(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def seeded(x: Tensor) -> Tensor:
        torch.default_generator.manual_seed(11)  # without the traces of stacks that manual_seed keeps
        return function(x)

    return seeded


@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated:DeprecationWarning")  # torch's forward mode
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("training", [True, False])
def test_first_and_second_derivatives_are_those_of_finite_differences(
    dtype: torch.dtype, granularity: str, scaling: str, training: bool
) -> None:
    x = torch.randn(5, 3, dtype=dtype, requires_grad=True)
    layer = replayed(lambda x: drop_path(x, 0.4, training, granularity=granularity, scaling=scaling))
    assert torch.autograd.gradcheck(layer, x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_second_derivative_is_zero() -> None:
    x = torch.ones(BATCH, 2, requires_grad=True)
    upstream = torch.ones(BATCH, 2, requires_grad=True)
    y = drop_path(x, 0.5, True)
    (first,) = torch.autograd.grad(y, x, upstream, create_graph=True)
    by_x, by_upstream = torch.autograd.grad(first.sum(), (x, upstream), allow_unused=True, materialize_grads=True)
    assert torch.equal(by_x, torch.zeros_like(x))
    assert torch.equal(by_upstream, y.detach())


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpointing_recomputes_the_same_mask(use_reentrant: bool) -> None:
    x = torch.ones(BATCH, 2, requires_grad=True)
    y = checkpoint(DropPath(0.5), x * 1.0, use_reentrant=use_reentrant)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("autocast_dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_keeps_the_dtype(dtype: torch.dtype, autocast_dtype: torch.dtype) -> None:
    x = torch.ones(BATCH, 2, dtype=dtype)
    with torch.autocast("cpu", dtype=autocast_dtype):
        y = drop_path(x, 0.5, True)
    assert y.dtype == dtype
    assert set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=str)
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("batched", [True, False])
def test_vmap_draws_different_or_equal_masks_as_asked(dtype: torch.dtype, granularity: str, batched: bool) -> None:
    copies = BATCH if granularity == "batch" else 3
    x = torch.ones(copies, BATCH, 2, dtype=dtype) if batched else torch.ones(BATCH, 2, dtype=dtype)

    def layer(x: Tensor, index: Tensor) -> Tensor:
        return drop_path(x, 0.5, True, granularity=granularity) + 0.0 * index

    def mapped(randomness: str) -> Tensor:
        in_dims = (0 if batched else None, 0)
        return torch.func.vmap(layer, in_dims=in_dims, randomness=randomness)(x, torch.zeros(copies)).real

    different, same = mapped("different"), mapped("same")
    for y in (different, same):
        assert y.shape == (copies, BATCH, 2)
        assert set(y.unique().tolist()) <= {0.0, 2.0}
        assert torch.equal(y[..., 0], y[..., 1]) == (granularity != "element")
        assert torch.equal(y[:, 0], y[:, -1]) or granularity != "batch"
    assert torch.equal(same, same[:1].expand_as(same))
    assert not torch.equal(different, different[:1].expand_as(different))


def test_vmap_over_numbers_is_one_decision_each() -> None:
    y = torch.func.vmap(lambda x: drop_path(x, 0.5, True), randomness="different")(torch.ones(BATCH))
    assert set(y.tolist()) == {0.0, 2.0}


def test_functional_gradients_are_the_scaled_mask() -> None:
    def loss(x: Tensor) -> tuple[Tensor, Tensor]:
        y = drop_path(x, 0.5, True)
        return y.sum(), y

    x = torch.ones(4, BATCH, 2)
    gradient, y = torch.func.grad(loss, has_aux=True)(x[0])
    assert torch.equal(gradient, y)
    gradients, ys = torch.func.vmap(torch.func.grad(loss, has_aux=True), randomness="different")(x)
    assert torch.equal(gradients, ys)


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu", "meta"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_nothing_is_created_on_another_device(device: str, granularity: str, scaling: str) -> None:
    devices: set[str] = set()

    class Tape(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                devices.add(result.device.type)
            return result

    with FakeTensorMode(), torch.no_grad():
        x = torch.empty(4, 3, device=device, dtype=torch.bfloat16)
        with Tape():
            outputs = [
                drop_path(x, 0.5, training, granularity=granularity, scaling=scaling) for training in (True, False)
            ]
    assert devices == {device}
    for y in outputs:
        assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)


@pytest.fixture(params=["eager", "aot_eager"])
def backend(request: pytest.FixtureRequest) -> str:
    torch.compiler.reset()
    return str(request.param)


def test_compiled_whole_it_follows_drop_prob_and_mode(backend: str) -> None:
    module = DropPath(0.5)
    compiled = torch.compile(module, backend=backend, fullgraph=True)
    for drop_prob in (0.5, 0.75, 0.875, 0.0, 1.0):
        module.drop_prob = drop_prob
        x = torch.ones(BATCH, 2, requires_grad=True)
        y, again = compiled(x), compiled(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert torch.equal(gradient, y.detach())
        assert torch.equal(y, again) == (drop_prob in (0.0, 1.0))
        kept = 0.0 if drop_prob == 1.0 else 1.0 / (1.0 - drop_prob)
        assert set(y.unique().tolist()) == ({0.0, kept} if drop_prob > 0.0 else {1.0})
    module.eval()
    assert torch.equal(compiled(x), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.complex64], ids=str)
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_compiled_whole_in_every_dialect(backend: str, granularity: str, dtype: torch.dtype) -> None:
    compiled = torch.compile(drop_path, backend=backend, fullgraph=True)
    for scaling, kept in (("inverted", 2.0), ("none", 1.0), ("eval", 1.0)):
        x = torch.ones(BATCH, 2, dtype=dtype)
        outputs = torch.stack([compiled(x, 0.5, True, granularity=granularity, scaling=scaling) for _ in range(64)])
        assert outputs.dtype == dtype
        assert set(outputs.real.unique().tolist()) == {0.0, kept}
    assert torch.equal(compiled(x, 0.5, False, scaling="eval"), 0.5 * x)


def test_an_exported_program_takes_any_batch_and_draws_afresh() -> None:
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(DropPath(0.5), (torch.ones(4, 2),), dynamic_shapes=({0: batch},)).module()
    x = torch.ones(BATCH, 2)
    first, second = program(x), program(x)
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(first, second)
