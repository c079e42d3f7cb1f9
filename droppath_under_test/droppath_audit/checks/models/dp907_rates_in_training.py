"""DP907 rates-in-training: a rate that is changed during training reaches its block, and no other.

What it checks
    Every layer is given another rate, as schedulers do, by its attribute: nothing is dropped at 0, and (nearly)
    everything at 0.9999. The rate of one layer is then changed alone: those of the others stay. Methods of the model
    that set such rates (set_drop_path_rate, reset_drop_path, ...) are called: the layers then follow a rule that leads
    to what was asked for. Blocks that were built at 0 as an identity never wake, and are named.
Why it matters
    Schedules that warm a rate up assume that a number which is changed is a number that counts. A cached keep_prob, or
    one object that all blocks share, trains with the rate of yesterday, or of another block.
How to fix
    Read the rate at every call; give each block a number of its own; build a layer also where its rate is 0.
Seen in
    PVT's reset_drop_path; layers that compute keep_prob in their constructor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.networks import DROPPED, KEPT
from droppath_audit.models.rules import examined
from droppath_audit.models.sites import sets_rates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

HIGH = 0.9999
SAMPLES = 64
MOST_KEPT = 5  # of the samples at HIGH: more are kept by a correct layer once in 10^16
ASKED = 0.4  # of methods
NAMED = 4


@dataclass(frozen=True)
class Seen:
    """Layers that were given rates, what was seen wrong of each, methods that were called, and identities."""

    given: int
    deaf: tuple[str, ...]
    coupled: tuple[str, ...]
    methods: tuple[str, ...]
    missed: tuple[str, ...]
    asleep: tuple[str, ...]


class RatesInTraining(Check[Seen, Case]):
    where = Once()
    mutants = ("one_rate_object", "caches_its_keep_prob", "resets_one_of_two")

    def collect(self, probe: ModelProbe) -> Seen:
        """Change rates, one way after the other, and put them back."""
        network = probe.network
        before = {held.name: rate for held in probe.held if not held.identity
                  and (rate := network.rate(held.name)) is not None}  # fmt: skip
        asleep = tuple(held.name for held in probe.held if held.identity)
        methods = network.setters(sets_rates)
        if not before and not methods:
            raise NotApplicable("no layer holds a rate, and the model has no method that sets one")
        try:
            deaf = [] if probe.unknown else list(_deaf(probe, before))
            coupled = list(_coupled(probe, before))
            missed = [text for method in methods for text in _missed(probe, method)]
        finally:
            for name, rate in before.items():
                network.set_rate(name, rate)
        return Seen(len(before), tuple(deaf), tuple(coupled), methods, tuple(missed), asleep)

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail on a rate that does not arrive, or that arrives elsewhere."""
        wrong = (*seen.deaf, *seen.coupled, *seen.missed)
        if wrong:
            more = f"; {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
            return Verdict.failed("; ".join(wrong[:NAMED]) + more)
        said = f"{seen.given} layers follow the rate that they are given"
        said += f", also by {', '.join(seen.methods)}()" if seen.methods else ""
        asleep = f"; built as an identity, never to wake: {', '.join(seen.asleep[:NAMED])}" if seen.asleep else ""
        return Verdict.passed(said + asleep + (" …" if len(seen.asleep) > NAMED else ""))

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Set the rate of one layer, and look at what that changes."""
        if seen.missed:
            script.add(f"model.{seen.methods[0]}({ASKED})")
            script.add("rates = [value for layer in model.modules() if 'drop' in type(layer).__name__.lower()")
            script.add("         for value in vars(layer).values() if isinstance(value, float)]")
            script.add("print(rates)", f"assert max(rates) == {ASKED}, 'the rate did not arrive'")
            return
        name = (seen.deaf or seen.coupled)[0].partition(" ")[0]
        script.add(f"layer = {script.module(name)}")
        script.add("attribute = next(key for key, value in vars(layer).items() if isinstance(value, float))")
        script.watch(name, "seen")
        script.mode(training=True)
        script.add(f"setattr(layer, attribute, {HIGH})")
        script.inputs(SAMPLES)
        script.run()
        script.add(
            "kept = (seen[0][1].reshape(len(seen[0][1]), -1) != 0).any(1).sum()",
            f"assert kept <= {MOST_KEPT}, f'{{kept}} samples are kept at drop_prob {HIGH}'",
        )


def _deaf(probe: ModelProbe, before: dict[str, float]) -> Iterator[str]:
    """Yield the layers that drop at another rate than they were just given."""
    found: dict[str, str] = {}
    for rate in (0.0, HIGH):
        for name in before:
            probe.network.set_rate(name, rate)
        for one in next(probe.passes(1, SAMPLES)).passages:
            if one.site not in before:
                continue
            kept, dropped = int((one.fates == KEPT).sum()), int((one.fates == DROPPED).sum())
            if rate == 0.0 and dropped:
                found.setdefault(one.site, f"{one.site} drops {dropped} of {len(one.fates)} samples at 0")
            if rate == HIGH and kept > MOST_KEPT:
                found.setdefault(one.site, f"{one.site} keeps {kept} of {len(one.fates)} samples at {HIGH}")
    yield from found.values()


def _coupled(probe: ModelProbe, before: dict[str, float]) -> Iterator[str]:
    """Yield the layers whose rate changes that of others."""
    for name in before:
        for other in before:
            probe.network.set_rate(other, 0.25)
        probe.network.set_rate(name, 0.75)
        moved = [other for other in before if other != name and probe.network.rate(other) != 0.25]
        if moved:
            yield f"{name} changes the rate of {len(moved)} others, {moved[0]} among them"


def _missed(probe: ModelProbe, method: str) -> Iterator[str]:
    """Yield what is wrong after a method was called."""
    try:
        probe.network.call_setter(method, ASKED)
    except TargetRaised as error:
        yield f"{method}({ASKED}) raises {error}"
        return
    rates = [(held.name, rate) for held in probe.held if (rate := probe.network.rate(held.name)) is not None]
    if not any(rate for _, rate in rates):
        yield f"after {method}({ASKED}) every rate is 0"
        return
    members = {name: tuple(numbers) for name, numbers in probe.members().items()}
    stack = examined(rates, members, probe.schedule if probe.schedule != "none" else "", ASKED)[0]
    if not stack.followed.rule:
        first = stack.followed.departures[0]
        rule = f"{stack.followed.nearest} has {first.expected:.4g}"
        yield f"after {method}({ASKED}) {first.block} has {first.found:.4g} where {rule}"
