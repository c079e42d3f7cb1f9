from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "mutation" / "operators.py"


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("mutation_operators", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.mutants


SOURCE = '''"""Module."""
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

LIMIT: int = 3


@decorated(1)
def f(x: "X", flag: bool = True) -> float:
    """What it does."""
    if not 0 <= x < LIMIT and flag:
        raise ValueError(f"{x} is 1")
    y = -x + 2.0
    check(y)
    return min(x, y) if x else 0.5
'''


def test_every_place_is_changed_once_and_only_what_runs(mutants):
    found = [mutant.id.removeprefix("a.py ") for mutant in mutants(SOURCE, "a.py")]
    assert len(found) == len(set(found))
    assert set(found) >= {
        "module: LIMIT: int = 3 => LIMIT: int = 4",
        "f: not 0 <= x < LIMIT and flag => not 0 <= x < LIMIT or flag",
        "f: 0 <= x < LIMIT => 0 < x < LIMIT",
        "f: 0 <= x < LIMIT => 0 <= x <= LIMIT",
        "f: 0 <= x < LIMIT => 1 <= x < LIMIT",
        "f: not 0 <= x < LIMIT => 0 <= x < LIMIT",
        "f: -x + 2.0 => -x - 2.0",
        "f: -x + 2.0 => -x + 4.0",
        "f: -x => x",
        "f: check(y) => pass",
        "f: min(x, y) => max(x, y)",
    }
    text = "\n".join(found)
    for kept in ("Module", "What it does", "decorated(2)", "is 2", "numpy"):
        assert kept not in text


def test_a_mutant_is_the_whole_source_with_one_change(mutants):
    original = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants(SOURCE, "a.py"):
        lines = mutant.source.splitlines()
        compile(mutant.source, "a.py", "exec")
        assert sum(a != b for a, b in zip(lines, original, strict=True)) == 1


def test_ids_are_unique(mutants):
    ids = [mutant.id for mutant in mutants("a = 1\nb = 1\nc = (1 + 1) + (1 + 1)\n", "a.py")]
    assert len(ids) == len(set(ids))
    assert any(name.endswith("#2") for name in ids)
