"""Which definitions of a file are look-alikes of DropPath: called like one and random, or random in its way.

A definition draws, and what it drew decides about its input: by a product, by a selection, by a branch of the code. One
that is called like a layer that drops paths is one wherever it does so. Any other is one where a decision covers
a sample and comes from a probability of dropping or keeping; of one decision for the whole batch, that the name of the
probability speaks of paths, or that it is not taken in evaluation: augmentations toss coins as well.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.scanning.extents import ONE, SAMPLE, UNKNOWN
from droppath_audit.scanning.flow import Flow
from droppath_audit.scanning.meetings import DRAWN, INPUT, NAMED_LAYER, PATH, PROB, SUBSET, WEAK, Seen
from droppath_audit.scanning.names import ENTRIES, named
from droppath_audit.scanning.reading import Function, last
from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from droppath_audit.scanning.meetings import Meeting, Tags
    from droppath_audit.scanning.reading import Definition, Source

BY_NAME, BY_BODY, BY_BOTH = "its name", "what it does", "its name and what it does"
WHOLE = frozenset({"transform", "augment", "augmentation", "loss", "dataset", "sampler", "scheduler", "optimizer"})


@dataclass(frozen=True)
class LookAlike:
    """A definition that looks like DropPath.

    Attributes:
        name: Its name, dotted inside a class.
        node: Its syntax tree.
        source: Its file.
        by: Why it is taken for one.
        parts: Names of definitions of the file that belong to it.
        local: Whether it is defined inside a function, where nothing can name it.
    """

    name: str
    node: Definition
    source: Source
    by: str
    parts: tuple[str, ...] = ()
    local: bool = False


def find(source: Source) -> list[LookAlike]:
    """Return the look-alikes of a file, without those that belong to another, as a function does to its class."""
    found = [alike for alike in (_judge(source, *one) for one in source.definitions()) if alike is not None]
    classes = {alike.name for alike in found if isinstance(alike.node, ast.ClassDef)}
    belonging = {part for alike in found for part in alike.parts if part != alike.name}
    return [alike for alike in found if alike.name not in belonging and alike.name.rpartition(".")[0] not in classes]


def _judge(source: Source, name: str, node: Definition, owner: ast.ClassDef | None, local: bool) -> LookAlike | None:
    if isinstance(node, ast.ClassDef):
        return _judge_class(source, name, node, local)
    if owner is not None and node.name in (*ENTRIES, "__init__", "extra_repr", "__repr__", "backward"):
        return None
    is_named = named(node.name)
    if local and not is_named:
        return None
    if not (source.draws(node) or (is_named and _calls_named(source, node))):
        return None
    methods, held = ({}, {}) if owner is None else _object(source, owner)
    flow = Flow(source, node, node.name, methods=None if owner is None else methods, held=held)
    seen = flow.follow()
    if not is_named:
        itself = _drops(Seen([one for one in seen.meetings if one.depth == 0], moded=seen.moded))
        hands_on = owner is None and not seen.passed_on and _only_calls(node) and _drops(seen)
        return LookAlike(name, node, source, BY_BODY, _parts(seen), local) if itself or hands_on else None
    if seen.meetings:
        by = BY_BOTH if _drops(seen) else BY_NAME
        return LookAlike(name, node, source, by, _parts(seen), local)
    # A mask that others multiply with, or a call of another's function.
    returns_mask = bool(seen.returned & DRAWN and seen.returned & {PROB, WEAK})
    names_one = any(named(text.rpartition(".")[2]) for text in seen.passed_on) and owner is None
    if returns_mask or (names_one and NAMED_LAYER in seen.returned and _only_calls(node)):
        return LookAlike(name, node, source, BY_NAME, _parts(seen), local)
    return None


def _judge_class(source: Source, name: str, node: ast.ClassDef, local: bool) -> LookAlike | None:
    is_named = named(node.name)
    methods, held = _object(source, node)
    entry = next((methods[entry] for entry in ENTRIES if entry in methods), None)
    if entry is None:
        # The behaviour is that of a class of another file, which this one changes.
        bases = any(named(source.dotted(base).rpartition(".")[2]) for base in node.bases)
        changes = any(isinstance(part, Function) and part.name not in ("extra_repr", "__repr__") for part in node.body)
        return LookAlike(name, node, source, BY_NAME, (), local) if is_named and bases and changes else None
    drawing = any(source.draws(body) for body in (node, *_bases(source, node)))
    if not drawing and not (is_named and _calls_named(source, node)):
        return None
    if entry not in node.body and not any(isinstance(part, (Function, ast.Assign)) for part in node.body):
        return None  # another name for its base
    seen = Flow(source, entry, node.name, methods=methods, held=held).follow()
    in_class = Seen([m for m in seen.meetings if m.depth == 0], moded=seen.moded)
    if is_named:
        wraps = NAMED_LAYER in seen.returned and _given_a_branch(methods)
        hands_on = [text for text in seen.passed_on if named(text.rpartition(".")[2]) and not text.startswith("self.")]
        if seen.meetings and (in_class.meetings or not seen.passed_on or seen.followed & methods.keys()):
            return LookAlike(name, node, source, BY_BOTH if _drops(seen) else BY_NAME, _parts(seen), local)
        if wraps or (hands_on and _only_calls(entry)):
            return LookAlike(name, node, source, BY_NAME, _parts(seen), local)
        return None
    if local or set(words.words(node.name)) & WHOLE:
        return None
    if _drops(in_class) or (_drops(seen) and _only_calls(entry, seen.followed) and not seen.passed_on):
        return LookAlike(name, node, source, BY_BODY, _parts(seen), local)
    return None


def _object(source: Source, node: ast.ClassDef) -> tuple[dict[str, Function], dict[str, Tags]]:
    """Return the methods of a class, with those of its bases in the file, and what its constructor gives attributes."""
    methods: dict[str, Function] = {}
    for cls in (*reversed(list(_bases(source, node))), node):
        methods |= {part.name: part for part in cls.body if isinstance(part, Function)}
    held: dict[str, Tags] = {}
    if "__init__" in methods:
        flow = Flow(source, methods["__init__"], node.name, methods={}, held=held, given={"": frozenset()})
        flow.follow()
    # What the constructor is given as a tensor is no input of the call.
    return methods, {key: tags - {INPUT} for key, tags in held.items()}


def _bases(source: Source, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """Yield the bases of a class that stand in its file, nearest first."""
    seen, waiting = {node.name}, [base.id for base in node.bases if isinstance(base, ast.Name)]
    while waiting:
        name = waiting.pop(0)
        if name in source.classes and name not in seen:
            seen.add(name)
            yield source.classes[name]
            waiting += [base.id for base in source.classes[name].bases if isinstance(base, ast.Name)]


def _drops(seen: Seen) -> bool:
    """Return whether a meeting is that of a layer that drops paths, whatever it is called."""
    return any(_is_dropping(meeting, moded=seen.moded) for meeting in seen.meetings)


def _is_dropping(meeting: Meeting, *, moded: bool) -> bool:
    tags = meeting.tags
    if meeting.kind == "dropout" or not tags & {PROB, WEAK}:
        return False
    if SUBSET in tags and SAMPLE not in tags:
        return PATH in tags and meeting.kind != "gate"  # else a choice of tokens or of points
    if SAMPLE in tags:
        return PROB in tags if meeting.kind == "selection" else meeting.kind == "product" and (PROB in tags or moded)
    if meeting.looped and meeting.kind == "gate":
        return False  # of the layers of a network some are skipped
    if ONE in tags:
        return PATH in tags or (PROB in tags and moded)
    return UNKNOWN in tags and PATH in tags


def _parts(seen: Seen) -> tuple[str, ...]:
    return tuple(sorted(seen.followed))


def _calls_named(source: Source, node: ast.AST) -> bool:
    """Return whether something is called that is called like a layer that drops paths, where it comes from."""
    calls = (part.func for part in ast.walk(node) if isinstance(part, ast.Call))
    return any(named((source.dotted(call) or last(call)).rpartition(".")[2]) for call in calls)


def _only_calls(function: Function, followed: Iterable[str] = ()) -> bool:
    """Return whether a function does no more than to call another: few statements, and no layer of its own.

    Args:
        function: The function.
        followed: Methods that are known: they are no layers.
    """
    body = [node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    own = function.args.args[0].arg if function.args.args else ""
    layers = [
        part for part in ast.walk(function)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute)
        and getattr(part.func.value, "id", "") == own and own == "self" and not named(part.func.attr)
        and part.func.attr not in followed
    ]  # fmt: skip
    return len(body) <= 4 and not layers  # a guard, a draw or two, and the call


def _given_a_branch(methods: Mapping[str, Function]) -> bool:
    """Return whether the constructor of a class is given a branch."""
    if "__init__" not in methods:
        return False
    names: Iterable[str] = (argument.arg for argument in methods["__init__"].args.args[1:])
    return any(words.function(name) for name in names) and len(methods["__init__"].args.args) <= 4
