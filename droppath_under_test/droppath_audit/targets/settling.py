"""One pass from a SPEC and a signature to a binding: declared first, then read from names, then asked for.

Behaviour is never consulted: a layer that forgot to rescale would otherwise "be" the unscaled dialect.
"""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets import words
from droppath_audit.targets.binding import Binding, Slot
from droppath_audit.targets.calling import call_of, declared_call
from droppath_audit.targets.declaring import DECLARING, declarations
from droppath_audit.targets.items import Mode, Probability
from droppath_audit.targets.parameters import (
    COUNTS,
    VARIADIC,
    open_ended,
    refuse_unknown,
    required,
    roles_of,
    value_of,
)
from droppath_audit.targets.recognising import branch_of, place_of, probability_of, reading_of, switched_on
from droppath_audit.targets.table import Table, listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from droppath_audit.targets.parameters import Sides
    from droppath_audit.targets.spec import Spec


def settle(spec: Spec, sides: Sides) -> Binding:
    """Return how a target is driven; see ``draft``.

    Raises:
        UsageError: As for ``draft``, and if anything is open; the message asks for all of it.
    """
    binding, table = draft(spec, sides)
    table.refuse(spec, parts=sides.parts, droppers=sides.droppers)
    return binding


def draft(spec: Spec, sides: Sides) -> tuple[Binding, Table]:
    """Return how a target is driven as far as that is settled, with what is open.

    Args:
        spec: What was declared.
        sides: What can be read.

    Raises:
        UsageError: If the SPEC contradicts the signature.
    """
    table = Table()
    if spec.arrangement and (spec.branch or "f" in roles_of(spec.call)):
        raise UsageError(
            f"What says {spec.arrangement.describe()} does not go with a branch that the target runs itself."
        )
    if sides.kind == "function" and (spec.init or spec.args):
        raise UsageError(
            f"{spec.name} is a function; init.NAME= and args= are for classes. Its arguments are given by arg.NAME=."
        )
    by_position = _names_of_args(spec, sides.init)
    given = {**spec.init, **dict(zip(by_position, spec.args, strict=False))}
    probability, place = _probability(spec, sides, given, table)
    name = probability.name if probability is not None else None
    constants, declared = declarations(spec, sides, given, table)
    mode, mode_at = _mode(spec, sides, {**given, **({name: None} if name else {})}, table)
    index, values = place_of(spec, sides, given)
    constants |= values if index.startswith("init.") else {}
    constants |= switched_on(sides, {*constants, *given}, table)
    source = sides.source if sides.source not in given else ""
    if source:
        table.note(f"{source} is a generator that draws from the global one, which a seed repeats")
    bound = {*constants, *([source] if source else ()), *({name} if place == "init" and name else ())}
    if mode is not None and mode_at == "init":
        bound.add(mode.name)
    branch = branch_of(spec, sides, bound) if sides.kind == "class" else None
    if sides.kind == "class":
        _ask_for_values(sides.init, {*bound, *([branch] if branch else [])}, table)
        refuse_unknown(spec, sides.init, bound)
    asked = dict(spec.arg) if sides.kind != "function" else constants
    asked |= values if index.startswith("arg.") else {}
    told = mode.name if mode is not None and mode_at == "call" else None
    in_call = name if place == "call" else None
    by_name = set(words.words(spec.name)) & {"residual", "skip", "shortcut"}
    if branch is not None and "form" not in declared and by_name:
        declared["form"] = "residual"
        table.note(f"residual, by the name of {spec.name}")
    if spec.call is not None:
        call = declared_call(spec, sides.call, in_call, told, asked)
        if "r" in roles_of(spec.call) and "form" not in declared:
            declared["form"] = "residual"
            table.note("residual, by the role r of its call")
    else:
        call, form = call_of(
            spec, sides, in_call, told, asked, declared.get("form"), wraps_branch=branch is not None,
            tells_mode=spec.mode is not None or mode_at != "always", table=table,
        )  # fmt: skip
        if form:
            declared["form"] = form
    positional = _by_position(sides.init, branch, by_position)
    for parameter in positional:
        if parameter.name not in {*bound, branch} and not required(parameter):
            constants.setdefault(parameter.name, parameter.default)
    is_class = sides.kind == "class"
    binding = Binding(
        sides.kind, spec.name, Dialect(**declared), probability, place, mode, mode_at, call,
        init_args=spec.args, init_positional=tuple(parameter.name for parameter in positional),
        init={key: value for key, value in constants.items() if key not in by_position} if is_class else {},
        init_branch=branch, listed=branch in sides.listed,
        output=spec.output, input=spec.input, arrangement=spec.arrangement, index=index,
        init_source=source,
        notes=tuple(table.notes),
        form_open="form" not in declared and (branch is not None or any(slot.role == "f" for slot in call)),
    )  # fmt: skip
    return binding, table


def bind_factory(spec: Spec) -> Binding:
    """Bind ``make(drop_prob)``, which returns ``f(x, training) -> y``, or ``f(x, shortcut, training) -> shortcut + y``.

    Raises:
        UsageError: If the SPEC says how to construct or call it, which the factory does itself.
    """
    always = spec.mode is not None and spec.mode.name == "always"
    residual = spec.dialect.get("form") == "residual"
    declared = {
        "prob=": spec.probability, "training=": None if always else spec.mode, "init.NAME=": spec.init,
        "args=": spec.args, "arg.NAME=": spec.arg, "call=": spec.call, "branch=": spec.branch,
    }  # fmt: skip
    useless = [item for item, value in declared.items() if value]
    if useless:
        raise UsageError(
            f"form=factory does not go with {', '.join(useless)}: {spec.name}(drop_prob) constructs the layer itself "
            "and returns f(x, training) -> y."
        )
    return Binding(
        "factory", spec.name, Dialect(**spec.dialect), None, "factory", None, "always" if always else "factory",
        (Slot("x"), *([Slot("r")] if residual else []), Slot("training")), output=spec.output, input=spec.input,
        arrangement=spec.arrangement,
    )  # fmt: skip


def _by_position(init: Mapping[str, Parameter], branch: str | None, given: Sequence[str]) -> list[Parameter]:
    """Return the arguments of a constructor that have to be given by position, those of ``args=`` apart.

    A branch that is one of ``*layers`` stands behind all that stand before it.
    """
    parameters = list(init.values())
    names = list(init)
    if branch is not None and init[branch].kind is Parameter.VAR_POSITIONAL:
        return parameters[: names.index(branch) + 1]
    return [p for p in parameters if p.kind is Parameter.POSITIONAL_ONLY and p.name not in given]


def _names_of_args(spec: Spec, init: Mapping[str, Parameter]) -> list[str]:
    """Return the names of the constructor arguments that ``args=`` gives by position."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in init.values() if parameter.kind in kinds]
    if len(spec.args) > len(names) and not any(p.kind is Parameter.VAR_POSITIONAL for p in init.values()):
        raise UsageError(
            f"args= gives {len(spec.args)} values, but the constructor of {spec.name} takes {listing(names)}."
        )
    return names[: len(spec.args)]


def _probability(spec: Spec, sides: Sides, given: Mapping[str, Any], table: Table) -> tuple[Probability | None, str]:
    """Return the probability argument and its place: declared, or the one whose name says most."""
    places = _places(spec, sides, given)
    if spec.probability is not None:
        return spec.probability, _place_of_declared(spec, sides, spec.probability.name)
    found = [
        (
            (name not in sides.dropped_out, sure),
            bool(set(words.words(name)) & words.PATHS),
            -order,
            name,
            meaning,
            place,
        )
        for order, (place, names) in enumerate(places.items())
        for name in names
        if (said := probability_of(name, spec.name, sides)) is not None
        for meaning, sure in (said,)
    ]
    best = max((entry[:3] for entry in found), default=None)
    chosen = [entry for entry in found if entry[:3] == best]
    if len(chosen) == 1:
        (_, sure), _, _, name, meaning, place = chosen[0]
        if note := reading_of(name, meaning, sure, sides):
            table.note(note)
        return Probability(name, meaning), place
    if chosen:
        several = ", ".join(entry[3] for entry in chosen)
        table.ask(f"which of {several} is the probability", *(f"prob={entry[3]}:{entry[4]}" for entry in chosen))
        return Probability(chosen[0][3], chosen[0][4]), chosen[0][5]
    fixed = [name for name in {**given, **spec.arg} if words.probability(name, spec.name) is not None]
    if fixed:
        raise UsageError(
            f"The SPEC gives {fixed[0]} a value, and the audit has to choose it: leave out {fixed[0]}=. If it is no "
            "probability, say which argument is: prob=NAME:drop or prob=NAME:keep."
        )
    modules = sides.listed | sides.called | sides.copied
    likely = [(name, place) for place, names in places.items() for name in _likely(names, place) if name not in modules]
    has = " and ".join(f"{listing(names)} in its {_WHERE[place]}" for place, names in _names(sides).items())
    meanings = ("drop", "keep") if len(likely) == 1 else ("drop",)
    table.ask(
        f"nothing is called a probability; it has {has}",
        *(f"prob={name}:{meaning}" for name, _ in likely for meaning in meanings),
    )
    # Asked for, and taken as it is likely to be answered, so that nothing else is asked of the same argument.
    return (Probability(likely[0][0], "drop"), likely[0][1]) if likely else (None, next(iter(places)))


_WHERE = {"init": "constructor", "call": "call", "attribute": "attributes"}


def _places(spec: Spec, sides: Sides, given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names that could be the probability's, by their place, those of the object before those of a call."""
    call = [
        name for name, p in sides.call.items() if name not in spec.arg and p.kind not in VARIADIC and words.numeric(p)
    ]
    if sides.kind == "class":
        return {
            "init": [
                name for name, p in sides.init.items()
                if name not in given and p.kind not in VARIADIC and words.numeric(p)
            ],
            "call": call,
        }  # fmt: skip
    if sides.kind == "instance":
        held = [
            name for name, value in sides.attributes.items()
            if not name.startswith("_") and not isinstance(value, (bool, str)) and hasattr(value, "__float__")
        ]  # fmt: skip
        return {"attribute": held, "call": call}
    return {"call": call}


def _names(sides: Sides) -> dict[str, list[str]]:
    """Return all names, by their place."""
    first = {"class": {"init": list(sides.init)}, "instance": {"attribute": list(sides.attributes)}}
    return {**first.get(sides.kind, {}), "call": list(sides.call)}


def _likely(names: list[str], place: str) -> list[str]:
    """Return the names that nothing else explains, those that speak of a number first."""
    others = (words.tensor, words.function, words.stack, words.place)
    left = [
        name for name in names
        if words.mode(name) is None and not any(says(name) for says in others)
        and name not in words.KEYS and name not in DECLARING and not set(words.words(name)) & (COUNTS | words.MASK)
    ]  # fmt: skip
    left = left[1:] if place == "call" and left[:1] == names[:1] else left  # what a call begins with is the input
    return sorted(left, key=lambda name: not set(words.words(name)) & words.NUMBER)


def _place_of_declared(spec: Spec, sides: Sides, name: str) -> str:
    """Return where the argument that ``prob=`` names is.

    Raises:
        UsageError: If there is none.
    """
    if sides.kind == "instance":
        if name in sides.attributes:
            return "attribute"
        if name in sides.call:
            return "call"
        raise UsageError(
            f"{spec.name} has no attribute {name!r}; it has {listing(sides.attributes)}."
            + nearest(name, sides.attributes)
        )
    in_call = sides.kind == "function" or (name in sides.call and name not in sides.init)
    place = sides.call if in_call else sides.init
    if name not in place and not open_ended(place) and "p" not in roles_of(spec.call):
        raise UsageError(f"{spec.name} has no argument {name!r}; it has {listing(place)}." + nearest(name, place))
    return "call" if in_call else "init"


def _mode(spec: Spec, sides: Sides, taken: Mapping[str, Any], table: Table) -> tuple[Mode | None, str]:
    """Return how the mode is told, and where; a target that nothing tells always drops."""
    known = {
        name: said for name, parameter in sides.call.items()
        if (said := words.mode(name)) is not None and name not in spec.arg and parameter.kind not in VARIADIC
    }  # fmt: skip
    if spec.mode is not None:
        if spec.mode.name == "always":
            _refuse_known_mode(spec, known)
            return None, "always"
        return _declared_mode(spec, spec.mode, sides)
    if known:
        name = next((name for name, means_training in known.items() if means_training), next(iter(known)))
        return Mode(name, inverted=not known[name]), "call"
    if "training" in roles_of(spec.call):
        return Mode("training"), "call"
    by_constructor = any(required(p) and words.mode(name) is not None for name, p in sides.init.items())
    if sides.has_modes and not by_constructor:
        return None, "method"
    for name, parameter in sides.init.items():
        said = words.mode(name)
        if said is not None and name not in taken and parameter.kind not in VARIADIC:
            return Mode(name, inverted=not said, at_init=True), "init"
    if sides.kind == "function" and any(words.function(name, in_call=True) for name in sides.moded):
        return None, "branch"
    table.note(f"always training: no argument of {spec.name} tells a mode")
    return None, "always"


def _refuse_known_mode(spec: Spec, known: Mapping[str, bool]) -> None:
    """Refuse ``training=always`` where it would leave a mode argument at a default that may mean evaluation."""
    for name, means_training in known.items():
        if "training" not in roles_of(spec.call):
            raise UsageError(
                f"training=always is for targets without a mode, and {spec.name} has the argument {name}. Leave the "
                f"item out to audit both modes, or add arg.{name}={'true' if means_training else 'false'}."
            )


def _declared_mode(spec: Spec, mode: Mode, sides: Sides) -> tuple[Mode, str]:
    """Return the mode that ``training=`` declares, once the argument it names is known to exist."""
    place, where = (sides.init, "init") if mode.at_init else (sides.call, "call")
    sign = "!" if mode.inverted else ""
    if mode.name in place or open_ended(place):
        return mode, where
    if not mode.at_init and "training" in roles_of(spec.call):
        return mode, where
    if mode.name in sides.init:
        raise UsageError(
            f"{mode.name!r} is an argument of the constructor of {spec.name}, not of its call. "
            f"Write training=init:{sign}{mode.name}"
        )
    if mode.at_init and mode.name in sides.call:
        raise UsageError(
            f"{mode.name!r} is an argument of the call of {spec.name}, not of a constructor. "
            f"Write training={sign}{mode.name}"
        )
    raise UsageError(
        f"The {'constructor' if mode.at_init else 'call'} of {spec.name} has no argument {mode.name!r} for the mode; "
        f"it has {listing(place)}." + nearest(mode.name, place)
    )


def _ask_for_values(parameters: Mapping[str, Parameter], bound: set[str], table: Table) -> None:
    """Ask for the values of required arguments of a constructor that nothing gives one."""
    for name, parameter in parameters.items():
        if required(parameter) and name not in bound:
            value = value_of(parameter)
            table.ask(f"{name!r} must be given a value", *([f"init.{name}={value}"] if value else []))
