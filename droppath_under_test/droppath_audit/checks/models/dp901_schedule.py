"""DP901 schedule: the drop_probs of a model's blocks follow the rule that was declared, or a known one.

What it checks
    The rates that the modules hold, or that functions are called with, block by block: each lies in [0, 1], and all of
    them follow linear l/(L-1), ends-early l/L, paper (l+1)/L, constant, or stagewise, up to 2e-6; where a rule was
    declared that one, and where a largest rate was asked for, by --max or by an argument of the model, with that one.
    A model of several stacks may follow a rule in each. A rate of zero that was optimised away counts as zero. Blocks
    of a class of which none drops may be left out of the rule, and are told.
Why it matters
    A rate that never arrives, an index that sticks, or a maximum that every block gets, trains another model than the
    configuration says, and nothing raises.
How to fix
    Compute all rates once, for all blocks of all stages together, and hand each block its own by one counter that runs
    through. If the rates are meant as they are, declare --schedule none.
Seen in
    transformers 34291 (rates in the wrong stage); lightly, whose blocks had [0, 0.3, 0.3, ...]; NeMo 6120 (one block).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.models.rules import examined

if TYPE_CHECKING:
    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.models.rules import Stack
    from droppath_audit.scripts import ModelScript

NAMED = 4  # blocks that a message names


@dataclass(frozen=True)
class Rate:
    """What one module holds, or one call was given: None where nobody knows; and the class of what it stands in."""

    name: str
    kind: str
    drop_prob: float | None
    identity: bool
    block: str = ""


@dataclass(frozen=True)
class Seen:
    """The rates in order, the numbers of the modules in each container, what was declared and what was asked for."""

    rates: tuple[Rate, ...]
    members: dict[str, tuple[int, ...]]
    declared: str
    largest: float | None
    odd: tuple[str, ...] = ()


class Schedule(Check[Seen, Case]):
    where = Once()
    mutants = (
        "constant_rates",
        "largest_everywhere",
        "rates_off_by_one",
        "total_rounded_down",
        "index_that_sticks",
        "index_never_advanced",
        "first_rate_then_the_largest",
        "rate_lost_on_the_way",
        "falls_instead_of_rising",
        "rates_above_one",
        "restarts_in_every_stage",
        "rates_of_the_stage_before",
    )

    def collect(self, probe: ModelProbe) -> Seen:
        """Read the rates that modules hold, and those that functions are called with."""
        kinds = {part.name: part.kind for part in probe.network.parts()}
        rates = [
            Rate(
                name,
                held.kind,
                0.0 if held.identity else probe.network.rate(held.name),
                held.identity,
                kinds.get(name.rpartition(".")[0], ""),
            )
            for held in probe.held
            for name in (held.name, *held.shared)
        ]
        told = {site.name for site in probe.sites if site.caller is not None or site.argument}
        odd: list[str] = []
        if told and not probe.unknown:
            passages = next(probe.passes(1, 2)).passages
            called = {one.site for one in passages if one.site in told}
            rates = [rate for rate in rates if rate.name not in called]
            for one in passages:
                if one.site not in told:
                    continue
                rates.append(Rate(one.key, one.site, one.drop_prob, identity=False))
                odd += [f"{one.key}: {one.odd}"] if one.odd else []
        members = {name: tuple(numbers) for name, numbers in probe.members().items()}
        return Seen(tuple(rates), members, probe.schedule, probe.largest, tuple(odd))

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail where a rate is none, or where the rates leave the rule."""
        known = [(one.name, one.drop_prob) for one in seen.rates if one.drop_prob is not None]
        wrong = [(name, p) for name, p in known if not 0.0 <= p <= 1.0]
        if wrong:
            return Verdict.failed(
                "; ".join(f"{name} has {p:g}" for name, p in wrong[:NAMED]), promised="a drop_prob lies in [0, 1]"
            )
        if seen.odd:
            return Verdict.failed("; ".join(seen.odd[:NAMED]), promised="a probability is given as one")
        if seen.rates and not known:
            return Verdict.inconclusive(f"nobody knows the rates of {len(seen.rates)} layers")
        asked = seen.largest or 0.0
        if not any(p for _, p in known):
            if not asked and seen.rates and seen.declared not in ("", "none"):
                return Verdict.inconclusive(
                    f"every rate is 0, of which nothing is seen of a rule that is {seen.declared}"
                )
            if seen.declared == "none" or (not asked and seen.rates):
                return Verdict.passed("no block drops: every rate is 0")
            wanted = f", and {asked:g} was asked for" if asked else ""
            what = "every rate is 0" if known else "no module of the model drops paths" if not seen.rates else "no rate"
            return Verdict.failed(f"{what}{wanted}", promised=f"a largest drop_prob of {asked:g}")
        if seen.declared == "none":
            return Verdict.passed(
                f"{len(known)} rates from {_least(known):g} to {_most(known):g}; no rule was promised"
            )
        stacks, awake, asleep = _stacks(seen, known)
        if all(stack.followed.rule for stack in stacks):
            open_ = not seen.declared and seen.largest is None
            followed = (_followed(stack, awake, open_=open_) for stack in stacks)
            unknown = len(seen.rates) - len(known)
            unread = [f"of {unknown} layers nobody knows the rate"] if unknown else []
            return Verdict.passed("; ".join([*followed, *asleep, *unread]))
        return _left(stacks[0], seen, known)

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Print the rates, and fail at the first that is not the rule's, or where there is none."""
        known = [(one.name, one.drop_prob) for one in seen.rates if one.drop_prob is not None]
        names = [one.name for one in seen.rates if not one.kind.endswith("()")]
        if not names:
            script.add(
                "kinds = sorted({type(module).__name__ for module in model.modules()})",
                "print(kinds)",
                "words = ('droppath', 'stochasticdepth', 'dropconnect')",
                "assert any(word in kind.lower() for kind in kinds for word in words), 'nothing drops paths'",
            )
            return
        script.add(
            f"layers = {{name: {script.module('NAME').replace(repr('NAME'), 'name')} for name in {names!r}}}",
            "held = {name: vars(layer).values() for name, layer in layers.items()}",
            "rates = {name: [value for value in held[name] if isinstance(value, float)] for name in held}",
            "print(rates)",
        )
        if not any(p for _, p in known):
            script.add("assert any(value for found in rates.values() for value in found), 'every rate is 0'")
            return
        first = next((one for one in _stacks(seen, known)[0][0].followed.departures if one.block in names), None)
        if first is not None:
            script.add(
                f"found, expected = rates[{first.block!r}] or [0.0], {first.expected!r}",
                "assert any(abs(value - p) < 2e-6 for value in found for p in (expected, 1 - expected)), found",
            )


def _stacks(seen: Seen, known: list[tuple[str, float]]) -> tuple[tuple[Stack, ...], list[tuple[str, float]], list[str]]:
    """Return the rules that rates follow, the rates that do, and in words which do not take part.

    A class of blocks of which none drops does not, where all rates together follow no rule.
    """
    stacks = examined(known, seen.members, seen.declared, seen.largest)
    kinds = {one.name: one.block for one in seen.rates}
    dropping = {kinds[name] for name, p in known if p}
    awake = [(name, p) for name, p in known if kinds[name] in dropping]
    if all(stack.followed.rule for stack in stacks) or len(awake) == len(known):
        return stacks, known, []
    rest = examined(awake, seen.members, seen.declared, seen.largest)
    if not all(stack.followed.rule for stack in rest):
        return stacks, known, []
    left = list(dict.fromkeys(kinds[name] for name, _ in known if kinds[name] not in dropping))
    return rest, awake, [f"{len(known) - len(awake)} in {', '.join(left)} have a rate of 0"]


def _least(known: list[tuple[str, float]]) -> float:
    return min(p for _, p in known)


def _most(known: list[tuple[str, float]]) -> float:
    return max(p for _, p in known)


def _followed(stack: Stack, known: list[tuple[str, float]], *, open_: bool) -> str:
    """Return what rates follow, in words."""
    part = [(name, p) for name, p in known if not stack.name or name.partition(".")[0] == stack.name]
    where = f"{stack.name}: " if stack.name else ""
    if not any(p for _, p in part):
        return f"{where}every rate of {len(part)} layers is 0"
    rule, slots = stack.followed.rule, stack.slots
    if open_ and rule == "linear" and slots > 1:  # the same numbers, where nobody says what was asked for
        rule += f" (or ends-early before {_most(part) * slots / (slots - 1):.4g})"
    return f"{where}{rule} over {slots} blocks, {_least(part):.4g} to {_most(part):.4g}"


def _left(stack: Stack, seen: Seen, known: list[tuple[str, float]]) -> Verdict:
    """Return the verdict on rates that follow no rule."""
    followed = stack.followed
    named = "; ".join(
        f"{one.block} has {one.found:.4g} where {followed.nearest} has {one.expected:.4g}"
        for one in followed.departures[:NAMED]
    )
    more = len(followed.departures) - NAMED
    asked = "" if seen.largest is None else f" up to {seen.largest:g}"
    rule = seen.declared or ("one of the known rules" if seen.largest is None else "a known rule")
    shown = ", ".join(f"{p:.4g}" for _, p in known[: 2 * NAMED]) + (", …" if len(known) > 2 * NAMED else "")
    return Verdict.failed(
        f"{named}{f'; {more} more' if more > 0 else ''} (rates: {shown})",
        promised=f"{rule}{asked}",
        hint="" if seen.declared or math.isnan(_most(known)) else "if the rates are meant as they are, --schedule none",
    )
