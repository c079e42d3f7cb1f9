"""Factories as source text: what a SPEC cannot say, said in Python, with a mark where somebody has to go on."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, replace
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import bodies, words
from droppath_audit.targets.calling import pair_of
from droppath_audit.targets.parameters import VARIADIC, required, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from droppath_audit.core.invocation import Argument
    from droppath_audit.targets.binding import Binding
    from droppath_audit.targets.parameters import Sides

MARK, GUESSED = "FILL IN", "GUESSED"
RUNS = "It runs as it is"  # what is said of a factory that does
ZEROS = "x**0 - 1"  # in any framework, and of infinities and NaN as well
HEADING = '"""A factory for droppath-audit: ``make(drop_prob)`` returns ``f(x, training) -> y``."""'


@dataclass(frozen=True)
class Proposal:
    """A factory.

    Attributes:
        text: Its source, which defines ``make``.
        items: Items of the SPEC that names it.
        make: The source of ``make`` alone, where what it needs can be given it.
        skipped: Patterns of checks that it says nothing of.
    """

    text: str
    items: tuple[str, ...] = ("form=factory",)
    make: str = ""
    skipped: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it runs as it is."""
        return MARK not in self.text


def _adds(function: Any, name: str) -> str:
    """Return what a method that runs a branch on an argument makes of both: ``added``, ``skipped`` or neither."""
    tree = bodies.definition_of(function)
    nodes = [*ast.walk(tree)] if tree is not None else []
    sums = [node for node in nodes if isinstance(node, ast.BinOp)]
    if any(isinstance(node.op, ast.Sub) and bodies.is_name(node.right, name) for node in sums):
        return "skipped"  # what the branch returns holds its input, and is what it adds to that only without it
    if tree is not None and any(bodies.is_name(part, name) for part, _ in bodies.addends(tree)):
        return "added"
    returns = [node.value for node in nodes if isinstance(node, ast.Return) and node.value is not None]
    return "skipped" if any(bodies.is_name(value, name) for value in returns) else ""


def method(owner: str, name: str, imports: Sequence[str], cls: type, function: Any) -> Proposal:
    """Return a factory that calls a method on a stand-in, which has what the method reads of ``self``.

    Args:
        owner: Name of the class in the text.
        name: Name of the method.
        imports: Lines that import the class.
        cls: The class.
        function: The method, as a function of ``self``.
    """
    held, called, read = [], [], _read(function, cls)
    for attribute in read:
        said = words.probability(attribute, owner)
        if words.mode(attribute) is not None:
            held.append(f"{attribute}={_told(attribute)}")
        elif callable(getattr(cls, attribute, None)):
            called.append(attribute)
        elif said is not None:
            held.append(f"{attribute}={_asked(said[0])}")
        elif hasattr(cls, attribute):
            held.append(f"{attribute}={owner}.{attribute}")
        else:
            held.append(f"{attribute}=...,  # {MARK}: what the method reads of self.{attribute}")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    given = _Given(parameters, function)
    told = any(words.mode(name) is not None for name in (*read, *(parameter.name for parameter in parameters)))
    made = _make(
        [],
        [
            *_lines("stand_in = SimpleNamespace", held),
            *(f"stand_in.{attribute} = MethodType({owner}.{attribute}, stand_in)" for attribute in called),
            *_lines(f"return {owner}.{name}", ["stand_in", *_arguments(parameters, owner, given)]),
        ],
        residual=given.residual,
    )
    heading = _heading(residual=given.residual)
    text = [heading, "", "from types import MethodType, SimpleNamespace", "", *imports, "", "", *made]
    items = ("form=residual-factory" if given.residual else "form=factory", *(() if told else ("training=always",)))
    return Proposal("\n".join(text) + "\n", items, "\n".join(made))


def layer(binding: Binding, sides: Sides, imports: Sequence[str]) -> Proposal:
    """Return a factory for a class or function whose signature a SPEC does not settle.

    Args:
        binding: What was settled of it.
        sides: Its signatures.
        imports: Lines that import it.
    """
    name = binding.name.replace(".", "_")
    invocation = binding.invocation(tuple(imports))
    construct, called = [], name
    if sides.kind == "class":
        construct, called = _lines(f"layer = {name}", _given(invocation.init, sides.init, binding)), "layer"
    body = ["layer.train(training)"] if binding.mode_at == "method" else []
    # What is given its shortcut is audited beside one, of any values; to subtract it would turn -0 into +0.
    residual = {"r", "x"} <= {argument.role for argument in invocation.call}
    lines = _given(invocation.call, sides.call, binding)
    body += _lines(f"return {called}", [line.replace(ZEROS, "shortcut") for line in lines] if residual else lines)
    form = "form=residual-factory" if residual else "form=factory"
    text = [_heading(residual=residual), "", *imports, "", "", *_make(construct, body, residual=residual)]
    return Proposal("\n".join(text) + "\n", (form, *declared_of(binding)))


def guesses(proposal: Proposal, sides: Sides) -> Iterator[Proposal]:
    """Yield a factory with values for what was left to fill in, each marked; none where more than values is missing.

    What a call is given beside x is zeros like x, at which a factor drops a sample, or nothing. Nor is any value
    guessed of a block with weights or of a stack, which are no layers that lack one.
    """
    open_ = f"...,  # {MARK}: a value for"
    made, call, body = proposal.text.partition("def call(")
    if sides.parts or sides.copied or proposal.complete or MARK in proposal.text.replace(open_, ""):
        return
    for in_init, in_call in ((None, ZEROS), (None, None), (1, ZEROS)):
        marked = f",  # {GUESSED}: a value for"
        text = made.replace(open_, f"{in_init}{marked}") + call + body.replace(open_, f"{in_call}{marked}")
        yield replace(proposal, text=text)


def declared_of(binding: Binding) -> list[str]:
    """Return the items of a SPEC that declare of a factory what its target is and promises."""
    always = ["training=always"] if binding.mode_at == "always" else []
    return always + [
        f"{key}={value}"
        for key, value in binding.dialect.to_json().items()
        if key in ("granularity", "scaling", "keep_prob_zero") and value not in ("sample", "inverted", "zeros")
    ]


def _heading(*, residual: bool) -> str:
    return HEADING.replace("f(x, training) -> y", "f(x, shortcut, training)") if residual else HEADING


def _make(construct: Sequence[str], body: Sequence[str], *, residual: bool = False) -> list[str]:
    inner = [
        f"def call(x, {'shortcut, ' if residual else ''}training):",
        *(f"    {line}" for line in body),
        "",
        "return call",
    ]
    lines = [*construct, *([""] if construct else []), *inner]
    return ["def make(drop_prob):", *(f"    {line}" if line else "" for line in lines)]


def _lines(function: str, arguments: Sequence[str]) -> list[str]:
    """Return a call, an argument a line; one with a mark has its comma before it."""
    return [f"{function}(", *(f"    {line}" + ("" if MARK in line else ",") for line in arguments), ")"]


def _told(mode: str) -> str:
    return "training" if words.mode(mode) else "not training"


def _asked(meaning: str) -> str:
    return "drop_prob" if meaning == "drop" else "1.0 - drop_prob"


def _text(argument: Argument, binding: Binding) -> str:
    """Return the value of an argument in a factory, where drop_prob, x and training have those names."""
    if argument.role == "p":
        return _asked(binding.probability.meaning if binding.probability is not None else "drop")
    if argument.role == "training":
        return "not training" if binding.mode is not None and binding.mode.inverted else "training"
    if argument.role == "constant":
        return argument.text
    if "branch" in argument.roles:
        return f"[...],  # {MARK}: the branch, in a list; return y minus the shortcut below"
    if argument.role == "list":
        return f"[{', '.join({'r': ZEROS}.get(role, role) for role in argument.roles)}]"
    if argument.role in ("branch", "f"):
        return f"...,  # {MARK}: the branch, such as an identity; return y minus the shortcut below"
    return {"r": ZEROS, "x": "x"}.get(argument.role, f"...,  # {MARK}: {argument.role}")


def _given(arguments: Sequence[Argument], parameters: Mapping[str, Parameter], binding: Binding) -> list[str]:
    """Return what is given, those without a name first, and a value or a mark for what must be given and is not."""
    unnamed = [_text(argument, binding) for argument in arguments if not argument.keyword]
    named = {argument.keyword: _text(argument, binding) for argument in arguments if argument.keyword}
    lines = [*unnamed, *(f"{name}={text}" for name, text in named.items())]
    for name, parameter in list(parameters.items())[len(unnamed) :]:
        if required(parameter) and name not in named:
            value = {"true": "True", "false": "False"}.get(value_of(parameter), value_of(parameter))
            kind = f" ({words.annotated(parameter)})" if words.annotated(parameter) else ""
            lines.append(f"{name}={value}" if value else f"{name}=...,  # {MARK}: a value for {name}{kind}")
    return lines


class _Given:
    """What a method is given as its input, and as the branch where it runs one on that.

    Args:
        parameters: Of the method, without its object.
        function: The method.

    Attributes:
        branch: Argument that takes the branch; empty where there is none.
        shortcut: Argument that takes the shortcut, beside what the branch returned; empty where there is none.
        residual: Whether there is one, or its input is one, which it returns where it drops the branch.
        values: Source of the input and of the branch.
    """

    def __init__(self, parameters: Sequence[Parameter], function: Any) -> None:
        needed = [parameter.name for parameter in parameters if required(parameter)]
        self.branch = next((name for name in needed if words.function(name, in_call=True)), "")
        inputs = [name for name in needed if name != self.branch and words.mode(name) is None]
        how = _adds(function, inputs[0]) if self.branch and inputs else ""
        numbers = {p.name for p in parameters if words.numeric(p) and words.probability(p.name, "") is not None}
        tensors = [name for name in inputs if name not in numbers]
        pair = _pair_of(tensors, function) if len(tensors) == 2 and not self.branch else None
        self.shortcut = next((name for name, role in pair.items() if role == "r"), "") if pair else ""
        self.residual = bool(how or self.shortcut)
        self.values = ("shortcut" if how else "x", f"lambda given: {'given + x' if how == 'skipped' else 'x'}")


def _pair_of(inputs: list[str], function: Any) -> Mapping[str, str] | None:
    """Return which of two inputs of a method is the shortcut, as for a call."""
    return pair_of({name: words.tensor(name) for name in inputs}, inputs, function)[0]


def _arguments(parameters: Sequence[Parameter], owner: str, given: _Given) -> list[str]:
    """Return the arguments of a method: its input, probability and mode by name, a mark for the rest."""
    lines, placed = [], False
    for parameter in parameters:
        name = parameter.name
        said = words.probability(name, owner) if words.numeric(parameter) else None
        if parameter.kind in VARIADIC:
            continue
        if words.mode(name) is not None:
            lines.append(f"{name}={_told(name)}")
        elif said is not None:
            lines.append(f"{name}={_asked(said[0])}")
        elif name == given.branch:
            lines.append(f"{name}={given.values[1]}")
        elif name == given.shortcut:
            lines.append(f"{name}=shortcut")
        elif required(parameter) and not placed:
            lines.append(f"{name}={given.values[0]}")
            placed = True
        elif required(parameter) and words.tensor(name) == "shortcut":
            lines.append(f"{name}={ZEROS}")
        elif required(parameter):
            lines.append(f"{name}=...,  # {MARK}: a value for {name}")
    return lines


def _read(function: Any, cls: type) -> list[str]:
    """Return the attributes of its object that a method reads, and the methods of it that it calls."""
    found = _read_of_self(function)
    for attribute in found:  # which grows
        method = getattr(cls, attribute, None)
        if callable(method):
            found += [name for name in _read_of_self(method) if name not in found]
    return found


def _read_of_self(function: Any) -> list[str]:
    """Return the attributes of its first argument that a method reads, in order."""
    definition = bodies.definition_of(function)
    if definition is None or not definition.args.args:
        return []
    return bodies.attributes(definition, definition.args.args[0].arg)
