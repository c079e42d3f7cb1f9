"""Binding: how a target is constructed, told its mode and called; read from a signature or declared in a SPEC."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.arrangement import Arrangement
from droppath_audit.core.invocation import Argument, Invocation, kept
from droppath_audit.core.output import NUMBER
from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.core.invocation import Role
    from droppath_audit.targets.items import Mode, Probability

LARGEST = 4096  # a number of channels that inputs are tried with


@dataclass(frozen=True)
class Slot:
    """One argument of a call.

    Attributes:
        role: One of the SPEC's roles, ``constant``, or ``list`` for an argument that is a list of roles.
        keyword: Its name where it is passed by name.
        value: The constant, or the roles of the list.
    """

    role: Role
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
        mode_at: ``method``, ``init``, ``call``, ``branch`` (that of the branch is read), ``always`` or ``factory``.
        init_args: Positional constructor arguments.
        init_positional: Names of the constructor arguments that follow them and cannot be passed by name.
        init: Constructor arguments by name.
        init_branch: Constructor argument that takes the branch, for layers that wrap it.
        listed: Whether that argument takes it in a list.
        init_source: Constructor argument that takes the generator to draw from; empty where there is none.
        call: The call's arguments.
        output: Index of the output, its key, its attribute after a dot, ``mask``, None, or ``NUMBER``.
        input: Shape of inputs with -1 for the batch, or None.
        arrangement: Where the target has its decisions.
        follows: Whether the layer is converted to x's dtype and device, as a model that holds it would be.
        neutral: Its parameters that are set, each to a value with which it changes nothing.
        ranks: Ranks of x that it takes; empty for all.
        adds: Whether the branch that it is given adds the shortcut to its output.
        several: Whether the branch that it is given returns a tuple, of its output and all that it is given beside x.
        says_mask: Whether the name of what is audited says that a mask comes back.
        index: Item of the SPEC that would say which layer of a stack this is, without its value; empty where there is
            no such argument, or the SPEC says it.
        notes: What names suggested and did not prove.
        form_open: Whether a layer that wraps its branch may add the shortcut or not, which a call has to show.
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
    listed: bool = False
    init_source: str = ""
    output: int | str | None = None
    input: tuple[int, ...] | None = None
    arrangement: Arrangement = field(default_factory=Arrangement)
    follows: bool = False
    neutral: dict[str, float] = field(default_factory=dict)
    ranks: tuple[int, ...] = ()
    adds: bool = False
    several: bool = False
    says_mask: bool = False
    index: str = ""
    notes: tuple[str, ...] = ()
    form_open: bool = False

    @property
    def plain(self) -> bool:
        """Whether a call is given x alone, and what it returns is the output."""
        return self.call == (Slot("x"),) and not (self.arrangement or self.follows or self.output is not None)

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation mode at all."""
        return self.mode_at != "always"

    @property
    def runs_branch(self) -> bool:
        """Whether the target is given the branch as a function, and calls it itself."""
        return self.init_branch is not None or any(slot.role == "f" for slot in self.call)

    @property
    def keyed(self) -> bool:
        """Whether every call is given a random key."""
        return any(slot.role == "key" or (slot.role == "list" and "key" in slot.value) for slot in self.call)

    @property
    def tensors(self) -> int:
        """How many times a call is given x."""
        roles = [role for slot in self.call for role in (slot.value if slot.role == "list" else (slot.role,))]
        return roles.count("x")

    @property
    def multiplies(self) -> bool:
        """Whether x is multiplied by a gain that it is given, which is real."""
        given = {*self.init, *(slot.keyword for slot in self.call if slot.role == "constant")}
        return any(words.gain(name) for name in given if name)

    def of_its_form(self) -> Binding:
        """Return the binding with the tensor of a layer that wraps its branch in the role that its form gives it."""
        if not self.runs_branch:
            return self
        role: Role = "r" if self.dialect.form == "residual" else "x"
        return replace(self, call=tuple(replace(s, role=role) if s.role in ("x", "r") else s for s in self.call))

    def at(self, index: int) -> Binding:
        """Return the binding with another value of the argument that says which layer of a stack this is."""
        place, _, name = self.index.partition(".")
        if place == "init":
            return replace(self, init={**self.init, name: index})
        told = Slot("constant", name, index)
        there = any(slot.keyword == name for slot in self.call)
        slots = tuple(told if slot.keyword == name else slot for slot in self.call)
        return replace(self, call=slots if there else (*slots, told))

    def sizes(self) -> tuple[int, ...]:
        """Return the whole numbers from 2 on that the SPEC gives as arguments: one may be a number of channels."""
        given = (*self.init_args, *self.init.values(), *(slot.value for slot in self.call if slot.role == "constant"))
        return tuple(
            dict.fromkeys(n for n in given if isinstance(n, int) and not isinstance(n, bool) and 1 < n <= LARGEST)
        )

    def options(self, defaults: Mapping[str, Any], called: Sequence[str]) -> dict[str, Any]:
        """Return the arguments that are the same in every call, with what the SPEC gives them, or else their defaults.

        Args:
            defaults: Arguments of constructor and call, each with its default.
            called: Names of the call's arguments, in order.
        """
        told = [argument.name for argument in (self.probability, self.mode) if argument is not None]
        slots = [(slot.keyword or "".join(called[number : number + 1]), slot) for number, slot in enumerate(self.call)]
        asked = {*told, self.init_branch, self.init_source, *(name for name, slot in slots if slot.role != "constant")}
        if self.kind == "factory":
            asked |= set(list(defaults)[:1])  # which takes the probability, by whatever name
        given = {name: slot.value for name, slot in slots if slot.role == "constant"} | self.init
        return {name: given.get(name, default) for name, default in defaults.items() if name not in asked}

    def argument(self, drop_prob: float) -> float:
        """Return the probability argument that asks for this drop_prob; what is no number is passed as it is."""
        keep = self.probability is not None and self.probability.meaning == "keep"
        return kept(drop_prob) if keep else drop_prob

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
        elif self.mode_at == "branch":
            words.append("mode of its branch")
        elif self.mode_at == "always":
            words.append("always training")
        if self.arrangement:
            words.append(self.arrangement.describe())
        if self.keyed:
            names = [slot.keyword for slot in self.call if slot.role == "key" and slot.keyword]
            words.append(f"key by {', '.join(names)}" if names else "a key")
        return " · ".join(words)

    def called(self) -> str:
        """Return how it is constructed and called, by roles: ``DropPath(drop_prob=p)(x)``."""
        call = f"({', '.join(_role(_argument(slot)) for slot in self.call)})"
        if self.kind == "class":
            return f"{self.name}({', '.join(_role(argument) for argument in self._init_arguments())}){call}"
        if self.kind == "factory":
            return f"{self.name}(p){call}"
        return f"{self.name}{call}"

    def invocation(self, imports: tuple[str, ...]) -> Invocation:
        """Return how the target is constructed, told its mode and called, for scripts.

        Args:
            imports: Lines that import the target, under its name with underscores for dots.
        """
        return Invocation(
            imports=imports,
            kind=self.kind,
            name=self.name.replace(".", "_"),
            init=self._init_arguments() if self.kind == "class" else (),
            call=tuple(_argument(slot) for slot in self.call),
            mode_at=self.mode_at,
            keep=self.probability is not None and self.probability.meaning == "keep",
            inverted=self.mode is not None and self.mode.inverted,
            attribute=self.probability.name
            if self.probability and self.probability_at in ("init", "attribute")
            else "",
            output=None if self.output == NUMBER else self.output,
            residual=self.dialect.form == "residual",
            arrangement=self.arrangement,
            follows=self.follows,
            neutral=self.neutral,
            adds=self.adds,
            several=self.several,
        )

    def _init_arguments(self) -> tuple[Argument, ...]:
        """Return the arguments of the constructor, the positional ones first."""
        named = {}
        if self.init_branch is not None:
            one = Argument("branch", self.init_branch)
            named[self.init_branch] = replace(one, role="list", roles=("branch",)) if self.listed else one
        if self.probability is not None and self.probability_at == "init":
            named[self.probability.name] = Argument("p", self.probability.name)
        if self.init_source:
            named[self.init_source] = Argument("source", self.init_source)
        if self.mode is not None and self.mode_at == "init":
            named[self.mode.name] = Argument("training", self.mode.name)
        named |= {name: Argument("constant", name, repr(value)) for name, value in self.init.items()}
        positional = [Argument("constant", text=repr(value)) for value in self.init_args]
        positional += [replace(named.pop(name), keyword="") for name in self.init_positional]
        return (*positional, *named.values())


def _role(argument: Argument) -> str:
    """Return an argument as a call by roles shows it."""
    if argument.role == "constant":
        value = argument.text
    else:
        value = f"[{', '.join(argument.roles)}]" if argument.role == "list" else argument.role
    return f"{argument.keyword}={value}" if argument.keyword and argument.keyword != value else value


def _argument(slot: Slot) -> Argument:
    if slot.role == "constant":
        return Argument("constant", slot.keyword or "", repr(slot.value))
    if slot.role == "list":
        return Argument("list", slot.keyword or "", roles=tuple(slot.value))
    return Argument(slot.role, slot.keyword or "")
