"""Arguments whose value declares something of the dialect: ``mode="row"``, ``scale_by_keep=False``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CHOICES
from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies, words
from droppath_audit.targets.parameters import required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.targets.parameters import Sides
    from droppath_audit.targets.spec import Spec
    from droppath_audit.targets.table import Table

# Arguments whose value is a declaration: argument name -> dialect field -> value -> meaning.
DECLARING: dict[str, tuple[str, dict[Any, str]]] = {
    "mode": ("granularity", {"row": "sample", "sample": "sample", "batch": "batch"}),
    "scale_by_keep": ("scaling", {True: "inverted", False: "none"}),
    # Arguments named like the dialect's own fields, with its own values.
    **{field: (field, {value: value for value in CHOICES[field]}) for field in ("granularity", "scaling", "form")},
}


def declarations(
    spec: Spec, sides: Sides, given: Mapping[str, Any], table: Table
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return constant arguments and the declared dialect, each completed from the other."""
    declared = dict(spec.dialect)
    if sides.kind == "instance":
        for name in DECLARING:
            if name in sides.attributes:
                _declare(declared, name, sides.attributes[name], spec)
        return {}, declared
    parameters, prefix = (sides.init, "init") if sides.kind == "class" else (sides.call, "arg")
    constants = dict(given if sides.kind == "class" else spec.arg)
    for name, (meant, meanings) in DECLARING.items():
        if name not in parameters or (spec.mode is not None and spec.mode.name == name):
            continue
        if name in constants:
            value = constants[name]
        elif meant in declared and declared[meant] in meanings.values():
            value = next(value for value in _written(meanings, sides) if meanings[value] == declared[meant])
            constants[name] = value
        elif required(parameters[name]):
            told = any(words.mode(other) is not None for other in (*parameters, *sides.call))
            or_mode = () if told or sides.has_modes or name != "mode" else (f"training={name}",)
            table.ask(
                f"{name!r} must be given, and decides its {meant}",
                *(f"{prefix}.{name}={str(value).lower()}" for value in _written(meanings, sides)), *or_mode,
            )  # fmt: skip
            constants[name] = None
            continue
        else:
            value = parameters[name].default
        _declare(declared, name, value, spec)
    return constants, declared


def _written(meanings: Mapping[Any, str], sides: Sides) -> list[Any]:
    """Return values with a meaning: those that the body names first, of values that mean the same one alone."""
    texts = bodies.texts(sides.method)
    found: dict[str, Any] = {}
    for value in sorted(meanings, key=lambda value: value not in texts):
        found.setdefault(meanings[value], value)
    return [value for value in meanings if value in found.values()]


def _declare(declared: dict[str, str], name: str, value: Any, spec: Spec) -> None:
    """Enter what a declaring argument's value means, where nothing was declared."""
    meant, meanings = DECLARING[name]
    meaning = meanings.get(value) if isinstance(value, (str, bool)) else None
    if meaning is not None and declared.setdefault(meant, meaning) != meaning and meant == "granularity":
        raise UsageError(f"{meant}={declared[meant]} contradicts {name}={value} of {spec.name}, which means {meaning}.")
