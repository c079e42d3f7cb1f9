"""What a framework may offer beyond the base around a layer: what others hang onto it, wrap it in, or give it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from droppath_audit.frameworks.capabilities import Capability


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
