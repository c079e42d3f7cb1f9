"""What frameworks with ``GlobalSettings`` owe, and what a picture of a process makes of them."""

from __future__ import annotations

import time

import pytest

from droppath_audit.frameworks.capabilities import Autograd, GlobalSettings, has
from droppath_audit.frameworks.functions import Functions
from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.frameworks.settings import Unreadable


@pytest.fixture
def shared(place):
    return place.need(GlobalSettings)


def test_every_setting_is_read_and_written_back_as_it_is(shared):
    for setting in shared.settings():
        before = setting.read()
        assert not isinstance(before, Unreadable), setting.name
        if setting.write is not None:
            setting.write(before)
        assert setting.read() == before, setting.name


def test_a_script_reads_a_setting_as_the_audit_does(place, shared):
    for setting in shared.settings():
        assert place.run(*setting.imports, f"found = {setting.expression}")["found"] == setting.read(), setting.name


def test_a_replaced_function_is_seen_by_its_name_and_put_back(place, shared):
    for name, held in shared.namespaces().items():
        key = next(
            key for key, value in vars(held).items() if callable(value) and f"{name}.{key}" not in shared.aliases
        )
        before, state = getattr(held, key), ProcessState.taken(place.framework)
        try:
            setattr(held, key, _another)
            assert f"{name}.{key} is another function" in "".join(map(str, state.changes()))
        finally:
            assert state.restore() == ()
        assert getattr(held, key) is before


def _another(*arguments, **keywords):
    raise AssertionError("it was replaced")


def test_computing_changes_nothing(place, shared):
    x = place.tensor([1.0, 2.0])
    state = ProcessState.taken(place.framework)
    place.framework.multiply(place.framework.add(x, x), place.framework.rows(x, [1, 0]))
    place.draw()
    assert state.changes() == ()


def test_a_comparison_is_cheap_enough_for_every_trial(place, shared):
    state = ProcessState.taken(place.framework)
    comparing, taking = [], []
    for _ in range(10):
        comparing.append(_seconds(state.changes))
        taking.append(_seconds(lambda: Functions(shared.namespaces(), shared.aliases)))
    # A tenth, which an idle machine keeps with room to spare; a comparison that takes a picture anew needs all of it.
    assert min(comparing) < 0.3 * min(taking)


def _seconds(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def test_a_tensor_carries_whether_it_is_tracked_and_a_script_reads_the_same(place, shared):
    x = place.tensor([1.0, 2.0])
    before = shared.carried(x)
    assert before == shared.carried(x)
    for expression, value in before.items():
        assert place.run(f"found = {expression}", x=x)["found"] == value
    if has(place.framework, Autograd) is not None:
        place.run(place.spelling.track("x"), x=x)
        assert shared.carried(x) != before


def test_what_is_allocated_is_a_number_of_bytes(place, shared):
    assert shared.allocated(place.device) >= 0
