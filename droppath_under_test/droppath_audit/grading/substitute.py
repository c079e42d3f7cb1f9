"""A mutant or a sound variant, called by what its arguments stand for and not by what they are called."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.targets.constructing import constructed
from droppath_audit.targets.manners import set_mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.dialect import Dialect
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.targets.bound import BoundTarget


NO_BRANCH: Any = None


@dataclass(frozen=True)
class Given:
    """One call of the target, by roles.

    Attributes:
        x: What is dropped: the output of the branch, of shape (B, ...); the shortcut, if the substitute runs that.
        shortcut: What it is added to; None where the target adds nothing.
        drop_prob: p.
        training: The mode.
    """

    x: Any
    shortcut: Any
    drop_prob: float
    training: bool


class Substitute:
    """One implementation of ours.

    Args:
        name: What it is called.
        target: Its target, as loaded.
        refuses: Whether its fault is in what it refuses.

    Attributes:
        layered: Whether it is a layer, which is constructed, and no function.
        wraps: Whether it runs the branch.
        what: What it says of itself, in a sentence.
    """

    def __init__(self, name: str, target: BoundTarget, *, refuses: bool = False) -> None:
        self.name, self.refuses = name, refuses
        self._obj, self._binding = target.obj, target.binding
        self._framework: Framework = target.framework
        self.layered = target.binding.kind == "class"
        self.wraps = target.binding.init_branch is not None
        self._default = target.default
        self.what = (inspect.getdoc(target.obj) or "").partition("\n")[0]

    @property
    def dialect(self) -> Dialect:
        """What it says it does."""
        return self._binding.dialect

    def made(self, drop_prob: float, *, told: bool, branch: Any = None, training: bool = True) -> Any:
        """Return a layer.

        Args:
            drop_prob: p.
            told: Whether the constructor of the target was told a probability; where it was not, a substitute takes the
                default of its own, if it has one.
            branch: What a substitute that runs the branch is given.
            training: The mode, for a substitute whose constructor is told it.
        """
        if not told and self._default:
            return self._obj()
        if self.wraps:
            assert self._binding.probability is not None  # noqa: S101 - no mutant is an instance or a factory
            named = {self._binding.init_branch or "": branch, self._binding.probability.name: self._argument(drop_prob)}
            return self._obj(**named)
        return constructed(self._obj, self._binding, self._framework, drop_prob, NO_BRANCH, training=training)

    def tell(self, layer: Any, drop_prob: float) -> None:
        """Assign another probability to a layer, as a schedule does, where it has an attribute for it."""
        probability = self._binding.probability
        if probability is not None and hasattr(layer, probability.name):
            setattr(layer, probability.name, self._argument(drop_prob))

    def called(self, layer: Any, given: Given, *, switched: bool = True) -> Any:
        """Return what a layer, or the function, returns.

        Args:
            layer: What ``made`` returned; ignored for a function.
            given: The call.
            switched: Whether the layer has its mode already.
        """
        function: Callable[..., Any] = layer if self.layered else self._obj
        if self.layered and not switched:
            set_mode(layer, given.training)
        shortcut = given.x if self.wraps else given.shortcut
        arguments, named = [], {}
        for slot in self._binding.call:
            value = {
                "x": given.x, "r": shortcut, "p": self._argument(given.drop_prob),
                "training": self._binding.flag(given.training),
            }.get(slot.role, slot.value)  # fmt: skip
            if slot.keyword is None:
                arguments.append(value)
            else:
                named[slot.keyword] = value
        y = function(*arguments, **named)
        adds = given.shortcut is not None and self._binding.dialect.form == "branch"
        return given.shortcut + y if adds else y

    def _argument(self, drop_prob: float) -> float:
        return self._binding.argument(drop_prob)
