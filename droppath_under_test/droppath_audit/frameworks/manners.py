"""What a framework may offer beyond the base around a layer: what others hang onto it, wrap it in, or run with it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer


class Hooks(Capability):
    """Layers that run functions of others around their calls, and whose methods that switch the mode can be chained."""

    lacking = "has no hooks"

    @abstractmethod
    def hook(self, layer: Any) -> None:
        """Have functions run before and after the calls of a layer, and of those copies that keep its hooks."""

    @abstractmethod
    def missed(self, layer: Any) -> tuple[str, ...]:
        """Return the names of those that have not run, in one call of the layer at least."""

    @abstractmethod
    def unchained(self, layer: Any) -> tuple[str, ...]:
        """Return the methods that switch the layer's mode and return something else than the layer."""


class RetainedGraphs(Capability):
    """Graphs that can be kept, so that several backward passes run through one."""

    lacking = "keeps no graph for a second backward pass"

    @abstractmethod
    def backward_twice(self, layer: Layer, x: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the gradients of x of two backward passes through one graph of a call in training.

        None where no gradient reaches x, or the framework keeps no graph of what the layer does.

        Raises:
            TargetRaised: Whatever the target raises.
        """


class Transforms(Capability):
    """Functions of functions: calls over an axis of their own, derivatives, and calls with other parameters.

    What the framework refuses of the operations of a layer raises ``NotApplicable``; what the layer raises is
    ``TargetRaised``.
    """

    lacking = "has no transforms of functions"

    @abstractmethod
    def mapped(self, call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return ``call`` of each entry along the first axis of x, together, each with random numbers of its own."""

    @abstractmethod
    def with_gradient(self, call: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``call`` of x, and the gradient of x, of the transform that differentiates backward."""

    @abstractmethod
    def with_tangent(self, call: Callable[[Tensor], Tensor], x: Tensor, tangent: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``call`` of x, and its derivative in a direction, of the transform that differentiates forward."""

    @abstractmethod
    def functional(self, layer: Any, x: Tensor) -> Tensor:
        """Return what a layer makes of x when it is called with its parameters as an argument."""


class Subclasses(Capability):
    """Tensors of classes that others have derived."""

    lacking = "has no subclasses of tensors"

    @abstractmethod
    def own(self, x: Tensor) -> Tensor:
        """Return x as an instance of a subclass that has nothing of its own.

        Raises:
            NotApplicable: If x is an instance of a subclass already.
        """

    @abstractmethod
    def noticed(self, x: Tensor) -> bool:
        """Return whether an operation has seen the class of what ``own`` returned."""

    @abstractmethod
    def alike(self, x: Tensor, y: Tensor) -> bool:
        """Return whether both are instances of one class, exactly."""


class Skeletons(Capability):
    """Tensors that have a shape and no values, as large models are built with before their weights are loaded."""

    lacking = "has no tensors without values"

    @abstractmethod
    def without_values(self) -> AbstractContextManager[Any]:
        """Return a context in which tensors are made without values, unless the code that makes them says otherwise."""


class Ranking(Capability):
    """Being one of several processes of a training."""

    lacking = "has no ranks"

    @abstractmethod
    def as_rank(self, rank: int, size: int, meeting: str) -> AbstractContextManager[None]:
        """Return a context in which this process, a fork that ends soon, is a rank among others on this machine.

        Args:
            rank: Which one.
            size: How many there are; each must enter.
            meeting: Path of a file that none of them has made yet, by which they find each other.

        Raises:
            Exception: Inside ``__enter__``, whatever keeps them from meeting.
        """
