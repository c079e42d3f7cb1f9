"""Construction and call of a target as source text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.case import EAGER

if TYPE_CHECKING:
    from droppath_audit.core.invocation import Argument, Invocation, Role
    from droppath_audit.frameworks.spelling import Spelling


class Calling:
    """How one target is written in its framework.

    Args:
        invocation: The target.
        spelling: The framework.
        device: Where keys are made.
        dtype: Of x, to which a layer is converted that has to be.
        variant: How it is run.

    Attributes:
        key: What calls are given as a key; by default each makes a fresh one.
        whole: Whether all of it has to run so, for a variant that may leave parts as they are.
        around: A function that the branch is given to, and which returns what is handed over; empty for none.
    """

    def __init__(self, invocation: Invocation, spelling: Spelling, device: str, dtype: str, variant: str) -> None:
        self._how, self._spelling, self._device, self._dtype = invocation, spelling, device, dtype
        self._variant, self.key, self.whole, self.around = variant, "", False, ""

    def construction(self, drop_prob: object, *, training: bool) -> list[str]:
        """Return the lines that build ``layer`` and put it into its mode; none for a function as it is."""
        how = self._how
        lines: list[str] = []
        if how.kind == "class":
            branch = any("branch" in (argument.role, *argument.roles) for argument in how.init)
            lines = [
                *(self._branch() if branch else ()),
                f"layer = {self._apply(how.name, how.init, drop_prob, training)}",
            ]
        elif how.kind == "instance":
            lines = [f"layer = {how.name}"]
            if how.attribute and "p" not in how.roles:
                lines.append(self.assignment(drop_prob))
        elif how.kind == "factory":
            lines = [f"layer = {how.name}({how.argument(drop_prob)!r})"]
        elif how.mode_at == "branch":
            lines = self._branch()
        lines += [self._spelling.fill("layer", repr(name), repr(value)) for name, value in how.neutral.items()]
        if how.follows:
            lines.append(self._spelling.convert("layer", self._dtype, repr(self._device)))
        return [*lines, *self._running(), *self.switching(drop_prob, training=training, built=True)]

    def _running(self) -> list[str]:
        """Return the lines that bind what runs the target, where that does not run itself."""
        return [] if self._variant == EAGER else [self._spelling.running(self._variant, self._target, whole=self.whole)]

    @property
    def _target(self) -> str:
        return "layer" if self._how.has_layer else self._how.name

    def switching(self, drop_prob: object, *, training: bool, built: bool = False) -> list[str]:
        """Return the lines that change the mode of ``layer``, by building it anew where its constructor is told.

        Args:
            drop_prob: p.
            training: The mode.
            built: Whether it was built for this mode a moment ago.
        """
        switched = {"method": "layer" if self._how.has_layer else "", "branch": "branch"}.get(self._how.mode_at)
        if switched:
            return [f"{switched}.{'train' if training else 'eval'}()"]
        if self._how.mode_at == "init" and not built:
            return self.construction(drop_prob, training=training)
        return []

    def assignment(self, drop_prob: object) -> str:
        """Return the line that sets the attribute with the probability."""
        return f"layer.{self._how.attribute} = {self._how.argument(drop_prob)!r}"

    def call(self, drop_prob: object, *, training: bool) -> str:
        """Return the expression for the output of ``layer`` on ``x`` (and ``shortcut``)."""
        how, text = self._how, self.whole_call(drop_prob, training=training)
        if isinstance(how.output, str) and how.output.startswith("."):
            text += how.output
        elif how.output not in (None, "mask"):
            text += f"[{how.output!r}]"
        elif how.output == "mask":
            text = f"{'given(x)' if how.arrangement else 'x'} * {text}"
            text = text if how.arrangement else f"({text})"
        return f"back({text}, x)" if how.arrangement else text

    def whole_call(self, drop_prob: object, *, training: bool) -> str:
        """Return the expression for all that ``layer`` returns."""
        how = self._how
        return self._apply(self._target if self._variant == EAGER else "run", how.call, drop_prob, training)

    def _branch(self) -> list[str]:
        if "empty_layer" not in self._spelling.templates:  # a framework without layers calls any function
            return [f"branch = {self._function()}"]
        if not self._how.residual and not self._how.several:
            counted = [f"branch.forward = {self.around}(branch.forward)"] if self.around else []
            return [f"branch = {self._spelling.identity()}", *counted]
        return [f"branch = {self._spelling.empty_layer()}", f"branch.forward = {self._function()}"]

    def _function(self) -> str:
        """Return the branch as a function: it gives ``x``, or in branch form what it is given."""
        # Some layers run the branch on a part of the batch.
        name, value = ("shortcut", "x[: len(shortcut)] if x.ndim else x") if self._how.residual else ("value", "value")
        value = f"shortcut + ({value})" if self._how.adds else value
        function = f"lambda {name}, *beside: ({value}, *beside)" if self._how.several else f"lambda {name}: {value}"
        return f"{self.around}({function})" if self.around else function

    def _apply(self, function: str, arguments: tuple[Argument, ...], drop_prob: object, training: bool) -> str:
        how = self._how

        def of(role: Role, text: str = "") -> str:
            if role == "key":
                return self.key or self._spelling.key(repr(self._device))
            if role == "source":
                return self._spelling.source()
            if role == "b":
                return self._spelling.literal("[*range(len(x))]", "(-1,)", "int64", repr(self._device))
            return {
                "x": "given(x)" if how.arrangement else "x",
                "r": "given(shortcut)" if how.arrangement else "shortcut",
                "p": repr(self._how.argument(drop_prob)),
                "training": repr(self._how.flag(training)),
                "f": "branch" if how.mode_at == "branch" else self._function(),
                "branch": "branch",
            }.get(role, text)

        parts = []
        for argument in arguments:
            if argument.role == "list":
                value = f"[{', '.join(of(role) for role in argument.roles)}]"
            else:
                value = of(argument.role, argument.text)
            parts.append(f"{argument.keyword}={value}" if argument.keyword else value)
        return f"{function}({', '.join(parts)})"
