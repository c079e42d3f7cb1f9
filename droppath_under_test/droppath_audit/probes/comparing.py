"""Comparing outputs with what a layer leaves that neither drops nor scales."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Compared:
    """How many elements are not what they should be.

    Attributes:
        differing: Elements that differ.
        elements: Elements that were compared.
        example: One that differs, as x and what it became; None where none was looked at.
        became: What the output is, where its shape, dtype or device is another than x's; otherwise empty.
    """

    differing: int
    elements: int
    example: tuple[float, float] | None = None
    became: str = ""
