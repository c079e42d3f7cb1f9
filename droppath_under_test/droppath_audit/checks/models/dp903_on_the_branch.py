"""DP903 on-the-branch: DropPath stands on a branch, before the addition, once; what is dropped leaves the shortcut.

What it checks
    One forward pass is followed operation by operation. What a layer returns is added, before anything else is added
    to it, to a value that its input was computed from: the shortcut. What is dropped is neither that shortcut, nor the
    sum, nor the only path, and it does not go through a second such layer on its way. With every rate set to 1 the sum
    is the shortcut bit for bit; a layer that refuses that, or does not return zeros then, has a rate of 1 - 2^-20.
    Where the rate of a layer is 0 and stays 0 nothing can be seen of it.
Why it matters
    A drop on the trunk or after the addition loses the sample for good, at every block that follows, and the model
    still trains. Two on one branch drop it more often than anybody asked for.
How to fix
    x = x + drop_path(branch(norm(x))), with nothing else that can be dropped on the way.
Seen in
    timm before ded16714; blocks that drop after the addition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.cause import Place
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.networks import Joining

if TYPE_CHECKING:
    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

SAMPLES = 4
RATES = (1.0, 1.0 - 2.0**-20)  # the second for layers that refuse the first, or return no zeros then
NAMED = 4
SHOWN = 2  # blocks in a script: the first may change the shape, and then has another shortcut than its input
WRONG = {
    "trunk": "is added to something else than what the branch began with",
    "alone": "is added to nothing that goes past it: the trunk is dropped, or the sum, or the only path",
    "twice": "is dropped a second time",
}


@dataclass(frozen=True)
class Seen:
    """What became of each output, and how many calls returned what they were given, whatever their rate."""

    joined: tuple[Joining, ...]
    unseen: int


class OnTheBranch(Check[Seen, Case]):
    where = Once()
    mutants = (
        "after_the_addition",
        "on_the_trunk",
        "drops_the_shortcut",
        "on_the_only_path",
        "before_the_head",
        "active_twice",
    )

    def collect(self, probe: ModelProbe) -> Seen:
        """Follow a pass in which everything is dropped, and another where that does not show every sum."""
        found: dict[str, Joining] = {}
        calls = 0
        for rate in RATES:
            try:
                one = next(probe.passes(1, SAMPLES, rates={site.name: rate for site in probe.sites}, joinings=True))
            except TargetRaised:
                if rate != 1.0:  # a layer may refuse to drop everything
                    raise
                continue
            calls = len(one.passages)
            for joining in one.joinings:
                found[joining.key] = _either(found.get(joining.key), joining)
            if found and all(joined.returned is not None for joined in found.values()):
                break
        if not calls:
            raise NotApplicable("no layer that drops paths was called in a forward pass (see DP906)")
        if not found:
            raise NotApplicable("no layer can be given a rate at which it drops anything, and none drops by itself")
        return Seen(tuple(found.values()), calls - len(found))

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail on a single layer at a wrong place."""
        wrong = [one for one in seen.joined if _wrong(one)]
        if wrong:
            kinds: dict[str, list[Joining]] = {}
            for one in wrong:
                kinds.setdefault(_said(one), []).append(one)
            return Verdict.failed("; ".join(f"{_named(them)} {said}" for said, them in kinds.items()))
        unseen = f"; {seen.unseen} more return what they are given, whatever they are asked for" if seen.unseen else ""
        returned = sum(bool(one.returned) for one in seen.joined)
        return Verdict.passed(
            f"{len(seen.joined)} calls end in a sum with the shortcut, {returned} of which were seen to leave it as it "
            f"is{unseen}"
        )

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Drop everything in the blocks around such layers, and compare what comes out with what went in."""
        names = [one.key.partition(" (call ")[0] for one in seen.joined if _wrong(one)]
        blocks = list(dict.fromkeys(name.rpartition(".")[0] for name in names))[:SHOWN]
        for number, block in enumerate(blocks):
            script.watch(block, f"seen_{number}")
            script.add(f"for layer in {script.module(block)}.modules():")
            script.add("    for name, value in vars(layer).items():")
            script.add("        if isinstance(value, float) and 'drop' in type(layer).__name__.lower():")
            script.add("            setattr(layer, name, 1.0)")
        script.mode(training=True)
        script.inputs(4)
        script.run()
        calls = ", ".join(f"*seen_{number}[:1]" for number in range(len(blocks)))
        script.add(
            f"calls = [(x, y) for x, y in ({calls},) if x.shape == y.shape]",
            "assert all((x == y).all() for x, y in calls), 'with everything dropped a block is its shortcut'",
        )

    def place(self, seen: Seen, at: Case) -> Place | None:
        """The line that calls the first such layer."""
        return next(one.place for one in seen.joined if _wrong(one))


def _wrong(one: Joining) -> bool:
    """Return whether a layer stands at a wrong place."""
    return one.merged in WRONG or one.returned is False


def _either(before: Joining | None, now: Joining) -> Joining:
    """Return what two passes say of one call: where it is added in the first, and what was seen in either."""
    if before is None or before.returned is not None:
        return before or now
    return replace(before, returned=now.returned)


def _said(one: Joining) -> str:
    return WRONG.get(one.merged, "drops samples, and the sum is not the shortcut then")


def _named(joined: list[Joining]) -> str:
    names = ", ".join(one.key for one in joined[:NAMED])
    more = f" and {len(joined) - NAMED} more" if len(joined) > NAMED else ""
    return f"what {names}{more} returns" if joined[0].merged in WRONG else f"{names}{more}"
