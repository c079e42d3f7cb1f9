"""From a signature to a binding: what each argument means, read from names, defaults and annotations.

Behaviour is never consulted: a layer that forgot to rescale would otherwise "be" the unscaled dialect.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CHOICES, Dialect
from droppath_audit.core.errors import UsageError
from droppath_audit.targets.binding import Binding, Slot
from droppath_audit.targets.spec import Mode, Probability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.targets.spec import Spec

DROP_NAMES = (
    "drop_prob", "p", "drop_p", "drop_rate", "rate", "prob", "drop_path_rate", "drop_connect_rate", "death_rate",
    "sample_drop_rate", "sample_drop_ratio", "p_drop", "drop_path_prob", "dropout_prob",
)  # fmt: skip
KEEP_NAMES = (
    "keep_prob", "survival_prob", "survival_probability", "survival_rate", "drop_path_keep_prob", "keep_rate",
    "retain_prob",
)  # fmt: skip
MODE_NAMES = ("training", "train", "is_training")
INVERTED_MODE_NAMES = ("is_test", "deterministic", "inference")
BRANCH_NAMES = (
    "residual_func", "residual_fn", "branch_func", "branch_fn", "branch", "module", "block", "fn", "func", "layer",
)  # fmt: skip

# Arguments whose value is a declaration: argument name -> dialect field -> value -> meaning.
DECLARING: dict[str, tuple[str, dict[Any, str]]] = {
    "mode": ("granularity", {"row": "sample", "batch": "batch"}),
    "scale_by_keep": ("scaling", {True: "inverted", False: "none"}),
    # Arguments named like the dialect's own fields, with its own values.
    **{field: (field, {value: value for value in CHOICES[field]}) for field in ("granularity", "scaling", "form")},
}

Parameter = inspect.Parameter
VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def bind_function(spec: Spec, parameters: Mapping[str, Parameter]) -> Binding:
    """Bind a function that takes x, the probability and the mode.

    Raises:
        UsageError: If the signature does not settle an argument's meaning; the message gives the item to add.
    """
    _refuse_init(spec)
    probability = _probability(spec, parameters, taken=spec.arg)
    mode, mode_at = _mode(spec, parameters, {}, has_modes=False)
    constants, dialect = _declarations(spec, parameters, spec.arg, "arg")
    call = _call(spec, parameters, probability.name, mode, constants, dialect)
    if spec.call is None or "p" in _flat(spec.call):
        return Binding(
            "function", spec.name, dialect, probability, "call", mode, mode_at, call, output=spec.output,
            input=spec.input,
        )  # fmt: skip
    raise UsageError(f"call= of {spec.name} leaves out the role p, so its probability cannot be set.")


def bind_class(
    spec: Spec,
    init: Mapping[str, Parameter],
    forward: Mapping[str, Parameter],
    *,
    has_modes: bool,
) -> Binding:
    """Bind a class: constructor signature, signature of the call, and whether it has train() and eval().

    Raises:
        UsageError: If a signature does not settle an argument's meaning; the message gives the item to add.
    """
    in_call = spec.probability is not None and spec.probability.name in forward and (
        spec.probability.name not in init
    )
    if spec.probability is None and not _known(init, spec.init) and _known(forward, spec.arg):
        in_call = True
    positional = [p for p in init.values() if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    given = {**spec.init, **{p.name: value for p, value in zip(positional, spec.args)}}
    probability = _probability(spec, forward if in_call else init, taken=spec.arg if in_call else given)
    mode, mode_at = _mode(spec, forward, init, has_modes=has_modes)
    constants, dialect = _declarations(spec, init, given, "init")
    init_names = {probability.name} if not in_call else set()
    if mode is not None and mode_at == "init":
        init_names.add(mode.name)
    branch = next((name for name in init if name in BRANCH_NAMES and _required(init[name])), None)
    if branch in constants or branch in init_names:
        branch = None
    _require_values(init, {*constants, *init_names, *([branch] if branch else [])}, "init", spec)
    call = _call(spec, forward, probability.name if in_call else None, mode if mode_at == "call" else None,
                 dict(spec.arg), dialect, wraps_branch=branch is not None)  # fmt: skip
    by_name = {name: value for name, value in constants.items() if name not in {p.name for p, _ in zip(positional, spec.args)}}
    return Binding(
        "class", spec.name, dialect, probability, "call" if in_call else "init", mode, mode_at, call, spec.args,
        by_name, branch, spec.output, spec.input,
    )  # fmt: skip


def bind_instance(
    spec: Spec, attributes: Mapping[str, Any], forward: Mapping[str, Parameter], *, has_modes: bool
) -> Binding:
    """Bind a ready-made layer: copies of it get their probability by attribute.

    Raises:
        UsageError: If no attribute is known to be the probability.
    """
    names = [name for name in (*DROP_NAMES, *KEEP_NAMES) if name in attributes]
    if spec.probability is not None:
        probability = spec.probability
        if probability.name not in attributes:
            raise UsageError(
                f"{spec.name} has no attribute {probability.name!r}; it has {_listing(attributes)}."
            )
    elif len(names) == 1:
        probability = Probability(names[0], "keep" if names[0] in KEEP_NAMES else "drop")
    else:
        raise UsageError(
            f"{spec.name} is an instance, and which of its attributes is the probability is not clear "
            f"({_listing(names or attributes)}). Add prob=NAME:drop or prob=NAME:keep, or name its class."
        )
    mode, mode_at = _mode(spec, forward, {}, has_modes=has_modes)
    dialect = Dialect(**spec.dialect)
    call = _call(spec, forward, None, mode, dict(spec.arg), dialect)
    return Binding(
        "instance", spec.name, dialect, probability, "attribute", mode, mode_at, call, output=spec.output,
        input=spec.input,
    )  # fmt: skip


def bind_factory(spec: Spec) -> Binding:
    """Bind ``make(drop_prob)``, which returns ``f(x, training) -> y``."""
    return Binding(
        "factory", spec.name, Dialect(**spec.dialect), None, "factory", None, "factory",
        (Slot("x"), Slot("training")), output=spec.output, input=spec.input,
    )  # fmt: skip


def _refuse_init(spec: Spec) -> None:
    if spec.init or spec.args:
        raise UsageError(
            f"{spec.name} is a function; init.NAME= and args= are for classes. Its arguments are given by arg.NAME=."
        )


def _required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind not in VARIADIC


def _known(parameters: Mapping[str, Parameter], taken: Mapping[str, Any]) -> list[str]:
    return [name for name in parameters if name in (*DROP_NAMES, *KEEP_NAMES) and name not in taken]


def _open_ended(parameters: Mapping[str, Parameter]) -> bool:
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())


def _listing(names: Any) -> str:
    listed = [str(name) for name in names if not str(name).startswith("_")]
    return ", ".join(listed[:12]) or "no arguments"


def _probability(spec: Spec, parameters: Mapping[str, Parameter], taken: Mapping[str, Any]) -> Probability:
    """Return the probability argument, declared or by its name."""
    if spec.probability is not None:
        if spec.probability.name not in parameters and not _open_ended(parameters):
            raise UsageError(
                f"{spec.name} has no argument {spec.probability.name!r}; it has {_listing(parameters)}."
            )
        return spec.probability
    names = _known(parameters, taken)
    if len(names) == 1:
        return Probability(names[0], "keep" if names[0] in KEEP_NAMES else "drop")
    if names:
        raise UsageError(
            f"{spec.name} has more than one argument that could be the probability: {', '.join(names)}. "
            f"Say which: prob={names[0]}:{'keep' if names[0] in KEEP_NAMES else 'drop'}"
        )
    floats = [name for name in parameters if name not in taken and parameters[name].kind not in VARIADIC]
    raise UsageError(
        f"No argument of {spec.name} has a name known to be the probability; it has {_listing(floats)}. "
        f"Add prob=NAME:drop if that argument is the drop probability, prob=NAME:keep if it is the keep probability."
    )


def _mode(
    spec: Spec, forward: Mapping[str, Parameter], init: Mapping[str, Parameter], *, has_modes: bool
) -> tuple[Mode | None, str]:
    """Return how the mode is told, and where."""
    if spec.mode is not None:
        if spec.mode.name == "always":
            return None, "always"
        place, where = (init, "init") if spec.mode.at_init else (forward, "call")
        if spec.mode.name not in place and not _open_ended(place):
            raise UsageError(
                f"{spec.name} has no argument {spec.mode.name!r} for the mode; it has {_listing(place)}."
            )
        return spec.mode, where
    for name in (*MODE_NAMES, *INVERTED_MODE_NAMES):
        if name in forward and name not in spec.arg:
            return Mode(name, inverted=name in INVERTED_MODE_NAMES), "call"
    if has_modes:
        return None, "method"
    for name in (*MODE_NAMES, *INVERTED_MODE_NAMES):
        if name in init and name not in spec.init:
            return Mode(name, inverted=name in INVERTED_MODE_NAMES, at_init=True), "init"
    raise UsageError(
        f"{spec.name} has no argument known to tell training from evaluation; it has {_listing(forward)}. "
        "Add training=NAME (training=!NAME if the flag means evaluation), or training=always if it always drops."
    )


def _declarations(
    spec: Spec, parameters: Mapping[str, Parameter], given: Mapping[str, Any], prefix: str
) -> tuple[dict[str, Any], Dialect]:
    """Return constant arguments and the dialect, each completed from the other."""
    constants, declared = dict(given), dict(spec.dialect)
    for name, (field, meanings) in DECLARING.items():
        if name not in parameters:
            continue
        if name in constants:
            value = constants[name]
        elif field in declared and declared[field] in meanings.values():
            value = next(value for value, meaning in meanings.items() if meaning == declared[field])
            constants[name] = value
        elif _required(parameters[name]):
            choices = " or ".join(f"{prefix}.{name}={value}" for value in meanings)
            raise UsageError(f"{spec.name} requires {name!r}, which decides its {field}: add {choices}.")
        else:
            value = parameters[name].default
        if value in meanings:
            meaning = meanings[value]
            if declared.setdefault(field, meaning) != meaning and field == "granularity":
                raise UsageError(
                    f"{field}={declared[field]} contradicts {name}={value} of {spec.name}, which means {meaning}."
                )
    return constants, Dialect(**declared)


def _require_values(
    parameters: Mapping[str, Parameter], bound: set[str], prefix: str, spec: Spec
) -> None:
    """Refuse required arguments that nothing gives a value to, and values for arguments that do not exist."""
    missing = [name for name, parameter in parameters.items() if _required(parameter) and name not in bound]
    if missing:
        items = "&".join(f"{prefix}.{name}=VALUE" for name in missing)
        raise UsageError(
            f"{spec.name} requires {', '.join(missing)}, which the SPEC does not give. Add {items}."
        )
    unknown = [] if _open_ended(parameters) else [name for name in bound if name not in parameters]
    if unknown:
        raise UsageError(
            f"{spec.name} has no argument {', '.join(sorted(unknown))}; it has {_listing(parameters)}."
        )


def _flat(call: tuple[Any, ...]) -> list[str]:
    return [role for part in call for role in (part if isinstance(part, tuple) else (part,))]


def _call(
    spec: Spec,
    parameters: Mapping[str, Parameter],
    probability: str | None,
    mode: Mode | None,
    constants: dict[str, Any],
    dialect: Dialect,
    *,
    wraps_branch: bool = False,
) -> tuple[Slot, ...]:
    """Return the call's arguments: as declared by ``call=``, otherwise by name and order."""
    if spec.call is not None:
        slots = [Slot("list", value=part) if isinstance(part, tuple) else Slot(part) for part in spec.call]
        return (*slots, *(Slot("constant", name, value) for name, value in constants.items()))
    mode_name = mode.name if mode is not None and not mode.at_init else None
    bound = {name for name in (probability, mode_name) if name} | set(constants)
    tensors = (["r"] if wraps_branch else ["r", "x"]) if dialect.form == "residual" else ["x"]
    slots = []
    for name, parameter in parameters.items():
        if parameter.kind in VARIADIC:
            continue
        keyword = None if parameter.kind is Parameter.POSITIONAL_ONLY else name
        if name in constants:
            slots.append(Slot("constant", keyword, constants[name]))
        elif name == probability:
            slots.append(Slot("p", keyword))
        elif name == mode_name:
            slots.append(Slot("training", keyword))
        elif name in BRANCH_NAMES[:4] and _required(parameter) and tensors:
            slots.append(Slot("f", keyword))
            tensors = [role for role in tensors if role != "x"]
            bound.add(name)
        elif tensors:
            slots.append(Slot(tensors.pop(0), None if keyword is None or not slots else keyword))
            bound.add(name)
    if tensors and any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.values()):
        slots = [*(Slot(role) for role in tensors), *slots]
        tensors = []
    if tensors:
        raise UsageError(
            f"The call of {spec.name} takes {_listing(parameters)}: where the "
            f"{'shortcut and the branch output' if dialect.form == 'residual' else 'input'} goes is not clear. "
            "Say it by roles, for example call=(x,p,training)."
        )
    keywords = [name for name in (probability, mode_name) if name and name not in parameters]
    roles = {probability: "p", mode_name: "training"}
    slots += [Slot(roles[name], name) for name in keywords]
    slots += [Slot("constant", name, v) for name, v in constants.items() if name not in parameters]
    _require_values(parameters, bound, "arg", spec)
    return tuple(slots)
