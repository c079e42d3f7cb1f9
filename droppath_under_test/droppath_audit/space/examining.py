"""Calls that may reach any code of a target: the rows of a covering array, and what reaches other code than they do."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.configuration import SCALAR, Configuration
from droppath_audit.frameworks.capabilities import Autograd, Checkpointing, Layouts, Surroundings, has
from droppath_audit.probes.wrapped import CalledBetween
from droppath_audit.space.configured import Configured, has_graph
from droppath_audit.space.factors import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from droppath_audit.core.case import RowsCase
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.probes.live import LiveProbe

    Action = Callable[[], object]

RATE = 0.3
BATCH = 8
SAMPLES: tuple[tuple[int, ...], ...] = ((), (5,), (3, 6), (2, 4, 5), (2, 3, 4, 5), (2, 2, 3, 2, 3))
NO_RATES: tuple[Any, ...] = (-0.1, 1.5, math.nan, "half", None, True, 1, np.float64(RATE))
INTEGERS = ("int64", "int32", "uint8", "bool")
COPIES = ("deepcopy", "pickle")
ORDERS = (None, True, False)  # between forward and backward: nothing, a call in evaluation, one in training
MOST_NUMBERS = 24  # of the code itself that are tried
LARGEST = 2**21  # of a number that is tried as a size


class Examining:
    """Makes calls of a target for the sake of the code that they run; what they raise is of no interest here.

    Args:
        probe: Of the trial.
        numbers: The numbers in the target's code.
    """

    def __init__(self, probe: LiveProbe[RowsCase], numbers: Iterable[float]) -> None:
        self._probe, self._numbers = probe, tuple(numbers)[:MOST_NUMBERS]
        self._framework, self._device = probe.framework, probe.at.device
        self._seed = int(probe.rng.integers(2**31))
        self._features = probe.features()

    def call(self, at: Configuration) -> None:
        """Make a call in training, one in evaluation and a backward pass in a configuration."""
        configured: list[Configured] = []
        self._made(lambda: configured.append(self._configured(at)))
        for one in configured:
            for training in self._probe.modes:
                self._made(partial(one.call, training=training))
            autograd = has(self._framework, Autograd)
            if autograd is not None and has_graph(self._probe.target, at):
                self._made(partial(self._backward, autograd, one))

    def plain(self) -> Iterator[Configuration]:
        """Yield what any audit begins with."""
        for drop_prob in (RATE, 0.0, 1.0):
            for tracked in (False, True) if has(self._framework, Autograd) else (False,):
                yield Configuration(self._features, BATCH, drop_prob=drop_prob, tracked=tracked)

    def others(self) -> Iterator[Configuration]:
        """Yield every rank, dtype, layout and context by itself, and then the numbers of the code itself."""
        usual = Configuration(self._features, BATCH, drop_prob=RATE)
        shapes = [replace(usual, features=features) for features in SAMPLES]
        tracked = [replace(usual, tracked=True)] if has(self._framework, Autograd) else []
        yield from shapes
        yield from (replace(usual, number=SCALAR, drop_prob=float(np.float32(RATE))), *tracked)
        for dtype in self._framework.dtypes(self._device):
            yield replace(usual, dtype=dtype)
        layouts, surroundings = has(self._framework, Layouts), has(self._framework, Surroundings)
        for layout in () if layouts is None else layouts.layouts:
            yield from (replace(one, layout=layout) for one in (usual, *shapes[2:4]))
        for name in () if surroundings is None else (*surroundings.surroundings, *surroundings.processwide):
            yield from (replace(one, surrounding=name) for one in (usual, *tracked))
        for number in self._numbers:
            yield from self._around(number, usual)

    def actions(self) -> Iterator[Action]:
        """Yield what is no call in a configuration: other arguments, other inputs, copies, changes of a layer."""
        x, autograd = self._ones((BATCH, *self._features)), has(self._framework, Autograd)
        yield from (partial(self._at_rate, rate, x) for rate in NO_RATES)
        for dtype in INTEGERS:
            yield from (partial(self._at_rate, RATE, self._ones(x.shape, dtype, *axes)) for axes in ((), (2, 3)))
        for shape in ((0, *self._features), (0, 3), (BATCH, 0), (0, 2, 3, 3), ()):
            yield partial(self._of_shape, shape)
        special = np.resize([math.nan, math.inf, -math.inf, 0.0, 1.0], x.shape)
        yield lambda: self._at_rate(RATE, self._framework.tensor(special, "float32", self._device))
        yield lambda: self._at_rate(RATE, _of_a_subclass(x))
        yield lambda: self._layer().text()
        yield lambda: self._layer().stored()
        yield lambda: self._layer().numbers()
        for how in COPIES:
            yield partial(self._copied, how, x)
        yield partial(self._switched, x)
        yield from (partial(self._lived, autograd, x, order) for order in ORDERS) if autograd is not None else ()
        for rate in (0.0, 1.0, 0.7, -0.1):
            yield partial(self._changed, rate, x)
        yield partial(self._changed_in_evaluation, x)
        yield partial(self._nested, x)
        yield partial(self._converted, x)

    def dear_actions(self) -> Iterator[Action]:
        """Yield calls under checkpointing, whose import takes longer than all the others; at effort thorough alone."""
        if self._probe.at.effort.name != "thorough":
            return
        x, checkpointing = self._ones((BATCH, *self._features)), has(self._framework, Checkpointing)
        if checkpointing is not None:
            for how in checkpointing.checkpoints:
                yield partial(self._checkpointed, checkpointing, x, how)

    def do(self, action: Action) -> None:
        """Do it, whatever it raises."""
        self._made(action)

    def _made(self, action: Action) -> None:
        self._framework.seed(self._seed)
        with suppress(Exception), self._framework.scope():
            action()

    def _configured(self, at: Configuration) -> Configured:
        return Configured(self._probe.target, self._device, at, np.random.default_rng(self._seed))

    def _backward(self, autograd: Autograd, one: Configured) -> None:
        with one.context():
            autograd.gradient(one.layer, one.x, one.x)

    def _around(self, number: float, usual: Configuration) -> Iterator[Configuration]:
        """Yield configurations in which a number of the code decides: as p, or just below, at and above as a size."""
        if 0.0 < number < 1.0:
            for p in (number, math.nextafter(number, 0.0), math.nextafter(number, 1.0), 1.0 - number):
                yield replace(usual, drop_prob=p)
        if not (2 <= number <= LARGEST and float(number).is_integer()):
            return
        for size in (int(number) - 1, int(number), int(number) + 1):
            yield replace(usual, batch=size, features=())  # elements as well
            yield replace(usual, batch=2, features=(size,))
            yield replace(usual, batch=1, features=(1, size))
            if size * 16 <= MOST:
                yield replace(usual, batch=size, features=(2, 2))
                yield from (replace(usual, batch=2, features=(size, *sizes)) for sizes in ((2,), (2, 3), (2, 2, 2)))
                yield replace(usual, batch=2, features=(2, 2, size))

    def _ones(self, shape: tuple[int, ...], dtype: str = "float32", *more: int) -> Tensor:
        return self._framework.ones((*shape, *more), dtype, self._device)

    def _layer(self) -> Any:
        return self._probe.make(RATE)

    def _at_rate(self, rate: Any, x: Tensor) -> None:
        layer = self._probe.make(rate)
        for training in self._probe.modes:
            layer(x, training=training)

    def _of_shape(self, shape: tuple[int, ...]) -> None:
        self._at_rate(RATE, self._ones(shape))

    def _copied(self, how: str, x: Tensor) -> None:
        self._layer().copied(how)(x, training=True)

    def _switched(self, x: Tensor) -> None:
        layer = self._layer()
        for training in (*self._probe.modes, *self._probe.modes):
            layer(x, training=training)

    def _changed(self, rate: float, x: Tensor) -> None:
        layer = self._layer()
        layer(x, training=True)
        layer.set_drop_prob(rate)
        for training in (*reversed(self._probe.modes), True):
            layer(x, training=training)

    def _changed_in_evaluation(self, x: Tensor) -> None:
        layer = self._layer()
        layer(x, training=False)
        layer.set_drop_prob(0.7)
        layer(x, training=True)

    def _lived(self, autograd: Autograd, x: Tensor, evaluated: bool | None) -> None:
        """Run a backward pass, with another call between forward and backward if one is asked for, and call again."""
        layer = self._layer()
        called: Any = layer if evaluated is None else CalledBetween(layer, evaluated=evaluated)
        autograd.gradient(called, x, x)
        for training in self._probe.modes:
            layer(x, training=training)

    def _nested(self, x: Tensor) -> None:
        layer = self._layer()
        layer.nest()
        for training in self._probe.modes:
            layer(x, training=training)

    def _converted(self, x: Tensor) -> None:
        layer = self._layer()
        layer.convert("float64", self._device)
        layer(x, training=True)

    def _checkpointed(self, checkpointing: Checkpointing, x: Tensor, how: str) -> None:
        checkpointing.checkpointed(self._layer(), x, x, how)


def _of_a_subclass(x: Tensor) -> Tensor:
    kind = type("Subclass", (type(x),), {})
    return x.as_subclass(kind) if hasattr(x, "as_subclass") else x.view(kind)
