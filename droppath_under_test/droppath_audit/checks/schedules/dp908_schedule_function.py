"""DP908 schedule-function: a function of rates gives every block a drop_prob in [0, 1] by a known rule, at any depth.

What it checks
    The function is asked for 1, 2, 12 and 101 blocks at rates 0, 0.1, 0.37 and 1; where it takes the blocks of each
    stage, for as many in up to four stages. It never raises; it gives one value a block, each in [0, 1], none below
    the one before it; all of them follow linear l/(L-1), ends-early l/L, paper (l+1)/L, constant, or stagewise, up to
    2e-6, and with --schedule that one; at rate 0 all are 0. It leaves its list of depths alone, and gives the same
    twice. SHOULD: the values are plain numbers of Python, also where tensors are made without values
    (torch.device("meta")). Where a ramp has one block alone, that may have either end of it.
Why it matters
    The formula of tutorials, rate * l / (L - 1), divides by zero where a model has one block; an index that is off by
    one never reaches the rate, or gives the last block more than 1; each trains another model than was configured. A
    tensor among the rates ends up in configurations and checkpoints, and one that is read by .item() cannot be made
    where large models are built, on the meta device.
How to fix
    Divide by max(L - 1, 1), count through all stages together, and calculate in plain Python:
    [rate * l / max(L - 1, 1) for l in range(L)]; or use torch.linspace(0, rate, L, device="cpu").tolist(). If the
    rates are meant as they are, declare --schedule none.
Seen in
    Tutorials, and NeMo 6120 (division by zero for one block); EfficientNet in every library, which never reaches its
    rate, as a rule of its own; [x.item() for x in torch.linspace(...)], which timm and its copies had for years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import AspectCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Aspects
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.manners import Skeletons
from droppath_audit.schedules.answers import Answer
from droppath_audit.schedules.aspects import ASPECTS, Seen, followings, told

if TYPE_CHECKING:
    from droppath_audit.core.cause import Place
    from droppath_audit.core.facts import Facts
    from droppath_audit.schedules.probe import ScheduleProbe
    from droppath_audit.scripts import ScheduleScript

NAMED = 3  # ways to be wrong that a message names
REFUSING = ("ValueError", "TypeError", "AssertionError")
ONE = "if a rate of 1 is to be refused, add keep_prob_zero=raises to the SPEC"
RAISING, RULE, ARGUMENTS, TWICE, SKELETONS = (
    "every-depth", "known-rule", "arguments-untouched", "same-twice", "without-values",
)  # fmt: skip


class ScheduleFunction(Check[Seen, AspectCase]):
    where = Aspects(tuple(ASPECTS))
    mutants = (
        "divides_by_zero", "one_too_few", "never_reaches", "exceeds", "floors", "restarts_in_each_stage", "backwards",
        "always_something", "kept_from_the_other_end", "only_some_depths", "stages_mixed_up", "first_stage_alone",
        "uses_up_its_argument", "tensors", "numpy_scalars", "reads_items", "remembers", "alone", "texts",
    )  # fmt: skip

    def applicable(self, facts: Facts, at: AspectCase) -> str:
        """Return that the framework has no tensors without values, where these are asked for."""
        lacking = at.aspect == SKELETONS and Skeletons.__name__ not in facts.capabilities
        return f"{facts.framework} {Skeletons.lacking}" if lacking else ""

    def collect(self, probe: ScheduleProbe) -> Seen:
        """Ask at every depth and rate."""
        aspect = probe.aspect
        others, lists = list[Answer](), list[tuple[str, ...]]()
        if aspect == ARGUMENTS:
            changed = probe.changed()
            answers, lists = [one for one, _ in changed], [left for _, left in changed]
        elif aspect == TWICE:
            both = probe.answers(times=2)
            answers, others = both[::2], both[1::2]
        elif aspect == SKELETONS:
            both, others = probe.answers(times=2), probe.without_values()
            answers = both[::2]
            if repr(answers) != repr(both[1::2]):
                raise NotApplicable("it gives something else at every call (see same-twice)")
        else:
            answers = probe.answers()
        return Seen(tuple(answers), tuple(others), tuple(lists), probe.rule, probe.keep, probe.takes_keep)

    def judge(self, seen: Seen, at: AspectCase, alpha: float) -> Verdict:
        """Judge one aspect."""
        aspect = ASPECTS[at.aspect]
        if at.aspect != RAISING and not seen.returned:
            return Verdict.not_applicable("every call raised (see every-depth)")
        if at.aspect == RULE and not followings(seen):
            return Verdict.not_applicable("no call gave one number a block (see one-a-block and within-0-1)")
        wrong = aspect.find(seen)
        if not wrong:
            return Verdict.passed(_kept(seen, at.aspect))
        said = told(wrong, NAMED)
        promised, hint, level = aspect.promised, "", aspect.level
        if at.aspect == RULE:
            promised = f"{seen.rule}, as declared" if seen.rule else promised
            hint = "" if seen.rule else "if the rates are meant as they are, --schedule none"
        refused = _refused(seen) if at.aspect == RAISING else ""
        if refused == ONE and at.dialect.keep_prob_zero == "raises":
            return Verdict.passed("a rate of 1 is refused, as declared")
        if refused:
            hint, level = refused, Level.SHOULD
        return Verdict.failed(said, promised=promised, hint=hint, level=level)

    def place(self, seen: Seen, at: AspectCase) -> Place | None:
        """Return the line that raised."""
        asked = seen.answers if at.aspect == RAISING else seen.others if at.aspect == SKELETONS else ()
        return next((one.place for one in asked if one.place.line), None)

    def show(self, seen: Seen, at: AspectCase, script: ScheduleScript) -> None:
        """Ask again, in the same order, as far as the first call that breaks the promise."""
        aspect = ASPECTS[at.aspect]
        first = aspect.find(seen)[0].answer
        alike = [one for one in seen.answers if one.stages == first.stages]
        if at.aspect != RAISING:  # which would end the script elsewhere
            deep = {one.depth for one in alike if one.raised and one.rate not in (0.0, 1.0)}
            alike = [one for one in alike if one.depth not in deep]
            refused = {one.rate for one in alike if one.raised}
            alike = [one for one in alike if one.rate not in refused]
        depths, rates = (
            [*dict.fromkeys(values)] for values in zip(*((one.depth, one.rate) for one in alike), strict=True)
        )
        depths = depths[: depths.index(first.depth) + 1] if first.depth in depths else depths
        if at.aspect == SKELETONS:
            script.imports(*script.spell.imports)
        with script.each(depths, [1.0 - rate for rate in rates] if seen.takes_keep else rates):
            for line in aspect.lines(script.call(), seen):
                script.add(line.replace("{context}", script.spell.without_values()) if at.aspect == SKELETONS else line)


def _refused(seen: Seen) -> str:
    """Return how to declare what is refused, in words and always; empty where something else was raised as well."""
    raised = [one for one in seen.answers if one.raised]
    if not all(one.raised.startswith(REFUSING) for one in raised):
        return ""
    if all(one.rate == 1.0 for one in raised):
        return ONE
    for stages, way in ((False, "stages"), (True, "total")):
        if [one for one in seen.answers if one.stages == stages] == raised and seen.returned:
            return f"if it is to take depths in one way alone, add depth=NAME:{way} to the SPEC"
    return ""


def _kept(seen: Seen, aspect: str) -> str:
    """Return what is said of a promise that is kept."""
    if seen.rule == "none" and aspect in (RULE, "never-decreasing"):
        return "no rule was promised"
    depths = ", ".join(dict.fromkeys(one.depth for one in seen.returned))
    if aspect == RULE:
        return f"{' and '.join(dict.fromkeys(one.rule for one in followings(seen)))}, at depths {depths}"
    return f"{ASPECTS[aspect].passed}, in {len(seen.returned)} calls at depths {depths}"
