"""The statistical rules of existing test suites, restated: what each asserts of a layer that drops at random.

One file a suite, found by being here; it defines ``RULES``. Sizes, tolerances and levels are those of the suite that a
rule names; the code is ours. Assertions that a correct DropPath need not fulfil (in-place modes, an error for a bad
probability, one decision an element) and those on devices that are not here are left out, and each rule says so.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.rivals.rule import Rule


@cache
def rules() -> tuple[Rule, ...]:
    """Return every rule in this folder, by file name."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return tuple(rule for module in modules for rule in getattr(module, "RULES", ()))
