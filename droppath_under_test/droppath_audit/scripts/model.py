"""The script of a model: it builds it, hangs something onto its layers, and runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from droppath_audit.scripts.script import Draft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.invocation import Building
    from droppath_audit.frameworks.spelling import Spelling


class ModelScript(Draft):
    """Binds ``model`` and, where it is run, ``inputs``.

    Args:
        at: Where the check ran.
        building: How the model is built.
        spelling: How its framework is written.
    """

    def __init__(self, at: Case, building: Building, spelling: Spelling) -> None:
        super().__init__(at, (*spelling.imports, *building.imports))
        self.spell, self._building = spelling, building

    def _opening(self) -> Sequence[str]:
        return (self.spell.seed("0"), f"model = {self._building.expression}", *self._building.waking)

    def mode(self, *, training: bool) -> None:
        """Put the model into a mode."""
        self.add(f"model.{'train' if training else 'eval'}()")

    def inputs(self, batch: int) -> None:
        """Bind ``inputs``."""
        self.add(f"inputs = {self._building.inputs.format(batch=batch)}")

    def run(self) -> None:
        """Run the model, without gradients."""
        with self.under(f"with {self.spell.surround('no_grad')}:"):
            self.add(f"model({self._building.passed}inputs)")

    def module(self, name: str) -> str:
        """Return the expression for a module."""
        if "[" in name:  # in a plain list, where no method of the model finds it
            return "model." + re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", name)
        return self.spell.submodule("model", repr(name))

    def watch(self, name: str, seen: str) -> None:
        """Have a list, which is bound here, get the first input and the output of every call of a module."""
        self.add(f"{seen} = []", self.spell.watch(self.module(name), seen))
