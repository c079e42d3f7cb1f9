"""What frameworks with ``Generators``, with ``Keys`` and with ``Sources`` owe."""

from __future__ import annotations

import copy
import pickle
import random

import numpy as np
import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Generators, Keys, Sources


@pytest.fixture
def state(place):
    generators = place.need(Generators)
    return lambda: generators.generator_state(place.device)


def test_reading_it_changes_nothing_and_a_draw_does(place, state):
    before = state()
    assert state() == before
    place.draw()
    assert state() != before


def test_arithmetic_leaves_it_alone(place, state):
    before = state()
    x = place.tensor([1.0, 2.0])
    place.framework.multiply(place.framework.add(x, x), place.framework.rows(x, [1, 0]))
    place.framework.count([x], 1.0)
    assert state() == before


def test_equal_seeds_are_equal_states(place, state):
    states = []
    for seed in (5, 6, 5):
        place.framework.seed(seed)
        states.append(state())
    assert states[0] == states[2] != states[1]


def test_a_scope_restores_it(place, state):
    before = state()
    with place.framework.scope():
        place.framework.seed(99)
        place.draw()
    assert state() == before


def test_the_generators_of_others_are_no_part_of_it(place, state):
    before, numpy = state(), np.random.get_state()
    random.random()  # noqa: S311
    if place.framework.library != "numpy":
        np.random.random()
        np.random.set_state(numpy)
    assert state() == before


@pytest.fixture
def key(place):
    keys = place.need(Keys)
    try:
        keys.key(place.device)
    except NotApplicable as reason:
        pytest.skip(str(reason))

    def drawn():
        """Return some numbers that the next key gives, by the method of a generator."""
        generator = keys.key(place.device)
        if hasattr(generator, "random"):
            return tuple(generator.random(4))
        import torch

        return tuple(torch.rand(4, generator=generator, device=generator.device).tolist())

    return drawn


def test_no_two_keys_of_a_seed_are_alike_and_a_seed_repeats_them(place, key):
    place.framework.seed(5)
    first = [key() for _ in range(100)]
    assert len(set(first)) == 100
    place.framework.seed(5)
    assert [key() for _ in range(100)] == first
    place.framework.seed(6)
    assert not {key() for _ in range(100)} & set(first)


def test_a_scope_takes_its_keys_back(place, key):
    place.framework.seed(5)
    with place.framework.scope():
        inside = key()
    assert key() == inside
    with place.framework.scope():
        place.framework.seed(9)
    assert key() != inside


def test_a_key_moves_no_global_generator(place, key):
    generators = place.need(Generators)
    before = generators.generator_state(place.device)
    key()
    assert generators.generator_state(place.device) == before


def test_a_source_draws_from_what_is_seeded_and_so_do_its_copies(place):
    sources = place.need(Sources)
    source = sources.source()
    copies = (source, copy.copy(source), copy.deepcopy([source])[0], pickle.loads(pickle.dumps(source)))  # noqa: S301
    drawn = set()
    for one in copies:
        place.framework.seed(3)
        drawn.add(tuple(one.random(4)))
    assert len(drawn) == 1
    before = place.framework.generator_state(place.device)
    source.random()
    assert place.framework.generator_state(place.device) != before
    place.framework.seed(4)
    assert tuple(source.random(4)) not in drawn
