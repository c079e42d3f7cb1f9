"""Which argument of a schedule means what: declared first, then read from names, annotations and bodies, then asked."""

from __future__ import annotations

import ast
import typing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets import bodies, words
from droppath_audit.targets.parameters import required, value_of
from droppath_audit.targets.table import Table, listing

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.schedules.offers import Offer, Offered
    from droppath_audit.schedules.spec import Counted, ScheduleSpec
    from droppath_audit.targets.spec import Spec
    from droppath_audit.targets.words import Meaning

COMMAND = "droppath-audit schedule"
LISTS, NUMBERS = ("list", "sequence", "tuple", "iterable", "collection", "array"), ("int",)
SURE, UNDOUBTED = 3, ("p", "prob", "rate")  # of names: that say what they mean, or mean it everywhere
TOTAL: tuple[Counted, ...] = ("total",)
STAGES: tuple[Counted, ...] = ("stages",)


@dataclass(frozen=True)
class Roles:
    """The arguments of a schedule by what they mean.

    Attributes:
        rate: The largest drop_prob, or the least keep_prob.
        keep: Whether it is the latter.
        depth: The number of blocks.
        counted: How that is told; both where both are understood.
        listed: The type in which the numbers of stages are given.
        index: Which block; empty where a call gives the rates of all.
        first: What that is for the first block.
        given: Values of other arguments.
        gives: Whether drop or keep probabilities are returned.
        notes: What a name suggested, and nothing declared.
    """

    rate: str
    keep: bool
    depth: str
    counted: tuple[Counted, ...]
    listed: Literal["list", "tuple"] = "list"
    index: str = ""
    first: int = 0
    given: tuple[tuple[str, Any], ...] = ()
    gives: Meaning = "drop"
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the roles in words, for the header."""
        told = {"total": "number of blocks", "stages": "blocks of each stage"}
        counted = " or ".join(told[one] for one in self.counted)
        rate = "keep_prob of the last block" if self.keep else "drop_prob of the last block"
        index = f" · {self.index}: number of a block, from {self.first} on" if self.index else ""
        return f"{self.depth}: {counted} · {self.rate}: {rate}{index} · gives {self.gives} probabilities"


def settle(spec: ScheduleSpec, offer: Offer) -> Roles:
    """Return the roles of the arguments.

    Raises:
        UsageError: If the SPEC contradicts the signature, or something is open; the message asks for all of it.
    """
    table, target = Table(), spec.target
    given = {**target.init, **target.arg}
    free = {one.name: one for one in offer.arguments if one.name not in given}
    _refuse(spec, offer, given)
    positional = [one.name for one in offer.arguments if one.at == "init"][: len(target.args)]
    for name in positional:
        free.pop(name, None)
    rate, keep, first = _rate(spec, free, table)
    left = {name: one for name, one in free.items() if name not in (rate, first)}
    depth = _depth(spec, left, table)
    counted = _counted(spec, left[depth], table)
    index = spec.index or next((name for name, one in left.items() if _is_index(name, one, depth)), "")
    others = {name: one for name, one in left.items() if name not in (depth, index)}
    for name, one in others.items():
        if required(one.parameter):
            value = _likely(one)
            table.ask(f"{name!r} must be given a value", f"{one.at}.{name}={value}")
    values = ((first, 1.0 if keep else 0.0),) if first and required(free[first].parameter) else ()
    if values:
        table.note(f"{first} is the rate of the first block, by its name: {values[0][1]:g}")
    gives = spec.gives or words.outcome(target.name.rpartition(".")[2]) or ("keep" if keep else "drop")
    if not spec.gives and gives != ("keep" if keep else "drop"):
        table.note(f"{gives} probabilities are returned, by the name of {target.name}")
    table.refuse(replace(target, text=spec.text), COMMAND)
    listed: Literal["list", "tuple"] = "tuple" if "tuple" in words.annotated(free[depth].parameter).lower() else "list"
    if "list" in words.annotated(free[depth].parameter).lower():
        listed = "list"
    if spec.rule == "stagewise" and "stages" not in counted:
        raise UsageError(
            f"schedule=stagewise speaks of stages, and {depth} of {target.name} is one number; if it is a list of one "
            f"number for each stage, say depth={depth}:stages."
        )
    return Roles(rate, keep, depth, counted, listed, index, spec.first, values, gives, tuple(table.notes))


def _refuse(spec: ScheduleSpec, offer: Offer, given: dict[str, Any]) -> None:
    """Refuse what the SPEC says of arguments that are not there.

    Raises:
        UsageError: If it says anything of the kind.
    """
    target, names = spec.target, [one.name for one in offer.arguments]
    if offer.kind == "function" and (target.init or target.args):
        raise UsageError(f"{target.name} is a function; its arguments are given by arg.NAME=.")
    said = {} if offer.open_ended else dict.fromkeys(given)
    for name in (spec.depth, spec.index, target.probability.name if target.probability else ""):
        if name in given:
            raise UsageError(f"The SPEC gives {name} a value, and the audit has to choose it: leave out {name}=.")
        said |= {name: None} if name else {}
    unknown = [name for name in said if name not in names]
    if unknown:
        raise UsageError(
            f"{target.name} has no argument {unknown[0]}; it has {listing(names)}." + nearest(unknown[0], names)
        )
    if not names:
        raise UsageError(f"{target.name} takes no arguments; a schedule takes a rate and a number of blocks.")


def _rate(spec: ScheduleSpec, free: dict[str, Offered], table: Table) -> tuple[str, bool, str]:
    """Return the argument that is the last block's rate, whether it is kept, and the one that is the first block's."""
    target = spec.target
    read = {
        name: said
        for name, one in free.items()
        if name not in (spec.depth, spec.index) and words.numeric(one.parameter)
        if (said := words.end_of_ramp(name, target.name)) is not None
    }
    first = next((name for name, (which, _, _) in read.items() if which == "first"), "")
    if target.probability is not None:
        name = target.probability.name
        return name, target.probability.meaning == "keep", "" if first == name else first
    ends = {name: said for name, said in read.items() if said[0] == "last"}
    if not ends:
        ends, first = read, ""
    ranked = {name: (sure, bool(set(words.words(name)) & words.PATHS)) for name, (_, _, sure) in ends.items()}
    best = [name for name, rank in ranked.items() if rank == max(ranked.values())]
    if len(best) > 1:
        table.ask(f"which of {', '.join(best)} is the rate", *(f"prob={name}:{ends[name][1]}" for name in best))
    if not best:
        likely = [name for name, one in free.items() if words.numeric(one.parameter) and not words.blocks(name)]
        likely = [name for name in likely if not words.place(name) and not _is_text(free[name])] or likely
        _refuse_chosen(target, lambda name: words.end_of_ramp(name, target.name) is not None)
        if not likely:
            raise UsageError(f"{target.name} takes no rate: it has {listing(free)}, and none of it can be one.")
        table.ask(
            f"nothing is called a rate; it has {listing(free)}",
            *(f"prob={name}:{meaning}" for name in likely for meaning in ("drop", "keep")),
        )
        return likely[0], False, ""
    name = best[0]
    if ends[name][2] < SURE and name not in UNDOUBTED and len(best) == 1:
        table.note(f"{name} is the {ends[name][1]} probability of the last block, by its name")
    return name, ends[name][1] == "keep", first


def _depth(spec: ScheduleSpec, left: dict[str, Offered], table: Table) -> str:
    """Return the argument that says how many blocks there are."""
    if spec.depth:
        return spec.depth
    sure = {name: words.blocks(name) for name, one in left.items() if _countable(one)}
    best = [name for name, how in sure.items() if how and how == max(sure.values())]
    if len(best) > 1:
        table.ask(f"which of {', '.join(best)} is the number of blocks", *(f"depth={name}" for name in best))
    if not best:
        others = [name for name, one in left.items() if _countable(one) and name != spec.index]
        others = [name for name in others if not words.place(name) and not _is_text(left[name])] or others
        _refuse_chosen(spec.target, lambda name: bool(words.blocks(name)))
        if not others:
            raise UsageError(
                f"{spec.target.name} takes no number of blocks: beside its rate it has {listing(left)}. A schedule is "
                "asked for several depths."
            )
        text = f"nothing is called a number of blocks; it has {listing(left)}"
        table.ask(text, *(f"depth={name}" for name in others))
        return others[0]
    return best[0]


def _refuse_chosen(target: Spec, means: Callable[[str], bool]) -> None:
    """Refuse a value for an argument that the audit has to choose.

    Raises:
        UsageError: If the SPEC gives one to an argument that is meant.
    """
    name = next((name for name in {**target.init, **target.arg} if means(name)), "")
    if name:
        raise UsageError(f"The SPEC gives {name} a value, and the audit has to choose it: leave out {name}=.")


def _countable(one: Offered) -> bool:
    default = one.parameter.default
    annotation = words.annotated(one.parameter).lower()
    plain = not isinstance(default, (bool, str, float))
    return plain and (not annotation or any(word in annotation for word in (*LISTS, *NUMBERS, "any")))


def _counted(spec: ScheduleSpec, one: Offered, table: Table) -> tuple[Counted, ...]:
    """Return how the number of blocks is told."""
    if spec.counted is not None:
        return (spec.counted,)
    annotation = words.annotated(one.parameter).lower()
    lists = any(word in annotation for word in LISTS)
    if annotation and (lists or "int" in annotation):
        # Of "int | list[int]" the first int stands alone.
        outer = annotation.partition("[")[0] if annotation.startswith(LISTS) else annotation
        alone = "int" in [part.strip(" ]") for part in outer.replace("union[", "").replace("|", ",").split(",")]
        return (*(TOTAL if alone else ()), *(STAGES if lists else ())) or TOTAL
    default = one.parameter.default
    if isinstance(default, (list, tuple)):
        return STAGES
    if isinstance(default, int):
        return TOTAL
    told = _told_by_body(one)
    if told:
        return told
    if words.listed(one.name):
        return STAGES
    asked = any(item.startswith("depth=") for question in table.questions for item in question.items)
    if words.unclear(one.name) and not spec.depth and not asked:
        table.ask(
            f"whether {one.name} is a number or a list of one for each stage",
            f"depth={one.name}:total",
            f"depth={one.name}:stages",
        )
    return TOTAL


def _told_by_body(one: Offered) -> tuple[Counted, ...]:
    """Return how a body takes an argument: added up and gone through, or calculated with; nothing where it does not."""
    tree = bodies.definition_of(one.function)
    if tree is None:
        return ()
    gone, calculated, asked = False, False, False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = ast.unparse(node.func)
            takes = any(bodies.is_name(part, one.name) for part in node.args)
            gone |= takes and named in ("sum", "len", "enumerate", "np.sum", "np.cumsum", "reversed", "zip")
            calculated |= takes and named in ("range", "float", "int")
            asked |= takes and named == "isinstance"
            gone |= any(isinstance(part, ast.Starred) and bodies.is_name(part.value, one.name) for part in node.args)
        elif isinstance(node, (ast.For, ast.comprehension)):
            gone |= bodies.is_name(node.iter, one.name)
        elif isinstance(node, ast.Subscript):
            gone |= bodies.is_name(node.value, one.name)
        elif isinstance(node, ast.BinOp):
            # What is multiplied by a list of one number is no number, and the only such case.
            other = any(isinstance(side, (ast.List, ast.Tuple)) for side in (node.left, node.right))
            calculated |= not other and any(bodies.is_name(side, one.name) for side in (node.left, node.right))
    if asked and gone:
        return (*TOTAL, *STAGES)
    return STAGES if gone and not calculated else TOTAL if calculated and not gone else ()


def _is_index(name: str, one: Offered, depth: str) -> bool:
    return words.place(name) and required(one.parameter) and name != depth


def _likely(one: Offered) -> str:
    """Return a value that a required argument is likely to take, as a SPEC writes it."""
    first, said = next(iter(_choices(one)), None), words.probability(one.name, "")
    if first is None and said is not None and said[1] >= SURE:
        return "0.0" if said[0] == "drop" else "1.0"  # another rate, which is to do nothing
    return str(first) if first is not None else value_of(one.parameter) or "1"


def _is_text(one: Offered) -> bool:
    """Return whether an argument is one of several texts, as its annotation or the body says."""
    return any(isinstance(choice, str) for choice in _choices(one))


def _choices(one: Offered) -> list[Any]:
    """Return the values that an argument may take by its annotation, then those with which the body compares it."""
    annotation = one.parameter.annotation
    annotated = [*typing.get_args(annotation)] if typing.get_origin(annotation) is Literal else []
    tree = bodies.definition_of(one.function)
    compared = [
        part.value
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Compare) and bodies.is_name(node.left, one.name)
        for other in node.comparators
        for part in (other.elts if isinstance(other, (ast.List, ast.Tuple, ast.Set)) else [other])
        if isinstance(part, ast.Constant) and isinstance(part.value, (str, int, float))
    ]
    return [*annotated, *compared]
