"""The target as its callers know it: what the arguments of its constructor and of its call stand for."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.grading.substitute import Given
from droppath_audit.targets.declaring import DECLARING
from droppath_audit.targets.parameters import VARIADIC

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.grading.substitute import Substitute
    from droppath_audit.targets.bound import BoundTarget

DIGITS = 15  # decimals that every double-precision number below 1 keeps
ROLES = ("x", "r", "p", "training", "constant")


@dataclass
class Told:
    """What the constructor of one layer was told.

    Attributes:
        value: The probability argument.
        told: Whether it was given, and is no default.
        attribute: The attribute that holds it; empty where none does.
        training: The mode, where the constructor is told it.
        dialect: What its arguments declare; None where one of them has a value of which nobody knows what it does.
    """

    value: Any
    told: bool
    attribute: str
    training: bool
    dialect: Dialect | None


class Frame:
    """The target, a class or a function, and its signature.

    Args:
        target: The target, as loaded and admitted.

    Raises:
        UsageError: If nothing can be put in its place.
    """

    def __init__(self, target: BoundTarget) -> None:
        binding = target.binding
        self.target, self.obj, self.binding, self.dialect = target, target.obj, binding, binding.dialect
        self.is_class = binding.kind == "class"
        _refuse(self)
        self.entry = "forward" if self.is_class and hasattr(self.obj, "forward") else "__call__"
        function = getattr(self.obj, self.entry) if self.is_class else self.obj
        self.call = inspect.signature(function)
        self.init = inspect.signature(self.obj) if self.is_class else None
        names = list(self.call.parameters)[self.is_class :]
        self.roles: dict[str, str] = {}
        self.constants: dict[str, Any] = {}
        for number, slot in enumerate(binding.call):
            name = slot.keyword or names[number]
            if slot.role == "constant":
                self.constants[name] = slot.value
            else:
                self.roles[slot.role] = name

    @property
    def wraps(self) -> bool:
        """Whether the target runs its branch."""
        return self.binding.init_branch is not None

    def constructed(self, layer: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Told:
        """Return what the constructor of a layer was told; called when it has run.

        Raises:
            TypeError: If it does not take these arguments.
        """
        assert self.init is not None  # noqa: S101 - it is a class
        binding, bound = self.binding, self.init.bind(*arguments, **named)
        given = set(bound.arguments)
        bound.apply_defaults()
        asked = {binding.init_branch, binding.init_source}
        value, told, attribute = None, False, ""
        if binding.probability is not None and binding.probability_at == "init":
            name = binding.probability.name
            value, told = bound.arguments.get(name), name in given
            asked.add(name)
            attribute = _attribute(layer, name, value)
        training = True
        if binding.mode is not None and binding.mode_at == "init":
            training = bool(bound.arguments[binding.mode.name]) != binding.mode.inverted
            asked.add(binding.mode.name)
        by_position = dict(zip(self.init.parameters, binding.init_args, strict=False))
        dialect = self._declared(bound, asked, {**by_position, **binding.init}, self.dialect)
        return Told(value, told, attribute, training, dialect)

    def given(
        self, layer: Any, told: Told | None, arguments: tuple[Any, ...], named: Mapping[str, Any], *, refuses: bool
    ) -> tuple[Given, Dialect] | None:
        """Return a call by roles, with the dialect that its arguments declare; None where they say no such thing.

        Args:
            layer: What is called; None for a function.
            told: What its constructor was told.
            arguments: Those by position.
            named: Those by name.
            refuses: Whether what is no probability is wanted as well.

        Returns:
            The call; of a target that runs its branch itself with what it was called with as x.
        """
        try:
            bound = self.call.bind(*((layer,) if self.is_class else ()), *arguments, **named)
        except TypeError:
            return None
        bound.apply_defaults()
        dialect = self.dialect if told is None else told.dialect
        own = {next(iter(bound.arguments))} if self.is_class else set()
        if dialect is not None:
            dialect = self._declared(bound, {*self.roles.values(), *own}, self.constants, dialect)
        value = told.value if told is not None else None
        if told is not None and told.attribute:
            value = getattr(layer, told.attribute, value)
        if "p" in self.roles:
            value = bound.arguments[self.roles["p"]]
        drop_prob: Any = self.drop_prob(value)
        if drop_prob is None and refuses and value is not None:
            drop_prob = self.binding.argument(value)
        if dialect is None or (drop_prob is None and not refuses):
            return None
        x, shortcut = (bound.arguments.get(self.roles.get(role, "")) for role in ("x", "r"))
        if self.wraps:
            x = shortcut if x is None else x
            shortcut = x if self.dialect.form == "residual" else None
        if x is None:
            return None
        return Given(x, shortcut, drop_prob, self._training(layer, told, bound.arguments)), dialect

    def drop_prob(self, value: Any) -> float | None:
        """Return p as a probability argument says it; None where it is no probability."""
        tensor = not isinstance(value, Real) and hasattr(value, "item") and getattr(value, "ndim", 1) == 0
        number: Any = value.item() if tensor else value
        if isinstance(number, bool) or not isinstance(number, Real) or not 0.0 <= float(number) <= 1.0:
            return None
        given: Any = number  # of its own kind, on which faults depend
        drop_prob = self.binding.argument(given)
        # Two numbers can have one keep_prob: 0.3 and 0.30000000000000004 that of 0.7. The shorter one was meant.
        shorter = type(given)(round(drop_prob, DIGITS))
        return shorter if self.binding.argument(shorter) == given else drop_prob

    def unfit(self, substitute: Substitute) -> str:
        """Return why a substitute cannot be put in the target's place; empty where it can."""
        its, ours = substitute.dialect, self.dialect
        if its.granularity != ours.granularity:
            return f"it decides per {its.granularity}, the target per {ours.granularity}"
        if its.scaling != ours.scaling:
            return f"its scaling is {its.scaling}, the target's {ours.scaling}"
        if substitute.wraps and not self.wraps:
            return "it runs its branch itself, the target is handed what that returns"
        if its.form == "residual" != ours.form:
            return "it adds a shortcut, the target adds none"
        if its.keep_prob_zero != ours.keep_prob_zero == "zeros":
            return "it declares to refuse keep_prob = 0, the target does not"
        return ""

    def fits(self, substitute: Substitute, given: Given, dialect: Dialect) -> bool:
        """Return whether a call asks for what a substitute does; another is answered by the target."""
        if (dialect.granularity, dialect.scaling) != (substitute.dialect.granularity, substitute.dialect.scaling):
            return False
        refused = given.drop_prob == 1.0 and "raises" in (
            self.dialect.keep_prob_zero,
            substitute.dialect.keep_prob_zero,
        )
        return not refused or substitute.dialect.keep_prob_zero == "raises"

    def _training(self, layer: Any, told: Told | None, arguments: Mapping[str, Any]) -> bool:
        binding = self.binding
        if binding.mode_at == "call" and binding.mode is not None:
            return bool(arguments[self.roles["training"]]) != binding.mode.inverted
        if binding.mode_at == "init" and told is not None:
            return told.training
        return binding.mode_at == "always" or bool(layer.training)

    def _declared(
        self, bound: inspect.BoundArguments, asked: set[Any], constants: Mapping[str, Any], dialect: Dialect
    ) -> Dialect | None:
        """Return the dialect with what arguments declare that differ from those of an audit."""
        for name, parameter in bound.signature.parameters.items():
            value = bound.arguments.get(name)
            if name in asked or (parameter.kind in VARIADIC and not value):
                continue
            usual = constants.get(name, parameter.default)
            if value is usual or (type(value) is type(usual) and bool(value == usual)):
                continue
            field, meanings = DECLARING.get(name, ("", {}))
            if parameter.kind in VARIADIC or not isinstance(value, (str, bool)) or value not in meanings:
                return None
            dialect = replace(dialect, **{field: meanings[value]})
        return dialect


def _attribute(layer: Any, name: str, value: Any) -> str:
    """Return the attribute of a layer that holds the probability: that of the argument's name, or the only one."""
    if hasattr(layer, name):
        return name
    held = [known for known, one in vars(layer).items() if type(one) is type(value) is float and one == value]
    return held[0] if len(held) == 1 else ""


def _refuse(frame: Frame) -> None:
    """Refuse a target whose calls are not all told by roles.

    Raises:
        UsageError: If it is one.
    """
    binding = frame.binding
    roles = {slot.role for slot in binding.call}
    if binding.kind not in ("class", "function"):
        why = f"it is a {binding.kind}; name the class or the function"
    elif frame.target.framework.name != "torch":
        why = f"the mutants are layers of torch, and it is one of {frame.target.framework.name}"
    elif not roles <= set(ROLES) or binding.tensors > 1:
        why = "a call of it takes more than x, a shortcut, the probability and the mode"
    elif binding.arrangement or binding.output is not None or binding.follows or binding.neutral:
        why = "it takes or returns x otherwise than the mutants do"
    else:
        return
    raise UsageError(f"Mutants cannot be put in the place of {binding.name}: {why}.")
