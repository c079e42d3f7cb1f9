"""What the counts of a monitor say: pure functions of plain data."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, fields
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from droppath_audit.frameworks.monitoring import Counted, Reading
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.chi_square import frequency_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHANCE = 1e-12
"""Probability at most that samples which are decided one by one are taken for calls that are decided whole."""
SAME = 1e-9
"""Probability at most that processes of different masks are taken for ones of the same."""
Z = 3.29  # standard deviations to either side of an interval of 0.999

Outcome = Literal["pass", "fail", "open"]


@dataclass(frozen=True)
class LayerCounts:
    """Counts of one layer at one rate.

    Attributes:
        layer: Its name in the model.
        drop_prob: The rate that it held; None where nobody knows.
        kept: Of the decisions, those that kept.
        decisions: Samples that were kept or dropped; calls, where a call is one decision.
        undecided: Samples whose elements that were looked at were zero before, so that nobody can tell.
        partly: Samples of which a part was dropped; they are no decisions.
        by_call: Whether a call is one decision; None while that is open: no call has both kept and dropped, and
            there were too few for that to be no chance. Samples are counted until then.
    """

    layer: str
    drop_prob: float | None
    kept: int
    decisions: int
    undecided: int
    partly: int = 0
    by_call: bool | None = False


@dataclass(frozen=True)
class LayerCertificate:
    """What the counts of one layer at one rate establish.

    Attributes:
        layer: Its name.
        drop_prob: The rate that it held; None where nobody knows, with the outcome ``open``.
        kept: Of the decisions, those that kept.
        decisions: How many there are.
        outcome: ``fail`` (another keep probability than promised), ``pass`` (within the resolution of it) or ``open``.
        low: Lower end of an interval for the keep probability, which holds at every look.
        high: Upper end.
        alpha: Probability at most of a false ``fail``, and that the interval misses.
        reason: What else decides; empty where counts alone do.
    """

    layer: str
    drop_prob: float | None
    kept: int
    decisions: int
    outcome: Outcome
    low: float
    high: float
    alpha: float
    reason: str = ""


@dataclass(frozen=True)
class Together:
    """All layers in one chi-square.

    Attributes:
        outcome: ``fail``, ``pass``, or ``open`` while no layer has its first decisions.
        p_value: That of the table, times n(n+1) for n layers and rates, at most 1: tables grow, and each is a test.
        g: Likelihood-ratio statistic.
        degrees_of_freedom: Of it: layers and rates that are in it.
        waiting: Those that have yet too few decisions.
    """

    outcome: Outcome
    p_value: float
    g: float
    degrees_of_freedom: int
    waiting: int


@dataclass(frozen=True)
class ExpectedDepth:
    """How many branches a sample keeps in a pass of the model.

    Attributes:
        depth: Σ keep_l over the layers, a layer that is called twice in a pass twice.
        low: Lower end of an interval of 0.999 for independent layers and one look, by the normal distribution.
        high: Upper end.
        promised: Σ (1 - drop_prob_l); None where a rate is unknown.
        layers: Calls of layers in a pass.
    """

    depth: float
    low: float
    high: float
    promised: float | None
    layers: float


def merged(readings: Sequence[Reading]) -> Reading:
    """Return the sum of the readings of several processes.

    Processes that drew the same masks are one in all that matters: the sum has the decisions of the first, and says so.
    """
    taken, said = list[Reading](), list[str]()
    same: dict[int, int] = {}
    for one, other in combinations(range(len(readings)), 2):
        if other not in same and drew_the_same(readings[one], readings[other]):
            same[other] = one
    if same:
        named = ", ".join(f"{other} as {one}" for other, one in list(same.items())[:4])
        said.append(f"ranks drew the same masks ({named}): seed each apart; what is the same is counted once")
    for number, reading in enumerate(readings):
        said += [one for one in reading.unseen if one not in said]
        if number not in same:
            taken.append(reading)
    rows: dict[tuple[str, float | None], Counted] = {}
    for reading in taken:
        for counted in reading.counted:
            key = counted.site, counted.drop_prob
            rows[key] = _sum(rows[key], counted) if key in rows else counted
    return Reading(tuple(rows.values()), sum(one.passes for one in taken), tuple(said))


def drew_the_same(one: Reading, other: Reading) -> bool:
    """Return whether two processes hold the same counts, which different masks would hardly have.

    No value of a binomial is likelier than 1/√(2e·npq) (Herzog 1947, Annals of Mathematical Statistics 18, 234-239).
    """
    if [(row.site, row.drop_prob) for row in one.counted] != [(row.site, row.drop_prob) for row in other.counted]:
        return False
    log = 0.0
    for mine, theirs in zip(one.counted, other.counted, strict=True):
        if (mine.kept, mine.decisions) != (theirs.kept, theirs.decisions):
            return False
        p = mine.drop_prob
        if p is not None and _by_call(mine) is False:
            log -= 0.5 * math.log(max(1.0, 2.0 * math.e * mine.decisions * p * (1.0 - p)))
    return log < math.log(SAME)


def _sum(one: Counted, other: Counted) -> Counted:
    numbers = {f.name: getattr(one, f.name) + getattr(other, f.name) for f in fields(Counted) if f.type == "int"}
    return Counted(one.site, one.drop_prob, **numbers)


def counts(reading: Reading) -> tuple[LayerCounts, ...]:
    """Return the counts of every layer and rate, in the order of their first call."""
    return tuple(_counts(one) for one in reading.counted)


def _counts(one: Counted) -> LayerCounts:
    by_call = _by_call(one)
    kept, decisions = (one.kept_calls, one.decided_calls) if by_call else (one.kept, one.decisions)
    return LayerCounts(one.site, one.drop_prob, kept, decisions, one.silent, one.partly, by_call)


def _by_call(one: Counted) -> bool | None:
    """Return whether a call is one decision.

    With at least two independent decisions a call keeps all or drops all with probability p² + q² at most.
    """
    p = one.drop_prob
    if one.mixed or not one.plural or p is None or p in (0.0, 1.0):
        return False
    alike = p * p + (1.0 - p) ** 2
    return True if one.plural * math.log(alike) < math.log(CHANCE) else None


def certificates(
    reading: Reading, layers: int, resolution: float, budget: float, one_sided: frozenset[str]
) -> tuple[LayerCertificate, ...]:
    """Return what is established of every layer and rate, in the order of their first call.

    Half of the budget is shared out: every layer has the same part, of which its k-th rate has 1/(k(k+1)). So no share
    depends on how many rates will come, and all hold at every look.

    Args:
        reading: The counts.
        layers: How many layers are watched.
        resolution: δ; ``pass`` means within δ of the promised keep probability.
        budget: Probability at most that any of them fails of a correct model, or the table of ``together``.
        one_sided: Layers whose kept samples cannot be told from dropped ones where their branch returns nothing.
    """
    rates: dict[str, int] = defaultdict(int)
    found = []
    for row in counts(reading):
        rates[row.layer] += 1
        alpha = budget / 2.0 / layers / (rates[row.layer] * (rates[row.layer] + 1))
        found.append(_certified(row, resolution, alpha, one_sided=row.layer in one_sided))
    return tuple(found)


def _certified(row: LayerCounts, resolution: float, alpha: float, *, one_sided: bool) -> LayerCertificate:
    q = 0.5 if row.drop_prob is None else 1.0 - row.drop_prob
    # Coarser than the promise itself it would promise nothing. No number was fixed at which somebody would look.
    certificate = Certificate(q, min(resolution, 0.99 * max(q, 1.0 - q)), alpha, BETA, capped=False)
    low, high = certificate.interval(row.kept, row.decisions)
    reason, outcome = "", certificate.outcome(row.kept, row.decisions)
    if row.partly:
        outcome, reason = "fail", f"of {row.partly} samples a part was dropped"
    elif row.drop_prob is None:
        outcome, reason = "open", "the rate is unknown"
    elif row.by_call is None:
        outcome, reason = "open", "samples or whole calls may be what is decided"
    elif one_sided and outcome == "fail" and row.kept < q * row.decisions:
        outcome, reason = "open", "a branch that adds nothing looks dropped"
    return LayerCertificate(row.layer, row.drop_prob, row.kept, row.decisions, outcome, low, high, alpha, reason)


def together(reading: Reading, budget: float, one_sided: frozenset[str]) -> Together:
    """Return the chi-square of all layers and rates that have the first decisions that were planned for them.

    Args:
        reading: The counts.
        budget: As in ``certificates``; the table has half of it.
        one_sided: Layers that are left out.
    """
    asked = [one for one in reading.counted if one.drop_prob not in (None, 0.0, 1.0) and one.site not in one_sided]
    ready = [one for one in asked if one.first >= one.planned and _by_call(one) is False]
    if not ready:
        return Together("open", 1.0, 0.0, 0, len(asked))
    table = frequency_table(
        [one.first_kept for one in ready], [one.first for one in ready], [1.0 - (one.drop_prob or 0.0) for one in ready]
    )
    p_value = min(1.0, table.p_value * len(ready) * (len(ready) + 1))
    outcome: Outcome = "fail" if p_value <= budget / 2.0 else "pass"
    return Together(outcome, p_value, table.g, table.degrees_of_freedom, len(asked) - len(ready))


@dataclass(frozen=True)
class Overall:
    """A layer at all its rates.

    Attributes:
        layer: Its name.
        promised: Keep probability, on the average of its decisions; None where a rate is unknown.
        kept: Of the decisions, those that kept.
        decisions: How many there are.
        calls: Calls in a pass of the model.
    """

    layer: str
    promised: float | None
    kept: int
    decisions: int
    calls: float


def by_layer(reading: Reading) -> tuple[Overall, ...]:
    """Return every layer at all its rates together, in the order of their first call."""
    rows: dict[str, list[tuple[Counted, LayerCounts]]] = defaultdict(list)
    for one, row in zip(reading.counted, counts(reading), strict=True):
        rows[one.site].append((one, row))
    found = []
    for layer, each in rows.items():
        decisions = sum(row.decisions for _, row in each)
        known = all(row.drop_prob is not None for _, row in each) and decisions
        promised = sum(row.decisions * (1.0 - (row.drop_prob or 0.0)) for _, row in each) / max(1, decisions)
        calls = sum(one.calls for one, _ in each) / reading.passes if reading.passes else 1.0
        found.append(Overall(layer, promised if known else None, sum(row.kept for _, row in each), decisions, calls))
    return tuple(found)


def expected_depth(reading: Reading) -> ExpectedDepth:
    """Return Σ keep_l over the layers, with its interval; layers without a decision are left out."""
    layers = [one for one in by_layer(reading) if one.decisions]
    depth = sum(one.calls * one.kept / one.decisions for one in layers)
    variance = 0.0
    for one in layers:
        share = one.kept / one.decisions
        variance += one.calls**2 * max(share * (1.0 - share), 1.0 / one.decisions) / one.decisions
    half, most = Z * math.sqrt(variance), sum(one.calls for one in layers)
    promised = [one.calls * one.promised for one in layers if one.promised is not None]
    whole = sum(promised) if len(promised) == len(layers) else None
    return ExpectedDepth(depth, max(0.0, depth - half), min(most, depth + half), whole, most)


def worst(found: Sequence[LayerCertificate]) -> Mapping[str, Outcome]:
    """Return the gravest outcome of each layer over its rates."""
    order: tuple[Outcome, ...] = ("fail", "open", "pass")
    told: dict[str, Outcome] = {}
    for one in found:
        told[one.layer] = min(told.get(one.layer, "pass"), one.outcome, key=order.index)
    return told
