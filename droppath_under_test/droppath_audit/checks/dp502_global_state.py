"""DP502 global-state: a call advances the framework's generator, changes no other, and never reseeds.

What it checks
    Around a training call the states of Python's, NumPy's and the framework's generators are compared: the
    framework's moves, the others do not. After calls that began with two different seeds the framework's states
    differ, so the call did not set one.
Why it matters
    A layer that seeds the global generator makes every other random choice of the program the same from then on; one
    that draws from another library couples data augmentation to the depth of the network.
How to fix
    Draw from the framework's default generator, and call manual_seed nowhere in a layer.
Seen in
    Layers with random.random() in forward; layers that call manual_seed to be "deterministic".
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Generators

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH, DROP_PROB = 16, 0.5
OWN = "framework"

WATCHED = {"python": "random.getstate()", "numpy": "np.random.get_state()[2]"}
"""Generators of other libraries, each with what shows in a script that it moved."""


@dataclass(frozen=True)
class Seen:
    """Which generators moved.

    Attributes:
        moved: Those of other libraries that did.
        own: Whether the framework's did.
        reseeded: Whether the framework's was in the same state after calls that began with two seeds.
        keyed: Whether the target draws from a key that each call is given, and so from no global generator.
    """

    moved: tuple[str, ...]
    own: bool
    reseeded: bool
    keyed: bool


class GlobalState(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # the dtype has no part in where random numbers come from
    driven = "the global generators must be watched while it runs"
    needs = (Generators,)
    mutants = ("draws_from_numpy", "draws_from_python", "generator_of_its_own", "reseeds_every_call")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Compare generator states around calls that begin with two seeds."""
        generators, layer, x = probe.ask(Generators), probe.make(DROP_PROB), probe.ones(probe.shape(BATCH))
        moved, after = set(), []
        for seed in probe.rng.integers(2**32, size=2):
            probe.framework.seed(int(seed))
            before = _states(generators, probe.at.device)
            layer(x, training=True)
            now = _states(generators, probe.at.device)
            moved |= {name for name in now if now[name] != before[name]}
            after.append(now[OWN])
        foreign = tuple(name for name in WATCHED if name in moved and name != generators.library)
        return Seen(foreign, OWN in moved, after[0] == after[1], probe.target.keyed)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where a foreign generator moved, or the framework's did not or was reseeded; with keys none may move."""
        promised = "no generator moves" if seen.keyed else "the framework's generator advances, and no other"
        observed = [f"{name}'s generator moved" for name in seen.moved]
        if seen.reseeded:
            same = "the framework's generator is in the same state after calls from two seeds"
            observed.append(f"{same}: it was reseeded")
        elif seen.own and seen.keyed:
            observed.append("the framework's generator moved, though every call is given a key")
        elif not seen.own and not seen.keyed:
            observed.append("the framework's generator did not move")
        if observed:
            return Verdict.failed("; ".join(observed), promised=promised)
        return Verdict.passed(promised)

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Watch the generator that was wrong."""
        script.layer(DROP_PROB)
        script.ones(script.shape(BATCH))
        script.hold_key()
        call = script.call(DROP_PROB)
        if seen.moved:
            script.imports("import random")
            state = WATCHED[seen.moved[0]]
            script.add(f"before = {state}", call, f"assert {state} == before, 'it moved'")
        elif seen.reseeded:
            script.next_numbers("first", call)
            script.next_numbers("second", call, seed=1)
            script.add("print(first, second, sep='\\n')", "assert (first != second).any(), 'it was reseeded'")
        else:
            script.add(call)  # so that what draws ahead has done so
            script.next_numbers("untouched")
            script.next_numbers("after", call)
            script.add(
                "print(untouched, after, sep='\\n')",
                "assert (after == untouched).all()" if seen.keyed else "assert (after != untouched).any()",
            )


def _states(generators: Generators, device: str) -> dict[str, object]:
    numpy = np.random.get_state(legacy=False)["state"]
    return {
        "python": random.getstate(),
        "numpy": (numpy["key"].tolist(), numpy["pos"]),
        OWN: generators.generator_state(device),
    }
