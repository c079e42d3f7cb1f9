"""Whole blocks that drop by themselves: a factory of the factor of their branch, which tells sound ones from others."""

from __future__ import annotations

import math

import pytest
import torch

from droppath_audit.frameworks.torch.block_factor import factory_of
from droppath_audit.targets.loader import proposed
from droppath_audit.targets.own_code import own_functions

SAMPLES = 4096
BOUND = 6.0  # standard deviations: sound code is outside once in 5e8 runs; what keeps 1/2 for 3/4 is 32 of them away

FILE = '''
import copy
import torch
from torch import nn

class Bottleneck(nn.Module):
    """The rate is what survives; the last gain begins at zero, and a ReLU follows the addition."""
    def __init__(self, width, survival_rate=1.0):
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 1)
        self.bn = nn.BatchNorm2d(width)
        nn.init.zeros_(self.bn.weight)
        self.survival_rate = survival_rate

    def factor(self, y):
        return torch.bernoulli(torch.full((len(y), 1, 1, 1), self.survival_rate)) / self.survival_rate

    def forward(self, x):
        y = self.bn(self.second(torch.relu(self.first(x))))
        return torch.relu(x + (y * self.factor(y) if self.training else y))

class Unscaled(Bottleneck):
    def factor(self, y):
        return torch.bernoulli(torch.full((len(y), 1, 1, 1), self.survival_rate))

class Exchanged(Bottleneck):
    def factor(self, y):
        return torch.bernoulli(torch.full((len(y), 1, 1, 1), 1.0 - self.survival_rate)) / (1.0 - self.survival_rate)

class Idle(Bottleneck):
    def factor(self, y):
        return 1.0

class Wide(nn.Module):
    """Four times as many channels come out as its size says, and x is added to them."""
    def __init__(self, inplanes, planes, survival_rate=1.0):
        super().__init__()
        self.first, self.last = nn.Conv2d(inplanes, planes, 1), nn.Conv2d(planes, 4 * planes, 1)
        self.survival_rate = survival_rate

    def forward(self, x):
        y = self.last(self.first(x))
        if not self.training:
            return x + y
        return x + y * torch.bernoulli(torch.full((len(y), 1, 1, 1), self.survival_rate)) / self.survival_rate

class Positioned(nn.Module):
    """Its rate is a share of what it is given, by the place that a call tells."""
    def __init__(self, dim, survival_rate=1.0):
        super().__init__()
        self.norm, self.survival_rate = nn.LayerNorm(dim), survival_rate

    def forward(self, x, sublayer, position):
        keep = 1.0 - (1.0 - self.survival_rate) * position
        y = sublayer(self.norm(x))
        return x + (y * torch.bernoulli(torch.full((len(y), 1), keep)) / keep if self.training else y)

class Stack(nn.Module):
    """Layers that are copies of one, each of which a call skips."""
    def __init__(self, layer, N, death_rate=0.0):
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(N))
        self.norm, self.death_rate = nn.LayerNorm(layer.size), death_rate

    def forward(self, x, mask):
        for layer in self.layers:
            if not self.training or torch.rand(()).item() >= self.death_rate:
                x = layer(x, mask)
        return self.norm(x)

class Survives(nn.Module):
    """Named for what the method is called, and given what is kept; beside what another layer drops out."""
    def __init__(self, width, dropout, layerdrop, padding, stochastic_depth_prob=1.0):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 1 + 2 * padding, padding=padding), nn.BatchNorm2d(width)
        self.stochastic_depth_prob = stochastic_depth_prob

    def forward(self, x):
        y = self.norm(self.conv(x))
        if self.training:
            y = y * (torch.rand(len(y), 1, 1, 1) < self.stochastic_depth_prob) / self.stochastic_depth_prob
        return x + y

class Thin(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, y):
        return y * (torch.rand(len(y), 1, 1, 1) >= self.rate) / (1.0 - self.rate) if self.training else y

class DropPath(Thin):
    pass

class Modern(nn.Module):
    """Holds what drops only where anything is to be dropped."""
    kind = DropPath

    def __init__(self, dim, drop_path=0.0):
        super().__init__()
        self.mix, self.norm = nn.Conv2d(dim, dim, 3, padding=1, groups=dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * dim, dim))
        self.gamma = nn.Parameter(1e-6 * torch.ones(dim))
        self.drop_path = self.kind(drop_path) if drop_path > 0.0 else nn.Identity()

    def forward(self, x):
        y = self.gamma * self.mlp(self.norm(self.mix(x).permute(0, 2, 3, 1)))
        return x + self.drop_path(y.permute(0, 3, 1, 2))

class OtherName(Modern):
    kind = Thin

class Inside(Modern):
    """What drops is a part of a part."""
    def __init__(self, dim, drop_path=0.0):
        super().__init__(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, dim), DropPath(drop_path))

class Mixing(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.inner = nn.Conv2d(dim, dim, 1)

    def forward(self, x):
        return self.inner(x)

class OwnPart(Modern):
    """A part that somebody wrote may do more than compute."""
    def __init__(self, dim, drop_path=0.0):
        super().__init__(dim, drop_path)
        self.mix = Mixing(dim)

class Handed(nn.Module):
    """Both of its branches are handed over, and scaled one after the other."""
    def __init__(self, size, self_attn, feed_forward, stochastic_depth_rate=0.0):
        super().__init__()
        self.self_attn, self.feed_forward, self.rate = self_attn, feed_forward, stochastic_depth_rate
        self.before, self.between = nn.LayerNorm(size), nn.LayerNorm(size)

    def forward(self, x, mask):
        factor = 1.0
        if self.training and self.rate > 0.0:
            if torch.rand(1).item() < self.rate:
                return x, mask
            factor = 1.0 / (1.0 - self.rate)
        h = self.before(x)
        x = x + factor * self.self_attn(h, h, h, mask)
        return x + factor * self.feed_forward(self.between(x)), mask

class HandedAlone(nn.Module):
    """The same without norms: two identities would be a branch of another scale."""
    def __init__(self, size, self_attn, feed_forward, stochastic_depth_rate=0.0):
        super().__init__()
        self.self_attn, self.feed_forward, self.rate = self_attn, feed_forward, stochastic_depth_rate

    def forward(self, x):
        if self.training and torch.rand(1).item() < self.rate:
            return x
        factor = 1.0 / (1.0 - self.rate) if self.training else 1.0
        x = x + factor * self.self_attn(x)
        return x + factor * self.feed_forward(x)

class Normal(Survives):
    """Some samples are kept, many times over, where none is to be."""
    def forward(self, x):
        y = self.norm(self.conv(x))
        if self.training:
            noise = torch.floor(torch.randn(len(y), 1, 1, 1) + self.stochastic_depth_prob)
            y = y * noise / self.stochastic_depth_prob
        return x + y

class OffByOne(Survives):
    """All samples are kept, many times over, where none is to be."""
    def forward(self, x):
        y = self.norm(self.conv(x))
        if self.training:
            noise = torch.floor(torch.rand(len(y), 1, 1, 1) - 1.0 + self.stochastic_depth_prob)
            y = y * noise / self.stochastic_depth_prob
        return x + y

class Together(Bottleneck):
    def factor(self, y):
        return (torch.rand(()) < self.survival_rate).to(y) / self.survival_rate

class Encoder(nn.Module):
    """Two branches with one rate, a dropout beside it, a module from outside, and a mask handed through."""
    def __init__(self, d_model, self_attn, dropout=0.1, stochastic_depth_rate=0.0):
        super().__init__()
        self.self_attn, self.rate = self_attn, stochastic_depth_rate
        self.before, self.between = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.feed = nn.Sequential(nn.Linear(d_model, d_model), nn.Dropout(dropout))

    def thin(self, y):
        if not self.training or self.rate == 0.0:
            return y
        return y * (torch.rand(len(y), 1, 1) >= self.rate) / (1.0 - self.rate)

    def forward(self, x, mask):
        h = self.before(x)
        x = x + self.thin(self.self_attn(h, h, h, mask)[0])
        return x + self.thin(self.feed(self.between(x))), mask

class Pieces(Encoder):
    def thin(self, y):
        return y * (torch.rand(len(y), y.shape[1], 1) >= self.rate) / (1.0 - self.rate) if self.training else y

class Conditioned(nn.Module):
    """Takes an embedding, and is normalised behind the addition."""
    def __init__(self, channels, cond_channels, drop_path=0.0):
        super().__init__()
        self.conv, self.to_bias = nn.Conv1d(channels, channels, 3, padding=1), nn.Linear(cond_channels, channels)
        self.norm, self.drop_path = nn.GroupNorm(2, channels), drop_path

    def forward(self, x, cond):
        if self.training and torch.rand(()) < self.drop_path:
            return self.norm(x)
        return self.norm(x + self.conv(x) + self.to_bias(cond)[..., None])
'''


@pytest.fixture
def blocks(tmp_path):
    path = tmp_path / "own_blocks.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def made(blocks, name, *, complete=True):
    proposal = proposed(f"{blocks}:{name}", runs=lambda _: False)
    assert proposal.complete is complete
    assert "dtypes=float32" in proposal.items
    names = {}
    exec(compile(proposal.text, name, "exec"), names)  # noqa: S102 - the text is ours
    return names["make"], proposal.text


def factors(make, drop_prob, *, training=True, samples=SAMPLES):
    torch.manual_seed(0)
    return make(drop_prob)(torch.ones(samples, 1), training).flatten()


def kept_as_asked(found, keep_prob):
    return abs((found != 0).double().mean().item() - keep_prob) < BOUND * math.sqrt(
        keep_prob * (1 - keep_prob) / SAMPLES
    )


@pytest.mark.parametrize("name", ["Bottleneck", "Wide", "Positioned", "Encoder", "Modern", "OtherName", "Inside"])
def test_a_sound_block_multiplies_its_branch_as_a_sound_layer_does_x(blocks, name):
    make, _ = made(blocks, name)
    found = factors(make, 0.25)
    assert set(found.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert kept_as_asked(found, 0.75)
    assert set(factors(make, 0.25, training=False).tolist()) == {1.0}
    assert set(factors(make, 0.0).tolist()) == {1.0}


@pytest.mark.parametrize(
    ("name", "values", "keep_prob"),
    [("Unscaled", {0.0, 1.0}, 0.75), ("Exchanged", {0.0, 4.0}, 0.25), ("Idle", {1.0}, 1.0)],
)
def test_a_faulty_block_shows_its_fault(blocks, name, values, keep_prob):
    found = factors(made(blocks, name)[0], 0.25)
    assert set(found.tolist()) == values
    assert kept_as_asked(found, keep_prob) or keep_prob == 1.0


def test_what_is_kept_a_billion_times_over_is_none_dropped(blocks):
    found = factors(made(blocks, "Normal")[0], 0.25)
    assert {0.0, 1 / 0.75, -1 / 0.75} < {round(float(one) * 0.75) / 0.75 for one in found}
    assert (found == 0).double().mean().item() == pytest.approx(0.372, abs=BOUND * math.sqrt(0.372 * 0.628 / SAMPLES))


def test_what_is_kept_in_every_call_at_a_rate_of_nearly_one_is_none_dropped_either(blocks):
    found = factors(made(blocks, "OffByOne")[0], 0.25)
    assert set(found.tolist()) == {0.0, -torch.tensor(1 / 0.75).item()}
    assert kept_as_asked(found, 0.25)


def test_a_block_that_decides_once_a_batch_does_so_here(blocks):
    make, _ = made(blocks, "Together")
    layer, x = make(0.5), torch.ones(64, 1)
    torch.manual_seed(0)
    calls = [set(layer(x, True).flatten().tolist()) for _ in range(40)]  # all alike once in 2^39
    assert all(len(call) == 1 for call in calls)
    assert set.union(*calls) == {0.0, 2.0}


def test_of_several_branches_one_is_seen_alone_and_the_file_says_which_is_not(blocks):
    _, text = made(blocks, "Encoder")
    assert "silent=('feed',)" in text
    assert "What feed adds is nothing here" in text
    assert "dropout=0.0" in text
    assert "self_attn=GivenPart(None)" in text
    assert "mask=None" in text


@pytest.mark.parametrize(
    ("name", "simple"),
    [
        ("Modern", {"mix": (), "mlp": ()}),
        ("Inside", {"mix": ()}),
        ("OwnPart", {"mlp": ()}),
        ("Encoder", {"feed": ()}),
        ("Conditioned", {"conv": (), "to_bias": ()}),
    ],
)
def test_parts_that_decide_nothing_have_something_cheap_in_their_place(blocks, name, simple):
    assert f"simple={simple!r}" in made(blocks, name)[1]


def test_a_stack_that_copies_a_layer_is_given_one_that_adds(blocks):
    make, text = made(blocks, "Stack")
    assert "layer=GivenLayer()" in text
    assert "N=2" in text
    assert "silent=('layers.1',)" in text
    torch.manual_seed(0)
    layer = make(0.25)
    found = torch.tensor([layer(torch.ones(1, 1), True).item() for _ in range(400)])
    assert set(found.tolist()) == {0.0, 1.0}
    assert (found == 1).double().mean().item() == pytest.approx(0.75, abs=BOUND * math.sqrt(0.25 * 0.75 / 400))


@pytest.mark.parametrize("name", ["Handed", "HandedAlone"])
def test_two_branches_that_are_handed_over_do_not_look_like_one(blocks, name):
    make, text = made(blocks, name)
    assert "silent=('feed_forward',)" in text
    torch.manual_seed(0)
    layer = make(0.25)
    assert {layer(torch.ones(1, 1), True).item() for _ in range(60)} == {0.0, torch.tensor(1 / 0.75).item()}


def test_what_drops_parts_of_a_sample_is_refused_and_not_made_to_fit(blocks):
    make, text = made(blocks, "Pieces", complete=False)
    assert "FILL IN: no sample was seen kept or dropped as a whole" in text
    with pytest.raises(RuntimeError, match="neither kept nor dropped as a whole"):
        factors(make, 0.5, samples=64)


def test_behind_a_norm_no_factor_can_be_told_so_it_is_left_out(blocks):
    make, text = made(blocks, "Conditioned")
    assert "cond=z.new_zeros(len(z), 8)" in text
    torch.manual_seed(0)
    assert {factor for _ in range(40) for factor in make(0.5)(torch.ones(2, 1), True).flatten().tolist()} == {0.0, 1.0}


def test_the_factory_draws_what_the_block_draws_and_leaves_the_default_dtype(blocks):
    make, _ = made(blocks, "Bottleneck")
    torch.manual_seed(3)
    layer = make(0.5)
    before = torch.get_rng_state()
    layer(torch.ones(8, 1), False)
    assert torch.equal(torch.get_rng_state(), before)
    layer(torch.ones(8, 1), True)
    assert not torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32


def test_what_mixes_samples_is_no_way_to_call_a_block():
    def first_of_all(block, z, *_):
        return z + block(z)[0]  # of attention that returns a pair this would be its output

    with pytest.raises(ValueError, match="not of that sample alone"):
        factory_of(lambda *_: torch.nn.Linear(8, 8), first_of_all, (2, 8))(0.5)


def test_what_returns_its_input_alone_is_no_block():
    with pytest.raises(ValueError, match="never returns anything but its input"):
        factory_of(lambda *_: torch.nn.Identity(), lambda block, z, *_: block(z), (2, 8))(0.5)


def test_a_rate_that_a_body_scales_by_is_what_is_kept_unless_its_name_says_more(blocks):
    make, text = made(blocks, "Survives")
    assert "stochastic_depth_prob=1.0 - drop_prob" in text
    assert "padding=0" in text
    assert "dropout=0.0" in text
    assert "layerdrop=0.0" in text
    found = factors(make, 0.25)
    assert set(found.tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert kept_as_asked(found, 0.75)


def test_what_is_dropped_is_zero_also_where_what_is_kept_is_nearly(blocks):
    assert set(factors(made(blocks, "Bottleneck")[0], 1.0 - 1e-9).tolist()) == {0.0}


def test_what_is_declared_of_a_block_is_declared_of_its_factory(blocks):
    items = proposed(f"{blocks}:Together?granularity=batch&scaling=none", runs=lambda _: False).items
    assert items == ("form=factory", "granularity=batch", "scaling=none", "dtypes=float32")


def test_code_that_is_looked_at_is_that_of_the_block(blocks):
    make, _ = made(blocks, "Bottleneck")
    named = {one.__qualname__ for one in own_functions(make)}
    assert {"Bottleneck.__init__", "Bottleneck.factor", "Bottleneck.forward"} <= named
    assert not any("factory_of" in one for one in named)


def test_a_layer_whose_factory_runs_is_no_block(file):
    assert "factory_of" not in proposed(f"{file}:ByDropProb", runs=lambda _: True).text
