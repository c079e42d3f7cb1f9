"""Growth is what never ends; a cache that fills up is none."""

from __future__ import annotations

import collections
import ctypes
import os

import pytest

from droppath_audit.probes.growth import DEVICE, FILES, NATIVE, PYTHON, growth_of, traced


def measured(each, allocated=lambda: 0):
    count = iter(range(10**9))

    def run(calls):
        for _ in range(calls):
            each(next(count))

    with traced():
        return {one.what: one for one in growth_of(run, allocated, 512, 60.0)[0]}


def test_a_list_that_grows_is_told_with_the_line_that_fills_it():
    held = []
    found = measured(lambda number: held.append([number]))
    assert found[PYTHON].where.startswith("test_growth.py:")
    assert 60 < found[PYTHON].each < 200


@pytest.mark.parametrize("size", [100, 1000, 3000])
def test_a_cache_that_fills_up_is_none(size):
    held = collections.deque(maxlen=size)
    assert measured(lambda number: held.append([number])) == {}


def test_what_each_run_adds_however_many_calls_it_has_is_none():
    held = []

    def run(calls):
        held.append(bytearray(40_000))

    with traced():
        assert growth_of(run, lambda: 0, 512, 60.0)[0] == ()


def test_memory_that_python_does_not_see_is_told():
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    if not hasattr(library, "mallinfo2"):
        pytest.skip("the C library does not say how much memory is in use")
    held = []
    found = measured(lambda number: held.append(library.malloc(100)))
    assert 90 < found[NATIVE].each < 400
    for pointer in held:
        library.free(ctypes.c_void_p(pointer))


def test_what_a_device_gives_away_is_told():
    used = [0]

    def each(number):
        used[0] += 64

    assert measured(each, lambda: used[0])[DEVICE].each == 64


def test_open_files_are_told():
    held = []

    def each(number):
        if number % 16 == 0:
            held.append(os.dup(0))

    try:
        assert FILES in measured(each)
    finally:
        for number in held:
            os.close(number)


def test_no_growth_without_any():
    assert measured(lambda number: [number] * 100) == {}
