"""Binding: how a target is constructed, told its mode and called; read from a signature or declared in a SPEC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from droppath_audit.core.dialect import Dialect
    from droppath_audit.targets.spec import Mode, Probability

ROLE_NAMES = {"r": "shortcut", "f": "branch", "key": "key"}


@dataclass(frozen=True)
class Slot:
    """One argument of a call.

    Attributes:
        role: One of the SPEC's roles, ``constant``, or ``list`` for an argument that is a list of roles.
        keyword: Its name where it is passed by name.
        value: The constant, or the roles of the list.
    """

    role: str
    keyword: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Binding:
    """Everything needed to drive a target.

    Attributes:
        kind: ``class``, ``instance``, ``function`` or ``factory``.
        name: The target's name, for messages and snippets.
        dialect: The dialect in force.
        probability: The probability argument; None for a factory, which is given drop_prob.
        probability_at: ``init``, ``attribute``, ``call`` or ``factory``.
        mode: How the mode is told by an argument; None for train()/eval(), ``always``, and factories.
        mode_at: ``method``, ``init``, ``call``, ``always`` or ``factory``.
        init_args: Positional constructor arguments.
        init_positional: Names of the constructor arguments that follow them and cannot be passed by name.
        init: Constructor arguments by name.
        init_branch: Constructor argument that takes the branch, for layers that wrap it.
        call: The call's arguments.
        output: Index of the output, ``mask``, or None.
        input: Shape of inputs with -1 for the batch, or None.
    """

    kind: str
    name: str
    dialect: Dialect
    probability: Probability | None
    probability_at: str
    mode: Mode | None
    mode_at: str
    call: tuple[Slot, ...]
    init_args: tuple[Any, ...] = ()
    init_positional: tuple[str, ...] = ()
    init: dict[str, Any] = field(default_factory=dict)
    init_branch: str | None = None
    output: int | str | None = None
    input: tuple[int, ...] | None = None

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation mode at all."""
        return self.mode_at != "always"

    @property
    def runs_branch(self) -> bool:
        """Whether the target is given the branch as a function, and calls it itself."""
        return self.init_branch is not None or any(slot.role == "f" for slot in self.call)

    def argument(self, drop_prob: float) -> float:
        """Return the probability argument that asks for this drop_prob; what is no number is passed as it is."""
        keep = self.probability is not None and self.probability.meaning == "keep"
        return 1.0 - drop_prob if keep and isinstance(drop_prob, float) else drop_prob

    def flag(self, training: bool) -> bool:
        """Return the mode argument that asks for this mode."""
        return training != (self.mode is not None and self.mode.inverted)

    def describe(self) -> str:
        """Return how probability and mode are told, such as ``class · drop_prob · train()/eval()``."""
        words = [self.kind]
        if self.probability is not None:
            means_keep = self.probability.meaning == "keep"
            sounds_like_keep = "keep" in self.probability.name or "surviv" in self.probability.name
            meaning = "" if means_keep == sounds_like_keep else f" ({self.probability.meaning}_prob)"
            words.append(self.probability.name + meaning)
        if self.mode is not None:
            argument = ("!" if self.mode.inverted else "") + self.mode.name
            words.append(f"mode by {'constructor argument ' if self.mode_at == 'init' else ''}{argument}")
        elif self.mode_at == "method":
            words.append("train()/eval()")
        elif self.mode_at == "always":
            words.append("always training")
        return " · ".join(words)

    def construction_code(self) -> str:
        """Return the constructor call as source text, with ``{p}`` for the probability."""
        texts = {}
        if self.init_branch is not None:
            texts[self.init_branch] = "branch"
        if self.probability is not None and self.probability_at == "init":
            texts[self.probability.name] = "{p}"
        if self.mode is not None and self.mode_at == "init":
            texts[self.mode.name] = "{training}"
        texts |= {name: repr(value) for name, value in self.init.items()}
        parts = [
            *(repr(value) for value in self.init_args),
            *(texts.pop(name) for name in self.init_positional),
        ]
        parts += [f"{name}={text}" for name, text in texts.items()]
        return f"{self.name.replace('.', '_')}({', '.join(parts)})"

    def making_code(self, layer: str, identity: str) -> str:
        """Return the lines that bind ``layer`` (and the ``branch`` that its constructor takes); empty for functions.

        Args:
            layer: Expression for an empty layer of the framework, whose ``forward`` can be assigned.
            identity: Expression for its layer that returns what it is given.
        """
        name, make = self.name.replace(".", "_"), ""
        if self.kind == "class":
            make = f"layer = {self.construction_code()}"
        elif self.kind == "instance" and self.probability is not None:
            make = f"layer = {name}"
            if self.probability_at == "attribute":
                make += f"\nlayer.{self.probability.name} = {{p}}"
        elif self.kind == "factory":
            make = f"layer = {name}({{p}})"
        if self.init_branch is not None:
            residual = self.dialect.form == "residual"
            branch = f"{layer}\nbranch.forward = {self.branch_code()}" if residual else identity
            make = f"branch = {branch}\n{make}"
        return make

    def call_code(self, function: str) -> str:
        """Return the call as source text, with ``{p}`` and ``{training}``."""

        def one(role: str) -> str:
            return {
                "x": "x",
                "r": "shortcut",
                "p": "{p}",
                "training": "{training}",
                "f": self.branch_code(),
                "key": "key",
            }[role]

        parts = []
        for slot in self.call:
            if slot.role == "constant":
                text = repr(slot.value)
            elif slot.role == "list":
                text = f"[{', '.join(one(role) for role in slot.value)}]"
            else:
                text = one(slot.role)
            parts.append(f"{slot.keyword}={text}" if slot.keyword else text)
        code = f"{function}({', '.join(parts)})"
        if isinstance(self.output, int):
            code += f"[{self.output}]"
        return f"(x * {code})" if self.output == "mask" else code

    def branch_code(self) -> str:
        """Return the branch as source text: it gives ``x``, or in branch form what it is given."""
        # Some layers run the branch on a part of the batch.
        return "lambda shortcut: x[: len(shortcut)]" if self.dialect.form == "residual" else "lambda value: value"
