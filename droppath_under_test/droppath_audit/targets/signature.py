"""From a signature to a binding: what each argument means, read from names, defaults and annotations.

Behaviour is never consulted: a layer that forgot to rescale would otherwise "be" the unscaled dialect.
"""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CHOICES, Dialect
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets.binding import Binding, Slot
from droppath_audit.targets.calls import (
    BRANCH_FUNCTION_NAMES,
    INVERTED_MODE_NAMES,
    KEY_NAMES,
    MODE_NAMES,
    VARIADIC,
    call_of,
    listing,
    open_ended,
    require_values,
    required,
    roles_of,
)
from droppath_audit.targets.spec import Mode, Probability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.frameworks.capabilities import Keys
    from droppath_audit.targets.spec import Spec

DROP_NAMES = (
    "drop_prob", "p", "drop_p", "drop_rate", "rate", "prob", "drop_path_rate", "drop_connect_rate", "death_rate",
    "sample_drop_rate", "sample_drop_ratio", "p_drop", "drop_path_prob", "dropout_prob",
)  # fmt: skip
INPUT_NAMES = ("x", "input", "inputs", "hidden_states")  # only to word a message
KEEP_NAMES = (
    "keep_prob", "survival_prob", "survival_probability", "survival_rate", "drop_path_keep_prob", "keep_rate",
    "retain_prob",
)  # fmt: skip
BRANCH_NAMES = (
    *BRANCH_FUNCTION_NAMES, "branch", "module", "block", "fn", "func", "layer",
)  # fmt: skip

# Arguments whose value is a declaration: argument name -> dialect field -> value -> meaning.
DECLARING: dict[str, tuple[str, dict[Any, str]]] = {
    "mode": ("granularity", {"row": "sample", "batch": "batch"}),
    "scale_by_keep": ("scaling", {True: "inverted", False: "none"}),
    # Arguments named like the dialect's own fields, with its own values.
    **{field: (field, {value: value for value in CHOICES[field]}) for field in ("granularity", "scaling", "form")},
}


def bind_function(spec: Spec, parameters: Mapping[str, Parameter], *, keys: Keys | None = None) -> Binding:
    """Bind a function that takes x, the probability, the mode, and a random key where the framework has ``keys``.

    Raises:
        UsageError: If the signature does not settle an argument's meaning; the message gives the item to add.
    """
    _refuse_init(spec)
    probability = _probability(spec, parameters, taken=spec.arg)
    mode, mode_at = _mode(spec, parameters, {}, has_modes=False)
    constants, dialect = _declarations(spec, parameters, spec.arg, "arg")
    call = call_of(spec, parameters, probability.name, mode, constants, dialect, keys=keys)
    return Binding(
        "function", spec.name, dialect, probability, "call", mode, mode_at, call, output=spec.output,
        input=spec.input,
    )  # fmt: skip


def bind_class(
    spec: Spec,
    init: Mapping[str, Parameter],
    forward: Mapping[str, Parameter],
    *,
    has_modes: bool,
    keys: Keys | None = None,
) -> Binding:
    """Bind a class: constructor signature, signature of the call, and whether it has train() and eval().

    Raises:
        UsageError: If a signature does not settle an argument's meaning; the message gives the item to add.
    """
    in_call = spec.probability is not None and spec.probability.name in forward and (spec.probability.name not in init)
    if spec.probability is None and not _known(init, spec.init) and _known(forward, spec.arg):
        in_call = True
    by_position = _names_of_args(spec, init)
    given = {**spec.init, **dict(zip(by_position, spec.args, strict=False))}
    probability = _probability(spec, forward if in_call else init, taken=spec.arg if in_call else given)
    mode, mode_at = _mode(spec, forward, init, has_modes=has_modes)
    constants, dialect = _declarations(spec, init, given, "init")
    init_names = {probability.name} if not in_call else set()
    if mode is not None and mode_at == "init":
        init_names.add(mode.name)
    branch = next((name for name in init if name in BRANCH_NAMES and required(init[name])), None)
    if branch in constants or branch in init_names:
        branch = None
    require_values(init, {*constants, *init_names, *([branch] if branch else [])}, "init", spec)
    call = call_of(spec, forward, probability.name if in_call else None, mode if mode_at == "call" else None,
                 dict(spec.arg), dialect, wraps_branch=branch is not None, keys=keys)  # fmt: skip
    positional_only = [p for p in init.values() if p.kind is Parameter.POSITIONAL_ONLY and p.name not in by_position]
    for parameter in positional_only:
        if parameter.name not in init_names and not required(parameter):
            constants.setdefault(parameter.name, parameter.default)
    return Binding(
        "class", spec.name, dialect, probability, "call" if in_call else "init", mode, mode_at, call, spec.args,
        tuple(parameter.name for parameter in positional_only),
        {name: value for name, value in constants.items() if name not in by_position},
        branch, spec.output, spec.input,
    )  # fmt: skip


def bind_instance(
    spec: Spec,
    attributes: Mapping[str, Any],
    forward: Mapping[str, Parameter],
    *,
    has_modes: bool,
    keys: Keys | None = None,
) -> Binding:
    """Bind a ready-made layer: copies of it get their probability by attribute.

    Raises:
        UsageError: If no attribute is known to be the probability.
    """
    names = [name for name in (*DROP_NAMES, *KEEP_NAMES) if name in attributes]
    in_call = False
    if spec.probability is not None:
        probability = spec.probability
        in_call = probability.name in forward and probability.name not in attributes
        if probability.name not in attributes and not in_call:
            raise UsageError(
                f"{spec.name} has no attribute {probability.name!r}; it has {listing(attributes)}."
                + nearest(probability.name, attributes)
            )
    elif not names and _known(forward, spec.arg):
        in_call, probability = True, _probability(spec, forward, taken=spec.arg)
    elif len(names) == 1:
        probability = Probability(names[0], _meaning(names[0]))
    else:
        raise UsageError(
            f"{spec.name} is an instance, and which of its attributes is the probability is not clear "
            f"({listing(names or attributes)}). Add prob=NAME:drop or prob=NAME:keep, or name its class."
        )
    mode, mode_at = _mode(spec, forward, {}, has_modes=has_modes)
    declared = dict(spec.dialect)
    for name in DECLARING:
        if name in attributes:
            _declare(declared, name, attributes[name], spec)
    dialect = Dialect(**declared)
    call = call_of(spec, forward, probability.name if in_call else None, mode, dict(spec.arg), dialect, keys=keys)
    return Binding(
        "instance", spec.name, dialect, probability, "call" if in_call else "attribute", mode, mode_at, call,
        output=spec.output, input=spec.input,
    )  # fmt: skip


def bind_factory(spec: Spec) -> Binding:
    """Bind ``make(drop_prob)``, which returns ``f(x, training) -> y``.

    Raises:
        UsageError: If the SPEC says how to construct or call it, which the factory does itself.
    """
    always = spec.mode is not None and spec.mode.name == "always"
    declared = {
        "prob=": spec.probability, "training=": None if always else spec.mode, "init.NAME=": spec.init,
        "args=": spec.args, "arg.NAME=": spec.arg, "call=": spec.call,
    }  # fmt: skip
    useless = [item for item, value in declared.items() if value]
    if useless:
        raise UsageError(
            f"form=factory does not go with {', '.join(useless)}: {spec.name}(drop_prob) constructs the layer itself "
            "and returns f(x, training) -> y."
        )
    return Binding(
        "factory", spec.name, Dialect(**spec.dialect), None, "factory", None, "always" if always else "factory",
        (Slot("x"), Slot("training")), output=spec.output, input=spec.input,
    )  # fmt: skip


def _refuse_init(spec: Spec) -> None:
    if spec.init or spec.args:
        raise UsageError(
            f"{spec.name} is a function; init.NAME= and args= are for classes. Its arguments are given by arg.NAME=."
        )


def _names_of_args(spec: Spec, init: Mapping[str, Parameter]) -> list[str]:
    """Return the names of the constructor arguments that ``args=`` gives by position."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in init.values() if parameter.kind in kinds]
    if len(spec.args) > len(names) and not any(p.kind is Parameter.VAR_POSITIONAL for p in init.values()):
        raise UsageError(
            f"args= gives {len(spec.args)} values, but the constructor of {spec.name} takes {listing(names)}."
        )
    return names[: len(spec.args)]


def _meaning(name: str) -> str:
    return "keep" if name in KEEP_NAMES else "drop"


def _known(parameters: Mapping[str, Parameter], taken: Mapping[str, Any]) -> list[str]:
    return [name for name in parameters if name in (*DROP_NAMES, *KEEP_NAMES) and name not in taken]


def _probability(spec: Spec, parameters: Mapping[str, Parameter], taken: Mapping[str, Any]) -> Probability:
    """Return the probability argument, declared or by its name."""
    if spec.probability is not None:
        name = spec.probability.name
        if name not in parameters and not open_ended(parameters) and "p" not in roles_of(spec.call):
            raise UsageError(
                f"{spec.name} has no argument {name!r}; it has {listing(parameters)}." + nearest(name, parameters)
            )
        return spec.probability
    names = _known(parameters, taken)
    if len(names) == 1:
        return Probability(names[0], _meaning(names[0]))
    if names:
        raise UsageError(
            f"{spec.name} has more than one argument that could be the probability: {', '.join(names)}. "
            f"Say which: {' or '.join(f'prob={name}:{_meaning(name)}' for name in names)}."
        )
    candidates = [name for name in parameters if name not in taken and parameters[name].kind not in VARIADIC]
    likely = [name for name in candidates if name not in (*INPUT_NAMES, *MODE_NAMES, *INVERTED_MODE_NAMES, *KEY_NAMES)]
    name = likely[0] if len(likely) == 1 else "NAME"
    raise UsageError(
        f"No argument of {spec.name} has a name known to be the probability; it has {listing(candidates)}. "
        f"Add prob={name}:drop for an argument that is the drop probability, prob={name}:keep for one that is the "
        "keep probability."
    )


def _mode(
    spec: Spec, forward: Mapping[str, Parameter], init: Mapping[str, Parameter], *, has_modes: bool
) -> tuple[Mode | None, str]:
    """Return how the mode is told, and where."""
    if spec.mode is not None:
        if spec.mode.name == "always":
            _refuse_known_mode(spec, forward)
            return None, "always"
        return _declared_mode(spec, spec.mode, forward, init)
    for name in (*MODE_NAMES, *INVERTED_MODE_NAMES):
        if name in forward and name not in spec.arg:
            return Mode(name, inverted=name in INVERTED_MODE_NAMES), "call"
    if "training" in roles_of(spec.call):
        return Mode("training"), "call"
    if has_modes:
        return None, "method"
    for name in (*MODE_NAMES, *INVERTED_MODE_NAMES):
        if name in init and name not in spec.init:
            return Mode(name, inverted=name in INVERTED_MODE_NAMES, at_init=True), "init"
    raise UsageError(
        f"The call of {spec.name} has no argument known to tell training from evaluation; it has "
        f"{listing(forward)}. Add training=NAME (training=!NAME if the flag means evaluation), "
        f"{'training=init:NAME if the constructor takes it, ' if init else ''}or training=always if it always drops."
    )


def _refuse_known_mode(spec: Spec, forward: Mapping[str, Parameter]) -> None:
    """Refuse ``training=always`` where it would leave a mode argument at a default that may mean evaluation."""
    for name in (*MODE_NAMES, *INVERTED_MODE_NAMES):
        if name in forward and name not in spec.arg and "training" not in roles_of(spec.call):
            value = "false" if name in INVERTED_MODE_NAMES else "true"
            raise UsageError(
                f"training=always is for targets without a mode, and {spec.name} has the argument {name}. Leave the "
                f"item out to audit both modes, or add arg.{name}={value}."
            )


def _declared_mode(
    spec: Spec, mode: Mode, forward: Mapping[str, Parameter], init: Mapping[str, Parameter]
) -> tuple[Mode, str]:
    """Return the mode that ``training=`` declares, once the argument it names is known to exist."""
    place, where = (init, "init") if mode.at_init else (forward, "call")
    sign = "!" if mode.inverted else ""
    if mode.name in place or open_ended(place):
        return mode, where
    if not mode.at_init and "training" in roles_of(spec.call):
        return mode, where
    if mode.name in init:
        raise UsageError(
            f"{mode.name!r} is an argument of the constructor of {spec.name}, not of its call. "
            f"Write training=init:{sign}{mode.name}"
        )
    if mode.at_init and mode.name in forward:
        raise UsageError(
            f"{mode.name!r} is an argument of the call of {spec.name}, not of a constructor. "
            f"Write training={sign}{mode.name}"
        )
    raise UsageError(
        f"The {'constructor' if mode.at_init else 'call'} of {spec.name} has no argument {mode.name!r} for the mode; "
        f"it has {listing(place)}." + nearest(mode.name, place)
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
        elif required(parameters[name]):
            choices = " or ".join(f"{prefix}.{name}={value}" for value in meanings)
            raise UsageError(f"{spec.name} requires {name!r}, which decides its {field}: add {choices}.")
        else:
            value = parameters[name].default
        _declare(declared, name, value, spec)
    return constants, Dialect(**declared)


def _declare(declared: dict[str, str], name: str, value: Any, spec: Spec) -> None:
    """Enter what a declaring argument's value means, where nothing was declared."""
    field, meanings = DECLARING[name]
    meaning = meanings.get(value) if isinstance(value, (str, bool)) else None
    if meaning is not None and declared.setdefault(field, meaning) != meaning and field == "granularity":
        raise UsageError(f"{field}={declared[field]} contradicts {name}={value} of {spec.name}, which means {meaning}.")
