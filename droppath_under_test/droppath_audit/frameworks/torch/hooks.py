"""Hooks of torch modules."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from droppath_audit.frameworks.manners import Hooks

_RAN: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


class TorchHooks(Hooks):
    """What others hang onto modules."""

    def hook(self, layer: Any) -> None:
        """Register a forward pre-hook and a forward hook: functions of a module, so that they can be pickled."""
        layer.register_forward_pre_hook(_before)
        layer.register_forward_hook(_after)

    def missed(self, layer: Any) -> tuple[str, ...]:
        """Return which of the two have not run."""
        ran = _RAN.get(layer, set())
        return tuple(name for name in ("forward pre-hook", "forward hook") if name not in ran)

    def unchained(self, layer: Any) -> tuple[str, ...]:
        """Return those of train(), train(False) and eval() that return something else."""
        methods = {"train()": layer.train, "train(False)": lambda: layer.train(False), "eval()": layer.eval}
        return tuple(name for name, switch in methods.items() if switch() is not layer)


def _before(layer: Any, *_: Any) -> None:
    _RAN.setdefault(layer, set()).add("forward pre-hook")


def _after(layer: Any, *_: Any) -> None:
    _RAN.setdefault(layer, set()).add("forward hook")
