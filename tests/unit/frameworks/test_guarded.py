"""Behind a guard a layer that changes what everybody shares is like one that does not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import torch

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.capabilities import Autograd, ask
from droppath_audit.frameworks.guarded import guarded, unguarded
from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.targets.loader import load_object


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        torch.set_default_dtype(torch.float64)
        return gradient


class Spoils(torch.nn.Module):
    """Changes the default dtype, a function and the working directory wherever it is asked for anything."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob
        self.spoil()

    @staticmethod
    def spoil():
        torch.set_default_dtype(torch.float64)
        torch.zeros = torch.ones
        os.chdir("/")

    def extra_repr(self):
        self.spoil()
        return f"drop_prob={self.drop_prob}"

    def forward(self, x):
        self.spoil()
        if x.numel() == 7:
            raise ValueError("seven")
        return Backward.apply(x)


@pytest.fixture
def before():
    return torch.get_default_dtype(), torch.zeros, Path.cwd(), torch.is_grad_enabled()


@pytest.fixture
def target():
    found = load_object(Spoils, {}).target
    state = ProcessState.taken(found.framework)
    yield guarded(found, state)
    state.restore()


def now():
    return torch.get_default_dtype(), torch.zeros, Path.cwd(), torch.is_grad_enabled()


def test_every_way_into_a_target_is_guarded(before, target):
    layer = target.make(0.5)
    assert now() == before
    for step in (
        lambda: layer(torch.ones(2, 1), training=True),
        layer.text,
        lambda: layer.copied("deepcopy")(torch.ones(2, 1), training=False),
        lambda: layer.set_drop_prob(0.1),
        lambda: ask(target.framework, Autograd).gradient(layer, torch.ones(2, 1), torch.ones(2, 1)),
    ):
        step()
        assert now() == before


def test_what_raises_is_guarded_as_well(before, target):
    with pytest.raises(TargetRaised, match="seven"):
        target.make(0.5)(torch.ones(7), training=True)
    assert now() == before


def test_the_context_in_which_a_call_is_made_stays(target):
    layer = target.make(0.5)
    with torch.no_grad():
        layer(torch.ones(2, 1), training=True)
        assert not torch.is_grad_enabled()


def test_what_is_known_to_be_changed_is_put_back_after_every_call(before, target):
    bare = unguarded(target)
    state = ProcessState.taken(bare.framework)
    bare.make(0.5)
    changes = state.changes()
    state.restore()
    layer = guarded(bare, state, changes).make(0.5)
    for _ in range(200):  # more than are looked at in full
        layer(torch.ones(2, 1), training=True)
        assert now() == before


def test_threads_put_back_what_they_share_together(before, target):
    layer = target.make(0.5)

    def calls():
        for _ in range(50):
            layer(torch.ones(2, 1), training=True)

    threads = [threading.Thread(target=calls) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert now() == before
