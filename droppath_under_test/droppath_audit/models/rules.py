"""Rules of rates: which one the drop_probs of a model's blocks follow, and where they leave it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from droppath_reference import schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TOLERANCE = 2e-6  # float32 makes 1e-7 of it where a rate is computed in tensors
ORACLES: dict[str, Callable[[float, int], list[float]]] = {
    "linear": schedule.linear,
    "ends-early": schedule.efficientnet,
    "paper": schedule.paper,
    "constant": schedule.constant,
}
"""Rules of ``droppath_reference.schedule``, under the names of the command."""
RULES = (*ORACLES, "stagewise")
"""All rules that can be recognised, those first that are taken where several fit."""


@dataclass(frozen=True)
class Block:
    """Rates of one block.

    Attributes:
        name: Of the module that holds them.
        drop_prob: Its rate.
        stage: Number of the stage that it belongs to.
        slot: Its number among all blocks of its kind, those without a rate included.
    """

    name: str
    drop_prob: float
    stage: int
    slot: int


@dataclass(frozen=True)
class Departure:
    """A block whose rate is not that of the rule."""

    block: str
    expected: float
    found: float


@dataclass(frozen=True)
class Followed:
    """What was recognised.

    Attributes:
        rule: Name of the rule; empty where none is followed.
        largest: The drop_prob that it leads to.
        departures: Where the rates leave it; of the nearest rule where none is followed.
        nearest: Name of that.
    """

    rule: str
    largest: float
    departures: tuple[Departure, ...] = ()
    nearest: str = ""


def expected(rule: str, largest: float, blocks: Sequence[Block], slots: int) -> list[float]:
    """Return the rates of blocks by a rule.

    Args:
        rule: One of ``ORACLES``, or ``stagewise``.
        largest: The largest drop_prob.
        blocks: The blocks.
        slots: How many there are in all, those without a rate included.
    """
    if rule == "stagewise":
        depths = [len(list(group)) for _, group in groupby(blocks, key=lambda block: block.stage)]
        return schedule.stagewise(largest, depths)
    whole = ORACLES[rule](largest, slots)
    return [whole[block.slot] for block in blocks]


def recognise(blocks: Sequence[Block], slots: int, declared: str = "", largest: float | None = None) -> Followed:
    """Return the rule that rates follow.

    Args:
        blocks: In the order in which they are run.
        slots: How many there are in all, those without a rate included.
        declared: The only rule that counts; empty for any.
        largest: The largest drop_prob that was asked for; None for the one that fits.
    """
    tried = [declared] if declared else RULES
    found: list[Followed] = []
    for rule in tried:
        for most in [largest] if largest is not None else _leading(rule, blocks, slots):
            rates = expected(rule, most, blocks, slots)
            departures = tuple(
                Departure(block.name, rate, block.drop_prob)
                for block, rate in zip(blocks, rates, strict=True)
                if not abs(block.drop_prob - rate) <= TOLERANCE
            )
            if not departures:
                return Followed(rule, most)
            found.append(Followed("", most, departures, rule))
    return min(found, key=lambda one: len(one.departures))


def _leading(rule: str, blocks: Sequence[Block], slots: int) -> Iterator[float]:
    """Yield what a rule may lead to, by the last rate, by the first, and by the largest."""
    for block in (blocks[-1], blocks[0], max(blocks, key=lambda block: block.drop_prob)):
        share = expected(rule, 1.0, blocks, slots)[list(blocks).index(block)]
        most = block.drop_prob / share if share else block.drop_prob
        if 0.0 <= most <= 1.0 + TOLERANCE:
            yield min(most, 1.0)
    yield 0.0


_NUMBER = re.compile(r"(?:^|\.)(\d+)(?=\.|$)")


def groupings(names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the block of each name, from what holds it directly to the outermost module that is one of several.

    Modules that are one of several have a number in their dotted name. They are counted from the name's end and, since
    some blocks hold further ones, from its beginning.
    """
    seen: set[tuple[str, ...]] = set()
    parents = [name.rpartition(".")[0] for name in names]
    ends = [[match.end() for match in _NUMBER.finditer(name)] for name in names]
    deepest = max((len(one) for one in ends), default=0)
    levels = [
        parents,
        *([_upto(name, one, up) for name, one in zip(names, ends, strict=True)] for up in range(deepest)),
        *([_upto(name, one, len(one) - down) for name, one in zip(names, ends, strict=True)]
          for down in range(deepest - 1, 0, -1)),
    ]  # fmt: skip
    for level in levels:
        if tuple(level) not in seen:
            seen.add(tuple(level))
            yield level


def _upto(name: str, ends: Sequence[int], up: int) -> str:
    """Return a name up to its last number but so many, the first at least, or what holds it where it has none."""
    return name[: ends[min(len(ends), max(1, len(ends) - up)) - 1]] if ends else name.rpartition(".")[0]


@dataclass(frozen=True)
class Stack:
    """Blocks that follow one rule, or none.

    Attributes:
        name: What holds all of them; empty for the whole model.
        followed: What was recognised.
        slots: How many blocks there are in all.
    """

    name: str
    followed: Followed
    slots: int


def examined(
    rates: Sequence[tuple[str, float]],
    members: Mapping[str, Sequence[int]],
    declared: str = "",
    largest: float | None = None,
) -> tuple[Stack, ...]:
    """Return the rules of a model's rates: one for all of them or, where they follow none, one for each part of it.

    Rates of one block are alike. What a block is, is tried from the smallest module to the largest, with and without
    those of its kind in between that have no rate.

    Args:
        rates: Names of modules that drop paths, with their drop_probs, in order.
        members: Numbers of the modules in each container, by its name.
        declared: The only rule that counts; empty for any.
        largest: The largest drop_prob that was asked for.
    """
    whole = _examined(rates, members, declared, largest)
    if whole.followed.rule:
        return (whole,)
    parts = [list(group) for _, group in groupby(rates, key=lambda one: one[0].partition(".")[0])]
    if len(parts) == 1:
        return (whole,)
    stacks = tuple(
        replace(_examined(part, members, declared, largest), name=part[0][0].partition(".")[0]) for part in parts
    )
    return stacks if all(stack.followed.rule for stack in stacks) else (whole,)


def _examined(
    rates: Sequence[tuple[str, float]], members: Mapping[str, Sequence[int]], declared: str, largest: float | None
) -> Stack:
    names, tried = [name for name, _ in rates], list[Stack]()
    for level in groupings(names):
        ways = list[Stack]()
        for gaps in (False, True) if members else (False,):
            slots, stages = _slots(level, members if gaps else {})
            blocks = [
                Block(name, drop_prob, stages[block], slots[block])
                for (name, drop_prob), block in zip(rates, level, strict=True)
            ]
            number = 1 + max(slots.values()) if not gaps else _number(level, members)
            ways.append(Stack("", recognise(blocks, number, declared, largest), number))
        # Where a first block has no layer at all, rates from l/(L-1) are those of (l+1)/L over the others as well.
        followed = [way for way in ways if way.followed.rule]
        if followed:
            return min(followed, key=lambda way: RULES.index(way.followed.rule))
        tried += ways
    runs = [len(list(group)) for _, group in groupby(p for _, p in rates)]
    run = [number for number, length in enumerate(runs) for _ in range(length)]
    flat = len({_container(_upto(name, [match.end() for match in _NUMBER.finditer(name)], 0)) for name in names}) == 1
    if flat and (declared == "stagewise" or (not declared and min(runs) > 1)):
        # Of blocks in one container, those of one rate in a row are a stage.
        blocks = [Block(name, p, run[slot], slot) for slot, (name, p) in enumerate(rates)]
        tried.append(Stack("", recognise(blocks, len(blocks), "stagewise", largest), len(blocks)))
    if any("(call " in name for name in names):  # one block is run again and again, at a rate that it is told
        blocks = [Block(name, p, 0, run[slot]) for slot, (name, p) in enumerate(rates)]
        tried.append(Stack("", recognise(blocks, len(runs), declared, largest), len(runs)))
    return min(tried, key=lambda stack: len(stack.followed.departures))


def _container(block: str) -> str:
    return block.rpartition(".")[0]


def _slots(level: Sequence[str], members: Mapping[str, Sequence[int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the slot of each block, and the stage: blocks in order, with those of no rate where members are given."""
    containers = list(dict.fromkeys(_container(block) for block in level))
    stages = {block: containers.index(_container(block)) for block in level}
    if not members:
        return {block: number for number, block in enumerate(dict.fromkeys(level))}, stages
    before, slots = 0, {}
    for container in containers:
        numbers = list(members.get(container, ()))
        for block in level:
            last = block.rpartition(".")[2]
            if _container(block) == container:
                slots[block] = before + (numbers.index(int(last)) if last.isdigit() and int(last) in numbers else 0)
        before += max(1, len(numbers))
    return slots, stages


def _number(level: Sequence[str], members: Mapping[str, Sequence[int]]) -> int:
    return sum(max(1, len(members.get(one, ()))) for one in dict.fromkeys(_container(block) for block in level))
