"""What hooks count is what the layers drew, to the sample; and a model with them is the model that it was."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from droppath_audit import DropPathWarning, SurvivalMonitor
from droppath_audit.core.errors import UsageError

RATES = (0.0, 0.1, 0.4, 1.0)


def trained(model, steps=5, samples=(16, 3), shape=(5, 8), read=lambda x: x):
    for step in range(steps):
        x = torch.randn(samples[step % len(samples)], *shape, requires_grad=True)
        read(model(x)).sum().backward()


def test_counts_are_what_was_drawn(made):
    model = made.model(*RATES)
    with SurvivalMonitor(model) as monitor:
        trained(model, 40)
        assert made.counted(monitor) == made.kept(model)
        trained(model, 3)
    assert made.counted(monitor) == made.kept(model)
    assert [(row.layer, row.drop_prob, row.undecided, row.partly) for row in monitor.counts()] == [
        (f"{number}.drop_path", rate, 0, 0) for number, rate in enumerate(RATES)
    ]
    assert monitor.unseen == ()


@pytest.mark.parametrize(("drop_prob", "planned"), [(0.5, 4096), (0.01, 10_000), (1e-13, 2**62)])
def test_the_first_decisions_are_as_many_as_were_planned_and_the_first_ones(made, drop_prob, planned):
    model = made.model(drop_prob)
    with SurvivalMonitor(model) as monitor:
        for _ in range(256):
            model(torch.randn(64, 8))
    (row,) = monitor._counting.read().counted
    assert row.planned == planned
    assert min(planned, 256 * 64) <= row.first < min(planned, 256 * 64) + 64 * 64
    assert row.first_kept == sum(model[0].drop_path.kept[: row.first])


def test_nothing_is_counted_in_evaluation_nor_after_the_end(made):
    model = made.model(0.3)
    monitor = SurvivalMonitor(model)
    model.eval()
    trained(model)
    assert monitor.counts() == ()
    model.train()
    trained(model)
    before = made.counted(monitor)
    monitor.close()
    monitor.close()
    trained(model)
    assert made.counted(monitor) == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision(made, dtype):
    model = made.model(0.3, 0.5)
    with SurvivalMonitor(model) as monitor, torch.autocast("cpu", dtype):
        trained(model, read=lambda y: y.float())
    assert made.counted(monitor) == made.kept(model)


def test_what_the_output_cannot_hold_was_no_decision(made):
    class DropPathToHalf(made.DropPath):
        def forward(self, x):
            return super().forward(x).half()

    model = nn.Sequential()
    model.add_module("layer", DropPathToHalf(0.5))
    with SurvivalMonitor(model) as monitor:
        model(torch.full((64, 4), 1e-9))
        model(torch.tensor([[1.0, 1e-9, 1e-9, 1e-9]]).expand(64, 4))
    (row,) = monitor.counts()
    assert (row.undecided, row.partly, row.decisions, row.kept) == (64, 0, 64, sum(model.layer.kept[64:]))


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 8), (1, 1, 8), (3, 4, 5, 8)])
def test_layers_that_overwrite_their_input_and_tensors_of_any_rank(made, shape):
    model = made.model(0.4, 0.2, inplace=True)
    with SurvivalMonitor(model) as monitor:
        trained(model, shape=shape)
    assert made.counted(monitor) == made.kept(model)


def test_tensors_of_one_axis_and_of_other_strides(made):
    model = nn.Sequential()
    model.add_module("drop_path", made.DropPath(0.5))
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(64) + 10.0)
        model(torch.randn(6, 4, 9, 8).to(memory_format=torch.channels_last))
        model(torch.randn(5, 7).t())
    assert made.counted(monitor) == made.kept(model)


def test_a_sample_of_zeros_is_undecided(made):
    model = nn.Sequential()
    model.add_module("drop_path", made.DropPath(0.5))
    x = torch.randn(32, 8)
    x[::4] = 0.0
    with SurvivalMonitor(model) as monitor:
        model(x)
    (row,) = monitor.counts()
    drawn = [one for number, one in enumerate(model.drop_path.kept) if number % 4]
    assert (row.kept, row.decisions, row.undecided) == (sum(drawn), 24, 8)


def test_nan_is_kept(made):
    model = nn.Sequential()
    model.add_module("drop_path", made.DropPath(0.0))
    with SurvivalMonitor(model) as monitor:
        model(torch.full((4, 8), float("nan")))
    assert made.counted(monitor) == [(4, 4)]


def test_samples_of_which_a_part_is_dropped_are_no_decisions():
    class DropPath(nn.Module):
        drop_prob = 0.5

        def forward(self, x):
            return nn.functional.dropout(x, self.drop_prob, self.training)

    model = nn.Sequential(DropPath())
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(256, 64))
    (row,) = monitor.counts()
    assert row.partly > 200
    assert monitor.certificates()[0].outcome == "fail"


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_a_checkpoint_computes_again_is_not_counted_again(made, reentrant):
    model = made.model(0.3, 0.5)

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = model

        def forward(self, x):
            for block in self.blocks:
                x = checkpoint(block, x, use_reentrant=reentrant)
            return x

    whole = Checkpointed()
    with SurvivalMonitor(whole) as monitor:
        trained(whole, 10)
    samples = 5 * 16 + 5 * 3
    assert [row.decisions for row in monitor.counts()] == [samples] * 2
    assert [len(block.drop_path.kept) for block in model] == [2 * samples] * 2  # it was computed again
    assert monitor.expected_depth().layers == 2.0


def test_a_monitor_that_saw_nothing_says_so_at_its_end(made):
    with (
        pytest.warns(DropPathWarning, match=r"saw nothing: 0\.drop_path was never called"),
        SurvivalMonitor(made.model(0.5)),
    ):
        pass
    with pytest.raises(ZeroDivisionError), SurvivalMonitor(made.model(0.5)):
        1 / 0  # noqa: B018


def test_rates_are_counted_apart_as_they_change(made):
    model = made.model(0.5)
    with SurvivalMonitor(model) as monitor:
        trained(model, 4)
        first = made.kept(model)[0]
        model[0].drop_path.drop_prob = 0.25
        trained(model, 4)
        model[0].drop_path.drop_prob = 0.5
        trained(model, 4)
    half, quarter = monitor.counts()
    assert (half.drop_prob, quarter.drop_prob) == (0.5, 0.25)
    assert half.decisions == 2 * quarter.decisions == 2 * first[1]
    assert half.kept + quarter.kept == made.kept(model)[0][0]


def test_too_many_rates_are_counted_together(made, monkeypatch):
    monkeypatch.setattr("droppath_audit.frameworks.torch.counters.MOST_RATES", 3)
    model = made.model(0.5)
    with SurvivalMonitor(model) as monitor:
        for number in range(6):
            model[0].drop_path.drop_prob = number / 10
            trained(model, 1)
    rows = monitor.counts()
    assert [row.drop_prob for row in rows] == [0.0, 0.1, 0.2, None]
    assert rows[-1].decisions == 3 * 16
    assert "further ones are not told apart" in monitor.unseen[0]
    assert [one.outcome for one in monitor.certificates()] == ["open"] * 4


class Waits(TorchDispatchMode):
    """Notes what waits for a device."""

    def __init__(self):
        super().__init__()
        self.met = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique_dim"):
            self.met.append(name)
        return func(*args, **(kwargs or {}))


class Scaled(nn.Module):
    """Drops without looking at its rate, which is a tensor."""

    def __init__(self):
        super().__init__()
        self.register_buffer("drop_prob", torch.tensor(0.5))

    def forward(self, x):
        return x * (torch.rand(len(x), 1) >= self.drop_prob)


def test_nothing_waits_for_the_device_until_counts_are_read():
    model = nn.Sequential()
    model.add_module("drop_path", Scaled())
    monitor = SurvivalMonitor(model)
    model(torch.randn(16, 8))
    with Waits() as waits:
        for _ in range(200):  # what is put off is counted meanwhile
            model(torch.randn(16, 8))
    assert waits.met == []
    with Waits() as waits:
        model.drop_path.drop_prob.fill_(0.75)
        for _ in range(5):
            model(torch.randn(16, 8))
    assert waits.met == ["_local_scalar_dense"]  # a rate that was written to is read, once
    assert [(row.drop_prob, row.decisions) for row in monitor.counts()] == [(0.5, 201 * 16), (0.75, 5 * 16)]
    monitor.close()


def test_a_keep_probability_and_a_rate_that_is_none():
    class DropPath(nn.Module):
        def __init__(self):
            super().__init__()
            self.keep_prob = 0.75

        def forward(self, x):
            return x * (torch.rand(len(x), 1) < self.keep_prob)

    model = nn.Sequential(DropPath())
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(8, 4))
        model[0].keep_prob = float("nan")
        model(torch.randn(8, 4))
        model(torch.randn(8, 4))
    assert [(row.drop_prob, row.decisions) for row in monitor.counts()] == [(0.25, 8), (None, 16)]


def test_blocks_that_skip_their_branch_by_themselves(made):
    class StochasticDepth(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop_prob, self.drawn, self.branch = 0.5, [], nn.Linear(8, 8)

        def forward(self, x):
            self.drawn.append(int(torch.rand(()) >= self.drop_prob))
            return x + self.branch(x) if self.drawn[-1] else x

    model = nn.Sequential(StochasticDepth())
    with SurvivalMonitor(model) as monitor:
        for _ in range(60):
            model(torch.randn(4, 8))
    (row,) = monitor.counts()
    assert (row.by_call, row.kept, row.decisions) == (True, sum(model[0].drawn), 60)
    nn.init.zeros_(model[0].branch.weight)
    nn.init.zeros_(model[0].branch.bias)
    with SurvivalMonitor(model) as monitor:
        for _ in range(200):
            model(torch.randn(4, 8))
    (one,) = monitor.certificates()
    assert (one.outcome, one.reason) == ("open", "a branch that adds nothing looks dropped")


def test_a_pass_that_raises_leaves_no_half_of_a_call(made):
    class Raises(made.DropPath):
        def forward(self, x):
            if x.shape[0] == 1:
                raise RuntimeError("one")
            return super().forward(x)

    model = nn.Sequential()
    model.add_module("drop_path", Raises(0.5))
    with SurvivalMonitor(model) as monitor:
        with pytest.raises(RuntimeError, match="one"):
            model(torch.randn(1, 4))
        model(torch.randn(8, 4))
    assert made.counted(monitor) == made.kept(model) == [(sum(model.drop_path.kept), 8)]


def test_in_inference_mode_first_and_with_gradients_later(made):
    model = made.model(0.5)
    with SurvivalMonitor(model) as monitor:
        with torch.inference_mode():
            for _ in range(100):
                model(torch.randn(8, 8))
            first = made.counted(monitor)
        trained(model)
    assert first[0][1] == 800
    assert made.counted(monitor) == made.kept(model)


def test_gradients_and_outputs_are_those_without_a_monitor(made):
    model, x = made.model(0.3, 0.6), torch.randn(16, 8)

    def run():
        torch.manual_seed(1)
        model.zero_grad()
        y = model(x)
        y.square().sum().backward()
        return [y, *(parameter.grad.clone() for parameter in model.parameters())]

    bare = run()
    with SurvivalMonitor(model):
        assert all(torch.equal(one, other) for one, other in zip(bare, run(), strict=True))


def test_copies_and_what_is_stored_are_without_the_monitor(made):
    model = made.model(0.5)
    keys = list(model.state_dict())
    monitor = SurvivalMonitor(model)
    assert list(model.state_dict()) == keys
    torch.save(model.state_dict(), io.BytesIO())
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(made.Block(0.5)))):  # noqa: S301
        trained(copied)
    assert monitor.counts() == ()
    trained(model)
    assert made.counted(monitor) == made.kept(model)
    monitor.close()


def test_a_pickle_of_a_monitored_layer_can_be_read(made):
    model = nn.Sequential()
    model.add_module("drop_path", Scaled())
    with SurvivalMonitor(model) as monitor:
        again = pickle.loads(pickle.dumps(model))  # noqa: S301
        again(torch.randn(8, 4))
        assert monitor.counts() == ()
        model(torch.randn(8, 4))
    assert monitor.counts()[0].decisions == 8


def test_what_shares_the_hooks_of_a_layer_is_no_part_of_the_model(made):
    """As the replicas of DataParallel do."""
    model = made.model(0.5)
    with SurvivalMonitor(model) as monitor:
        trained(model)
        replica = model[0].drop_path.__new__(made.DropPath)
        replica.__dict__ = {**model[0].drop_path.__dict__, "kept": []}
        replica(torch.randn(8, 8))
    assert made.counted(monitor) == made.kept(model)
    assert monitor.unseen == ("0.drop_path was copied, and the copy is not counted",)


def test_a_model_is_not_kept_alive(made):
    model = made.model(0.5)
    monitor, gone = SurvivalMonitor(model), weakref.ref(model[0])
    trained(model)
    del model
    gc.collect()
    assert gone() is None
    assert monitor.counts()[0].decisions > 0


UNREADABLE = {
    "whole numbers": lambda model: model(torch.ones(4, 8, dtype=torch.int64)),
    "without values": lambda model: model(torch.randn(4, 8, device="meta")),
    "of a transform": lambda model: torch.func.vmap(model, randomness="different")(torch.randn(2, 4, 8)),
    "a subclass": lambda model: model(torch.randn(4, 8).as_subclass(type("Own", (torch.Tensor,), {}))),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_tensors_that_cannot_be_read_are_named(kind):
    class DropPath(nn.Module):
        drop_prob = 0.5

        def forward(self, x):
            return x * 1

    model = nn.Sequential(DropPath())
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(4, 8))
        UNREADABLE[kind](model)
        model(torch.randn(0, 8))
    assert monitor.counts()[0].decisions == 4
    assert len(monitor.unseen) == 1
    assert monitor.unseen[0].startswith("0 is called with tensors of a kind")


def test_functions_that_are_called_by_the_model_are_named(made, tmp_path):
    code = """
import torch
from torch import nn

def drop_path(x, drop_prob, training):
    return x * (torch.rand(len(x), 1) >= drop_prob) if training else x

class DropPath(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop_prob = 0.5

    def forward(self, x):
        return drop_path(x, self.drop_prob, self.training)

class Quiet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = DropPath()

    def forward(self, x):
        return self.inner(x)

class Loud(Quiet):
    def forward(self, x):
        return drop_path(super().forward(x), 0.1, self.training)

class Alone(nn.Module):
    def forward(self, x):
        return drop_path(x, 0.1, self.training)
"""
    names: dict = {"__name__": "of_a_file"}
    exec(code, names)  # noqa: S102
    for kind, unseen in ((names["Quiet"], 0), (names["Loud"], 1)):
        model = kind()
        with SurvivalMonitor(model) as monitor:
            model(torch.randn(8, 4))
        assert monitor.counts()[0].decisions == 8
        assert len(monitor.unseen) == unseen
    assert monitor.unseen[0].startswith("drop_path() is called by the model itself")
    with pytest.raises(UsageError, match=r"calls of functions \(drop_path\(\)\) are not counted"):
        SurvivalMonitor(names["Alone"]())


def test_what_drops_nothing_is_refused_and_a_layer_can_be_named(made):
    with pytest.raises(UsageError, match="layer=REGEX"):
        SurvivalMonitor(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(UsageError, match="not an object of type int"):
        SurvivalMonitor(3)

    class Gate(nn.Module):
        drop_prob = 0.5

        def forward(self, x):
            return x * (torch.rand(len(x), 1) >= self.drop_prob)

    model = nn.Sequential(Gate())
    with SurvivalMonitor(model, layer="Gate") as monitor:
        model(torch.randn(8, 4))
    assert monitor.counts()[0].decisions == 8
