"""Factories as source text: what a SPEC cannot say, said in Python, with a mark where somebody has to go on."""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.targets import words
from droppath_audit.targets.parameters import VARIADIC, required, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from droppath_audit.core.invocation import Argument
    from droppath_audit.targets.binding import Binding
    from droppath_audit.targets.parameters import Sides

MARK = "FILL IN"
HEADING = '"""A factory for droppath-audit: ``make(drop_prob)`` returns ``f(x, training) -> y``."""'


@dataclass(frozen=True)
class Proposal:
    """A factory.

    Attributes:
        text: Its source, which defines ``make``.
        items: Items of the SPEC that names it.
        make: The source of ``make`` alone, where what it needs can be given it.
    """

    text: str
    items: tuple[str, ...] = ("form=factory",)
    make: str = ""

    @property
    def complete(self) -> bool:
        """Whether it runs as it is."""
        return MARK not in self.text


def method(owner: str, name: str, imports: Sequence[str], cls: type, function: Any) -> Proposal:
    """Return a factory that calls a method on a stand-in, which has what the method reads of ``self``.

    Args:
        owner: Name of the class in the text.
        name: Name of the method.
        imports: Lines that import the class.
        cls: The class.
        function: The method, as a function of ``self``.
    """
    held, called, always = [], [], True
    for attribute in _read(function, cls):
        said = words.probability(attribute, owner)
        if words.mode(attribute) is not None:
            always = False
            held.append(f"{attribute}={'training' if words.mode(attribute) else 'not training'}")
        elif callable(getattr(cls, attribute, None)):
            called.append(attribute)
        elif said is not None:
            held.append(f"{attribute}={_asked(said[0])}")
        elif hasattr(cls, attribute):
            held.append(f"{attribute}={owner}.{attribute}")
        else:
            held.append(f"{attribute}=...,  # {MARK}: what the method reads of self.{attribute}")
    parameters = list(inspect.signature(function).parameters.values())[1:]
    given = _arguments(parameters, owner)
    always &= not any(argument.endswith("training") for argument in given)
    body = [
        "stand_in = SimpleNamespace(",
        *(f"    {line}" + ("" if MARK in line else ",") for line in held),
        ")",
        *(f"stand_in.{attribute} = MethodType({owner}.{attribute}, stand_in)" for attribute in called),
        f"return {owner}.{name}(",
        *(f"    {line}" + ("" if MARK in line else ",") for line in ("stand_in", *given)),
        ")",
    ]
    text = [HEADING, "", "from types import MethodType, SimpleNamespace", "", *imports, "", ""]
    made = _make([], body)
    items = ("form=factory", *(["training=always"] if always else []))
    return Proposal("\n".join([*text, *made]) + "\n", items, "\n".join(made))


def layer(binding: Binding, sides: Sides, imports: Sequence[str]) -> Proposal:
    """Return a factory for a class or function whose signature a SPEC does not settle.

    Args:
        binding: What was settled of it.
        sides: Its signatures.
        imports: Lines that import it.
    """
    name = binding.name.replace(".", "_")
    invocation = binding.invocation(tuple(imports))
    construct: list[str] = []
    if sides.kind == "class":
        given = {argument.keyword: _text(argument, binding) for argument in invocation.init if argument.keyword}
        unnamed = [_text(argument, binding) for argument in invocation.init if not argument.keyword]
        lines = [*unnamed, *_keywords(sides.init, given)]
        construct = [f"layer = {name}(", *(f"    {line}" + ("" if MARK in line else ",") for line in lines), ")"]
    called = "layer" if sides.kind == "class" else name
    told = {slot.keyword: _text(argument, binding) for slot, argument in zip(binding.call, invocation.call, strict=True)
            if slot.keyword}  # fmt: skip
    unnamed = [_text(argument, binding) for slot, argument in zip(binding.call, invocation.call, strict=True)
               if not slot.keyword]  # fmt: skip
    passed = len(unnamed)
    rest = dict(list(sides.call.items())[passed:])
    lines = [*unnamed, *_keywords(rest, told)]
    body = ["layer.train(training)"] if binding.mode_at == "method" else []
    body += [f"return {called}(", *(f"    {line}" + ("" if MARK in line else ",") for line in lines), ")"]
    always = ["training=always"] if binding.mode_at == "always" else []
    dialect = [
        f"{key}={value}"
        for key, value in binding.dialect.to_json().items()
        if key in ("granularity", "scaling", "keep_prob_zero") and value not in ("sample", "inverted", "zeros")
    ]
    text = [HEADING, "", *imports, "", "", *_make(construct, body)]
    return Proposal("\n".join(text) + "\n", ("form=factory", *always, *dialect))


def _make(construct: Sequence[str], body: Sequence[str]) -> list[str]:
    inner = ["def call(x, training):", *(f"    {line}" for line in body), "", "return call"]
    lines = [*construct, *([""] if construct else []), *inner]
    return ["def make(drop_prob):", *(f"    {line}" if line else "" for line in lines)]


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
    if argument.role == "list":
        return f"[{', '.join({'r': '0 * x'}.get(role, role) for role in argument.roles)}]"
    if argument.role in ("branch", "f"):
        return f"...  # {MARK}: the branch, such as an identity; return y minus the shortcut below"
    return {"r": "0 * x", "x": "x"}.get(argument.role, f"...  # {MARK}: {argument.role}")


def _keywords(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> list[str]:
    """Return arguments by name: what is given, and a value or a mark for what must be given and is not."""
    lines = [f"{name}={text}" for name, text in given.items()]
    for name, parameter in parameters.items():
        if required(parameter) and name not in given:
            value = {"true": "True", "false": "False"}.get(value_of(parameter), value_of(parameter))
            kind = f" ({words.annotated(parameter)})" if words.annotated(parameter) else ""
            lines.append(f"{name}={value}" if value else f"{name}=...,  # {MARK}: a value for {name}{kind}")
    return lines


def _arguments(parameters: Sequence[Parameter], owner: str) -> list[str]:
    """Return the arguments of a method: its input, probability and mode by name, a mark for the rest."""
    lines, placed = [], False
    for parameter in parameters:
        name = parameter.name
        said = words.probability(name, owner) if words.numeric(parameter) else None
        if parameter.kind in VARIADIC:
            continue
        if words.mode(name) is not None:
            lines.append(f"{name}={'training' if words.mode(name) else 'not training'}")
        elif said is not None:
            lines.append(f"{name}={_asked(said[0])}")
        elif required(parameter) and not placed:
            lines.append(f"{name}=x" if name != "x" else "x=x")
            placed = True
        elif required(parameter) and words.tensor(name) == "shortcut":
            lines.append(f"{name}=0 * x")
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
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except (OSError, SyntaxError, ValueError):
        return []
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)) or not definition.args.args:
        return []
    own = definition.args.args[0].arg
    found = [
        node.attr
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == own
    ]
    return list(dict.fromkeys(found))
