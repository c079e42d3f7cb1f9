"""Networks: what a framework does for the audit of a whole model, beside its layers.

A network is watched from outside, by hooks and by what its code calls. What is watched are *sites*: a module that drops
paths, or a function that its modules call with a rate. One forward pass gives one `Passage` for each call of a site.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from droppath_audit.core.cause import Place
from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

KEPT, DROPPED, UNTOLD = 1, 0, -1
"""Fates of a sample: what was passed on is not zero; is zero; is neither, or was zero before."""

Reading = Literal["branch", "residual", "wrapper"]
"""How a site's output is read: x or zero; the shortcut, plus x or nothing; its own input where it drops."""

Merged = Literal["shortcut", "trunk", "twice", "alone"]
"""What becomes of a site's output: it is added to what its input was computed from; the site itself adds it to
something else; it reaches another site before it is added; nothing goes past it."""


@dataclass(frozen=True)
class Submodule:
    """A module of a network.

    Attributes:
        name: Dotted, from the network on; empty for the network itself.
        kind: Name of its class.
        home: Module that defines the class.
        numbers: Numbers that it holds, by the names of its attributes, also in tensors of one element.
        own: Whether that is none of the framework's.
        plain: Whether it holds neither parameters nor further modules.
        identity: Whether it is the framework's module that returns its input.
        others: Further names of the same module.
        arguments: Names of the arguments of its call.
        place: Where its forward begins; without a line where nobody knows.
    """

    name: str
    kind: str
    home: str
    numbers: dict[str, float]
    own: bool
    plain: bool
    identity: bool
    others: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    place: Place = field(default_factory=Place)


@dataclass(frozen=True)
class Caller:
    """A function that modules of a network call by a global name.

    Attributes:
        name: Its own name.
        home: Module that defines it.
        function: The function.
    """

    name: str
    home: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Placement:
    """Where samples lie in what a call is given.

    Attributes:
        axis: Along which; None where none is as long as the batch, or a multiple of it.
        rows: By how many rows in a row a sample stands along it.
    """

    axis: int | None = 0
    rows: int = 1


@dataclass(frozen=True)
class Site:
    """What is watched.

    Attributes:
        name: Of the module; of a function its name.
        reading: How its output is read.
        attribute: Of a module, that holds the probability; of a function the argument. Empty where nobody knows it.
        keep: Whether that is a keep_prob.
        shortcut: Of a residual site, the argument that is the shortcut.
        branch: The argument that is dropped; by default the first.
        mode: Of a function, the argument that tells the mode; empty where there is none.
        inverted: Whether that means evaluation.
        argument: Of a module, the argument of its call that is the probability where it is given a number.
        caller: The function; None for a module.
    """

    name: str
    reading: Reading = "branch"
    attribute: str = ""
    keep: bool = False
    shortcut: str = ""
    branch: str = ""
    mode: str = ""
    inverted: bool = False
    argument: str = ""
    caller: Caller | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Passage:
    """One call of a site in one forward pass.

    Attributes:
        site: Name of the site.
        owner: Name of the module whose code called it; empty for the network itself, or where nobody knows.
        call: Which call of this site by this owner in this pass, from 0.
        place: The line that called it, without its text.
        drop_prob: What it was to drop at, as it holds it or was told; None where nobody knows.
        training: Whether it was told to train, by its own mode or its argument; None where nobody knows.
        fates: Of the samples of its input: `KEPT`, `DROPPED` or `UNTOLD`, of shape (samples,).
        partly: Samples of which a part was dropped.
        silent: Samples of which the input was zero, so that nobody can tell.
        factor: By what the kept samples were multiplied; NaN where none was kept.
        unchanged: Whether the output is the input bit for bit.
        shape: Of its input.
        odd: What it was told as a probability that is none, in words; empty where it was not.
    """

    site: str
    owner: str
    call: int
    place: Place
    drop_prob: float | None
    training: bool | None
    fates: npt.NDArray[np.int8]
    partly: int
    silent: int
    factor: float
    unchanged: bool
    shape: tuple[int, ...] = ()
    odd: str = ""

    @property
    def key(self) -> str:
        """Name of the call: the site's, with its owner's for a function, and its number beyond the first."""
        return key_of(self.site, self.owner, self.call)


def key_of(site: str, owner: str, call: int) -> str:
    """Return the name of a call of a site by an owner, which is not the first where its number is not 0."""
    name = site if not owner or site.startswith(owner) else f"{owner}.{site}"
    return f"{name} (call {call + 1})" if call else name


@dataclass(frozen=True)
class Joining:
    """What became of the output of a site in one forward pass.

    Attributes:
        key: Of the passage.
        place: The line that called the site.
        merged: Where it was added first.
        other: Key of the site that it reached, where that is ``twice``.
        returned: Of the samples that were dropped, whether the sum was the shortcut bit for bit; None where none was
            dropped or there was no sum.
    """

    key: str
    place: Place
    merged: Merged
    other: str = ""
    returned: bool | None = None


@dataclass(frozen=True)
class Pass:
    """One forward pass.

    Attributes:
        passages: Calls of sites, in order.
        called: Modules that took part, each with the shapes of its first input and output tensor.
        outputs: Digests of the outputs of all modules, in order; empty unless asked for.
        joinings: Where outputs of sites were added; empty unless asked for.
    """

    passages: tuple[Passage, ...]
    called: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    outputs: tuple[tuple[str, str], ...] = ()
    joinings: tuple[Joining, ...] = ()


class Network(ABC):
    """A model, watched. It is left as it was after every pass, but for buffers that its own forward changes."""

    @abstractmethod
    def parts(self) -> tuple[Submodule, ...]:
        """Return its modules, the network itself first."""

    @abstractmethod
    def callers(self, wanted: Callable[[str], bool]) -> tuple[Caller, ...]:
        """Return the functions that the code of its modules reaches by a global name that is wanted."""

    @abstractmethod
    def watch(self, sites: Sequence[Site]) -> None:
        """Watch these sites in every pass from now on."""

    @abstractmethod
    def place(self, placements: Mapping[str, Placement]) -> None:
        """Say where samples lie in what calls are given, by their keys; along axis 0 in all others."""

    @abstractmethod
    def unplaced(self) -> set[str]:
        """Return the keys of calls that are given nothing of which an axis is the batch."""

    @abstractmethod
    def forward(
        self,
        inputs: Any,
        *,
        training: bool,
        rates: Mapping[str, float] | None = None,
        outputs: bool = False,
        joinings: bool = False,
    ) -> Pass:
        """Run it once, without gradients.

        Args:
            inputs: Arguments: a tuple of positional ones, a dictionary of named ones, or the only one.
            training: The mode, which is set by train() or eval() of the network.
            rates: Sites to which another drop_prob is given for this pass, as far as they take one.
            outputs: Whether to take digests of all outputs.
            joinings: Whether to follow what is computed from the outputs of sites.

        Raises:
            TargetRaised: Whatever it raises.
        """

    @abstractmethod
    def rate(self, site: str) -> float | None:
        """Return the drop_prob that a module holds now; None where it holds none."""

    @abstractmethod
    def set_rate(self, site: str, drop_prob: float) -> bool:
        """Give a module another drop_prob, for good; return whether it holds one."""

    @abstractmethod
    def setters(self, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the methods of the network, with one argument that must be given, whose name is wanted."""

    @abstractmethod
    def call_setter(self, name: str, drop_prob: float) -> None:
        """Call such a method.

        Raises:
            TargetRaised: Whatever it raises.
        """

    @abstractmethod
    def shape_hint(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return inputs that it may take, as dtype and features, the likeliest and smallest first."""


class Networks(Capability):
    """Whole models."""

    lacking = "has no audit of whole models here"

    @abstractmethod
    def is_network(self, obj: object) -> bool:
        """Return whether an object is a module of the framework."""

    @abstractmethod
    def network(self, model: Any, device: str) -> Network:
        """Return a model, moved to a device, to be watched."""

    @abstractmethod
    def wake(self, model: Any) -> tuple[str, ...]:
        """Give random values to parameters that are zero throughout, biases apart, and return the lines that do so.

        A branch that ends in one, as many do before training, is zero, and nobody sees whether it is dropped. The lines
        are those of a script in which the model is called ``model``; there are none where it has no such parameter.
        """
