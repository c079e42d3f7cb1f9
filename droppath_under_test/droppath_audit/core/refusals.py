"""Refusals: exceptions by which a target says that it takes no such input."""

from __future__ import annotations

from dataclasses import dataclass

CLEAR = ("TypeError", "ValueError", "RuntimeError")
"""Kinds of exceptions that a caller expects; one from inside, such as IndexError, says nothing."""


@dataclass(frozen=True)
class Refusal:
    """What a target raised: the exception's kind and message."""

    kind: str
    text: str

    @property
    def clear(self) -> bool:
        """Whether it is of an expected kind and says something."""
        return self.kind in CLEAR and bool(self.text)
