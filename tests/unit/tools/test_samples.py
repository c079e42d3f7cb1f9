"""What pages show of commands is what the commands print, and what they tell to type can be typed."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING

import pytest

from tools.blocks import Fenced, blocks, pages
from tools.samples import VARYING, plain, shows, written

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = {page: page.read_text(encoding="utf-8") for page in pages()}


def named(page: Path) -> str:
    return "/".join(page.parts[-2:])


@pytest.mark.parametrize("page", [page for page in TEXTS if shows(TEXTS[page], quick=True)], ids=named)
def test_what_a_page_shows_is_what_its_commands_print(page: Path) -> None:
    assert written(TEXTS[page], quick=True) == TEXTS[page]


@pytest.mark.docs
@pytest.mark.parametrize("page", [page for page in TEXTS if shows(TEXTS[page])], ids=named)
def test_so_it_is_of_those_that_take_long(page: Path) -> None:
    assert written(TEXTS[page]) == TEXTS[page]


def shown(block: Fenced) -> list[tuple[str, list[str]]]:
    """Return the commands of a block, each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_a_filter_leaves_something_to_show(page: Path) -> None:
    for block in blocks(TEXTS[page]):
        if block.shows_output:
            assert [command for command, output in shown(block) if "|" in command and not output] == []


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_files_of_pages_are_whole(page: Path) -> None:
    for block in blocks(TEXTS[page]):
        source = "\n".join(block.lines) + "\n"
        if block.language == "python":
            ast.parse(source)
        elif block.language == "toml":
            tomllib.loads(source)


PAGE = """# A page

```python title="said.py"
print("yes")
```

```console
$ python said.py
no
```

<!-- long -->
```console
$ echo later
never run
```

<!-- table: written by python -m tools.other -->
```console
$ echo other
as it is
```
<!-- end of table -->
"""


def test_an_output_is_written_anew_and_nothing_else() -> None:
    assert written(PAGE, quick=True) == PAGE.replace("\nno\n", "\nyes\n")
    assert written(PAGE) == PAGE.replace("\nno\n", "\nyes\n").replace("never run", "later")


def test_times_and_versions_do_not_make_a_page_stale() -> None:
    page = '```console\n$ echo "8 planned · 5.9 s + 2.1 s import, on torch 2.13.0+cpu"\n{}\n```\n'
    same = page.format("8 planned · 0.1 s + 9.1 s import, on torch 2.14.0")
    assert written(same) == same
    assert written(same, times=True) == page.format("8 planned · 5.9 s + 2.1 s import, on torch 2.13.0+cpu")
    other = page.format("9 planned · 0.1 s + 9.1 s import, on torch 2.14.0")
    assert written(other) == page.format("8 planned · 5.9 s + 2.1 s import, on torch 2.13.0+cpu")


def test_few_words_are_taken_for_times() -> None:
    assert plain(["seconds 5.9 s.", "p = 2.1e-65", "5 samples"]) == ["seconds ~.", "p = 2.1e-65", "5 samples"]
    assert VARYING.search("228 of 228 values, 424 planned, 3 trials") is None


def test_how_many_trials_a_cause_explains_is_a_matter_of_time() -> None:
    assert plain(["DP303 (30 trials)"]) == plain(["DP303 (1 trial)"]) != plain(["DP304 (30 trials)"])
    assert plain([" SHOULD DP103: keeps 0.9; dr…"]) == plain([" SHOULD DP103: keeps 0.8; d…"])
    assert plain([" SHOULD DP103: keeps 0.9"]) != plain([" SHOULD DP103: keeps 0.8"])
