"""What a framework may offer beyond the base: each capability says what it owes.

A framework has a capability by being a subclass of it. A check names those that it needs, and is otherwise not
applicable with the reason; code that can do without asks ``has``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.settings import Setting
    from droppath_audit.frameworks.tape import Tape
    from droppath_audit.frameworks.target import Layer


class Capability(ABC):
    """Something that a framework may be able to do.

    Attributes:
        lacking: What is said of a framework that is not: ``paddle has no …``.
    """

    lacking: ClassVar[str]


C = TypeVar("C", bound=Capability)


def ask(framework: Framework, capability: type[C]) -> C:
    """Return the framework as one that has the capability.

    Raises:
        NotApplicable: If it does not have it, saying so.
    """
    found = has(framework, capability)
    if found is None:
        raise NotApplicable(f"{framework.name} {capability.lacking}")
    return found


def has(framework: Framework, capability: type[C]) -> C | None:
    """Return the framework as one that has the capability, or None."""
    return framework if isinstance(framework, capability) else None


def names_of(framework: Framework) -> tuple[str, ...]:
    """Return the names of the capabilities that a framework has, in alphabetical order."""
    return tuple(sorted(kind.__name__ for kind in Capability.__subclasses__() if isinstance(framework, kind)))


def capabilities() -> list[type[Capability]]:
    """Return every capability by name, whichever file of this package defines it."""
    package = __name__.rpartition(".")[0]
    for info in iter_modules(import_module(package).__path__):
        if not info.ispkg:
            import_module(f"{package}.{info.name}")
    return sorted(Capability.__subclasses__(), key=lambda kind: kind.__name__)


class Gradient(NamedTuple):
    """Outcome of one forward and backward pass: output, gradient of x (None if disconnected), and why not."""

    output: Tensor
    gradient: Tensor | None
    reason: str


class SecondDerivatives(NamedTuple):
    """Outcome of a second backward pass.

    Attributes:
        output: The output of the forward pass.
        by_x: Derivative by x of the gradient of x, in some direction; None where the gradient does not depend on x.
        by_cotangent: Derivative by the cotangent of the same; None where it does not depend on that.
        reason: Why there was no second pass; empty where there was.
    """

    output: Tensor
    by_x: Tensor | None
    by_cotangent: Tensor | None
    reason: str


class Autograd(Capability):
    """Gradients of a layer."""

    lacking = "has no gradients"

    @abstractmethod
    def gradient(self, layer: Layer, x: Tensor, cotangent: Tensor) -> Gradient:
        """Run ``layer`` on ``x`` in training, and the backward pass from ``cotangent``, of x's shape and dtype.

        Neither x nor the cotangent is changed or tracked afterwards, and x is no leaf for the layer, as in a network.

        Raises:
            TargetRaised: Whatever the target raises.
        """

    @abstractmethod
    def tracked(self, x: Tensor) -> bool:
        """Return whether a gradient of x is asked for."""

    @abstractmethod
    def tracking(self, x: Tensor) -> Tensor:
        """Return a tensor of the values and strides of x of which a gradient is asked for, and that is no leaf."""

    @abstractmethod
    def gradcheck(self, layer: Layer, x: Tensor, seed: int) -> str:
        """Compare the gradient of ``layer`` at ``x`` (float64), in training, with finite differences.

        Every evaluation starts from the same seed, and so with the same mask.

        Returns:
            An empty text where they agree, otherwise what differs.
        """


class SecondOrder(Capability):
    """Gradients of gradients."""

    lacking = "has no gradients of gradients"

    @abstractmethod
    def second_order(self, layer: Layer, x: Tensor, cotangent: Tensor, direction: Tensor) -> SecondDerivatives:
        """Differentiate the gradient of ``layer`` at ``x`` in training, as a function of x and of the cotangent.

        Args:
            layer: The layer.
            x: Branch output, of any shape and of a floating dtype.
            cotangent: Of the first backward pass; of the shape and dtype of x.
            direction: Cotangent of the second; of the shape and dtype of x.

        Raises:
            TargetRaised: Whatever either pass raises.
        """


class Checkpointing(Capability):
    """Activation checkpointing.

    Attributes:
        checkpoints: Ways to run a layer under it, at least one, cheapest first.
    """

    lacking = "has no activation checkpointing"
    checkpoints: ClassVar[tuple[str, ...]]

    @abstractmethod
    def checkpointed(self, layer: Layer, x: Tensor, cotangent: Tensor, how: str) -> Gradient:
        """Run ``layer`` on ``x`` in training under checkpointing, and the backward pass that recomputes it.

        Raises:
            TargetRaised: Whatever either pass raises, a recomputation that does not fit the first included.
        """


class Taped(Capability):
    """A tape of the random numbers that a target draws."""

    lacking = "does not show the draws of a target"

    @abstractmethod
    def tape(self) -> Tape:
        """Return what records and replaces draws; see ``frameworks.tape``."""


class Surroundings(Capability):
    """Contexts that must not change whether a layer drops.

    Attributes:
        surroundings: Their names, such as ``no_grad``.
        processwide: Names of those that change a setting of the whole process, such as its default dtype.
    """

    lacking = "has no contexts around a call"
    surroundings: tuple[str, ...]
    processwide: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def surround(self, name: str, device: str) -> AbstractContextManager[None]:
        """Return the context that ``surroundings`` or ``processwide`` lists by this name."""


class GlobalSettings(Capability):
    """Settings and functions that all users of the framework in a process share, and that no layer may change.

    Attributes:
        aliases: Full names in the namespaces that mean something else with every change of a setting.
    """

    lacking = "has no settings of its own"
    aliases: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def settings(self) -> tuple[Setting, ...]:
        """Return its settings (default dtype, gradient mode, global hooks); reading them costs microseconds."""

    @abstractmethod
    def namespaces(self) -> Mapping[str, Any]:
        """Return the modules and classes whose functions everybody calls, by the full names that scripts import."""

    @abstractmethod
    def folders(self) -> tuple[str, ...]:
        """Return the folders of its code, whose own threads and processes are no layer's."""

    @abstractmethod
    def carried(self, tensor: Tensor) -> Mapping[str, Any]:
        """Return what a tensor carries beside its values, by expressions in which it is ``x``: whether it is tracked.

        The values are compared by ``==``; neither they nor the tensor is changed.
        """

    @abstractmethod
    def allocated(self, device: str) -> int:
        """Return how many bytes of a device are in use by tensors; 0 where only the process itself knows."""


class Layouts(Capability):
    """Tensors of other strides than contiguous ones.

    Attributes:
        layouts: Their names, ``contiguous`` first.
    """

    lacking = "has one layout of tensors"
    layouts: ClassVar[tuple[str, ...]]

    @abstractmethod
    def laid_out(self, values: npt.NDArray[Any], dtype: str, device: str, layout: str) -> Tensor:
        """Return a tensor of these values with strides as ``layout`` names them.

        A layout that the shape cannot have is contiguous; one that repeats memory repeats values.
        """

    @abstractmethod
    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides, in elements, that an elementwise operation on the tensor leaves; 0 for sizes up to 1.

        Raises:
            NotApplicable: If such an operation does not follow the strides of its input.
        """


class WriteCounts(Capability):
    """Tensors that know how often they were written to."""

    lacking = "does not count writes"

    @abstractmethod
    def version(self, tensor: Tensor) -> int:
        """Return how often the tensor was written to."""


class Generators(Capability):
    """Global generators, whose state can be read.

    Attributes:
        library: Name of the library whose global generator this is, where it is not the framework's alone.
    """

    lacking = "has no global generator that could be read"
    library: ClassVar[str] = ""

    @abstractmethod
    def generator_state(self, device: str) -> bytes:
        """Return the state of the generators that a call on ``device`` may draw from; equal bytes, equal states.

        Raises:
            NotApplicable: If the state of that device's generator cannot be read, saying why.
        """


class Keys(Capability):
    """Random keys, which a call is given in place of a global generator.

    Attributes:
        needed: Whether a call that is given none draws from nothing that ``Framework.seed`` seeds, so that an argument
            for one is given a key although it may be left out.
    """

    lacking = "has no random keys to pass"
    needed: ClassVar[bool] = False

    @abstractmethod
    def key(self, device: str) -> Any:
        """Return a fresh key, split from the seed that ``Framework.seed`` set; no two are alike."""


class Sources(Capability):
    """Generators that a layer may hold, and that draw from what ``Framework.seed`` seeds."""

    lacking = "has no generators for a layer to hold"

    @abstractmethod
    def source(self) -> Any:
        """Return a generator that draws from the global one, and so do its copies."""


class Layers(Capability):
    """Layers that hold others, and that can be converted and stored."""

    lacking = "has no layers"

    @abstractmethod
    def is_layer(self, obj: object) -> bool:
        """Return whether an object is a layer of this framework."""

    @abstractmethod
    def container(self, layer: Any) -> Any:
        """Return a container in a container with the layer in it."""

    @abstractmethod
    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the names of what the layer writes into a checkpoint."""

    @abstractmethod
    def parts(self, layer: Any) -> tuple[tuple[str, str], ...]:
        """Return the layers inside, as the path to each and the name of its class."""

    @abstractmethod
    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert the layer to a dtype and device, where it stands."""

    @abstractmethod
    def numbers(self, layer: Any) -> tuple[str, ...]:
        """Return the names of its floating parameters and of what else it stores of that kind."""

    @abstractmethod
    def fill(self, layer: Any, name: str, value: float) -> None:
        """Set every element of one of ``numbers``."""

    @abstractmethod
    def branch(self, function: Callable[..., Any]) -> Any:
        """Return ``function`` as a layer that gives it all that it is given, for constructors that take the branch."""


class Compiling(Capability):
    """Compilation of code while it runs.

    Attributes:
        misread: Layouts of which compiled code reads other values than eager code, whatever that code is.
    """

    lacking = "has no compiler"
    misread: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def compiler_loaded(self) -> bool:
        """Whether the compiler was imported, by the target or for it."""

    @abstractmethod
    def prepare(self) -> None:
        """Do what the compiler does once in a process: before a fork, so that no child pays."""

    @abstractmethod
    def when_imported(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` as soon as something begins to import the compiler."""

    @abstractmethod
    def compiled_anew(self) -> AbstractContextManager[None]:
        """Return a context that begins without compiled code, and in which no limit makes code run uncompiled."""

    @abstractmethod
    def eagerly(self) -> AbstractContextManager[None]:
        """Return a context in which what is compiled runs as it is written."""

    @abstractmethod
    def tried(self) -> bool:
        """Return whether, since ``compiled_anew`` began, code was to be compiled."""

    @abstractmethod
    def failed(self) -> bool:
        """Return whether code was to be compiled and none could be, so that it ran as it is."""


class Forking(Capability):
    """Computing in a fork of a process that has computed."""

    lacking = "does not survive a fork"

    @abstractmethod
    def fork_hazard(self, device: str) -> str:
        """Return why a forked copy of this process could not compute on ``device``; an empty text where it can."""

    @abstractmethod
    def can_fork(self) -> bool:
        """Return whether a fork of this process could compute at all: an accelerator in use would not survive it."""
