"""Blocks that drop by themselves: what a framework offers to see by which factor one multiplies its branch."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Blocks(Capability):
    """Factories of layers that drop as a whole block does."""

    lacking = "has no blocks"

    @abstractmethod
    def block_imports(self) -> tuple[str, ...]:
        """Return the lines that a factory begins with."""

    @abstractmethod
    def block_source(self) -> str:
        """Return source that defines ``factory_of`` and ``GivenPart``, and needs the imports alone."""

    @abstractmethod
    def block_names(self) -> Mapping[str, Any]:
        """Return what the imports and the source define."""

    @abstractmethod
    def own_parts(self, block: Any) -> tuple[str, ...]:
        """Return the names of the parts of a block whose classes are not the framework's."""

    @abstractmethod
    def shape_keeping_parts(self, block: Any, call: Callable[[], Any]) -> Mapping[str, tuple[None, ...]]:
        """Return the direct parts of the framework's own that hold weights and keep the shape of what they are given.

        Norms are none: what lies behind them needs them. What others wrote may seed, or drop, whatever it returns.

        Args:
            block: The block.
            call: Calls it.

        Returns:
            What stands beside the first tensor that each returns, by its name, as None for each.
        """

    @abstractmethod
    def block_dtypes(self) -> tuple[str, ...]:
        """Return the dtypes that a block may compute in, as source text, the most exact first."""

    @abstractmethod
    def given_beside(self, size: int) -> tuple[str, ...]:
        """Return likely values of an argument beside the input ``z``, as source text, such as an embedding's zeros.

        Args:
            size: Of its features.
        """
