"""What a user's own tests see: faults that they reject or let through, and sound code that they reject."""

from __future__ import annotations

from dataclasses import dataclass, field

SEEN, MISSED = "seen", "missed"
UNFIT, HIDDEN, SHARED = "unfit", "hidden", "shared"
"""Why a fault is not graded: it does not fit the target, does not show in its place, or the target has it itself."""


@dataclass(frozen=True)
class Fault:
    """A mutant in the target's place.

    Attributes:
        name: Its name.
        what: What is wrong with it, in a sentence.
        claims: Ids of the checks that claim to see it.
        outcome: ``seen``, ``missed``, or why it is not graded: ``unfit``, ``hidden``, ``shared``.
        reason: Why it is not graded, in words; empty where it is.
        test: The first test that rejected it.
        said: What that test said, or how the run ended.
        shown_by: The check that saw the fault in the target's place; asked only of one that the tests let through.
    """

    name: str
    what: str
    claims: tuple[str, ...]
    outcome: str
    reason: str = ""
    test: str = ""
    said: str = ""
    shown_by: str = ""

    @property
    def check(self) -> str:
        """The check under which it is listed: one that saw it here, or else the first that claims it."""
        return self.shown_by or (*self.claims, "")[0]


@dataclass(frozen=True)
class Variant:
    """A sound implementation in the target's place, under several seeds.

    Attributes:
        name: Its name.
        what: Its style, in a sentence.
        runs: How many runs there were.
        rejected: How many of them failed.
        tests: Tests that failed in any of them.
        said: What the first of them said.
        fixed: Whether all of these tests draw after a seed of their own, so that another run shows nothing new.
        reason: Why it was not run; empty where it was.
    """

    name: str
    what: str
    runs: int = 0
    rejected: int = 0
    tests: tuple[str, ...] = ()
    said: str = ""
    fixed: bool = False
    reason: str = ""

    @property
    def always(self) -> bool:
        """Whether every run rejected it, whatever was drawn: its style is not taken."""
        return 0 < self.runs == self.rejected and not self.fixed


@dataclass(frozen=True)
class Described:
    """A check of this suite, as far as a grade tells of it."""

    slug: str
    family: str
    promise: str


@dataclass(frozen=True)
class OnTarget:
    """The tests on the target itself.

    Attributes:
        passed: Tests that pass.
        callers: Those of them that call the target.
        seed: The seed of the runs on mutants, at which all of these pass.
        failed_at: Seeds that were tried before, and the test that failed there.
        left_out: Tests that pass on the target and not on what only stands in for it, with what they said.
        seconds: Wall time of a run.
    """

    passed: int
    callers: int
    seed: int
    failed_at: dict[int, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Grade:
    """The grade of a user's tests.

    Attributes:
        target: The SPEC in whose place others were put.
        tests: What was given to pytest.
        version: Version of this package.
        tested: The tests on the target itself.
        faults: Every mutant, by name.
        variants: Every sound variant, by name.
        itself: The target under the same seeds as these.
        checks: The checks that are named, by their ids.
        drawing: Tests whose draws depend on the seed of the run.
        seeded: Tests that draw after a seed that a test sets, so that more runs show no more of them.
        aside: Tests with a call that asks for what no mutant does, or not every one; the target answered it.
        interval: Of the rate at which sound code is rejected by chance; None without a run.
        confidence: Of that interval.
        seconds: Wall time.
        spent: Wall time of all runs of the tests together.
    """

    target: str
    tests: tuple[str, ...]
    version: str
    tested: OnTarget
    faults: tuple[Fault, ...]
    variants: tuple[Variant, ...]
    itself: Variant
    checks: dict[str, Described] = field(default_factory=dict)
    drawing: tuple[str, ...] = ()
    seeded: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    interval: tuple[float, float] | None = None
    confidence: float = 0.95
    seconds: float = 0.0
    spent: float = 0.0

    def of(self, *outcomes: str) -> tuple[Fault, ...]:
        """Return the faults with one of these outcomes."""
        return tuple(fault for fault in self.faults if fault.outcome in outcomes)

    @property
    def missed(self) -> tuple[Fault, ...]:
        """The faults that the tests let through."""
        return self.of(MISSED)

    @property
    def graded(self) -> int:
        """How many faults the tests could have seen."""
        return len(self.of(SEEN, MISSED))

    @property
    def percent(self) -> float | None:
        """How many of 100 such faults they saw; None where there were none."""
        return 100.0 * len(self.of(SEEN)) / self.graded if self.graded else None

    @property
    def intolerant(self) -> tuple[Variant, ...]:
        """Sound variants that every run rejected."""
        return tuple(variant for variant in self.variants if variant.always)

    @property
    def by_chance(self) -> tuple[int, int]:
        """Of the other sound variants: how many runs were rejected, and how many there were.

        Those that a test rejects under a seed of its own are not among them: their runs are no independent ones.
        """
        others = [variant for variant in self.variants if not variant.always and not variant.fixed]
        return sum(variant.rejected for variant in others), sum(variant.runs for variant in others)
