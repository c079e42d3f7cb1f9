"""What pictures are drawn with: elements of SVG, with classes and without a style."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, LEFT, ROW = 640, 150, 22


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line of a class."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def text(x: float, y: float, said: str, anchor: str, kind: str = "label") -> str:
    """Return a line of text whose middle is at y."""
    return f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" class="{kind}">{escape(said)}</text>'


def drawing(drawn: Sequence[str], height: float, name: str) -> str:
    """Return elements as one drawing, as it stands in a page."""
    size = f'viewBox="0 -4 {WIDTH} {height + 4:.0f}"'
    return "\n".join([f'<svg {size} role="img" aria-label="{escape(name, quote=True)}">', *drawn, "</svg>"])


def figure(drawn: Sequence[str], height: float, name: str) -> str:
    """Return a drawing with its name above it."""
    return f"<figure><figcaption>{escape(name)}</figcaption>{drawing(drawn, height, name)}</figure>"
