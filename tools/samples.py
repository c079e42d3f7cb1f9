"""Write the outputs that pages show: ``python -m tools.samples [--check] [--quick] [--times] [PAGE ...]``.

A block of console lines in which a line begins with ``$`` shows a command with what it prints; everything up to the
next ``$`` is written by running it. A block with a title is a file. The blocks of a page are taken in order, in an
empty folder of the page's own. Blocks after ``<!-- long -->`` are left as they are with ``--quick``. Times, versions of
frameworks and the names of folders differ from machine to machine, and so does how many trials a cause explains, whose
scripts have a limited time, with what a line quotes that is cut off. Where an output differs in these alone it stays,
unless ``--times`` asks for those of this machine, which should be idle then.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from tools import ROOT
from tools.blocks import blocks, pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.blocks import Fenced

COLUMNS = 100
VARYING = re.compile(r"\b\d+(?:\.\d+)? ?m?s\b|\btorch \d[\w.+]*|(?<=\()\d+ trials?(?=\))|(?<=: ).*…$")
PLUGIN = "droppath-audit"


def shows(text: str, *, quick: bool = False) -> bool:
    """Return whether a page has an output to be written; with ``quick`` one that is not long."""
    return any(_ours(block) and not (quick and block.long) for block in blocks(text))


def written(text: str, *, quick: bool = False, times: bool = False) -> str:
    """Return the page with its outputs written anew.

    Args:
        text: The page.
        quick: Whether long blocks are left as they are.
        times: Whether an output that differs in times alone is written as well.
    """
    lines = text.splitlines()
    replaced: list[tuple[Fenced, list[str]]] = []
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        place, shims = Path(folder).resolve() / "project", Path(folder).resolve() / "bin"
        place.mkdir()
        _make_shims(shims)
        for block in blocks(text):
            if block.title and not block.written:
                file = place / block.title
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
            elif _ours(block) and not (quick and block.long):
                replaced.append((block, _run_all(block, place, shims)))
    for block, new in reversed(replaced):
        if times or plain(new) != plain(block.lines):
            lines[block.first : block.first + len(block.lines)] = new
    return "\n".join(lines) + "\n"


def plain(lines: Iterable[str]) -> list[str]:
    """Return lines without what differs from machine to machine."""
    return [VARYING.sub("~", line).rstrip() for line in lines]


def _ours(block: Fenced) -> bool:
    return block.shows_output and not block.written


def _run_all(block: Fenced, place: Path, shims: Path) -> list[str]:
    new: list[str] = []
    for command in block.commands():
        new += [f"$ {command}", *_run(command, place, shims)]
    return new


def _run(command: str, place: Path, shims: Path) -> list[str]:
    paths = [str(ROOT / "droppath_under_test"), str(ROOT / "reference"), *os.environ.get("PYTHONPATH", "").split(":")]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "DROPPATH_", "COV_"))},
        "PATH": f"{shims}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(path for path in paths if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(shims.parent / "cache"),
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
    }
    run = subprocess.run(  # noqa: S603 - the command lines of our own pages
        ["/bin/bash", "-c", f"exec 2>&1; {command}"],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    output = run.stdout.replace(f"{place}/", "").replace(str(place), ".").replace(f"{ROOT}/", "")
    return [line.rstrip() for line in output.rstrip().splitlines()]


def _make_shims(folder: Path) -> None:
    """Put commands where an installation would have them, which run this interpreter and this checkout."""
    folder.mkdir()
    python = shlex.quote(sys.executable)
    installed = any(entry.name == PLUGIN for entry in entry_points(group="pytest11"))
    plugin = "" if installed else " -p droppath_audit.pytest_plugin"
    for name, run in {
        "droppath-audit": f"{python} -m droppath_audit",
        "python": python,
        "pytest": f"{python} -m pytest -p no:cacheprovider{plugin}",
    }.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {run} "$@"\n', encoding="utf-8")
        file.chmod(0o755)


def main() -> int:
    """Write the pages, or say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where a page is stale")
    parser.add_argument("--quick", action="store_true", help="leave the long ones")
    parser.add_argument("--times", action="store_true", help="write times of this machine as well")
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="[default: all that show output]")
    options = parser.parse_args()
    stale = 0
    for page in [path.resolve() for path in options.pages] or pages():
        before = page.read_text(encoding="utf-8")
        if not shows(before, quick=options.quick):
            continue
        after = written(before, quick=options.quick, times=options.times)
        same = after == before
        stale += not same
        print(f"{page.relative_to(ROOT)}: {'as it is' if same else 'stale' if options.check else 'written'}")  # noqa: T201
        if not options.check:
            page.write_text(after, encoding="utf-8")
    return int(options.check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
