"""How a framework's operations are written as source text, for scripts. Importing a spelling imports no framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class Spelling(ABC):
    """Expressions and lines of one framework.

    Tensors, layers, shapes, devices and seeds come in as source text (``x``, ``(8, 1)``, ``'cpu'`` with its quotes);
    dtypes, layouts and other names that the framework is asked by, as they are (``float32``).

    The first six are what a framework must bring. Each of the others belongs to a capability, and is asked for only
    where the framework has it.

    Attributes:
        imports: Lines that import the framework, NumPy (as ``np``) included.
        own: Beginning of the names of its modules, such as ``torch.``.
    """

    imports: ClassVar[tuple[str, ...]]
    own: ClassVar[str]

    @abstractmethod
    def seed(self, seed: str) -> str:
        """Return the line that seeds every generator."""

    @abstractmethod
    def ones(self, shape: str, dtype: str, device: str) -> str:
        """Return the expression for a tensor of ones."""

    @abstractmethod
    def random(self, shape: str, dtype: str, device: str) -> str:
        """Return the expression for a tensor of normal values."""

    @abstractmethod
    def literal(self, values: str, shape: str, dtype: str, device: str) -> str:
        """Return the expression for a tensor of the values in a flat list."""

    @abstractmethod
    def array(self, tensor: str, dtype: str = "") -> str:
        """Return the expression for a tensor's values as a NumPy array of float64 (complex128 for complex values).

        Args:
            tensor: The tensor; it may be part of a graph, and lie on any device with any strides.
            dtype: Its dtype where that is known, which makes the expression shorter.
        """

    @abstractmethod
    def info(self, tensor: str) -> str:
        """Return the expression for shape, dtype and device of a tensor, as something that can be compared."""

    def key(self, device: str) -> str:
        """``Keys``: return the expression for a fresh key, made of a number from the seeded global generator."""
        raise NotImplementedError

    def empty_layer(self) -> str:
        """``Layers``: return the expression for a layer whose ``forward`` can be assigned."""
        raise NotImplementedError

    def identity(self) -> str:
        """``Layers``: return the expression for a layer that returns what it is given."""
        raise NotImplementedError

    def container(self, layer: str) -> str:
        """``Layers``: return the expression for a container in a container with the layer in it."""
        raise NotImplementedError

    def stored(self, layer: str) -> str:
        """``Layers``: return the expression for what the layer writes into a checkpoint."""
        raise NotImplementedError

    def convert(self, layer: str, dtype: str, device: str) -> str:
        """``Layers``: return the line that converts a layer to a dtype and device."""
        raise NotImplementedError

    def surround(self, name: str) -> str:
        """``Surroundings``: return the expression for a context; ``x`` is bound."""
        raise NotImplementedError

    def layout(self, tensor: str, layout: str) -> str:
        """``Layouts``: return the expression for the tensor with other strides."""
        raise NotImplementedError

    def strides(self, tensor: str) -> str:
        """``Layouts``: return the expression for the strides of a tensor."""
        raise NotImplementedError

    def version(self, tensor: str) -> str:
        """``WriteCounts``: return the expression for how often a tensor was written to."""
        raise NotImplementedError

    def track(self, tensor: str) -> str:
        """``Autograd``: return the line that asks for the gradient of a tensor."""
        raise NotImplementedError

    def tracked(self, tensor: str) -> str:
        """``Autograd``: return the expression for whether a tensor is part of a graph."""
        raise NotImplementedError

    def backward(self, tensor: str) -> str:
        """``Autograd``: return the line that runs the backward pass from the sum of a tensor."""
        raise NotImplementedError

    def gradient(self, tensor: str) -> str:
        """``Autograd``: return the expression for the gradient that a backward pass left, None where it left none."""
        raise NotImplementedError

    def twice(self, x: str, y: str) -> tuple[str, ...]:
        """``SecondOrder``: return lines that bind ``by_x`` and ``by_cotangent``, tensors or None.

        They differentiate the gradient of x, for a cotangent of ones that is itself tracked, once more, in the
        direction of ones.
        """
        raise NotImplementedError

    def checkpoint(self, call: str, how: str) -> str:
        """``Checkpointing``: return the expression that runs a call on ``x`` under checkpointing."""
        raise NotImplementedError

    def feed(self, values: str) -> tuple[str, ...]:
        """``Taped``: return lines that bind ``feed``, a context in which draws have these values.

        Args:
            values: Expression for a NumPy array of as many values as are drawn, or ``None``: their own. They are
                rounded to the draw's dtype, and what is below 1 becomes 0 where it would become 1, as in a generator
                whose upper end is excluded. In the context ``feed.drawn`` lists how many numbers each draw had.
        """
        raise NotImplementedError
