"""Manners of a layer: how it is copied, and what others may hang onto it."""

from __future__ import annotations

import copy
import inspect
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import Layers, ask, has
from droppath_audit.frameworks.manners import Hooks, Transforms
from droppath_audit.frameworks.theirs import theirs

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.targets.binding import Binding

MARK = "given_by_somebody_else"


def set_mode(layer: Any, training: bool) -> None:
    """Switch a layer's mode unless it is in it already; DP003 judges an attribute that hides the layer's own train."""
    if getattr(layer, "training", None) is not training and hasattr(layer, "train") and hasattr(layer, "eval"):
        if not callable(layer.train) and callable(getattr(type(layer), "train", None)):
            _switch_by_class(layer, training)
            return
        # Not train(training): classes that are no layers have a train() without arguments.
        layer.train() if training else layer.eval()


def _switch_by_class(layer: Any, training: bool) -> None:
    """Switch a layer whose attribute hides its ``train``, by that of its class."""
    try:
        type(layer).train(layer, training)
    except TypeError:  # of a class that is no layer, it takes no mode
        (type(layer).train if training else type(layer).eval)(layer)


def _pickled(instance: Any) -> Any:
    if "<locals>" in type(instance).__qualname__:
        raise NotApplicable("a class defined inside a function cannot be pickled")
    return pickle.loads(pickle.dumps(instance))  # noqa: S301 - it was written a moment ago


COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": _pickled}


def own_default(obj: Any, binding: Binding) -> tuple[Any, ...]:
    """Return the drop_prob that a constructor takes where it is told none; nothing where it must be told."""
    if binding.kind != "class" or binding.probability_at != "init" or binding.probability is None:
        return ()
    with suppress(ValueError, TypeError):
        parameter = inspect.signature(obj).parameters.get(binding.probability.name)
        if parameter is not None and type(parameter.default) in (int, float, type(None)):
            return (binding.argument(parameter.default),)
    return ()


class BoundManners:
    """What others do with a layer beside calling it; see ``frameworks.target``.

    Args:
        instance: The layer itself.
        framework: Its framework.
        plain: Whether it is called with x alone.

    Raises:
        NotApplicable: If it is no layer, or the framework has no hooks.
    """

    def __init__(self, instance: Any, framework: Framework, *, plain: bool) -> None:
        layers = has(framework, Layers)
        if layers is None or not layers.is_layer(instance):
            raise NotApplicable("what is no layer has no manners of one")
        self._instance, self._hooks = instance, ask(framework, Hooks)
        self._framework, self._plain = framework, plain

    def unchained(self) -> tuple[str, ...]:
        """Return the methods that switch its mode and return something else than the layer."""
        with theirs():
            return self._hooks.unchained(self._instance)

    def hook(self) -> None:
        """Have functions of others run before and after its calls."""
        with theirs():
            self._hooks.hook(self._instance)

    def missed(self) -> tuple[str, ...]:
        """Return the names of those that have not run."""
        return self._hooks.missed(self._instance)

    def functional(self, x: Tensor) -> Tensor:
        """Return what it makes of x, in its mode, when it is called with its parameters as an argument.

        Raises:
            NotApplicable: If it is called otherwise than with x, or the framework refuses that.
        """
        if not self._plain:
            raise NotApplicable("the layer is called otherwise than with x alone")
        return ask(self._framework, Transforms).functional(self._instance, x)

    def mark(self) -> None:
        """Give it an attribute."""
        with theirs():
            setattr(self._instance, MARK, MARK)

    def marked(self) -> bool:
        """Return whether it has that attribute."""
        return getattr(self._instance, MARK, None) == MARK
