"""Pages of reference, the glossary and tables say what the code says."""

from __future__ import annotations

import re

import pytest

from droppath_audit.commands import cli
from droppath_audit.core.dialect import CHOICES
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import UsageError
from droppath_audit.core.glossary import WORDS
from droppath_audit.core.grid import DROP_PROBS
from droppath_audit.targets.item_table import MEANINGS
from droppath_audit.targets.items import FACTORIES, KEYS, PREFIXES
from droppath_audit.targets.known import known_systems
from droppath_audit.targets.spec import parse
from tools import reference
from tools.blocks import pages

PAGES = reference.written()
ITEMS = [item for items, _ in MEANINGS for item in items]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_a_page_is_up_to_date(file: object) -> None:
    assert file.read_text(encoding="utf-8") == PAGES[file]


def test_every_item_of_a_spec_is_in_the_table() -> None:
    assert {item.partition("=")[0] for item in ITEMS if not item.startswith(PREFIXES)} == set(KEYS)
    assert {prefix for item in ITEMS for prefix in PREFIXES if item.startswith(prefix)} == set(PREFIXES)
    for key, choices in CHOICES.items():
        assert {f"{key}={choice}" for choice in choices} <= set(ITEMS)
    assert {f"form={choice}" for choice in FACTORIES} <= set(ITEMS)


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_of_the_table_is_one(item: str) -> None:
    parse(f"my_package.layers:DropPath?{item}")
    with pytest.raises(UsageError):
        parse(f"my_package.layers:DropPath?x{item}")


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = reference.options_page()
    for name in cli.list_commands(None):  # type: ignore[arg-type]
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        part = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        assert part, name
        assert [option for option in options if f"`{option}" not in part and f", {option}" not in part] == []


def test_every_known_name_is_on_the_page() -> None:
    assert [name for name in known_systems() if f"| `{name}` |" not in reference.known_page()] == []


def test_words_are_explained_in_few_sentences_and_by_words_that_are_there() -> None:
    assert all(len(text) < 400 for text in WORDS.values())
    assert all(text.endswith(".") for text in WORDS.values())
    assert list(WORDS) == sorted(WORDS)
    assert all(re.fullmatch(r"[a-z-]+", word) for word in WORDS)


def test_words_state_the_numbers_of_the_code() -> None:
    assert [float(number) for number in re.findall(r"[\d.]*\d", WORDS["grid"])] == list(DROP_PROBS)
    assert all(f"{effort.resolution:g}" in WORDS["effort"] for effort in EFFORTS.values())


AMERICAN = re.compile(
    r"(?<!/)\b(behaviors?|colors?|gray|centers?|catalogs?|favor\w*|neighbor\w*|(?:initial|normal|optim|regular|summar)iz\w+|"
    r"recogniz\w+|analyz\w+|model(?:ed|ing)|labeled|canceled)\b",
    re.IGNORECASE,
)
CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)", re.DOTALL)


@pytest.mark.parametrize("page", pages(), ids=lambda page: "/".join(page.parts[-2:]))
def test_spelling_is_british(page: object) -> None:
    assert AMERICAN.findall(CODE.sub("", page.read_text(encoding="utf-8"))) == []


def test_american_spelling_would_be_found() -> None:
    assert AMERICAN.findall("The behavior of a normalized neighbor, `color` aside.".replace("`color`", ""))
