"""What is asked of a schedule, one aspect after the other: what breaks it, and the lines that show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.level import Level
from droppath_audit.models.rules import TOLERANCE
from droppath_audit.schedules.answers import PLAIN, Answer
from droppath_audit.schedules.following import RAMPS, STAGEWISE, drop_probs, following

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from droppath_audit.schedules.following import Following

FORMULAS = {
    "linear": "[rate * l / max(blocks - 1, 1) for l in range(blocks)]",
    "ends-early": "[rate * l / blocks for l in range(blocks)]",
    "paper": "[rate * (l + 1) / blocks for l in range(blocks)]",
    "constant": "[rate] * blocks",
    STAGEWISE: "[rate * stage / max(len(depth) - 1, 1) for stage, size in enumerate(depth) for _ in range(size)]",
}
"""Rules as scripts write them."""


@dataclass(frozen=True)
class Seen:
    """Answers in order, what else was seen beside each, the rule that was declared, and what probabilities are.

    Attributes:
        answers: Of calls.
        others: Of the same calls again, or without values; none for other aspects.
        lists: What became of the list that each call was given.
        rule: What was declared.
        keep: Whether keep probabilities are returned.
        takes_keep: Whether one is given.
    """

    answers: tuple[Answer, ...]
    others: tuple[Answer, ...] = ()
    lists: tuple[tuple[str, ...], ...] = ()
    rule: str = ""
    keep: bool = False
    takes_keep: bool = False

    @property
    def returned(self) -> list[Answer]:
        """Answers of calls that raised nothing."""
        return [one for one in self.answers if not one.raised]


@dataclass(frozen=True)
class Wrong:
    """A call that breaks the promise, and how."""

    answer: Answer
    said: str


@dataclass(frozen=True)
class Aspect:
    """One thing that is asked.

    Attributes:
        name: In the id of its trial.
        find: Returns the calls that break the promise, in order.
        promised: The promise.
        passed: What is said where it is kept.
        lines: Returns lines of a script that fail where it is broken; they see ``depth``, ``rate`` and ``blocks``, and
            are given the expression of a call and what was seen.
        level: What it weighs.
    """

    name: str
    find: Callable[[Seen], list[Wrong]]
    promised: str
    passed: str
    lines: Callable[[str, Seen], list[str]]
    level: Level | None = None


def followings(seen: Seen) -> list[Following]:
    """Return what is followed by the answers that were told a number of blocks, and by those that were told stages."""
    groups = [[one for one in seen.answers if one.whole and one.stages == stages] for stages in (False, True)]
    return [following(group, seen.rule, keep=seen.keep) for group in groups if group]


def told(wrong: Sequence[Wrong], most: int) -> str:
    """Return what is wrong, in words: of each depth what most rates have in common, or what the last one has."""
    by_depth: dict[str, dict[str, list[str]]] = {}
    for one in wrong:
        by_depth.setdefault(one.answer.depth, {}).setdefault(one.said, []).append(f"{one.answer.rate:g}")
    said = []
    for depth, ways in by_depth.items():
        what, rates = max(reversed(ways.items()), key=lambda way: len(way[1]))
        others = sum(map(len, ways.values())) - len(rates)
        told = f"depth {depth}, rate{'s' if rates[1:] else ''} {', '.join(rates)}: {what}"
        said.append(told + (f" ({others} other rate{'s' if others > 1 else ''} as well)" if others else ""))
    return "; ".join(said[:most]) + (f"; and at {len(said) - most} more" if said[most:] else "")


def _raising(seen: Seen) -> list[Wrong]:
    return [Wrong(one, f"raised {one.raised}") for one in seen.answers if one.raised]


def _miscounted(seen: Seen) -> list[Wrong]:
    found = []
    for one in seen.returned:
        said = ""
        if one.alone:
            said = f"gave a {one.kinds[0]} alone" if one.kinds else f"gave {one.values[0]:g} alone"
        elif len(one.values) != one.blocks:
            said = f"gave {len(one.values)} value{'' if len(one.values) == 1 else 's'}"
        elif one.parts and one.parts != (one.depths if one.stages else ()):
            said = f"gave lists of {', '.join(map(str, one.parts))} values"
        if said:
            found.append(Wrong(one, said))
    return found


def _outside(seen: Seen) -> list[Wrong]:
    found = []
    for one in seen.returned:
        wrong = next((n for n, value in enumerate(one.values) if not 0.0 <= value <= 1.0), None)
        if wrong is not None:
            value = one.values[wrong]
            said = f"is no number, but of type {one.kinds[0]}" if math.isnan(value) and one.kinds else f"has {value!r}"
            found.append(Wrong(one, f"block {wrong} {said}"))
    return found


def _leaving(seen: Seen) -> list[Wrong]:
    """Return the calls that leave the rule, each with the block that leaves it most."""
    most: dict[str, tuple[float, Wrong]] = {}
    for one in [] if seen.rule == "none" else followings(seen):
        for left in one.left:
            key, by = f"{left.answer.depth} {left.answer.rate}", abs(left.found - left.expected)
            said = f"block {left.block} has {left.found:.6g}, where {one.rule} has {left.expected:.6g}"
            if by > most.get(key, (0.0,))[0]:
                most[key] = by, Wrong(left.answer, said)
    return [wrong for _, wrong in most.values()]


def _decreasing(seen: Seen) -> list[Wrong]:
    found = []
    for one in [] if seen.rule == "none" else seen.returned:
        drops = drop_probs(one, keep=seen.keep)
        down = next((n for n in range(1, len(drops)) if drops[n] < drops[n - 1] - TOLERANCE), None)
        if down is not None:
            said = f"block {down} drops at {drops[down]:.6g}, the one before it at {drops[down - 1]:.6g}"
            found.append(Wrong(one, said))
    return found


def _dropping(seen: Seen) -> list[Wrong]:
    found = []
    for one in seen.returned:
        drops = drop_probs(one, keep=seen.keep) if one.rate == 0.0 else []
        wrong = next((n for n, p in enumerate(drops) if abs(p) > 0.0), None)
        if wrong is not None:
            found.append(Wrong(one, f"block {wrong} drops at {drops[wrong]:.6g}"))
    return found


def _changed(seen: Seen) -> list[Wrong]:
    return [
        Wrong(one, f"the list that was given became [{', '.join(left)}]")
        for one, left in zip(seen.answers, seen.lists, strict=False)
        if left != tuple(map(repr, one.depths))
    ]


def _otherwise(seen: Seen) -> list[Wrong]:
    found = []
    for one, other in zip(seen.answers, seen.others, strict=False):
        if not one.raised and other.raised:
            found.append(Wrong(one, f"raised {other.raised}"))
        elif not one.raised and repr(one.values) != repr(other.values):
            found.append(Wrong(one, f"gave {_short(other.values)}, where it gave {_short(one.values)}"))
    return found


def _unlike(seen: Seen) -> list[Wrong]:
    return [
        Wrong(one, f"gave {' and '.join(f'values of type {kind}' for kind in one.kinds)}")
        for one in seen.returned
        if one.kinds
    ]


def _short(values: Sequence[float]) -> str:
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    return f"[{shown}]" if len(values) <= 4 else f"{len(values)} values, {shown}, …"


def _same_rule(call: str, seen: Seen) -> list[str]:
    left = next(one for one in followings(seen) if one.left)
    stages = left.left[0].answer.stages
    # "stagewise" of what is told one number is "linear".
    rule = "linear" if left.rule == STAGEWISE and not stages else left.rule
    lines = [f"drops = {'[1 - keep for keep in flat(' + call + ')]' if seen.keep else f'flat({call})'}"]
    lines += ["rate = 1 - rate"] if seen.takes_keep else []
    lines.append(f"expected = {FORMULAS[rule]}  # {rule}")
    if rule in RAMPS:
        lines.append("expected = [drops[0]] if blocks == 1 and drops[0] in (0, rate) else expected  # both ends")
    lines.append(
        f"assert all(abs(p - right) <= {TOLERANCE} for p, right in zip(drops, expected)), (depth, rate, drops)"
    )
    return lines


def _counted(call: str, seen: Seen) -> list[str]:
    lines = [f"found = {call}", "assert hasattr(found, '__iter__'), found", "values = flat(found)"]
    lines.append("assert len(values) == blocks, f'{len(values)} values for {blocks} blocks'")
    first = next((one for one in seen.returned if one.parts and one.parts != (one.depths if one.stages else ())), None)
    if first is not None:
        lines.append(f"assert [len(part) for part in found] == {'depth' if first.stages else '[]'}, found")
    return lines


def _all(condition: str) -> Callable[[str, Seen], list[str]]:
    """Return lines that fail where a condition on ``values`` does not hold."""
    return lambda call, _: [f"values = flat({call})", f"assert {condition}, (depth, rate, values)"]


def _monotone(call: str, seen: Seen) -> list[str]:
    sign = "" if seen.keep else "-"
    return [
        f"values = flat({call})",
        f"steps = [{sign}(later - value) for value, later in zip(values, values[1:])]",
        f"assert all(step <= {TOLERANCE} for step in steps), (depth, rate, values)",
    ]


def _nothing(call: str, seen: Seen) -> list[str]:
    given, value = (1.0, 0) if seen.takes_keep else (0.0, 0)
    value = 1 if seen.keep else value
    return [
        f"values = flat({call})",
        f"assert rate != {given} or all(value == {value} for value in values), (depth, values)",
    ]


ASPECTS = {
    one.name: one
    for one in (
        Aspect("every-depth", _raising, "rates at every depth, a single block included", "nothing was raised",
               lambda call, _: [f"flat({call})"]),
        Aspect("one-a-block", _miscounted, "one value a block", "one value a block", _counted),
        Aspect("within-0-1", _outside, "values in [0, 1]", "every value lies in [0, 1]",
               _all("all(hasattr(value, '__float__') and 0 <= value <= 1 for value in values)")),
        Aspect("known-rule", _leaving, "a known rule", "", _same_rule),
        Aspect("never-decreasing", _decreasing, "no block drops less than the one before it", "never decreasing",
               _monotone),
        Aspect("nothing-at-0", _dropping, "nothing is dropped at rate 0", "zeros at rate 0", _nothing),
        Aspect("arguments-untouched", _changed, "the list of depths stays as it is", "the list stays as it is",
               lambda call, _: ["given = list(depth)", f"flat({call})", "assert depth == given, depth"]),
        Aspect("same-twice", _otherwise, "equal calls give equal rates", "the same twice",
               lambda call, _: [f"first, second = flat({call}), flat({call})",
                                "assert first == second, (depth, rate, first, second)"]),
        Aspect("plain-numbers", _unlike, "plain numbers of Python", "plain numbers of Python",
               _all(f"all(type(value).__name__ in {PLAIN} for value in values)"), Level.SHOULD),
        Aspect("without-values", _otherwise, "the same where tensors are made without values",
               "the same where tensors are made without values",
               lambda call, _: [f"expected = flat({call})", "with {context}:", f"    values = flat({call})",
                                "assert values == expected, (depth, rate, values)"], Level.SHOULD),
    )
}  # fmt: skip
"""Every aspect by its name, in the order in which they are asked."""
