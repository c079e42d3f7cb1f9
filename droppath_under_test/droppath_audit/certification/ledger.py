"""The ledger: what is to be certified, the counts so far, and what they say."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from droppath_audit.core import source
from droppath_audit.core.case import Cell
from droppath_audit.core.errors import UsageError
from droppath_audit.stats.certificate import Certificate, resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.core.facts import Facts

Outcome = Literal["pass", "fail", "error", "open", "not-applicable"]


@dataclass
class Entry:
    """One keep probability in one dtype, and what was counted.

    Attributes:
        dtype: Dtype of x.
        drop_prob: p; q = 1 - p is certified.
        decisions: Decisions so far.
        kept: Those that kept.
        other: Outputs that were neither dropped nor kept with one value; one is a proof of a fault.
        chunks: Chunks drawn so far, by the run or the merged runs that the ledger belongs to.
        error: What ended the cell in this run: the target raised, crashed or hung. Not part of the counts.
        not_applicable: Why no decision can be read from this cell's outputs. Not part of the counts either.
    """

    dtype: str
    drop_prob: float
    decisions: int = 0
    kept: int = 0
    other: int = 0
    chunks: int = 0
    error: str = field(default="", metadata={"wire": False})
    not_applicable: str = field(default="", metadata={"wire": False})

    def __post_init__(self) -> None:
        for name in COUNTS:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, which is not a count")

    @property
    def keep_prob(self) -> float:
        """q, the promise."""
        return 1.0 - self.drop_prob

    def describe(self, device: str) -> str:
        """Return the cell for a reader, such as ``cpu, bfloat16, drop_prob 0.1``."""
        return Cell(device, self.dtype, self.drop_prob).describe()


@dataclass(frozen=True)
class Standing:
    """What a cell's counts say.

    Attributes:
        outcome: ``pass`` (within ``resolution`` of q), ``fail`` (not q), ``open``, or why nothing was counted.
        resolution: δ of the cell's certificate.
        interval: Of the keep probability; misses it at some look with probability at most alpha.
        within: The keep probability is this close to q, by the interval that misses with probability at most beta.
        p_value: Of the promise, valid at every look.
    """

    outcome: Outcome
    resolution: float
    interval: tuple[float, float]
    within: float
    p_value: float


@dataclass
class Ledger:
    """What is asked for and what was counted.

    Attributes:
        identity: What must be the same in every run, by the names of ``IDENTITY``.
        resolve: D, the largest δ of a cell.
        alpha: Probability at most of a FAIL of a correct cell.
        beta: Probability at most of a PASS of a cell that is δ or more away.
        seeds: Root seeds of the runs whose counts are in here.
        cells: The cells.

    Raises:
        ValueError: If a number is out of range.
    """

    identity: dict[str, str]
    resolve: float
    alpha: float
    beta: float
    seeds: tuple[int, ...]
    cells: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        lacking = [name for name in IDENTITY if name not in self.identity]
        if lacking:
            raise ValueError(f"{lacking[0]!r} is missing in its identity")
        if not self.seeds or not self.cells or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("it names no seed, a seed twice, or no cell")
        if not all(math.isfinite(getattr(self, name)) for name in TERMS):
            raise ValueError(f"{', '.join(TERMS)} are numbers to work with")
        for cell in self.cells:
            self.certificate(cell).settled(cell.kept, cell.decisions)

    def certificate(self, cell: Entry) -> Certificate:
        """Return a cell's rule of decision."""
        finest = min(self.resolve, resolution(cell.drop_prob, self.resolve))
        return Certificate(cell.keep_prob, finest, self.alpha, self.beta, capped=len(self.seeds) == 1)

    def is_open(self, cell: Entry) -> bool:
        """Return whether further decisions of a cell would tell more."""
        ended = cell.error or cell.not_applicable or cell.other
        return not ended and not self.certificate(cell).settled(cell.kept, cell.decisions)

    def standing(self, cell: Entry) -> Standing:
        """Return what a cell's counts say."""
        certificate = self.certificate(cell)
        sure = replace(certificate, alpha=self.beta)
        low, high = sure.interval(cell.kept, cell.decisions)
        outcome: Outcome = certificate.outcome(cell.kept, cell.decisions)
        if cell.other:
            outcome = "fail"
        elif outcome == "open" and (cell.error or cell.not_applicable):
            outcome = "error" if cell.error else "not-applicable"
        return Standing(
            outcome,
            certificate.resolution,
            certificate.interval(cell.kept, cell.decisions),
            max(cell.keep_prob - low, high - cell.keep_prob),
            0.0 if cell.other else certificate.p_value(cell.kept, cell.decisions),
        )

    @property
    def exit_status(self) -> int:
        """0: every cell is certified; 1: a cell fails; 3: none fails, but some are open; 2: nothing could be drawn."""
        outcomes = {self.standing(cell).outcome for cell in self.cells}
        if outcomes & {"fail", "error"}:
            return 1
        if "open" in outcomes:
            return 3
        return 0 if "pass" in outcomes else 2


COUNTS = ("decisions", "kept", "other", "chunks")
TERMS = ("resolve", "alpha", "beta")

IDENTITY = {
    "spec": "SPEC",
    "package": "package",
    "source": "sha256 of the source file",
    "dialect": "dialect",
    "framework": "framework",
    "device": "kind of device",
}
"""What must be the same in every run, and how a message calls it."""


def identify(facts: Facts, device: str) -> dict[str, str]:
    """Return the identity of a loaded target on a device; of devices the kind counts, not the number."""
    return {
        "spec": facts.spec,
        "package": facts.package,
        "source": source.digest(facts.origin),
        "dialect": facts.dialect.describe(),
        "framework": f"{facts.framework} {facts.framework_version}",
        "device": device.partition(":")[0],
    }


def differences(ledger: Ledger, other: Ledger) -> list[str]:
    """Return what makes the counts of two ledgers evidence of different things, in words; seeds do not count."""
    pairs = [(words, ledger.identity[name], other.identity[name]) for name, words in IDENTITY.items()]
    pairs += [(name, repr(getattr(ledger, name)), repr(getattr(other, name))) for name in TERMS]
    found = [f"{words}: {one or 'none'} there, {two or 'none'} here" for words, one, two in pairs if one != two]
    there, here = ([(cell.dtype, cell.drop_prob) for cell in each.cells] for each in (ledger, other))
    if sorted(there) != sorted(here):
        only = [f"{dtype} drop_prob {p:g}" for dtype, p in sorted(set(there) ^ set(here))]
        found.append(f"cells that are in one alone: {', '.join(only)}")
    return found


def merged(ledgers: Sequence[Ledger], names: Sequence[str]) -> Ledger:
    """Return the ledger in which the counts of several runs add up.

    Args:
        ledgers: Of runs that differ in their root seeds alone; at least one.
        names: What messages call them.

    Raises:
        UsageError: If they differ in more, or two of them share a root seed and with it their draws.
    """
    first, *others = ledgers
    total = replace(first, cells=[replace(cell) for cell in first.cells])
    for ledger, name in zip(others, names[1:], strict=True):
        found = differences(ledger, total)
        if found:
            raise UsageError(f"{name} cannot be merged with {names[0]}: {'; '.join(found)}.")
        shared = sorted(set(ledger.seeds) & set(total.seeds))
        if shared:
            raise UsageError(
                f"{name} cannot be merged: it shares root seed {shared[0]} with another of the files, so the same "
                "draws would count twice. Give every run a --seed of its own."
            )
        total = replace(total, seeds=(*total.seeds, *ledger.seeds))
        by_cell = {(cell.dtype, cell.drop_prob): cell for cell in ledger.cells}
        for cell in total.cells:
            more = by_cell[cell.dtype, cell.drop_prob]
            for count in COUNTS:
                setattr(cell, count, getattr(cell, count) + getattr(more, count))
    return total
