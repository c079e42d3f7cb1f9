"""Random keys: which arguments are read as one, and what they are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks.capabilities import Keys
from droppath_audit.frameworks.torch.operations import TorchFramework
from droppath_audit.targets.loader import load_object


def scaled(x, p, training, generator):
    if not training or p == 0:
        return x
    kept = torch.rand((len(x), *[1] * (x.dim() - 1)), generator=generator) >= p
    return torch.where(kept, x / (1 - p or 1), 0)


def by_generator(x, drop_prob, training, generator):
    return scaled(x, drop_prob, training, generator)


def by_rng(x, drop_prob, training, *, rng):
    return scaled(x, drop_prob, training, rng)


def key_first(key, x, drop_prob, training, /):
    return scaled(x, drop_prob, training, key)


def optional(x, drop_prob, training, generator=None):
    return scaled(x, drop_prob, training, generator)


def by_another_name(x, drop_prob, training, source):
    return scaled(x, drop_prob, training, source)


def from_list(inputs, drop_prob, training):
    x, key = inputs
    return scaled(x, drop_prob, training, key)


class Layer(torch.nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x, rng):
        return scaled(x, self.drop_prob, self.training, rng)


def shuffling(x, residual_func, drop_prob, training, generator):
    """Correct: the branch is run on the samples that are kept."""
    kept = torch.rand(len(x), generator=generator) >= (drop_prob if training else 0)
    y = x.clone()
    y[kept] = x[kept] + residual_func(x[kept]) / (1 - drop_prob)
    return y


KEYED = [
    (by_generator, {}, "function · drop_prob · mode by training · key by generator"),
    (by_rng, {}, "function · drop_prob · mode by training · key by rng"),
    (by_rng, {"call": "(x,p,training,rng)"}, "function · drop_prob · mode by training · key by rng"),
    (key_first, {}, "function · drop_prob · mode by training · a key"),
    (optional, {"call": "(x,p,training,key)"}, "function · drop_prob · mode by training · a key"),
    (by_another_name, {"call": "(x,p,training,key)"}, "function · drop_prob · mode by training · a key"),
    (from_list, {"call": "([x,key],p,training)"}, "function · drop_prob · mode by training · a key"),
    (Layer, {}, "class · drop_prob · train()/eval() · key by rng"),
    (Layer(0.5), {}, "instance · drop_prob · train()/eval() · key by rng"),
]


@pytest.fixture(params=KEYED, ids=lambda case: f"{getattr(case[0], '__name__', 'instance')}-{case[1].get('call', '')}")
def keyed(request):
    obj, items, arguments = request.param
    loaded = load_object(obj, items)
    assert loaded.facts.arguments == arguments
    with loaded.target.framework.scope():
        yield loaded


X = torch.ones(64, 2)


def masks(loaded, calls, seed):
    loaded.target.framework.seed(seed)
    layer = loaded.target.make(0.5)
    return [(layer(X, training=True) != 0)[:, 0].tolist() for _ in range(calls)]


def test_seeds_fix_the_masks_and_no_two_calls_are_alike(keyed):
    assert keyed.target.keyed
    assert "key" in keyed.facts.invocation.roles
    first = masks(keyed, 4, seed=7)
    assert first == masks(keyed, 4, seed=7)
    assert len({tuple(mask) for mask in [*first, *masks(keyed, 4, seed=8)]}) == 8  # else once in 2^59 seeds


def test_a_key_moves_no_global_generator(keyed):
    framework = keyed.target.framework
    before = framework.generator_state("cpu")
    keyed.target.make(0.5)(X, training=True)
    assert framework.generator_state("cpu") == before


def test_two_layers_share_one_row_of_keys(keyed):
    keyed.target.framework.seed(7)
    first, second = keyed.target.make(0.5), keyed.target.make(0.5)
    assert not torch.equal(first(X, training=True), second(X, training=True))


def test_a_scope_takes_back_the_keys_that_were_given_in_it(keyed):
    framework, layer = keyed.target.framework, keyed.target.make(0.5)
    framework.seed(7)
    with framework.scope():
        inside = layer(X, training=True)
    assert torch.equal(layer(X, training=True), inside)


def test_a_checkpointed_call_is_recomputed_with_its_key(keyed):
    framework = keyed.target.framework
    for how in framework.checkpoints:
        result = framework.checkpointed(keyed.target.make(0.5), X, X, how)
        assert torch.equal(result.gradient != 0, result.output != 0)


def test_gradients_are_checked_with_one_key(keyed):
    layer = keyed.target.make(0.5)
    assert keyed.target.framework.gradcheck(layer, torch.ones(6, 1, dtype=torch.float64), seed=3) == ""


def test_a_call_that_is_noted_first_is_made_in_earnest_with_the_same_key():
    loaded = load_object(shuffling, {"form": "residual"})
    x = torch.arange(1.0, 257.0).reshape(64, 4)
    loaded.target.framework.seed(3)
    y = loaded.target.make(0.5)(x, training=True)
    kept = (y != 0).any(dim=1)
    assert 0 < int(kept.sum()) < 64
    assert torch.equal(y[kept], 2 * x[kept])


def test_an_argument_that_may_be_left_out_is_left_out_where_a_global_generator_serves():
    loaded = load_object(optional, {})
    assert not loaded.target.keyed
    assert loaded.facts.arguments == "function · drop_prob · mode by training"


def test_and_is_given_a_key_where_nothing_else_would_be_seeded(monkeypatch):
    monkeypatch.setattr(TorchFramework, "needed", True)
    assert load_object(optional, {}).target.keyed
    assert not load_object(optional, {"arg.generator": None}).target.keyed


def test_a_name_that_says_nothing_is_asked_for():
    with pytest.raises(UsageError, match="'source' must be given a value"):
        load_object(by_another_name, {})


def test_a_framework_without_keys_refuses_a_call_with_one(monkeypatch):
    monkeypatch.setattr("droppath_audit.targets.loader.has", lambda framework, capability: None)
    with pytest.raises(
        UsageError, match=r"^The call of by_rng takes a random key, and torch has no random keys to pass"
    ):
        load_object(by_rng, {"call": "(x,p,training,key)"})
    with pytest.raises(UsageError, match="'rng' must be given a value"):
        load_object(by_rng, {})


def test_no_two_keys_of_a_seed_are_alike():
    framework = TorchFramework()
    framework.seed(5)
    seeds = [framework.key("cpu").initial_seed() for _ in range(10_000)]
    assert len(set(seeds)) == 10_000
    assert isinstance(framework, Keys)
    assert max(seeds) < 2**32
    assert np.all(np.array(seeds) >= 0)


def by_number(x, drop_prob, training, key: int):
    return scaled(x, drop_prob, training, torch.Generator().manual_seed(key))


def test_a_number_is_no_key_whatever_its_name():
    with pytest.raises(UsageError, match=r"'key' must be given a value: add arg\.key=1"):
        load_object(by_number, {})
    assert "key by" not in load_object(by_number, {"arg.key": 3}).facts.arguments
