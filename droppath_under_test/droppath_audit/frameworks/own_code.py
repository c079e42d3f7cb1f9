"""A target's own code, as whoever drives it knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FunctionType


@dataclass(frozen=True)
class OwnCode:
    """A target's own code.

    Attributes:
        functions: Its functions, those nearest to it first.
        options: Its arguments that every call leaves as they are, with their values; ``Parameter.empty`` if unknown.
        numbers: The numbers in it, each once.
    """

    functions: tuple[FunctionType, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    numbers: tuple[float, ...] = ()
