"""What frameworks with ``Layers`` and with ``Forking`` owe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from droppath_audit.frameworks.capabilities import Forking, Layers


@pytest.fixture
def layers(place):
    return place.need(Layers)


def test_a_branch_is_a_layer_that_computes_the_function(place, layers):
    beside = []

    def twice(x, *further):
        beside.append(further)
        return place.framework.add(x, x)

    branch = layers.branch(twice)
    assert layers.is_layer(branch)
    assert place.values(branch(place.tensor([1.0, 2.0]))) == [2.0, 4.0]
    # By wrappers, which hand on masks beside x.
    assert place.values(branch(place.tensor([1.0]), None, mask=1)) == [2.0]
    assert beside == [(), (None, 1)]
    assert place.values(branch(hidden_states=place.tensor([1.0]))) == [2.0]
    assert not layers.is_layer(lambda x: x)
    assert not layers.is_layer(place.tensor([1.0]))


def test_a_container_two_deep_passes_its_mode_on_and_computes_the_same(place, layers):
    beside = []

    def twice(x, *further):
        beside.append(further)
        return place.framework.add(x, x)

    branch = layers.branch(twice)
    outer = layers.container(branch)
    assert layers.is_layer(outer)
    assert place.values(outer(place.tensor([1.0]))) == [2.0]
    for training in (False, True):
        outer.train() if training else outer.eval()
        assert branch.training is training


def test_a_layer_without_parameters_stores_nothing(layers):
    assert layers.stored(layers.container(layers.branch(lambda x: x))) == ()


def test_what_it_stores_is_named_and_filled(place, layers):
    class Gain(type(layers.branch(lambda x: x))):
        def __init__(self):
            super().__init__()
            self.register_buffer("gain", place.tensor([3.0]))
            self.register_buffer("shift", place.tensor([5.0]))

    holder = layers.container(Gain())
    assert {name.rpartition(".")[2] for name in layers.numbers(holder)} == {"gain", "shift"}
    for name in layers.numbers(holder):
        layers.fill(holder, name, 1.0)
    assert place.values(holder[0][0].gain) == place.values(holder[0][0].shift) == [1.0]
    assert layers.numbers(layers.branch(lambda x: x)) == ()


def test_a_conversion_leaves_what_has_no_parameters_as_it_was(place, layers):
    branch = layers.branch(lambda x: x)
    layers.convert(branch, "float16", place.device)
    assert place.values(branch(place.tensor([1.0]))) == [1.0]


# Too little to be shared among threads, which are not there in a fork.
FORKED = """
import os, signal, warnings
warnings.simplefilter("ignore")
import numpy as np
from droppath_audit.frameworks import adapter_for
framework = adapter_for(None, {name!r}).framework()
x = framework.ones((64, 64), "float32", {device!r})
framework.multiply(framework.add(x, x), x)
assert framework.can_fork()
child = os.fork()
if child == 0:
    signal.alarm(60)
    y = framework.multiply(framework.add(x, x), framework.rows(x, list(range(64))))
    os._exit(0 if np.all(framework.numpy(y) == 2) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_computes_where_it_is_said_to(place):
    hazard = place.need(Forking).fork_hazard(place.device)
    if hazard:
        assert place.device != "cpu"
        return
    code = FORKED.format(name=place.framework.name, device=place.device)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
