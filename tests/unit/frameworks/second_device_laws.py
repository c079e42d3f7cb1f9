"""What torch's operations owe on a device that lacks something; test_second_device.py runs it, and says how."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.tape import BERNOULLI, UNIFORM, Draw


@pytest.fixture
def soft(place):
    from tests.devices.soft import NAME, Module

    assert place.device == NAME
    yield Module
    Module.in_use = Module.readable = True


def test_a_state_that_cannot_be_read_is_not_applicable_and_says_why(place, soft):
    assert len(place.framework.generator_state("soft")) > len(place.framework.generator_state("cpu"))
    soft.readable = False
    with pytest.raises(
        NotApplicable, match=r"^the state of the generator of soft cannot be read: soft keeps its state"
    ):
        place.framework.generator_state("soft")
    place.framework.generator_state("cpu")


def test_nor_is_one_that_nothing_reads(place, soft, monkeypatch):
    monkeypatch.delattr(soft, "get_rng_state")
    with pytest.raises(NotApplicable, match="cannot be read"):
        place.framework.generator_state("soft")


def test_a_scope_restores_what_can_be_restored(place, soft):
    soft.readable = False
    before = place.framework.generator_state("cpu")
    with place.framework.scope():
        place.framework.seed(9)
        place.draw()
        torch.rand(3)
    assert place.framework.generator_state("cpu") == before


def test_a_device_that_nobody_has_used_is_neither_seeded_nor_read(place, soft):
    place.framework.seed(1)
    before = soft.generator.get_state()
    soft.in_use = False
    soft.readable = False  # reading raises
    place.framework.seed(2)
    with place.framework.scope():
        torch.rand(3)
    assert torch.equal(soft.generator.get_state(), before)
    assert place.framework.can_fork()


def test_a_device_in_use_is_seeded_and_does_not_survive_a_fork(place, soft):
    place.framework.seed(1)
    before = soft.generator.get_state()
    place.framework.seed(2)
    assert not torch.equal(soft.generator.get_state(), before)
    assert not place.framework.can_fork()
    assert "soft" in place.framework.fork_hazard("soft")
    assert place.framework.fork_hazard("cpu") == ""


def test_a_key_that_cannot_be_made_is_not_applicable(place, soft):
    with pytest.raises(NotApplicable, match="no generator can be made for soft"):
        place.framework.key("soft")


def test_a_context_that_the_device_lacks_is_not_applicable(place, soft, monkeypatch):
    monkeypatch.setattr(soft, "lower", [torch.float16])
    with (
        pytest.raises(NotApplicable, match="soft has no autocast to bfloat16: "),
        place.framework.surround("autocast", "soft"),
    ):
        pass


def test_nor_is_checkpointing_that_would_not_restore_its_generator(place, soft, layer):
    x = place.tensor([1.0])
    soft.in_use = False  # which is what torch looks at
    with pytest.raises(NotApplicable, match="does not restore the generator of soft"):
        place.framework.checkpointed(layer(lambda x: x), x, x, place.framework.checkpoints[0])


def test_autocast_casts_by_the_table_of_the_device(place, soft):
    x = place.framework.ones((2, 2), "float32", "soft")
    with place.framework.surround("autocast", "soft"):
        assert place.framework.info(x @ x).dtype == "bfloat16"
        assert place.framework.info(x * x).dtype == "float32"
        assert place.framework.info((x @ x).exp()).dtype == "float32"
    assert place.framework.info(x @ x).dtype == "float32"


def test_autocast_that_is_left_on_is_seen_and_undone(place, soft):
    (setting,) = (one for one in place.framework.settings() if one.name == "autocast")
    before = setting.read()
    torch.set_autocast_enabled("soft", True)
    assert setting.read() != before
    setting.write(before)
    assert not torch.is_autocast_enabled("soft")


def test_what_has_no_deterministic_implementation_is_refused(place, soft):
    x = place.tensor([1.0, 2.0])
    x.cumsum(0)
    with place.framework.surround("deterministic", "soft"), pytest.raises(RuntimeError, match="deterministic"):
        x.cumsum(0)


def test_waits_are_counted(place, soft):
    x = place.tensor([1.0, 2.0])
    for read, times in (
        (lambda: x * x, 0),
        (lambda: x.sum().item(), 1),
        (lambda: x.cpu(), 1),
        (lambda: x.nonzero(), 1),
    ):
        before = soft.waits
        read()
        assert soft.waits - before == times


def test_tensors_and_generators_of_two_devices_do_not_meet(place, soft):
    x = place.tensor([1.0, 2.0])
    for call in (lambda: x * torch.ones(2), lambda: torch.rand(2, device="soft", generator=torch.Generator())):
        with pytest.raises(RuntimeError, match="device"):
            call()
    assert place.values(x * torch.tensor(2.0)) == [2.0, 4.0]
    with pytest.raises(TypeError, match="to numpy"):
        x.numpy()


@pytest.mark.parametrize("op", ["rand", "uniform_", "bernoulli_", "native_dropout"])
def test_a_draw_is_made_again_on_its_own_device(place, soft, op):
    calls = {
        "rand": lambda: torch.rand(5, device="soft"),
        "uniform_": lambda: torch.empty(5, device="soft").uniform_(-1, 2),
        "bernoulli_": lambda: torch.empty(5, device="soft").bernoulli_(0.75),
        "native_dropout": lambda: torch.native_dropout(torch.ones(5, device="soft"), 0.25, True),
    }
    tape, before = place.framework.tape(), place.framework.generator_state("soft")
    with place.framework.scope(), tape.record() as draws:
        place.framework.seed(3)
        calls[op]()
    assert draws[0].device == "soft:0"
    assert np.array_equal(tape.redraw(draws[0], 5, 3), draws[0].values)
    assert not np.array_equal(tape.redraw(draws[0], 64, 4), tape.redraw(draws[0], 64, 5))
    assert place.framework.generator_state("soft") == before


@pytest.mark.parametrize("kind", [UNIFORM, BERNOULLI])
def test_a_draw_that_could_not_be_undone_is_not_applicable(place, soft, kind):
    soft.readable = False
    with pytest.raises(NotApplicable, match="cannot be read"):
        place.framework.tape().redraw(Draw("uniform_", kind, "float32", (5,), "soft:0", probability=0.5), 5, 3)
