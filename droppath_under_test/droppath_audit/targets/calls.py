"""Arguments of a call: which of them is x, the shortcut, the branch, the probability and the mode."""

from __future__ import annotations

from inspect import Parameter
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.targets.binding import Slot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.core.invocation import Role
    from droppath_audit.frameworks.capabilities import Keys
    from droppath_audit.targets.spec import Mode, Spec

MODE_NAMES = ("training", "train", "is_training")
INVERTED_MODE_NAMES = ("is_test", "deterministic", "inference")
KEY_NAMES = ("key", "rng", "generator")
NUMBERS = ("int", "float", "str", "bool")  # annotations of what is no key, whatever its name
BRANCH_FUNCTION_NAMES = ("residual_func", "residual_fn", "branch_func", "branch_fn")

VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def required(parameter: Parameter) -> bool:
    """Return whether a call must give this argument a value."""
    return parameter.default is Parameter.empty and parameter.kind not in VARIADIC


def open_ended(parameters: Mapping[str, Parameter]) -> bool:
    """Return whether there is a ``**kwargs``, which takes arguments of any name."""
    return any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())


def listing(names: Iterable[str]) -> str:
    """Return the public names, at most twelve, for a message."""
    listed = [name for name in names if not name.startswith("_")]
    return ", ".join(listed[:12]) or "no arguments"


def require_values(parameters: Mapping[str, Parameter], bound: set[str], prefix: str, spec: Spec) -> None:
    """Refuse required arguments that nothing gives a value to, and values for arguments that do not exist."""
    missing = [name for name, parameter in parameters.items() if required(parameter) and name not in bound]
    if missing:
        items = [f"{prefix}.{name}=VALUE" for name in missing]
        hint = ""
        if prefix == "init":
            modes = dict.fromkeys(MODE_NAMES, "") | dict.fromkeys(INVERTED_MODE_NAMES, "!")
            items = [
                f"training=init:{modes[name]}{name}" if name in modes else item
                for name, item in zip(missing, items, strict=True)
            ]
        elif spec.dialect.get("form") != "residual":
            hint = (
                ". If it takes the shortcut as well as the branch output, add form=residual instead; if its "
                "order is unusual, say the call by roles, such as call=(x,p,training)"
            )
        raise UsageError(
            f"{spec.name} requires {', '.join(missing)}, which the SPEC does not give. Add {'&'.join(items)}{hint}."
        )
    _refuse_unknown(spec, parameters, bound)


def _refuse_unknown(spec: Spec, parameters: Mapping[str, Parameter], names: Collection[str]) -> None:
    unknown = [] if open_ended(parameters) else sorted(name for name in names if name not in parameters)
    if unknown:
        raise UsageError(
            f"{spec.name} has no argument {', '.join(unknown)}; it has {listing(parameters)}."
            + nearest(unknown[0], parameters)
        )


def keys_of(parameters: Mapping[str, Parameter], taken: Collection[str], keys: Keys | None) -> tuple[str, ...]:
    """Return the arguments that are given a random key, by their names and annotations.

    Args:
        parameters: Of the call.
        taken: Arguments that the SPEC gives a value.
        keys: The framework, where it has keys; an argument that may be left out is given one only if that is needed.
    """
    if keys is None:
        return ()
    named = [parameters[name] for name in KEY_NAMES if name in parameters and name not in taken]
    return tuple(
        parameter.name
        for parameter in named
        if (required(parameter) or keys.needed)
        and getattr(parameter.annotation, "__name__", parameter.annotation) not in NUMBERS
    )


def roles_of(call: tuple[Any, ...] | None) -> list[str]:
    """Return the roles of a declared call, those inside lists included; none where it is not declared."""
    return [role for part in call or () for role in (part if isinstance(part, tuple) else (part,))]


def call_of(
    spec: Spec,
    parameters: Mapping[str, Parameter],
    probability: str | None,
    mode: Mode | None,
    constants: dict[str, Any],
    dialect: Dialect,
    *,
    wraps_branch: bool = False,
    keys: Keys | None = None,
) -> tuple[Slot, ...]:
    """Return the call's arguments: as declared by ``call=``, otherwise by name and order."""
    mode_name = mode.name if mode is not None and not mode.at_init else None
    if spec.call is not None:
        return _declared_call(spec, parameters, probability, mode_name, constants)
    key_names = keys_of(parameters, constants, keys)
    bound = {name for name in (probability, mode_name, *key_names) if name} | set(constants)
    tensors: list[Role] = (["r"] if wraps_branch else ["r", "x"]) if dialect.form == "residual" else ["x"]
    slots: list[Slot] = []
    for name, parameter in parameters.items():
        keyword = None if parameter.kind is Parameter.POSITIONAL_ONLY else name
        if parameter.kind is Parameter.VAR_POSITIONAL and tensors:
            # What stands before *args then goes by position.
            slots = [
                *(Slot(slot.role, None, slot.value) for slot in slots),
                *(Slot(role) for role in tensors),
            ]
            tensors = []
        elif parameter.kind in VARIADIC:
            continue
        elif name in constants:
            slots.append(Slot("constant", keyword, constants[name]))
        elif name == probability:
            slots.append(Slot("p", keyword))
        elif name == mode_name:
            slots.append(Slot("training", keyword))
        elif name in key_names:
            slots.append(Slot("key", keyword))
        elif name in BRANCH_FUNCTION_NAMES and required(parameter) and (dialect.form != "residual" or "x" in tensors):
            if dialect.form != "residual":
                raise UsageError(
                    f"{spec.name} takes the branch as a function, {name}. Add form=residual if it returns "
                    "the shortcut plus the branch's output."
                )
            slots.append(Slot("f", keyword))
            tensors.remove("x")
            bound.add(name)
        elif tensors:
            by_position = parameter.kind is not Parameter.KEYWORD_ONLY and not slots
            slots.append(Slot(tensors.pop(0), None if by_position else keyword))
            bound.add(name)
        elif keyword is None and not required(parameter):
            slots.append(Slot("constant", None, parameter.default))
    if tensors:
        raise UsageError(
            f"The call of {spec.name} takes {listing(parameters)}, and it is not clear which of them is the "
            f"{'shortcut and which the branch output' if dialect.form == 'residual' else 'input'}. "
            "Say the call by roles, for example call=(x,p,training)."
        )
    keywords = [name for name in (probability, mode_name) if name and name not in parameters]
    roles: dict[str | None, Role] = {probability: "p", mode_name: "training"}
    slots += [Slot(roles[name], name) for name in keywords]
    slots += [Slot("constant", name, v) for name, v in constants.items() if name not in parameters]
    require_values(parameters, bound, "arg", spec)
    return tuple(slots)


def _declared_call(
    spec: Spec,
    parameters: Mapping[str, Parameter],
    probability: str | None,
    mode: str | None,
    constants: dict[str, Any],
) -> tuple[Slot, ...]:
    """Return the arguments that ``call=`` declares, by position save those that can only be passed by name."""
    for role, name in (("p", probability), ("training", mode)):
        if name is not None and role not in roles_of(spec.call):
            raise UsageError(
                f"call= of {spec.name} leaves out the role {role}, so its argument {name} cannot be set. "
                f"Add the role {role} to call=."
            )
    names = {"p": probability, "training": mode, "key": next((name for name in KEY_NAMES if name in parameters), None)}
    by_position, by_name = [], []
    part: Any
    for part in spec.call or ():
        name = None if isinstance(part, tuple) else names.get(part)
        if name is not None and name in parameters and parameters[name].kind is Parameter.KEYWORD_ONLY:
            by_name.append(Slot(part, name))
        else:
            by_position.append(Slot("list", value=part) if isinstance(part, tuple) else Slot(part))
    by_name += [Slot("constant", name, value) for name, value in constants.items()]
    _refuse_unknown(spec, parameters, constants)
    return (*by_position, *by_name)
