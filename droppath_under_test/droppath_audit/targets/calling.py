"""Arguments of a call: which of them is x, the shortcut, the branch, the probability and the mode."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies, words
from droppath_audit.targets.binding import Slot
from droppath_audit.targets.parameters import COUNTS, VARIADIC, keys_of, refuse_unknown, required, roles_of, value_of
from droppath_audit.targets.table import listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.core.invocation import Role
    from droppath_audit.targets.parameters import Sides
    from droppath_audit.targets.spec import Spec
    from droppath_audit.targets.table import Table


NAMES = "by their names"
TENSORS = ("Tensor", "torch.Tensor", "paddle.Tensor", "np.ndarray", "numpy.ndarray", "ndarray")


def call_of(
    spec: Spec,
    sides: Sides,
    probability: str | None,
    mode: str | None,
    constants: Mapping[str, Any],
    form: str | None,
    wraps_branch: bool,
    tells_mode: bool,
    table: Table,
) -> tuple[tuple[Slot, ...], str]:
    """Return the call's arguments, by name, and the form where two tensors are told apart by theirs.

    Args:
        spec: What was declared.
        sides: What can be read.
        probability: Argument of the call that is the probability.
        mode: Argument of the call that tells the mode.
        constants: Arguments with a given value.
        form: The form, where it is declared.
        wraps_branch: Whether the constructor takes the branch.
        tells_mode: Whether it is known how the mode is told.
        table: Where notes and questions go.
    """
    parameters = sides.call
    keys = keys_of(parameters, constants, sides.keys)
    told: dict[str, Role] = dict.fromkeys(keys, "key")
    if probability:
        told[probability] = "p"
    if mode:
        told[mode] = "training"
    free = {
        name: p for name, p in parameters.items()
        if name not in constants and name not in told and p.kind not in VARIADIC
    }  # fmt: skip
    roles = dict(told)
    functions = [name for name, p in free.items() if required(p) and _may_be_function(p)]
    if functions:
        roles[functions[0]] = "f"
    inputs = [name for name, parameter in free.items() if required(parameter) and name not in roles]
    for name, parameter in free.items():
        beside = functions or any(other != name for other in inputs)  # which is x
        given = beside and (required(parameter) or parameter.default is None)
        if given and words.batch_index(name, spec.name) and words.annotated(parameter) not in words.NUMBERS:
            roles[name] = "b"
            table.note(f"{name} is a batch index, by its name: every row of x is a sample of its own")
    whole = not (wraps_branch or functions)  # whether a residual form is given what the branch returned
    lists = _alike(sides, free, roles, table) if whole and form in ("branch", None) else {}
    if whole and not lists and form in ("residual", None):
        lists = _taken_apart(sides, free, roles, form, table)
    residual = any("r" in held for held in lists.values())
    found = "residual" if residual else "" if lists else _tensors(free, roles, table, form, whole=whole, sides=sides)
    if not whole:
        constants = {**constants, **_of_the_branch(sides, free, {**roles, **lists}, table)}
    needed: list[Role] = ["x"] if (found or form) != "residual" else ["r", "x"] if whole else ["r"]
    left = [] if lists else [role for role in needed if role not in roles.values()]
    slots = _slots(parameters, constants, roles, left, lists)
    if left:
        _ask_for_roles(parameters, left, roles, table)
    for name, parameter in free.items():
        if required(parameter) and name not in {**roles, **lists, **constants} and not (left and words.tensor(name)):
            value = value_of(parameter)
            # What a call cannot do without, and what is no size, may be what tells the mode.
            modes = [] if tells_mode or value not in ("", "false") else [f"training={name}", f"training=!{name}"]
            table.ask(f"{name!r} must be given a value", *modes, *([f"arg.{name}={value}"] if value else []))
    slots += [Slot(role, name) for name, role in told.items() if name not in parameters]
    slots += [Slot("constant", name, value) for name, value in constants.items() if name not in parameters]
    refuse_unknown(spec, parameters, constants)
    return tuple(slots), found


def _alike(
    sides: Sides, free: Mapping[str, Parameter], roles: Mapping[str, Role], table: Table
) -> dict[str, tuple[Role, ...]]:
    """Return the argument that holds several branch outputs, which the body returns one by one."""
    for name, parts in sides.alike.items():
        if name in free and name not in roles and not any(map(words.beside, parts)):
            table.note(f"{name} holds x {len(parts)} times: what comes of all must be dropped together")
            held: list[Role] = ["x"] * len(parts)
            return {name: tuple(held)}
    return {}


def _taken_apart(
    sides: Sides, free: Mapping[str, Parameter], roles: Mapping[str, Role], form: str | None, table: Table
) -> dict[str, tuple[Role, ...]]:
    """Return the argument that holds shortcut and branch output, as the body takes it apart, with their roles."""
    for name, parts in sides.unpacked.items():
        if name not in free or name in roles or len(parts) != 2 or not required(free[name]):
            continue
        if any(map(words.beside, parts)):
            continue
        one, other = parts
        said = _pair({part: words.tensor(part) for part in parts}, [*parts])
        pair = said or {one: "r", other: "x"}
        if said is None:
            orders = (("r", "x"), ("x", "r"))
            rest = {key: role for key, role in roles.items() if key in sides.call}
            table.ask(
                f"{name} holds {one} and {other}; which of them is the shortcut (r) and which the branch output (x)",
                *(f"call=({','.join([f'[{first},{second}]', *rest.values()])})" for first, second in orders),
            )
        elif form is None:
            names = {role: part for part, role in pair.items()}
            table.note(
                f"residual: of {name}, {names['r']} is the shortcut and {names['x']} the branch output, by their names"
            )
        return {name: (pair[one], pair[other])}
    return {}


def _of_the_branch(
    sides: Sides, free: Mapping[str, Parameter], taken: Mapping[str, Any], table: Table
) -> dict[str, None]:
    """Return what a call must be given for the branch alone, which looks at none of it here."""
    names = [name for name, p in free.items() if required(p) and name not in taken and name in sides.passed]
    for name in names:
        table.note(f"{name} is None: it is handed on to the branch, and nothing else is done with it")
    return dict.fromkeys(names)


def _may_be_function(parameter: Parameter) -> bool:
    """Return whether an argument of a call is the branch as a function, and not what it returned."""
    if "Callable" in words.annotated(parameter) or "Module" in words.annotated(parameter):
        return True
    known = words.annotated(parameter) in (*words.NUMBERS, *TENSORS)
    return words.function(parameter.name, in_call=True) and not known


def _tensors(
    free: Mapping[str, Parameter],
    roles: dict[str, Role],
    table: Table,
    form: str | None,
    *,
    whole: bool,
    sides: Sides,
) -> str:
    """Enter the roles of the tensors, and return the form where it follows from their names."""
    open_names = [name for name in free if name not in roles]
    needed = [name for name in open_names if required(free[name])]
    # A tensor of any other name, by its annotation or what is read of it, is an input: beside it a shortcut or an
    # output is told by its own.
    known = {
        name for name in open_names
        if words.annotated(free[name]) in TENSORS or (name in sides.tensors and not words.beside(name))
    }  # fmt: skip
    named = {name: words.tensor(name) or ("input" if name in known else "") for name in open_names}
    tensors = [name for name in needed if named[name]]
    if whole and form in ("residual", None):
        both = [name for name in open_names if named[name]] if form == "residual" and len(needed) < 2 else needed
        pair, by = pair_of(named, both, sides.method)
        if by != NAMES and form is None and any(not named[name] and _no_tensor(free[name]) for name in both):
            pair = None  # one that is added may be a bias
        if pair is not None and (form is None or by != NAMES):
            names = {role: name for name, role in pair.items()}
            table.note(f"residual: {names['r']} is the shortcut and {names['x']} the branch output, {by}")
        elif pair is None and form == "residual" and len(needed) == 2:  # a swap would be blamed on the target
            one, other = needed
            orders = ({one: "r", other: "x"}, {one: "x", other: "r"})
            table.ask(
                f"which of {one} and {other} is the shortcut (r) and which the branch output (x)",
                *("call=" + _by_roles(sides.call, {**roles, **order}) for order in orders),
            )
            pair = orders[0]  # type: ignore[assignment]
        if pair is not None:
            roles |= pair
            return "residual" if form is None else ""
        if form == "residual":
            return ""
    inputs = [name for name in needed if named[name] == "input"] or tensors or needed
    inputs = inputs or [name for name in open_names if named[name]] or open_names
    if inputs:
        roles[inputs[0]] = "r" if form == "residual" else "x"
    if form != "residual":
        for name in needed:
            if name not in roles and (named[name] == "input" or name in known):
                roles[name] = "x"
                table.note(f"{name} is given x as well: what comes of both must be dropped together")
    return ""


def _no_tensor(parameter: Parameter) -> bool:
    """Return whether an argument that is no known tensor may be something else than one, by its name or annotation."""
    said = words.beside(parameter.name) or words.gain(parameter.name) or words.place(parameter.name)
    return said or words.annotated(parameter) in words.NUMBERS or bool(COUNTS & {*words.words(parameter.name)})


def _by_roles(parameters: Mapping[str, Parameter], roles: Mapping[str, str]) -> str:
    """Return a call as a SPEC declares it, up to the last argument that has a role."""
    told = [roles[name] for name in parameters if name in roles]
    return f"({','.join(told)})"


BUILDING = {"model", "pretrained", "arch", "architecture", "config", "cfg", "depth", "depths"}
"""Words of arguments of what builds a model."""


def _ask_for_roles(
    parameters: Mapping[str, Parameter], left: list[Role], roles: Mapping[str, Role], table: Table
) -> None:
    """Ask how the tensors are given that no argument is known to take."""
    both = left == ["r", "x"]
    what = "the shortcut and which the branch output" if both else "the input"
    told: list[str] = [*roles.values()]
    orders = ("r,x", "[r,x]") if both else ("x",)
    if both and not any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters.values()):
        orders = orders[::-1]
        told = [role for role in told if role != "x"]
    builds = not both and (not parameters or any(set(words.words(name)) & BUILDING for name in parameters))
    other = " (what builds a model is audited by 'droppath-audit model')" if builds else ""
    table.ask(
        f"its call takes {listing(parameters)}; which of them is {what}{other}",
        *(f"call=({','.join([order, *told])})" for order in orders),
    )


def pair_of(named: Mapping[str, str], names: list[str], function: Any) -> tuple[dict[str, Role] | None, str]:
    """Return which of two arguments is the shortcut and which the branch output, and by what.

    ``residual`` names either: what is added to a shortcut, and the shortcut itself. Beside x the body decides, where it
    adds one of them as it is.
    """
    pair = _pair(named, names)
    if len(names) != 2 or (pair is not None and not any(words.ambiguous(name) for name in names)):
        return pair, NAMES
    added = bodies.added_as_it_is(function, *names)
    if not added or (pair is not None and pair[added] == "r"):
        return pair, NAMES
    return {name: "r" if name == added else "x" for name in names}, f"since {added} is added as it is"


def _pair(named: Mapping[str, str], names: list[str]) -> dict[str, Role] | None:
    """Return which of two arguments is the shortcut and which the branch output, where their names tell."""
    if len(names) != 2:
        return None
    first, second = names
    for one, other in ((first, second), (second, first)):
        # Of two that mean the shortcut, the one called residual is what is added to the other.
        residual = bool(set(words.words(other)) & words.RESIDUAL) and not set(words.words(one)) & words.RESIDUAL
        if named[one] == "shortcut" and (named[other] in ("branch", "input") or residual):
            return {one: "r", other: "x"}
        if named[one] == "branch" and named[other] == "input":
            return {one: "x", other: "r"}
    return None


def _slots(
    parameters: Mapping[str, Parameter],
    constants: Mapping[str, Any],
    roles: Mapping[str, Role],
    left: list[Role],
    lists: Mapping[str, tuple[Role, ...]],
) -> list[Slot]:
    """Return the arguments in order; what a ``*args`` takes goes by position, and so does what stands before it."""
    slots: list[Slot] = []
    for name, parameter in parameters.items():
        keyword = None if parameter.kind is Parameter.POSITIONAL_ONLY else name
        if parameter.kind is Parameter.VAR_POSITIONAL and left == ["x"]:
            slots = [*(Slot(slot.role, None, slot.value) for slot in slots), Slot(left.pop(0))]
        elif parameter.kind in VARIADIC:
            continue
        elif name in constants:
            slots.append(Slot("constant", keyword, constants[name]))
        elif name in lists or (roles.get(name) == "x" and _holds_tensors(parameter)):
            slots.append(Slot("list", None if not slots else keyword, lists.get(name, ("x", "x"))))
        elif name in roles:
            by_position = roles[name] in ("x", "r") and parameter.kind is not Parameter.KEYWORD_ONLY and not slots
            slots.append(Slot(roles[name], None if by_position else keyword))
        elif keyword is None and not required(parameter):
            slots.append(Slot("constant", None, parameter.default))
    return slots


def _holds_tensors(parameter: Parameter) -> bool:
    """Return whether an argument is a list or tuple of tensors, by its annotation."""
    annotation = words.annotated(parameter)
    head = annotation.rpartition(".")[0] if "[" not in annotation else annotation.partition("[")[0]
    return "Tensor" in annotation and head.rpartition(".")[2].lower() in ("tuple", "list", "sequence")


def declared_call(
    spec: Spec,
    parameters: Mapping[str, Parameter],
    probability: str | None,
    mode: str | None,
    constants: Mapping[str, Any],
) -> tuple[Slot, ...]:
    """Return the arguments that ``call=`` declares, by position save those that can only be passed by name.

    Raises:
        UsageError: If a role is left out, or a constant has no argument.
    """
    for role, name in (("p", probability), ("training", mode)):
        if name is not None and role not in roles_of(spec.call):
            raise UsageError(
                f"call= of {spec.name} leaves out the role {role}, so its argument {name} cannot be set. "
                f"Add the role {role} to call=."
            )
    key = next((name for name in words.KEYS if name in parameters), None)
    names = {"p": probability, "training": mode, "key": key}
    by_position, by_name = [], []
    part: Any
    for part in spec.call or ():
        name = None if isinstance(part, tuple) else names.get(part)
        if name is not None and name in parameters and parameters[name].kind is Parameter.KEYWORD_ONLY:
            by_name.append(Slot(part, name))
        else:
            by_position.append(Slot("list", value=part) if isinstance(part, tuple) else Slot(part))
    by_name += [Slot("constant", name, value) for name, value in constants.items()]
    refuse_unknown(spec, parameters, constants)
    return (*by_position, *by_name)
