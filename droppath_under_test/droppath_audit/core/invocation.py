"""How scripts get at a target: by constructing and calling it, or by reading what was recorded; as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Literal

from droppath_audit.core.arrangement import Arrangement

Role = Literal["x", "r", "p", "training", "f", "key", "b", "branch", "source", "constant", "list"]


def kept(drop_prob: Any) -> Any:
    """Return 1 - p as a number of p's own kind, one of NumPy's among them; what is no number as it is."""
    number = isinstance(drop_prob, Real) and not isinstance(drop_prob, bool)
    return type(drop_prob)(1) - drop_prob if number else drop_prob


@dataclass(frozen=True)
class Argument:
    """One argument of a constructor or of a call.

    Attributes:
        role: What it stands for: a role of the SPEC, the ``branch`` or the ``source`` of randomness that a constructor
            takes, a ``constant``, or a ``list`` of roles.
        keyword: Its name where it is passed by name; otherwise empty.
        text: Source text of a constant.
        roles: The roles of a list.
    """

    role: Role
    keyword: str = ""
    text: str = ""
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True)
class Invocation:
    """Everything that a script has to know of a target; nothing of its framework.

    Attributes:
        imports: Lines that import the target.
        kind: ``class``, ``instance``, ``function`` or ``factory``.
        name: What the target is called in the script.
        init: Arguments of a class's constructor.
        call: Arguments of the call.
        mode_at: How the mode is told: ``method``, ``init``, ``call``, ``branch``, ``factory`` or ``always``.
        keep: Whether the probability argument is a keep_prob.
        inverted: Whether the mode argument means evaluation.
        attribute: Attribute that holds the probability argument; empty where there is none.
        output: Index of the output, its key, its attribute after a dot, ``mask``, or None.
        arrangement: What stands between samples and the target; scripts define its functions.
        follows: Whether the layer is converted to x's dtype.
        neutral: Parameters of the layer that are set, each to a value with which it changes nothing.
        adds: Whether the branch adds the shortcut to its output.
        several: Whether the branch returns a tuple, of its output and all that it is given beside the shortcut.
        residual: Whether the call takes the shortcut, or the branch returns what is added to one.
    """

    imports: tuple[str, ...] = ()
    kind: str = "function"
    name: str = "layer"
    init: tuple[Argument, ...] = ()
    call: tuple[Argument, ...] = (Argument("x"),)
    mode_at: str = "method"
    keep: bool = False
    inverted: bool = False
    attribute: str = ""
    output: int | str | None = None
    residual: bool = False
    arrangement: Arrangement = field(default_factory=Arrangement)
    follows: bool = False
    neutral: dict[str, float] = field(default_factory=dict)
    adds: bool = False
    several: bool = False

    @property
    def has_layer(self) -> bool:
        """Whether there is an object to be constructed."""
        return self.kind != "function"

    @property
    def takes_shortcut(self) -> bool:
        """Whether the call takes a shortcut."""
        return any(argument.role == "r" or "r" in argument.roles for argument in self.call)

    @property
    def roles(self) -> set[Role]:
        """Every role of the call."""
        return {role for argument in self.call for role in (argument.role, *argument.roles)}

    def argument(self, drop_prob: object) -> object:
        """Return the probability argument that asks for this drop_prob; what is no number is passed as it is."""
        return kept(drop_prob) if self.keep else drop_prob

    def flag(self, training: bool) -> bool:
        """Return the mode argument that asks for this mode."""
        return training != self.inverted


@dataclass(frozen=True)
class Reading:
    """How scripts read a recording.

    Attributes:
        lines: Lines that define ``read(name)``, which returns the array of that name as float64, such as ``x.0``.
        by_call: Whether the number in a name counts calls; otherwise blocks.
    """

    lines: tuple[str, ...]
    by_call: bool


@dataclass(frozen=True)
class Building:
    """How scripts get at a model.

    Attributes:
        imports: Lines that import what builds it, and what makes its inputs.
        expression: What builds it.
        inputs: Expression for its arguments, with ``{batch}`` for the size of a batch; empty where nobody knows any.
        passed: What stands before these in a call: ``*`` for a tuple, ``**`` for named ones, nothing for the only one.
        waking: Lines that give random values to parameters of zero; none where there are none.
    """

    imports: tuple[str, ...] = ()
    expression: str = ""
    inputs: str = ""
    passed: str = "*"
    waking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scheduling:
    """How scripts ask a schedule.

    Attributes:
        imports: Lines that import it.
        expression: A call, with ``{rate}``, ``{depth}`` and ``{index}`` for its arguments, and other braces doubled.
        first: The index of the first block, where a call gives the rate of one; None where it gives all of them.
    """

    imports: tuple[str, ...] = ()
    expression: str = ""
    first: int | None = None
