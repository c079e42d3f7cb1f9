"""What a file runs: its imports, followed."""

from __future__ import annotations

from tools.calibrating.imports import closure, imported


def test_a_module_is_imported_with_the_packages_that_hold_it():
    there = {"__init__": "", "core/__init__": "", "core/case": "", "core/grid": ""}
    for text in ("import droppath_audit.core.case", "from droppath_audit.core import case"):
        assert imported(text) & there.keys() == {"__init__", "core/__init__", "core/case"}
    assert imported("import torch\nfrom . import case") == set()


def test_imports_inside_functions_count_and_those_for_type_checkers_do_not():
    text = """
if TYPE_CHECKING:
    from droppath_audit.core.case import Case
else:
    from droppath_audit.core.grid import Cells
def f():
    from droppath_audit.core.trial import Trial
"""
    found = imported(text)
    assert "core/trial" in found
    assert "core/case" not in found
    assert "core/grid" in found


def test_imports_are_followed_also_where_they_run_in_a_circle():
    files = {"a": "import droppath_audit.b", "b": "import droppath_audit.a, droppath_audit.c", "c": "", "d": ""}
    assert closure(["a"], files) == {"a", "b", "c"}
    assert closure(["c"], files) == {"c"}
