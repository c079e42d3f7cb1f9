"""A target brought into one configuration: a layer with a past, an x with strides, and the context of the call."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from droppath_audit.core.configuration import (
    COPIED,
    INTEGER,
    NESTED,
    NEW,
    NO_SURROUNDING,
    ONCE,
    OTHERWISE,
    PICKLED,
    RETYPED,
    SCALAR,
    SWITCHED,
)
from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Autograd, Layouts, Surroundings, ask, has
from droppath_audit.fuzz.oracle import part_of
from droppath_audit.probes.values import moderate

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy.typing as npt

    from droppath_audit.core.configuration import Configuration
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer, Target

FEW = 4  # samples of calls that were made before
CALLS = 100  # of a layer that was called often
SMALL = 2**12  # elements of a sample of which so many calls cost nothing; of larger ones a few are made
PLAINER = 12  # things that are made as usual, one after the other
PERIOD = 4099  # values after which those of x repeat; no axis is a multiple of it
COPIES = {COPIED: "deepcopy", PICKLED: "pickle"}


class Configured:
    """A target in a configuration.

    Args:
        target: The target.
        device: Where.
        configuration: What is wanted.
        rng: Values of x.

    Raises:
        NotApplicable: If the framework lacks something of it, or the target cannot be given this shape.
        TargetRaised: Whatever the target raises as it is made and used before.

    Attributes:
        x: The input.
        values: Its values, as float64 or complex128.
        before: Its bytes.
        layer: The layer, at the drop_prob of the configuration.
    """

    def __init__(self, target: Target, device: str, configuration: Configuration, rng: np.random.Generator) -> None:
        if not target.takes(configuration.shape):
            raise NotApplicable(f"the target takes no x of shape {list(configuration.shape)}")
        self._target, self._device, self._at = target, device, configuration
        self._framework = target.framework
        self.x = self._laid_out(_values(rng, configuration))
        self.values = self._framework.numpy(self.x)
        self.before = self._framework.bits(self.x)
        self.layer = self._with_a_past(target.make(handed(configuration)))

    def context(self) -> AbstractContextManager[None]:
        """Return the context in which calls are made."""
        if self._at.surrounding == NO_SURROUNDING:
            return nullcontext()
        return ask(self._framework, Surroundings).surround(self._at.surrounding, self._device)

    def call(self, *, training: bool = True) -> Tensor:
        """Return what the layer makes of x."""
        with self.context():
            return self.layer(self.x, training=training)

    def kept(self) -> npt.NDArray[np.bool_]:
        """Make a call in training and return what was kept of it: an entry a decision."""
        y, granularity = self.call(), self._target.dialect.granularity
        if granularity == "element":
            return np.asarray(self._framework.numpy(y).reshape(-1) != 0)
        kept = self._framework.kept(y, self._at.batch)
        return kept[:1] if granularity == "batch" else kept

    def _laid_out(self, values: npt.NDArray[Any]) -> Tensor:
        """Return x with these values, as the configuration lays it out and tracks it."""
        at, framework = self._at, self._framework
        if at.layout == "contiguous":
            x = framework.tensor(values, at.dtype, self._device)
        else:
            x = ask(framework, Layouts).laid_out(values, at.dtype, self._device, at.layout)
        return ask(framework, Autograd).tracking(x) if at.tracked else x

    def _with_a_past(self, layer: Layer) -> Layer:
        """Return the layer, or a copy of it, once it was used and switched as the configuration says."""
        at, framework = self._at, self._framework
        if at.mode == NESTED:
            layer.nest()
        if at.mode == SWITCHED:
            layer(framework.ones(few(at), at.dtype, self._device), training=False)
        with self.context():
            # What is converted to the dtype of x keeps of its numbers what fits into it.
            for shape, calls in earlier(at) if at.age != RETYPED or not self._target.follows else ():
                # Not every target takes another shape, and none of twice the size is tried.
                if at.age != OTHERWISE or (prod(shape) <= 2 * at.elements + 64 and self._target.takes(shape)):
                    x = framework.ones(shape, at.dtype_before, self._device)
                    for _ in range(calls):
                        layer(x, training=True)
        if at.mode in COPIES:
            with suppress(NotApplicable):
                return layer.copied(COPIES[at.mode])
        return layer


def few(at: Configuration) -> tuple[int, ...]:
    """Return the shape of a batch of few samples like those of a configuration."""
    return (min(at.batch, FEW), *at.features)


def earlier(at: Configuration) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return the shapes of x that a layer was called with before, each with the number of calls."""
    counted = ((few(at), at.calls),) if at.calls else ()
    if at.age == NEW:
        return counted
    if at.age == OTHERWISE:
        return ((at.batch + 1, *at.features), 1), ((at.batch, *at.features[:-1]), 1), *counted
    often = CALLS if prod(at.features) <= SMALL else CALLS // 20
    return (few(at), 1 if at.age in (ONCE, RETYPED) else often), *counted


def handed(at: Configuration) -> Any:
    """Return the drop_prob of a configuration as what it is handed over."""
    return {INTEGER: int, SCALAR: np.float32}.get(at.number, float)(at.drop_prob)


def _values(rng: np.random.Generator, at: Configuration) -> npt.NDArray[Any]:
    """Return values of x other than zero; those of a large one repeat, since drawing them is what costs most."""
    number = min(PERIOD, max(1, at.elements))
    part = part_of(at.dtype)
    values: npt.NDArray[Any] = moderate(rng, (number,), part)
    if at.dtype != part:
        values = values + 1j * moderate(rng, (number,), part)
    return np.resize(values, at.elements).reshape(at.shape) if at.elements else np.empty(at.shape)


def has_graph(target: Target, at: Configuration) -> bool:
    """Return whether a backward pass can be run in this configuration."""
    no_graph = at.surrounding in ("no_grad", "inference_mode")
    return at.tracked and not no_graph and has(target.framework, Autograd) is not None


class Placed(Protocol):
    """Something that was seen in a configuration."""

    @property
    def at(self) -> Configuration | None:
        """The configuration."""


Seen = TypeVar("Seen", bound=Placed)


def plainest(seen: Seen, again: Callable[[Configuration], Seen | None]) -> Seen:
    """Return the same thing as seen in the plainest configuration that shows it.

    Args:
        seen: What was seen first.
        again: Returns it, if it is seen in another configuration as well.
    """
    for _ in range(PLAINER):
        for at in seen.at.plainer() if seen.at is not None else ():
            found = again(at)
            if found is not None:
                seen = found
                break
        else:
            return seen
    return seen
