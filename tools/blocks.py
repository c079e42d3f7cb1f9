"""Fenced blocks of the pages, and the command lines in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools import DOCS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OF_THE_ROOT = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
DECISIONS = DOCS / "adr"
FENCE = re.compile(r'(?P<ticks>`{3,})(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\s*$')
WRITTEN = re.compile(r"<!-- (\w+): written by ")
WHOLLY_WRITTEN = re.compile(r"^Written by `python -m tools\.", re.MULTILINE)
HEAD = 300  # characters in which a page says that all of it is written by a command
LONG = "<!-- long -->"


@dataclass(frozen=True)
class Fenced:
    """A fenced block.

    Attributes:
        first: Index of the first line between its fences.
        lines: What stands there.
        language: Of its opening fence.
        title: The file that it is the text of; empty where it is none.
        long: Whether its commands take too long for every run of the suite.
        written: Whether another command writes it.
    """

    first: int
    lines: tuple[str, ...]
    language: str
    title: str
    long: bool
    written: bool

    @property
    def shows_output(self) -> bool:
        """Whether the commands are shown with what they print."""
        return self.language == "console" and any(line.startswith("$ ") for line in self.lines)

    def commands(self) -> list[str]:
        """Return the command lines; those after ``$`` where output is shown, otherwise all."""
        if self.language != "console":
            return []
        lines = [line[2:] for line in self.lines if line.startswith("$ ")] if self.shows_output else self.lines
        return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def pages() -> list[Path]:
    """Return every page that readers are led to: those of the root and of ``docs``, without the decisions."""
    found = [path for path in sorted(DOCS.rglob("*.md")) if DECISIONS not in path.parents]
    return [ROOT / name for name in OF_THE_ROOT if (ROOT / name).exists()] + found


def blocks(text: str) -> Iterator[Fenced]:
    """Yield the fenced blocks of a page, in order."""
    lines, number = text.splitlines(), 0
    wholly = bool(WHOLLY_WRITTEN.search(text[:HEAD]))
    mark = ""
    while number < len(lines):
        line = lines[number]
        begun = WRITTEN.match(line)
        if begun:
            mark = f"<!-- end of {begun[1]} -->"
        elif line == mark:
            mark = ""
        fence = FENCE.match(line)
        number += 1
        if fence:
            first = number
            while not lines[number].startswith(fence["ticks"]):
                number += 1
            yield Fenced(
                first,
                tuple(lines[first:number]),
                fence["language"],
                fence["title"] or "",
                long=first > 1 and lines[first - 2] == LONG,
                written=wholly or bool(mark),
            )
            number += 1
