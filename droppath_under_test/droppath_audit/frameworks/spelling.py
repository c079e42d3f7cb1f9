"""How a framework's operations are written as source text, for scripts. Importing a spelling imports no framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Parameters = ParamSpec("Parameters")


class Operation(Generic[Parameters]):
    """An operation that is written by filling in the template that a framework has under its name.

    Args:
        parameters: What the template names in braces, in the order of a call.
        returns: What the text is.
        capability: What a framework has that must write it; every framework must where this is empty.
    """

    def __init__(self, parameters: str, returns: str, capability: str = "") -> None:
        self.parameters, self.capability = tuple(parameters.split()), capability
        self.__doc__ = f"``{capability}``: return {returns}." if capability else f"Return {returns}."

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, spelling: Spelling, owner: type) -> Callable[Parameters, str]:
        def write(*values: Parameters.args, **named: Parameters.kwargs) -> str:
            return spelling._written(self._name, **dict(zip(self.parameters, values, strict=True)), **named)

        return write


class Spelling(ABC):
    """Expressions and lines of one framework.

    Tensors, layers, shapes, devices and seeds come in as source text (``x``, ``(8, 1)``, ``'cpu'`` with its quotes);
    dtypes, layouts and other names that the framework is asked by, as they are (``float32``).

    The first six are what a framework must bring. Each of the others belongs to a capability, and is asked for only
    where the framework has it.

    Attributes:
        imports: Lines that import the framework, NumPy (as ``np``) included.
        own: Beginning of the names of its modules, such as ``torch.``.
        templates: How each operation is written, with its parameters in braces. A context and a layout have a template
            for each name (``layout transposed``). Where a template is not enough, a method replaces the operation.
    """

    imports: ClassVar[tuple[str, ...]]
    own: ClassVar[str]
    templates: ClassVar[Mapping[str, str]]

    seed = Operation[str]("seed", "the line that seeds every generator")
    ones = Operation[str, str, str]("shape dtype device", "the expression for a tensor of ones")
    random = Operation[str, str, str]("shape dtype device", "the expression for a tensor of normal values")
    literal = Operation[str, str, str, str](
        "values shape dtype device", "the expression for a tensor of the values in a flat list"
    )

    @abstractmethod
    def array(self, tensor: str, dtype: str = "") -> str:
        """Return the expression for a tensor's values as a NumPy array of float64 (complex128 for complex values).

        Args:
            tensor: The tensor; it may be part of a graph, and lie on any device with any strides.
            dtype: Its dtype where that is known, which makes the expression shorter.
        """

    info = Operation[str](
        "tensor", "the expression for shape, dtype and device of a tensor, as something that can be compared"
    )
    key = Operation[str](
        "device", "the expression for a fresh key, made of a number from the seeded global generator", "Keys"
    )
    source = Operation[[]]("", "the expression for a generator that draws from the global one", "Sources")
    empty_layer = Operation[[]]("", "the expression for a layer whose ``forward`` can be assigned", "Layers")
    identity = Operation[[]]("", "the expression for a layer that returns what it is given", "Layers")
    container = Operation[str]("layer", "the expression for a container in a container with the layer in it", "Layers")
    stored = Operation[str]("layer", "the expression for what the layer writes into a checkpoint", "Layers")
    convert = Operation[str, str, str](
        "layer dtype device", "the line that converts a layer to a dtype and device", "Layers"
    )

    fill = Operation[str, str, str]("layer name value", "the line that sets all of what a layer stores", "Layers")
    hook = Operation[str, str](
        "layer function", "the line that has a function run before the calls of a layer, and once more after", "Hooks"
    )

    without_values = Operation[[]](
        "", "the expression for a context in which tensors are made without values", "Skeletons"
    )

    submodule = Operation[str, str]("model name", "the expression for a module of a model", "Networks")
    watch = Operation[str, str](
        "layer seen", "the line that has a list get the first input and the output of every call of a layer", "Networks"
    )

    def surround(self, name: str) -> str:
        """``Surroundings``: return the expression for a context; ``x`` is bound, and ``nullcontext`` if it is named."""
        return self._written(f"surround {name}")

    def layout(self, tensor: str, layout: str) -> str:
        """``Layouts``: return the expression for the tensor with other strides."""
        return self._written(f"layout {layout}", tensor=tensor)

    join_ranks = Operation[str, str, str](
        "rank size meeting", "the lines that make a process a rank; ranks meet by a file that none has made", "Ranking"
    )
    strides = Operation[str]("tensor", "the expression for the strides of a tensor", "Layouts")
    subclassed = Operation[str]("tensor", "the line that makes a tensor an instance of a subclass", "Subclasses")
    version = Operation[str]("tensor", "the expression for how often a tensor was written to", "WriteCounts")
    track = Operation[str]("tensor", "the line that asks for the gradient of a tensor", "Autograd")
    tracked = Operation[str]("tensor", "the expression for whether a tensor is part of a graph", "Autograd")
    backward = Operation[str]("tensor", "the line that runs the backward pass from the sum of a tensor", "Autograd")
    backward_from = Operation[str, str](
        "tensor gradient", "the line that runs the backward pass from a tensor, into which a gradient comes", "Autograd"
    )
    backward_retained = Operation[str](
        "tensor", "the line that runs the backward pass from the sum of a tensor and keeps the graph", "RetainedGraphs"
    )
    gradient = Operation[str](
        "tensor", "the expression for the gradient that a backward pass left, None where it left none", "Autograd"
    )

    def real(self, tensor: str) -> str:
        """``Autograd``: return the expression for what can be differentiated of a complex tensor."""
        return tensor

    def twice(self, x: str, y: str) -> tuple[str, ...]:
        """``SecondOrder``: return lines that bind ``by_x`` and ``by_cotangent``, tensors or None.

        They differentiate the gradient of x, for a cotangent of ones that is itself tracked, once more, in the
        direction of ones.
        """
        return tuple(self._written("twice", x=x, y=y).splitlines())

    checkpoint = Operation[str, str](
        "call how", "the expression that runs a call on ``x`` under checkpointing", "Checkpointing"
    )

    replayed = Operation[str](
        "call", "lines that record a call on ``x`` and bind ``replay``, which makes ``y`` anew each time", "Replaying"
    )

    def transformed(self, how: str, call: str, times: str) -> str:
        """``Transforms``: return the line that binds ``y``, and any ``derivative``, to what a transformed call gives.

        Args:
            how: ``vmap`` over so many times ``x``, ``functional_call``, ``grad`` of the sum, or ``jvp`` along ones.
            call: On ``x``.
            times: How often.
        """
        return self._written(f"transformed {how}", call=call, times=times)

    def running(self, variant: str, function: str, *, whole: bool = False) -> str:
        """``Executions``: return lines that bind ``run``, which calls a function, or a layer in its mode, in this way.

        Args:
            variant: The way.
            function: Name of what is called.
            whole: Whether to raise where a part of it would be left as it is.
        """
        raise NotImplementedError

    def feed(self, values: str) -> tuple[str, ...]:
        """``Taped``: return lines that bind ``feed``, a context in which draws have these values.

        Args:
            values: Expression for a NumPy array of as many values as are drawn, or ``None``: their own. They are
                rounded to the draw's dtype, and what is below 1 becomes 0 where it would become 1, as in a generator
                whose upper end is excluded. In the context ``feed.drawn`` lists how many numbers each draw had.
        """
        raise NotImplementedError

    def fake(self, device: str) -> tuple[str, ...]:
        """``FakeDevices``: return lines that bind ``fake``, a context in which a device can be had that is not here.

        After it ``fake.copied`` lists what was copied to the device, and ``fake.waited_for`` the operations that
        waited for its values; some of these raise there, and so does what mixes devices.

        Args:
            device: Its name.
        """
        raise NotImplementedError

    def watch_operations(self) -> tuple[str, ...]:
        """``Costs``: return lines that bind ``watch``, a context that notes what operations return.

        In it ``watch.returned`` lists the tensors that operations other than views returned. ``watch.masks(x, y)``
        are those of at least the size of ``x``, which is infinite, that are finite and not the output ``y``.
        """
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        required = {name for name, op in vars(Spelling).items() if isinstance(op, Operation) and not op.capability}
        if missing := required - {*cls.templates, *vars(cls)}:
            raise TypeError(f"{cls.__name__} has no template for {', '.join(sorted(missing))}")

    def _written(self, template: str, **values: object) -> str:
        if template not in self.templates:
            raise NotImplementedError(f"{type(self).__name__} has no template for {template}")
        return self.templates[template].format(**values)
