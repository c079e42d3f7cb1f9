"""Gather the sources of the documentation site in ``build/pages``: ``python -m tools.site``.

The site has the pages of ``docs`` and those of the root. Here the latter are put beside the former, and links between
them are turned; a link to a file of the repository that is no page becomes plain text, since the site has no such file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools import DOCS, ROOT
from tools.blocks import DECISIONS, FENCE, OF_THE_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = ROOT / "build" / "pages"
CONFIGURATION, STYLE = ROOT / "mkdocs.yml", Path(__file__).with_suffix(".css")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")
LEFT_OUT = ("README.md",)  # the first page of the repository; that of the site is docs/index.md
LISTED = re.compile(r"^ *- (?:[^:\n]+: +)?(\S+\.md)$", re.MULTILINE)


def sources() -> dict[str, Path]:
    """Return every file of the site, by its path in it."""
    found = {name: ROOT / name for name in OF_THE_ROOT if name not in LEFT_OUT and (ROOT / name).exists()}
    for path in sorted(DOCS.rglob("*")):
        if path.suffix in {".md", ".svg"}:
            found[path.relative_to(DOCS).as_posix()] = path
    return found


def turned(text: str, source: Path, place: str, places: dict[Path, str]) -> str:
    """Return a page with its links as they are in the site.

    Args:
        text: The page.
        source: Where it lies in the repository.
        place: Where it lies in the site.
        places: Of every file of the site, by where it lies in the repository.
    """

    def link(found: re.Match[str]) -> str:
        picture, said, target, anchor = found[1], found[2], found[3], found[4] or ""
        if not target:
            return found[0]
        file = (source.parent / target).resolve()
        if file == ROOT / "README.md":
            return f"[{said}]({_relative('index.md', place)})"
        if file not in places:
            return said
        return f"{picture}[{said}]({_relative(places[file], place)}{anchor})"

    return "\n".join(LINK.sub(link, line) if prose else line for line, prose in _lines(text)) + "\n"


def _relative(target: str, place: str) -> str:
    return os.path.relpath(target, os.path.dirname(place) or ".")  # noqa: PTH120 - of the site, not of the disk


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is outside of fences."""
    ticks = ""
    for line in text.splitlines():
        fence = FENCE.match(line)
        if ticks and line.startswith(ticks):
            ticks = ""
            yield line, False
        elif not ticks and fence:
            ticks = fence["ticks"]
            yield line, False
        else:
            yield line, not ticks


def decisions_page() -> str:
    """Return the list of decisions, made of their headings."""
    lines = ["# Decisions", "", "Why things are as they are, in the order in which it was decided.", ""]
    for path in sorted(DECISIONS.glob("*.md")):
        heading = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{heading}]({path.name})".replace(". ", "\\. ", 1))
    return "\n".join(lines) + "\n"


def not_listed() -> set[str]:
    """Return the pages of the site that its navigation lacks; decisions have a list of their own."""
    listed = set(LISTED.findall(CONFIGURATION.read_text(encoding="utf-8")))
    return {name for name in sources() if name.endswith(".md") and not name.startswith("adr/")} - listed


def gather(out: Path = OUT) -> None:
    """Write the sources of the site into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    found = sources()
    places = {path.resolve(): name for name, path in found.items()}
    for name, path in found.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            file.write_text(turned(path.read_text(encoding="utf-8"), path, name, places), encoding="utf-8")
        else:
            shutil.copyfile(path, file)
    shutil.copyfile(STYLE, out / STYLE.name)
    (out / "adr" / "index.md").write_text(decisions_page(), encoding="utf-8")


if __name__ == "__main__":
    lacking = not_listed()
    if lacking:
        sys.exit(f"mkdocs.yml has no line under nav for {', '.join(sorted(lacking))}.")
    gather()
