"""DP906 really-called: every layer of a model that drops paths takes part in the forward pass.

What it checks
    One forward pass in training. A module that is never called breaks the promise where what holds it is called, and
    could fall back on a shortcut: its output has the shape of its input. Where that has another shape there is no
    shortcut, and nothing to drop; such modules are counted. Modules that nothing reaches are named.
Why it matters
    A layer that is built and never called drops nothing; the configuration says that the model is regularised.
How to fix
    Call it where the branch is added: x = x + self.drop_path(branch(x)).
Seen in
    transformers 29140: the rate was read, the layers were built, and no block called them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.cause import Place
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

NAMED = 4


@dataclass(frozen=True)
class Seen:
    """Modules that were called, that were not though they could, without a shortcut, off, and in parts not reached."""

    called: int
    idle: tuple[str, ...]
    without: int
    off: int
    unreached: tuple[str, ...]
    place: Place | None = None


class ReallyCalled(Check[Seen, Case]):
    where = Once()
    mutants = ("never_called", "listed_and_skipped")

    def collect(self, probe: ModelProbe) -> Seen:
        """Run once, and sort the modules that were not called."""
        first = next(probe.passes(1, 2))
        called = {one.site for one in first.passages}
        idle, unreached, without, off = list[str](), list[str](), 0, 0
        for held in probe.held:
            if called & {held.name, *held.shared} or held.name in first.called:
                continue
            owner = held.name.rpartition(".")[0]
            shapes = first.called.get(owner)
            holder = _running(owner, first.called)
            if held.identity or held.drop_prob == 0.0:
                off += 1
            elif shapes is not None and shapes[0] != shapes[1] and owner:
                without += 1
            elif shapes is None and not _reached(owner, holder, probe, called):
                unreached.append(held.name)
            else:
                idle.append(held.name)
        return Seen(len(called), tuple(idle), without, off, tuple(unreached), _forward_around(idle, probe))

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail on a single layer that could have been called."""
        if seen.idle:
            more = f" and {len(seen.idle) - NAMED} more" if len(seen.idle) > NAMED else ""
            return Verdict.failed(f"built and never called: {', '.join(seen.idle[:NAMED])}{more}")
        rest = [
            f"{number} {what}"
            for number, what in (
                (seen.without, "in blocks without a shortcut are not"),
                (seen.off, "with a rate of 0 are not"),
                (len(seen.unreached), f"in parts that are not run ({', '.join(seen.unreached[:NAMED])})"),
            )
            if number
        ]
        return Verdict.passed("; ".join([f"{seen.called} are called", *rest]))

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Count the calls of the first such module."""
        script.watch(seen.idle[0], "seen")
        script.mode(training=True)
        script.inputs(2)
        script.run()
        script.add("assert seen, 'never called'")

    def place(self, seen: Seen, at: Case) -> Place | None:
        """The forward that does not call the first of them."""
        return seen.place


def _forward_around(idle: Sequence[str], probe: ModelProbe) -> Place | None:
    """Return where the forward begins that should call the first of them: of the nearest module with one of its own."""
    parts = {part.name: part for part in probe.network.parts()}
    name = idle[0] if idle else ""
    while name:
        name = name.rpartition(".")[0]
        if name in parts and parts[name].own and parts[name].place.line:
            return parts[name].place
    return None


def _running(name: str, called: Mapping[str, object]) -> str:
    """Return the innermost module around a name that was called."""
    while name and name not in called:
        name = name.rpartition(".")[0]
    return name


def _reached(owner: str, holder: str, probe: ModelProbe, called: set[str]) -> bool:
    """Return whether what holds a module takes part, though it is never called itself, as a list of modules is not."""
    kinds = {part.name: part.kind for part in probe.network.parts()}
    listed = kinds.get(owner) in ("ModuleList", "ModuleDict", "LayerList")
    return listed and (owner.rpartition(".")[0] == holder or any(one.startswith(f"{owner}.") for one in called))
