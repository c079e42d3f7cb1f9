"""While a framework is imported nothing is collected; afterwards all is as it was, and what it made is left alone."""

from __future__ import annotations

import gc
import importlib
import runpy
import sys
from types import SimpleNamespace

import pytest

from droppath_audit.frameworks.arrivals import Arrivals

SOURCE = """
import gc
collected = gc.isenabled()
made = [[] for _ in range(1000)]
"""


@pytest.fixture
def framework(tmp_path, monkeypatch):
    (tmp_path / "framework_that_arrives.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield SimpleNamespace(packages=("framework_that_arrives",), framework=lambda: None)
    del sys.modules["framework_that_arrives"]
    gc.unfreeze()


@pytest.mark.parametrize("collecting", [True, False])
def test_no_collection_looks_at_what_a_framework_makes_and_the_rest_is_collected_as_before(framework, collecting):
    (gc.enable if collecting else gc.disable)()
    try:
        before, arrivals = gc.get_freeze_count(), Arrivals([framework])
        module = importlib.import_module("framework_that_arrives")
        assert (module.collected, gc.isenabled()) == (False, collecting)
        assert gc.get_freeze_count() - before > len(module.made)
        assert not arrivals.undone()
    finally:
        gc.enable()


def test_what_is_changed_for_a_moment_while_a_framework_arrives_is_no_change(framework, tmp_path, monkeypatch):
    """``runpy`` puts the name of the file that it runs into sys.argv, and takes it out again."""
    (tmp_path / "layers.py").write_text("import framework_that_arrives")
    monkeypatch.setattr(sys, "argv", ["audit_me.py"])
    arrivals = Arrivals([framework])
    runpy.run_path(str(tmp_path / "layers.py"))
    assert not arrivals.undone()
    arrivals = Arrivals([framework])
    sys.argv.append("--debug")
    assert [change.expression for change in arrivals.undone()] == ["list(sys.argv)"]
