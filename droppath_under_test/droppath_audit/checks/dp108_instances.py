"""DP108 instances: two instances, and the blocks of a deep copy, decide independently.

What it checks
    Under one seed two instances and two deep copies of the first are called in turn. Two instances, an instance and its
    copy, and two copies are compared position by position, in the same round and up to four rounds apart. The most
    suspicious of these is tested exactly on fresh rounds.
Why it matters
    A network of blocks that drop the same samples is one deep or one shallow network at a time: the ensemble of depths
    that stochastic depth trains collapses, and a sample either passes every branch or none.
How to fix
    Draw from the framework's default generator. A generator, a counter or a cached mask on the module is copied with
    it; one on the class is shared by all.
Seen in
    Layers with a generator of their own and a constant seed, copied block by block: torch's TransformerEncoder deep
    copies the one layer it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import TimeRanOut
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.dependence import Table, correlation, suspicion
from droppath_audit.probes.instances import OFFSETS, calls_of, pairs_of, width_of
from droppath_audit.probes.live import INSTANCES
from droppath_audit.scripts import LiveScript, RecordedScript
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_hypergeometric
from droppath_audit.stats.exact import hypergeometric_test

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.probe import Probe

BATCH = 65_536


@dataclass(frozen=True)
class Seen:
    """The two layers and the offset that were most suspicious, and their table on calls that are tested.

    Attributes:
        first: Name of one layer.
        second: Name of the other.
        offset: By how many calls the second is later.
        search_z: Score in the search.
        table: Decisions at the same position.
        multiplicity: 1 where the calls tested are fresh, otherwise the number of relations that were looked at in them.
        without: Why there is no copy; empty where there is.
    """

    first: str
    second: str
    offset: int
    search_z: float
    table: Table
    multiplicity: int
    without: str


class IndependentInstances(Check[Seen, Cell]):
    where = Cells((0.5,), ("float32",))  # neither the dtype nor the probability has a part in who draws
    in_variants = Cells((0.5,), ("float32",))
    recorded = Selection(
        lambda block: interior(block) and block.whole > 0,
        "batch",
        "the recording has no two layers whose calls can be read altogether, at one drop_prob inside (0, 1)",
        lambda case: len(calls_of(case)) > 1,
    )
    causes = ("seeding", "other_generator")
    mutants = (
        "generator_of_its_own",
        "generator_that_is_copied",
        "generator_seeded_at_the_first_call",
        "mask_shared_by_the_class",
        "seed_of_block_plus_step",
        "antithetic_blocks",
    )

    def applicable(self, facts: Facts, at: Cell) -> str:
        """A function is one and the same everywhere."""
        return "a function has no instances" if facts.kind == "function" else ""

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the correlation that is seen at the largest offset; of a recording, where most calls are compared."""
        if not at.blocks:
            rounds, batch = _sizes(at)
            compared = max(0, rounds - OFFSETS[-1]) * batch
            resolves = detectable_hypergeometric(compared, at.keep_prob, alpha, BETA)
            return Design(resolved(resolves), "correlation between instances", 2 * len(INSTANCES) * rounds * batch)
        pairs, width = pairs_of(at), width_of(at)
        first, second = max(pairs, key=lambda pair: pairs[pair])
        level = alpha / (len(pairs) * len(OFFSETS))
        found = detectable_hypergeometric(pairs[first, second] * width, at.keep_prob, level, BETA)
        quantity = f"correlation between layers {first!r} and {second!r}"
        return Design(resolved(found), quantity, width * sum(block.whole for block in at.blocks))

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Search pairs of layers and offsets, then take the table of the most suspicious on calls not searched."""
        found = probe.instances(*_sizes(probe.at))
        scores = {relation: suspicion(counts) for relation, counts in found.tables().items()}
        if not scores:
            raise TimeRanOut("time ran out before any calls could be compared")
        best = max(scores, key=lambda relation: scores[relation])
        looked_at = probe.multiplicity(len(pairs_of(probe.at)) * len(OFFSETS))
        tested = probe.instances(*_sizes(probe.at))
        counts = tested.table(*best)
        if not sum(counts):
            raise TimeRanOut("time ran out before the most suspicious calls could be drawn anew")
        return Seen(*best, scores[best], counts, looked_at, found.without)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where the proposed relation is real."""
        first, second = (f"layer {name!r}" if at.blocks else name for name in (seen.first, seen.second))
        later = f" {abs(seen.offset)} calls {'later' if seen.offset > 0 else 'earlier'}" if seen.offset else ""
        p_value = min(1.0, seen.multiplicity * hypergeometric_test(*seen.table))
        observed = (
            f"{first} and {second}{later}: correlation {correlation(seen.table):+.4f} at the same position "
            f"in {sum(seen.table)} {'fresh ' if seen.multiplicity == 1 else ''}pairs, p = {p_value:.2g}"
        )
        if p_value <= alpha:
            return Verdict.failed(observed, promised="independent instances", p_value=p_value)
        skipped = f"; not copied: {seen.without}" if seen.without else ""
        return Verdict.passed(f"most suspicious were {observed}{skipped}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: LiveScript | RecordedScript) -> None:
        """Compare the masks of the two layers, call by call."""
        if isinstance(script, LiveScript):
            _draw(seen, at, script)
        else:
            _read(seen, at, script)
        later = f"call + {seen.offset}" if seen.offset else "call"
        script.add(
            f"pairs = [(mask, second[{later}]) for call, mask in first.items() if {later} in second]",
            "ours, theirs = (np.concatenate(part) for part in zip(*pairs))",
        )
        script.correlate("ours", "theirs", f"{seen.first} with {seen.second}")


def _sizes(at: Cell) -> tuple[int, int]:
    """Return the calls of each instance, in the search and in the confirmation alike, and their batch."""
    part = 1.0 / (2 * len(INSTANCES))
    if at.per_call:
        return at.within(at.effort.pick(2**8, 2**10, 2**14), 1, share=part)
    return at.within(at.effort.pick(8, 60, 240), BATCH, share=part)


def _draw(seen: Seen, at: Cell, script: LiveScript) -> None:
    """Bind ``first`` and ``second`` to the masks of two of the instances and copies, which are called in turn."""
    batch, rounds = (1, 2048) if at.per_call else (BATCH, 16)
    script.imports("import copy")
    script.ones(script.shape(batch))
    for name in ("one", "other"):
        script.layer(at.drop_prob)
        script.add(f"{name} = layer")
    call = script.call(at.drop_prob)
    # What the first call makes is there to be copied.
    copies = "" if seen.without else ", copy.deepcopy(one), copy.deepcopy(one)"
    script.add("layer = one", call, f"layers = [one, other{copies}]", "decided = [{} for layer in layers]")
    with (
        script.under(f"for call in range({rounds}):"),
        script.under("for masks, layer in zip(decided, layers):"),
    ):
        script.add(f"ys = {script.array(call)}[None]", *script.masks(), "masks[call] = kept[0]")
    script.add(f"first, second = decided[{INSTANCES.index(seen.first)}], decided[{INSTANCES.index(seen.second)}]")


def _read(seen: Seen, at: Cell, script: RecordedScript) -> None:
    """Bind ``first`` and ``second`` to the masks of two layers by the number of their calls."""
    pair, width = [seen.first, seen.second], width_of(at)
    blocks = [
        (block.index, block.calls if script.by_call else 1, block.call, pair.index(block.layer))
        for block in at.blocks
        if block.layer in pair and block.width == width
    ]
    script.add(f"blocks = {blocks}  # number, how many, first call, layer", "first, second = decided = {}, {}")
    script.each(
        "(call, layer), = [(c + block - b, l) for b, n, c, l in blocks if b <= block < b + n]",
        *script.masks(numbers=True),
        "decided[layer].update(zip(call + numbers, kept))",
        blocks=lambda block: block.layer in pair and block.width == width,
    )
