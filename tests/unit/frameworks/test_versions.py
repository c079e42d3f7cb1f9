"""The number by which a dictionary tells that it was written to, and what is compared where there is none."""

from __future__ import annotations

import sys

import pytest
import torch

from droppath_audit.frameworks import functions, versions
from droppath_audit.frameworks.functions import Functions

numbered = pytest.mark.skipif(sys.version_info >= (3, 13), reason="dictionaries have no such number")


class Held:
    """A class of which methods are replaced."""

    def method(self):
        return 0


def other(*_):
    return 1


def changes_of(write):
    """Return how often the number of a dictionary, of a module's and of a class's, changed with a write."""
    held, module = {"a": 1}, sys.modules[__name__]
    places = [(held, held.__setitem__), (vars(module), lambda *item: setattr(module, *item))]
    places.append((vars(Held), lambda *item: setattr(Held, *item)))
    seen = []
    for names, put in places:
        number = versions.version_of(names)
        before = number.value
        write(names, put)
        seen.append(number.value != before)
    return seen


@numbered
def test_the_number_changes_with_each_write_and_with_nothing_else():
    assert changes_of(lambda _, put: put("a", 2)) == [True] * 3
    assert changes_of(lambda names, _: [*names, names.get("a"), dict(names)]) == [False] * 3


def test_where_there_is_no_number_none_is_read(monkeypatch):
    monkeypatch.setattr(versions, "_KEPT", False)
    assert versions.version_of({}) is None


@pytest.mark.parametrize("number", [pytest.param(True, marks=numbered), False])
def test_what_is_replaced_removed_or_imported_anew_is_seen_with_the_number_and_without(monkeypatch, number):
    if not number:
        monkeypatch.setattr(functions, "version_of", lambda _: None)
    picture = Functions({"torch": torch, "Held": Held})
    assert picture.changes() == ()
    monkeypatch.setattr(torch, "rand", other)
    monkeypatch.delattr(torch, "randn")
    monkeypatch.setattr(Held, "method", other)
    monkeypatch.setitem(sys.modules, "json", sys.modules["os"])
    found = [change.expression for change in picture.changes()]
    assert sorted(found) == ["Held.method", "hasattr(torch, 'randn')", "sys.modules.get('json')", "torch.rand"]
    picture.put_back()
    assert picture.changes() == ()
    assert torch.rand is not other
    assert hasattr(torch, "randn")
