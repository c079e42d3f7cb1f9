"""Constructors that take an object that holds the probability, mostly a configuration: one is made of its fields.

The class is wrapped in a subclass whose constructor takes the fields that may be the probability and builds the object,
so that everything else sees an ordinary class. The subclass is source text, which scripts contain as well.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from dataclasses import dataclass, replace
from inspect import Parameter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies, words
from droppath_audit.targets.items import Probability
from droppath_audit.targets.parameters import VARIADIC, required, value_of
from droppath_audit.targets.table import Table, listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from droppath_audit.targets.importing import Found
    from droppath_audit.targets.spec import Spec

NAMES = {"config", "cfg", "conf", "configuration", "args", "opt", "opts", "options", "hparams", "params", "settings"}
OF_MAPPINGS = ("get", "keys", "items")  # attributes that are no fields


@dataclass(frozen=True)
class _Kind:
    """How a configuration is made.

    Attributes:
        opening: Source up to its fields.
        fields: Their names, as parameters with what is known of their types and defaults.
        field: Source of one field, with ``{name}`` and ``{value}``.
        closing: Source after them.
        sections: Which of them stand in an object of the configuration, with the name of that.
        inner: Which of them parts of the class read alone, to which it hands the configuration on.
    """

    opening: str
    fields: dict[str, Parameter]
    field: str = "{name}={value}"
    closing: str = ")"
    sections: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inner: frozenset[str] = frozenset()

    def made(self, values: Mapping[str, str]) -> str:
        """Return the source of an object with these values."""
        parts: dict[str, list[str]] = {}
        for name, value in values.items():
            parts.setdefault(self.sections.get(name, ""), []).append(self.field.format(name=name, value=value))
        inner = [f"{name}=SimpleNamespace({', '.join(fields)})" for name, fields in parts.items() if name]
        return f"{self.opening}{', '.join([*parts.get('', []), *inner])}{self.closing}"


def configured(found: Found, spec: Spec) -> tuple[Any, Found, Spec]:
    """Return a class whose constructor takes the fields of its configuration, with its lines and what is left to say.

    What takes no configuration is returned as it is.

    Raises:
        UsageError: If the SPEC gives a field that the configuration has not.
    """
    name = _argument(found.obj, spec)
    if not name:
        return found.obj, found, spec
    alias = spec.name.replace(".", "_")
    parameters = parameters_of(found.obj)
    kind = _kind(found.obj, name, parameters[name])
    given = spec.init.get(name, {})
    declared = spec.probability.name.partition(".")[2] if spec.probability is not None else ""
    unknown = [field for field in (*given, *([declared] if declared else [])) if field not in kind.fields]
    if unknown and kind.field == "{name}={value}" and not kind.opening.startswith("SimpleNamespace"):
        raise UsageError(f"{name} of {spec.name} has no field {unknown[0]!r}; it has {listing(kind.fields)}.")
    fields = {**kind.fields, **{field: Parameter(field, Parameter.KEYWORD_ONLY) for field in unknown}}
    offered = [
        field
        for field, parameter in fields.items()
        if field == declared or (field not in given and field not in kind.inner and _rate(parameter, spec))
    ]
    if not offered:
        _ask(spec, name, fields, parameters)
        rated = any(_rate(parameter, spec) for parameter in parameters.values())
        if not (rated and fields and required(parameters[name])):
            return found.obj, found, spec
    beside = {
        other: _kind(found.obj, other, parameter)
        for other, parameter in parameters.items()
        if other not in (name, *spec.init) and required(parameter) and set(words.words(other)) & NAMES
    }
    text = _text(alias, name, kind, fields, given, offered, parameters, beside)
    names = {alias: found.obj, "SimpleNamespace": SimpleNamespace}
    exec(compile("\n".join(text), f"<{spec.name} from its fields>", "exec"), names)  # noqa: S102 - we wrote it
    made = names[alias]
    # By which a pickle is refused: under its name the module has the class itself.
    made.__module__, made.__qualname__ = found.obj.__module__, f"<locals>.{found.obj.__qualname__}"
    lines = (*found.lines, "from types import SimpleNamespace", "", "", *text, "")
    if spec.probability is not None and declared:
        spec = replace(spec, probability=Probability(declared, spec.probability.meaning))
    values = ", ".join(f"{field}={value}" for field, value in _values(fields, given).items() if field not in offered)
    note = f"{name} is made of {listing(offered)}" + (f" with {values}" if values else "")
    note = note if offered else f"{name} has {values} at likely values"
    note += "".join(f"; {other} has {listing(made.fields)} at likely values" for other, made in beside.items())
    return (
        made,
        replace(found, lines=lines, notes=(*found.notes, note)),
        replace(spec, init={k: v for k, v in spec.init.items() if k != name}),
    )


def _ask(spec: Spec, name: str, fields: Mapping[str, Parameter], parameters: Mapping[str, Parameter]) -> None:
    """Ask which field is the probability, where no other argument is one by its name.

    Raises:
        UsageError: With the command to run next.
    """
    others = [other for other in parameters if words.probability(other, spec.name) is not None]
    likely = [field for field, parameter in fields.items() if words.numeric(parameter) and not value_of(parameter)]
    if likely and not others and spec.probability is None:
        table = Table()
        items = [f"prob={name}.{field}:drop" for field in likely]
        table.ask(f"nothing is called a probability; {name} has {listing(fields)}", *items)
        table.refuse(spec)


def _rate(parameter: Parameter, spec: Spec) -> bool:
    """Return whether an argument, or a field, may be the probability by its name."""
    return words.numeric(parameter) and words.probability(parameter.name, spec.name) is not None


def parameters_of(cls: Any) -> Mapping[str, Parameter]:
    """Return the parameters of what is called; none where they cannot be read."""
    try:
        return inspect.signature(cls).parameters
    except (ValueError, TypeError):
        return {}


def _argument(obj: Any, spec: Spec) -> str:
    """Return the argument of a constructor that is a configuration: named by the SPEC, or by its name and type."""
    declared = spec.probability.name if spec.probability is not None else ""
    if not inspect.isclass(obj):
        return ""
    parameters = parameters_of(obj)
    if "." in declared:
        name = declared.partition(".")[0]
        if name not in parameters:
            raise UsageError(f"{spec.name} has no argument {name}; it has {listing(parameters)}.")
        return name
    others = declared or any(_rate(parameter, spec) for parameter in parameters.values())
    for name, parameter in parameters.items():
        wanted = required(parameter) or name in spec.init or (parameter.default is None and not others)
        if parameter.kind in VARIADIC or not wanted:
            continue
        kind = _type(obj, name, parameter)
        if isinstance(spec.init.get(name, {}), dict) and (
            set(words.words(name)) & NAMES or _is_record(kind) or (not others and _drops(kind, name))
        ):
            return name
    return ""


def _type(cls: Any, name: str, parameter: Parameter) -> Any:
    """Return the type that an argument is annotated with; None where it has none, or one that is not there."""
    try:
        found = typing.get_type_hints(cls.__init__).get(name)
    except Exception:
        return parameter.annotation if inspect.isclass(parameter.annotation) else None
    kinds = [kind for kind in typing.get_args(found) if kind is not type(None)]
    optional = len(kinds) == 1 and type(None) in typing.get_args(found)
    return kinds[0] if optional else found


def _is_record(kind: Any) -> bool:
    return inspect.isclass(kind) and (
        dataclasses.is_dataclass(kind)
        or any(hasattr(kind, name) for name in ("model_fields", "__attrs_attrs__", "__required_keys__", "_fields"))
    )


def _drops(kind: Any, name: str) -> bool:
    """Return whether a type is a class whose constructor takes a probability: a layer, or a control of several."""
    parameters = parameters_of(kind) if inspect.isclass(kind) and kind.__module__ not in ("builtins", "typing") else {}
    said = (words.probability(of, name) for of, parameter in parameters.items() if words.numeric(parameter))
    return any(meaning is not None and meaning[1] > 1 for meaning in said)


def _kind(cls: Any, name: str, parameter: Parameter) -> _Kind:
    annotated = _type(cls, name, parameter)
    origin = typing.get_origin(annotated) or annotated
    if _is_record(origin) or (inspect.isclass(origin) and origin.__module__ not in ("builtins", "typing")):
        fields = _fields_of(origin)
        if hasattr(origin, "__required_keys__"):
            return _Kind("dict(", fields)
        read = _read(cls, name)[0]
        if _is_record(origin) or set(read) <= set(fields):
            there = f"super().__init__.__globals__[{origin.__name__!r}]"
            known = origin.__name__ in getattr(cls.__init__, "__globals__", {})
            return _Kind(f"{there}(" if known else f"{_imported(origin)}(", fields)
    read, by_key = _read(cls, name)
    beside = [field for field in _handed_on(cls, name) if field not in read]
    fields = {field: Parameter(field, Parameter.KEYWORD_ONLY) for field in (*read, *beside)}
    if by_key or origin is dict:
        return _Kind("{", fields, "{name!r}: {value}", "}")
    tree = bodies.definition_of(cls.__init__)
    sections = bodies.sections(tree, name) if tree is not None else {}
    inner = {field: section for section, held in sections.items() for field in held}
    fields |= {field: Parameter(field, Parameter.KEYWORD_ONLY) for field in inner}
    left = {field: parameter for field, parameter in fields.items() if field not in sections}
    return _Kind("SimpleNamespace(", left, sections=inner, inner=frozenset(beside))


def _imported(kind: type) -> str:
    return f"getattr(__import__({kind.__module__!r}, fromlist=['']), {kind.__qualname__!r})"


def _fields_of(kind: Any) -> dict[str, Parameter]:
    """Return the arguments of a type's constructor that make its fields; those of a TypedDict are its keys."""
    if hasattr(kind, "__required_keys__"):
        hints = typing.get_type_hints(kind)
        return {name: Parameter(name, Parameter.KEYWORD_ONLY, annotation=hint) for name, hint in hints.items()}
    return {name: found for name, found in parameters_of(kind).items() if found.kind not in VARIADIC}


def _read(cls: Any, name: str) -> tuple[list[str], bool]:
    """Return the fields of its configuration that a constructor reads, in order, and whether as keys of a mapping."""
    tree = bodies.definition_of(cls.__init__)
    if tree is None:
        return [], False
    attributes = list(dict.fromkeys(_attributes(tree, name)))
    keys = bodies.keys(tree, name)
    return ([*attributes, *keys], bool(keys) and not attributes)


def _handed_on(cls: Any, name: str) -> list[str]:
    """Return the fields that are read of a configuration where a constructor hands it on, and where it is kept.

    It is handed on to classes and functions of the module, ``Attention(config)``, and these may hand it on.
    """
    found: dict[str, None] = {}
    open_, seen = [(getattr(cls, "__init__", None), name)], set()
    while open_:
        function, argument = open_.pop()
        tree = bodies.definition_of(function)
        if tree is None or (function, argument) in seen:
            continue
        seen.add((function, argument))
        found |= dict.fromkeys(_attributes(tree, argument))
        for node in ast.walk(tree):
            called = getattr(function, "__globals__", {}).get(getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and (inspect.isclass(called) or inspect.isfunction(called)):
                names = [*parameters_of(called)]
                taken = [*zip(names, node.args, strict=False), *((one.arg, one.value) for one in node.keywords)]
                inside = called.__init__ if inspect.isclass(called) else called
                open_ += [(inside, to) for to, value in taken if to is not None and bodies.is_name(value, argument)]
    kept = [
        target.attr
        for target, value in bodies.assignments(bodies.definition_of(cls.__init__))
        if isinstance(target, ast.Attribute) and bodies.is_name(value, name)
    ]
    trees = [tree for method in bodies.methods_of(cls).values() if (tree := bodies.definition_of(method)) is not None]
    for tree in trees:
        read = bodies.sections(tree, "self")
        found |= dict.fromkeys(field for one in kept for field in read.get(one, ()))
    return [field for field in found if field not in OF_MAPPINGS]


def _attributes(tree: ast.AST, name: str) -> Iterator[str]:
    yield from (found for found in bodies.attributes(tree, name) if found not in OF_MAPPINGS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and bodies.is_name(node.func, "getattr", "hasattr"):
            yield from bodies.constants(node.args[1:2] if bodies.is_name(node.args[0], name) else [])


def _text(
    alias: str,
    name: str,
    kind: _Kind,
    fields: Mapping[str, Parameter],
    given: Mapping[str, Any],
    offered: list[str],
    parameters: Mapping[str, Parameter],
    beside: Mapping[str, _Kind],
) -> list[str]:
    """Return the source of the subclass; it has the name of the class, which it hides."""
    values = _values(fields, given) | {field: field for field in offered}
    taken = {name, *offered, *beside}
    others = [p for p in parameters.values() if p.name not in taken and p.kind not in VARIADIC]
    heads = [_head(fields[field], _default(field, alias)) for field in offered]
    heads += [_head(parameter) for parameter in others]
    passed = [f"{name}={kind.made(values)}", *(f"{p.name}={p.name}" for p in others)]
    passed += [f"{other}={made.made(_values(made.fields, {}))}" for other, made in beside.items()]
    return [
        f"class {alias}({alias}):",
        f"    def __init__(self, *, {', '.join(heads)}):",
        f"        super().__init__({', '.join(passed)})",
    ]


def _values(fields: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, str]:
    """Return values for fields that must have one, as source text: the given, a likely one, or None."""
    likely = {field: value_of(parameter) for field, parameter in fields.items() if required(parameter)}
    read = {field: {"true": "True", "false": "False", "": "None"}.get(text, text) for field, text in likely.items()}
    return read | {field: repr(value) for field, value in given.items()}


def _default(field: str, of: str) -> str:
    said = words.probability(field, of)
    return "1.0" if said is not None and said[0] == "keep" else "0.0"


def _head(parameter: Parameter, default: str = "") -> str:
    """Return a parameter of the subclass, with its default where that is written as it is read."""
    plain = isinstance(parameter.default, (bool, int, float, str, type(None)))
    if not required(parameter):
        default = repr(parameter.default) if plain else default or "None"
    return f"{parameter.name}={default}" if default else parameter.name
