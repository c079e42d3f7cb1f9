"""Level: how much a violation weighs."""

from __future__ import annotations

from enum import Enum


class Level(str, Enum):
    """How much a violation weighs: MUST fails the audit, SHOULD warns, INFO informs."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    INFO = "INFO"

    def __str__(self) -> str:
        return self.value
