"""Terms: what a user asks to be certified; fixed when a ledger is begun, and held to by every later run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.certification.ledger import Entry, Ledger, differences, identify
from droppath_audit.checks import catalogue
from droppath_audit.core.case import Cell
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.grid import DROP_PROBS, DTYPES
from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.design import FLOAT32_MISS

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts

RESOLVE = 0.0005  # what an audit at standard effort resolves
COARSEST = 0.1


@dataclass(frozen=True)
class Terms:
    """What a user asks for; None and empty where nothing was said, so that a file's own terms hold.

    Attributes:
        spec: The SPEC.
        resolve: D, the largest δ of a cell.
        budget: Bound on the probability of any false alarm; a cell has the share of one trial of an audit.
        beta: Probability at most of a PASS of a cell that is δ or more away.
        seed: Root seed.
        dtypes: Dtypes of x.
        drop_probs: Drop probabilities.
        device: Device to draw on.

    Raises:
        UsageError: If a value is out of range.
    """

    spec: str | None = None
    resolve: float | None = None
    budget: float | None = None
    beta: float | None = None
    seed: int | None = None
    dtypes: tuple[str, ...] = ()
    drop_probs: tuple[float, ...] = ()
    device: str | None = None

    def __post_init__(self) -> None:
        if self.resolve is not None and not FLOAT32_MISS < self.resolve <= COARSEST:
            raise UsageError(
                f"--resolve is a discrepancy above 2^-23 = {FLOAT32_MISS:.2g}, which one float32 draw can miss by, and "
                f"up to {COARSEST:g}; not {self.resolve:g}."
            )
        for name, value in (("--budget", self.budget), ("--beta", self.beta)):
            if value is not None and not 0.0 < value < 1.0:
                raise UsageError(f"{name} is a probability between 0 and 1, not {value:g}.")
        for p in self.drop_probs:
            if not 0.0 <= p <= 1.0:
                raise UsageError(f"--drop-prob is a probability from 0 to 1, not {p:g}.")

    def hold(self, ledger: Ledger, name: str) -> None:
        """Compare what was asked for with what a file was begun with.

        Raises:
            UsageError: If they differ, saying in what.
        """
        asked = [
            ("SPEC", self.spec, ledger.identity["spec"]),
            ("--resolve", self.resolve, ledger.resolve),
            ("--budget, as error of a fail", self.budget and share(self.budget), ledger.alpha),
            ("--beta", self.beta, ledger.beta),
            ("--seed", self.seed, ledger.seeds[0] if len(ledger.seeds) == 1 else ledger.seeds),
            ("--device", self.device and self.device.partition(":")[0], ledger.identity["device"]),
            ("--dtype", sorted(set(self.dtypes)), sorted({cell.dtype for cell in ledger.cells})),
            ("--drop-prob", sorted(set(self.drop_probs)), sorted({cell.drop_prob for cell in ledger.cells})),
        ]
        found = [f"{what}: {there} there, {here} here" for what, here, there in asked if here not in (None, [], there)]
        if found:
            raise UsageError(
                f"{name} was begun with other terms, and its evidence holds for those alone: {'; '.join(found)}. "
                "Leave out what it says itself, or begin another file."
            )

    def check(self, ledger: Ledger, facts: Facts, name: str, device: str) -> None:
        """Compare the target that was loaded with the one whose decisions a file counts.

        Raises:
            UsageError: If they differ, saying in what.
        """
        here = Ledger(identify(facts, device), ledger.resolve, ledger.alpha, ledger.beta, ledger.seeds, ledger.cells)
        found = differences(ledger, here)
        if found:
            raise UsageError(f"{name} counts decisions of something else: {'; '.join(found)}. Begin another file.")

    def begin(self, facts: Facts, device: str) -> Ledger:
        """Return a ledger without counts for what is asked for, or the default where nothing was said.

        Raises:
            UsageError: If the device lacks a dtype that was asked for, or the target declares to refuse a drop_prob.
        """
        available = facts.devices[device]
        for dtype in self.dtypes:
            if dtype not in available:
                raise UsageError(
                    f"There is no dtype {dtype!r} for {facts.framework} on {device}; there are {', '.join(available)}."
                    + nearest(dtype, available)
                )
        cells = []
        for dtype in dict.fromkeys(self.dtypes or [dtype for dtype in DTYPES if dtype in available]):
            for p in dict.fromkeys(self.drop_probs or DROP_PROBS):
                reason = catalogue()["DP102"].applicable(facts, Cell(device, dtype, p, dialect=facts.dialect))
                if reason and self.drop_probs:
                    raise UsageError(f"Nothing can be certified at drop_prob {p:g}: {reason}.")
                if not reason:
                    cells.append(Entry(dtype, p))
        return Ledger(
            identity=identify(facts, device),
            resolve=RESOLVE if self.resolve is None else self.resolve,
            alpha=share(DEFAULT_BUDGET if self.budget is None else self.budget),
            beta=BETA if self.beta is None else self.beta,
            seeds=(self.seed or 0,),
            cells=cells,
        )
