"""Write what ``README.md`` shows of the tool: ``python -m tools.readme [--install]``.

The output is that of an audit of the sample in the style of Swin, the figures are those of ``docs/power.md``, and the
picture, ``docs/seen.svg``, is made of them. ``--install`` installs the package into an empty environment, and writes
how long that took and how much it needs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from droppath_audit.report.svg import WIDTH, drawing, text
from tools import DOCS

PAGE = DOCS.parent / "README.md"
PICTURE, SOURCE = DOCS / "seen.svg", DOCS / "power.md"
COMMAND = "droppath-audit droppath_audit.samples.floor_style:DropPath"
COLUMNS = 104
TELLING = re.compile(r" \d  |    > |    change |    seen | [A-Z]+ +\d+ (passed|failed)| \d+ findings? ")
BLOCK = re.compile(r"(<!-- (\w+): written by python -m tools\.readme[^>]* -->\n).*?(<!-- end of \2 -->\n)", re.DOTALL)
LEFT, ROW, RIGHT = 170, 24, 60
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; } .ours { fill: #1a7f37; } .theirs { fill: #afb8c1; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .ours { fill: #3fb950; } .theirs { fill: #57606a; } }
"""


def page(before: str, blocks: dict[str, str]) -> str:
    """Return the page with these blocks written anew; the others stay."""
    return BLOCK.sub(lambda found: f"{found[1]}{blocks.get(found[2], _inside(found))}{found[3]}", before)


def _inside(found: re.Match[str]) -> str:
    return found[0].removeprefix(found[1]).removesuffix(found[3])


def audit() -> str:
    """Return the telling lines of an audit, as a block of the page."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    arguments = [sys.executable, "-m", "droppath_audit", *COMMAND.split()[1:]]
    run = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - our own
    lines, wrapped = [], False
    for line in run.stdout.splitlines():
        wrapped = bool(TELLING.match(line)) or (wrapped and line.startswith("             "))
        if wrapped:
            lines.append(line)
    return "\n".join(["```console", f"$ {COMMAND}", *lines, "```", ""])


def rejected(source: str) -> dict[str, tuple[int, int]]:
    """Return how many faulty layers each rule of ``docs/power.md`` rejects, of how many that it was put to."""
    rows = re.findall(r"^\| \**([^|*]+?)\** \| (\d+) \| (\d+) \| \d+ \|", source, re.MULTILINE)
    return {name.strip(): (int(seen), int(of)) for name, seen, of in rows}


def comparison(source: str) -> str:
    """Return the sentence that sets the suite beside others."""
    found = rejected(source)
    others = [value for name, value in found.items() if not name.startswith("this")]
    ours, timm, best = found["this suite, quick"], found["timm"], max(others, key=lambda value: value[0] / value[1])
    return (
        f"Of {ours[1]} layers with one realistic fault each, an audit at `quick` rejects {ours[0]} for a broken MUST, "
        f"and no sound one;\nthe tests of the most used library reject {timm[0]} of {timm[1]}, and the best of "
        f"{len(others)} rules of other suites\n{best[0]} of {best[1]} ([docs/power.md](docs/power.md)).\n"
    )


def picture(source: str) -> str:
    """Return the shares of faulty layers that are rejected, as a drawing of its own."""
    rows = [(name, seen / of, f"{seen} of {of}") for name, (seen, of) in rejected(source).items() if of > 100]
    drawn = [f"<style>{STYLE}</style>"]
    for number, (name, share, said) in enumerate(sorted(rows, key=lambda row: -row[1])):
        y, long = ROW * (number + 0.5), share * (WIDTH - LEFT - RIGHT)
        kind = "ours" if name.startswith("this") else "theirs"
        drawn += [
            text(LEFT - 8, y, name, "end"),
            f'<rect x="{LEFT}" y="{y - 8:.0f}" width="{long:.1f}" height="16" class="{kind}"/>',
            text(LEFT + long + 6, y, said, "start"),
        ]
    svg = drawing(drawn, ROW * len(rows), "Faulty layers that each set of tests rejects")
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def installation() -> str:
    """Return how long an installation takes, and what it needs."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "environment"
        started = time.monotonic()
        venv.create(place, with_pip=True)
        python = place / "bin" / "python"
        root = str(DOCS.parent)
        command = [str(python), "-m", "pip", "install", "-q", "-e", root, "-c", str(DOCS.parent / "constraints.txt")]
        subprocess.run(command, check=True)  # noqa: S603 - our own
        seconds = time.monotonic() - started
        size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    return (
        f"An installation from a clone took {seconds:.0f} s on {os.cpu_count()} cores, torch for the CPU included, and "
        f"{size / 2**30:.1f} GiB.\n"
    )


def main() -> None:
    """Write the page and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="measure an installation as well")
    source = SOURCE.read_text(encoding="utf-8")
    blocks = {"audit": audit(), "comparison": comparison(source)}
    if parser.parse_args().install:
        blocks["installation"] = installation()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")
    PICTURE.write_text(picture(source), encoding="utf-8")


if __name__ == "__main__":
    main()
