"""Check: one promise, how evidence for it is collected, and how that evidence is judged and shown."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, get_args

from droppath_audit.core import wire
from droppath_audit.core.case import AnyCase, Cell, on_the_cpu
from droppath_audit.core.documentation import FAMILIES, Documentation
from droppath_audit.core.level import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.cause import Place
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.grid import Places
    from droppath_audit.core.selection import Selection
    from droppath_audit.core.verdict import Verdict

Seen_ = TypeVar("Seen_")
Case_ = TypeVar("Case_", bound=AnyCase)

CANNOT = "a recording cannot be driven"


class Stopping(Protocol):
    """What tells a sequential check when enough is known: a certificate."""

    @property
    def cap(self) -> int:
        """Number of decisions at which drawing ends whatever was seen."""

    def settled(self, kept: int, decisions: int) -> bool:
        """Return whether further decisions are pointless."""


@dataclass(frozen=True)
class Design:
    """What a statistical trial will see and cost, known before it runs.

    Attributes:
        resolves: The discrepancy it detects with probability 1 - β; inf where a recording is too short for a verdict.
        quantity: Of what, such as ``keep probability``.
        decisions: Mask decisions it expects to draw from a correct target, or finds in a recording.
    """

    resolves: float
    quantity: str
    decisions: int


class Lack(Protocol):
    """A capability of a framework, and what is said of one that lacks it."""

    lacking: ClassVar[str]


class Check(ABC, Generic[Seen_, Case_]):
    """One promise of the contract. A module of ``checks`` defines one subclass, documented by the module's docstring.

    The two parameters are the dataclass of what it sees, which the wire carries, and the kind of case it runs at.

    Attributes:
        level: What a violation weighs.
        where: Cases at which it runs, for one device of a target.
        in_variants: Those of them at which it runs in other variants than ``eager``; None for none.
        recorded: What of a recording it looks at; None where a target must be driven.
        driven: What a target must be driven for, where that is so: ``its mode must be switched``.
        needs: Capabilities of a framework (``frameworks.capabilities``) without which it does not apply.
        bound_to_dtype: Whether the single dtype of ``where`` cannot be another: the promise rests on its precision.
        judges_dtypes: Whether it also runs in dtypes that the target refuses, and says so.
        judges_refusal: Whether it judges the refusal of keep_prob = 0, which all others take as declared.
        judges_granularity: Whether it judges what one decision covers, which all others take as calls have shown it.
        judges_execution: Whether it judges that the target runs in its variant at all, which all others need.
        lengthy: Whether a trial of it takes long for any target, so that it is not begun among the last.
        together: What its trials import that takes longer than all of them, in words; empty where there is no such
            import. Trials that name the same are run by one worker where others have something else to do.
        wants_refusals: Whether it hands over what is to be refused, so that an exception is no fault by itself.
        away: Whether it applies on devices other than the CPU alone; what it must catch stands in ``tests/devices``.
        benchmark: Whether it is planned only where an audit measures costs (``--benchmark``).
        broad: Whether it asks for many promises at once, so that what another check has seen tells more.
        causes: Kinds of mistake (``causes.kinds``) that are asked for the line of a finding before those of its family.
        mutants: Names of the faulty implementations that it must catch.
    """

    level: ClassVar[Level] = Level.MUST
    where: ClassVar[Places]
    in_variants: ClassVar[Places | None] = None
    recorded: ClassVar[Selection | None] = None
    driven: ClassVar[str] = ""
    needs: ClassVar[tuple[type[Lack], ...]] = ()
    bound_to_dtype: ClassVar[bool] = False
    judges_dtypes: ClassVar[bool] = False
    judges_refusal: ClassVar[bool] = False
    judges_granularity: ClassVar[bool] = False
    judges_execution: ClassVar[bool] = False
    lengthy: ClassVar[bool] = False
    together: ClassVar[str] = ""
    wants_refusals: ClassVar[bool] = False
    away: ClassVar[bool] = False
    benchmark: ClassVar[bool] = False
    broad: ClassVar[bool] = False
    causes: ClassVar[tuple[str, ...]] = ()
    mutants: ClassVar[tuple[str, ...]]

    @abstractmethod
    def collect(self, probe: Any) -> Seen_:
        """Return what is seen of a target or of a recording; the only part that touches either.

        Args:
            probe: A ``probes.probe.Probe``; a ``probes.live.LiveProbe`` for a check that is ``driven``.

        Raises:
            NotApplicable: If the target legitimately lacks what is asked for.
            TimeRanOut: If the effort's time is up before what is judged was drawn.
            TargetRaised: Whatever the target raises.
        """

    @abstractmethod
    def judge(self, seen: Seen_, at: Case_, alpha: float) -> Verdict:
        """Return the verdict; pure."""

    @abstractmethod
    def show(self, seen: Seen_, at: Case_, script: Any) -> None:
        """Write a script of a few lines that fails by an assertion where the promise is broken.

        Args:
            seen: Evidence that was judged to fail.
            at: Where it was collected.
            script: A ``scripts.script.Script``; a ``scripts.live.LiveScript`` for a check that is ``driven``.
        """

    def place(self, seen: Seen_, at: Case_) -> Place | None:
        """Return the line of the target that evidence which was judged to fail comes from, where it tells; or None."""
        return None

    def design(self, at: Case_, alpha: float) -> Design | None:
        """Return what a statistical trial resolves; a check that overrides this takes a share of the budget.

        None, or a ``resolves`` of inf, says of a recording that it is too short for the statistical part, or for any
        verdict.
        """
        raise NotImplementedError

    def stopping(self, at: Case_, alpha: float) -> Stopping | None:
        """Return the rule that ends a sequential trial; None for all others."""
        return None

    def applicable(self, facts: Facts, at: Case_) -> str:
        """Return why the check does not apply to this target here, or an empty text."""
        refused = isinstance(at, Cell) and at.drop_prob == 1.0 and facts.dialect.keep_prob_zero == "raises"
        return "the target refuses keep_prob = 0, declared or not" if refused else ""

    def cases(self, device: str, effort: Effort) -> Iterator[AnyCase]:
        """Yield the cases at which it runs on a device."""
        return self.where.cases(device, effort)

    def planned(self, facts: Facts, device: str, effort: Effort, seed: int) -> Iterator[AnyCase]:
        """Yield the cases at which it runs on a device for this target, under this root seed."""
        return iter(()) if self.away and on_the_cpu(device) else self.cases(device, effort)

    def load(self, evidence: Any) -> Seen_:
        """Return the evidence that crossed the wire."""
        kind: type[Seen_] = self.evidence
        return wire.load(kind, evidence)

    @cached_property
    def evidence(self) -> Any:
        """The dataclass of what it sees."""
        return next(get_args(base)[0] for base in type(self).__orig_bases__ if get_args(base))  # type: ignore[attr-defined]

    @property
    def statistical(self) -> bool:
        """Whether its trials take a share of the error budget."""
        return type(self).design is not Check.design

    @property
    def not_recorded(self) -> str:
        """Why it cannot look at a recording."""
        return f"{self.driven}; {CANNOT}" if self.driven else CANNOT

    @cached_property
    def documentation(self) -> Documentation:
        """The module's docstring, parsed."""
        return Documentation(sys.modules[type(self).__module__].__doc__ or "")

    @property
    def id(self) -> str:
        """Stable id, such as ``DP301``."""
        return self.documentation.id

    @property
    def slug(self) -> str:
        """Name in words, such as ``keep-prob-zero``."""
        return self.documentation.slug

    @property
    def family(self) -> str:
        """Part of the contract it belongs to, such as ``edges``."""
        return FAMILIES[self.id[2]]


AnyCheck = Check[Any, Any]
