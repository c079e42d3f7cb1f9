from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

pytest.importorskip("mutmut", reason="tox -e mutation installs it")

FOLDER = Path(__file__).parents[2] / "mutation"

SOURCE = '''"""Module."""
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 7

__all__ = ["Rule"]


class Rule:
    """What it is."""

    @cached_property
    def cap(self) -> "int":
        """What it does."""
        if self.size < 0:
            raise ValueError(f"{self.size} is below {0}")
        return ceil(self.size, 5)
'''


@pytest.fixture
def mutants(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "operators", raising=False)
    monkeypatch.delitem(sys.modules, "of_mutmut", raising=False)
    import of_mutmut
    import operators

    return list(of_mutmut.mutants(SOURCE, "f.py")), list(operators.mutants(SOURCE, "f.py"))


def test_a_decorated_function_is_mutated_by_the_operators_of_mutmut(mutants):
    of_mutmut, _ = mutants
    assert "f.py Rule.cap (mutmut): ceil(self.size, 5) => ceil(None, 5)" in [mutant.id for mutant in of_mutmut]
    assert {mutant.line for mutant in of_mutmut} == {19}


def test_no_mutant_is_made_twice_and_none_is_the_original(mutants):
    of_mutmut, ours = mutants
    sources = [mutant.source for mutant in (*of_mutmut, *ours)]
    assert len(set(sources)) == len(sources)
    assert ast.unparse(ast.parse(SOURCE)) not in sources
    assert len({mutant.id for mutant in (*of_mutmut, *ours)}) == len(sources)
