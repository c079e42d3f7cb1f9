"""Executions: other ways to run a target's code than as it is written."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.frameworks.way import Way


class Executions(Capability):
    """Ways to run a target.

    Attributes:
        variants: Names that a user asks by, each with the ways that it stands for. Those that compile, and those alone,
            are called ``compile`` or something that begins with ``compile-``.
    """

    lacking = "runs a target as it is written alone"
    variants: ClassVar[Mapping[str, tuple[str, ...]]]

    @abstractmethod
    def way(self, name: str) -> Way:
        """Return the way of this name, for one trial."""
