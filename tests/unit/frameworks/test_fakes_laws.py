"""What frameworks with ``FakeDevices`` owe."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.fakes import DRAWN, MET, MOVED, READ, STRAYED, FakeDevices


@pytest.fixture
def fakes(place):
    return place.need(FakeDevices)


@pytest.fixture(params=["cuda:1", "mps", "xpu:1", "meta"])
def device(request, fakes):
    assert request.param in fakes.fakes
    try:
        with fakes.fake(request.param) as found:
            yield found
    except NotApplicable as here:
        pytest.skip(str(here))


def whats(passed):
    return [passage.what for passage in passed]


def test_tensors_say_that_they_are_there_and_so_does_what_is_made_of_them(place, device):
    x = device.ones((4, 3), "bfloat16")
    for y in (x, place.framework.add(x, x), place.framework.zeros_like(x), torch.rand(2, device=x.device), x.flatten()):
        assert (type(y), y.device) == (type(x), x.device)
    assert place.framework.info(x).dtype == "bfloat16"
    assert not (x * x).requires_grad
    assert "torch._dynamo" not in sys.modules or place.framework.compiler_loaded


def test_what_is_computed_there_is_no_passage(device):
    x = device.ones((4, 3), "float32")
    with device.watched() as passed:
        mask = torch.empty((4, 1), dtype=x.dtype, device=x.device).bernoulli_(0.5)
        y = torch.where(mask > 0, x, 0.0) * torch.tensor(0.5) + torch.rand_like(x).add_(torch.ones((), dtype=x.dtype))
        _ = y / x.sum(0), x.new_zeros(3), y.clone()
        _ = float(torch.ones(3).sum()), torch.rand(())
    assert whats(passed) == [DRAWN]  # of a number that stays here
    assert not passed[0].sized


@pytest.mark.parametrize(
    "move", [lambda t, x: t.to(x.device), lambda t, x: t.to(x), lambda t, x: torch.as_tensor(t, device=x.device)]
)
def test_a_tensor_that_is_copied_to_the_device_is_seen_with_its_values(device, move):
    x = device.ones((3,), "float32")
    with device.watched() as passed:
        first, again, other = (
            move(torch.tensor(values), x) for values in ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0.0] * 3)
        )
    assert first.device == again.device == other.device == x.device
    moved = [passage for passage in passed if passage.what == MOVED]
    assert [passage.tensor for passage in moved] == ["float32[3]"] * 3
    assert moved[0].values == moved[1].values != moved[2].values


def test_draws_on_the_cpu_are_seen_and_whose_generator_it_was(device):
    with device.watched() as passed:
        torch.rand(3)
        torch.rand(3, generator=torch.Generator())
        torch.rand(3, generator=torch.default_generator)
    assert [(passage.what, passage.named) for passage in passed] == [(DRAWN, False), (DRAWN, True), (DRAWN, False)]


def test_a_tensor_of_the_cpu_and_one_of_the_device_do_not_meet(device):
    x = device.ones((3,), "float32")
    for call in (
        lambda: x * torch.ones(3),
        lambda: torch.ones(3).add_(x),
        lambda: torch.where(torch.ones(3) > 0, x, x),
    ):
        with device.watched() as passed, pytest.raises(RuntimeError, match="to be on the same device"):
            call()
        assert MET in whats(passed)


def test_what_names_the_type_alone_is_on_the_current_device_and_meets_no_tensor_of_another(device):
    x = device.ones((3,), "float32")
    made = torch.rand(3, device=x.device.type)
    assert (made.device == x.device) == (x.device.index in (None, 0))
    assert (made + made).device == torch.zeros_like(made).device == made.device
    if made.device == x.device:
        return
    for call in (lambda: x * made, lambda: torch.where(made > 0, x, 0.0), lambda: x * made.sum()):
        with device.watched() as passed, pytest.raises(RuntimeError, match="to be on the same device"):
            call()
        assert whats(passed) == [STRAYED]
    assert made.to(x.device).device == x.device


@torch.library.custom_op("droppath_audit_tests::uniform", mutates_args=())
def uniform(count: int, device: torch.device) -> torch.Tensor:
    return torch.rand(count, device=device)


def test_an_operator_that_is_handed_the_device_makes_its_output_there(device):
    x = device.ones((3,), "float32")
    with device.watched() as passed:
        made = uniform(3, x.device)
        _ = x * made
    assert (made.device, whats(passed)) == (x.device, [])


def test_nor_does_a_generator_of_the_cpu_draw_there(device):
    x = device.ones((3,), "float32")
    if x.device.type == "meta":
        pytest.skip("meta asks no generator")
    with device.watched() as passed, pytest.raises(RuntimeError, match="device type for generator"):
        torch.rand(3, device=x.device, generator=torch.Generator())
    assert whats(passed) == [MET]


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x.cpu(),
        lambda x: torch.equal(x, x),
        lambda x: x.tolist(),
        lambda x: x.numpy(force=True),
    ],
)
def test_values_that_are_waited_for_are_seen_and_are_right(device, read):
    x = device.ones((3,), "float32")
    with device.watched() as passed:
        value = read(x)
    assert whats(passed) == [READ]
    assert torch.as_tensor(value).sum() in (3.0, True)


def test_numpy_takes_no_tensor_of_a_device(device):
    x = device.ones((3,), "float32")
    for take in (lambda: x.numpy(), lambda: np.asarray(x)):
        with device.watched() as passed, pytest.raises(TypeError, match="to numpy"):
            take()
        assert whats(passed) == [MET]


def test_what_is_copied_into_a_tensor_of_the_device_is_seen(fakes):
    with fakes.fake("meta") as device:  # for a copy torch asks the guard of other devices, which it is not linked with
        x = device.ones((3,), "float32")
        with device.watched() as passed:
            x.copy_(torch.zeros(3))
    assert (whats(passed), x.raw.tolist()) == ([MOVED], [0.0] * 3)


def test_what_is_not_waited_for_is_not(device):
    x = device.ones((3,), "float32")
    with device.watched() as passed:
        x.to("cpu", non_blocking=True)
        x.index_select(0, torch.zeros(2, dtype=torch.int64, device=x.device))
    assert READ not in whats(passed)


def test_nobody_watches_outside_and_a_tensor_survives_its_device(fakes):
    with fakes.fake("meta") as device:
        x = device.ones((2,), "float32")
        with device.watched() as passed:
            pass
        x.cpu()
    assert passed == []
    assert "device='meta'" in repr(x)
    assert (x + x).cpu().tolist() == [2.0, 2.0]


def test_a_graph_is_refused_where_it_would_end_the_process(device):
    x = device.ones((2,), "float32")
    for track in (lambda: x.requires_grad_(), lambda: torch.nn.Parameter(x), lambda: setattr(x, "requires_grad", True)):
        with pytest.raises(NotImplementedError, match="no gradients"):
            track()


def test_a_shape_that_changes_in_place_is_refused(device):
    with pytest.raises(NotImplementedError, match="unsqueeze_ changes the shape"):
        device.ones((2,), "float32").unsqueeze_(0)


def test_a_device_that_is_here_is_not_faked(fakes, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(NotApplicable, match="--device cuda"), fakes.fake("cuda:1"):
        pass
