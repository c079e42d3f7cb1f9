"""What was seen while a script of a finding ran: calls into the target's own code, as plain data.

Nothing here belongs to a framework. What a framework computed stands in a call's operations, each with the lines of the
target's own code from which it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.frameworks.witness import Seen

MOST_FIRST, MOST_LAST = 24, 8  # calls of a script that are told of: from its beginning, and before its end


@dataclass(frozen=True)
class Spot:
    """A line of the target's own code.

    Attributes:
        file: Its path.
        line: The number of the line.
        function: The function's name, with that of its class.
    """

    file: str
    line: int
    function: str


@dataclass(frozen=True)
class Operation:
    """An operation of the framework.

    Attributes:
        name: Such as ``add`` or ``bernoulli_``.
        stack: Lines of the target's own code that asked for it, the innermost first.
        given: Tensors that it was given.
        returned: Tensors that it returned.
        numbers: Numbers that it was given beside them.
        random: Whether it asks a generator.
        own_generator: Whether that was handed to it.
        writes: Keys of given tensors that it writes to.
        changes: Whether what it returned differs in value from the tensor of x that it was given.
        factors: The least and the greatest quotient of what it returned by a tensor of the same shape that it was
            given, zeros left out; None where nobody looked, or there is none.
        graph: Whether gradients are recorded.
    """

    name: str
    stack: tuple[Spot, ...]
    given: tuple[Seen, ...] = ()
    returned: tuple[Seen, ...] = ()
    numbers: tuple[float, ...] = ()
    random: bool = False
    own_generator: bool = False
    writes: tuple[int, ...] = ()
    changes: bool = False
    factors: tuple[float, float] | None = None
    graph: bool = True

    @property
    def spot(self) -> Spot:
        """The innermost line."""
        return self.stack[0]

    @property
    def draws(self) -> frozenset[int]:
        """Numbers of the draws that what it was given comes from."""
        return frozenset[int]().union(*(seen.draws for seen in self.given))

    @property
    def of_x(self) -> bool:
        """Whether anything that it was given has its values from x."""
        return any(seen.of_x for seen in self.given)


@dataclass(frozen=True)
class Number:
    """A floating-point number as it appears in the target's own code.

    Attributes:
        spot: The line that made it: by an assignment, as an argument, or as what a function returns.
        value: Its value.
        name: What it is called there; empty where it has no name.
    """

    spot: Spot
    value: float
    name: str = ""


@dataclass(frozen=True)
class Foreign:
    """A call of a function that is not the target's own.

    Attributes:
        spot: The line that makes it.
        name: The function's name.
        owner: The type of the object that it is a method of, or its module.
    """

    spot: Spot
    name: str
    owner: str


@dataclass
class Call:
    """A call into the target's own code, from outside it.

    Attributes:
        spot: Where the function begins.
        drop_prob: What it was asked for; None where nobody knows.
        training: Its mode; None where nobody knows.
        block_drop_prob: What a factory asked of the block that this is a call of; None where it is none.
        constructs: Whether a layer is made.
        backward: Whether it is part of a backward pass.
        graph: Whether gradients are recorded where it begins.
        x: The tensor that it was given.
        given: All tensors that it was given.
        returned: The tensor that it returned.
        operations: What the framework computed in it.
        numbers: Floating-point numbers, each where it appears.
        foreign: Functions that it called.
        left: Lines after which something that the whole process shares had changed, each with what that is.
        last: The last lines that ran of the function that was called, or of the first inside it that returned x, the
            last one first.
        raised: The exception that ended it, what that said, and the innermost line of the target's own code that
            raised; None where it returned.
    """

    spot: Spot
    drop_prob: float | None = None
    training: bool | None = None
    block_drop_prob: float | None = None
    constructs: bool = False
    backward: bool = False
    graph: bool = True
    x: Seen | None = None
    given: tuple[Seen, ...] = ()
    returned: Seen | None = None
    operations: list[Operation] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)
    left: list[tuple[Spot, tuple[str, ...]]] = field(default_factory=list)
    last: tuple[Spot, ...] = ()
    raised: tuple[str, str, Spot] | None = None

    @property
    def interior(self) -> bool:
        """Whether it is a call in training with a drop_prob between its ends, as far as is known."""
        inside = self.drop_prob is None or 0.0 < self.drop_prob < 1.0
        return not self.constructs and not self.backward and self.training is not False and inside

    @property
    def keeps_all(self) -> bool:
        """Whether it must return x: in evaluation, or at drop_prob = 0."""
        plain = not self.constructs and not self.backward
        return plain and (self.training is False or self.drop_prob == 0.0)


@dataclass
class Story:
    """All that was seen.

    Attributes:
        calls: Those of the beginning and of the end, in order.
        raised: The class of the exception that ended the script; empty where none did.
        said: What it said.
        spot: The innermost line of the target's own code that raised it; None where that is the script's own doing.
        total: How many calls there were.
    """

    calls: list[Call] = field(default_factory=list)
    raised: str = ""
    said: str = ""
    spot: Spot | None = None
    total: int = 0

    def plain(self) -> list[Call]:
        """Return calls of the layer itself: neither constructors nor backward passes."""
        return [call for call in self.calls if not call.constructs and not call.backward]

    def interior(self) -> list[Call]:
        """Return calls in training with a drop_prob between its ends."""
        return [call for call in self.calls if call.interior]


@dataclass(frozen=True)
class Asked:
    """What a kind has to know of the finding that is to be explained.

    Attributes:
        check: Its check.
        message: What was observed.
        granularity: What one decision covers, as declared.
        scaling: How kept samples are scaled, as declared.
        refusing: Whether the check wants some arguments to be refused.
        mask: Whether what is returned is the mask, by which x is multiplied elsewhere.
    """

    check: str
    message: str = ""
    granularity: str = "sample"
    scaling: str = "inverted"
    refusing: bool = False
    mask: bool = False


@dataclass(frozen=True)
class Found:
    """A line, and what happens there.

    Attributes:
        spot: The line.
        sentence: What happens.
        fix: What to change.
        mistake: What findings at this line have in common, where that is more or less than their kind: a wrong number,
            whatever is made of it elsewhere, or a wrong shape and not a wrong dtype.
    """

    spot: Spot
    sentence: str
    fix: str
    mistake: str = ""
