"""The first page shows what the tool says, and what other pages say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import readme

TEXT = readme.PAGE.read_text(encoding="utf-8")
SOURCE = readme.SOURCE.read_text(encoding="utf-8")


def test_the_comparison_and_the_picture_are_those_of_the_page_on_power() -> None:
    assert readme.comparison(SOURCE) in TEXT
    assert readme.PICTURE.read_text(encoding="utf-8") == readme.picture(SOURCE)


def test_blocks_are_written_between_their_marks_and_nothing_else_changes() -> None:
    written = readme.page(TEXT, {"audit": "here\n"})
    assert "python -m tools.readme -->\nhere\n<!-- end of audit -->" in written
    assert readme.page(written, {"audit": readme.BLOCK.search(TEXT)[0].split("\n", 1)[1].rpartition("<!--")[0]}) == TEXT


@pytest.mark.docs
def test_the_audit_says_what_the_page_shows() -> None:
    assert readme.audit() in TEXT


def test_the_lines_of_the_audit_are_lines_of_the_sample() -> None:
    from droppath_audit.samples import floor_style

    assert floor_style.__file__ is not None
    lines = Path(floor_style.__file__).read_text(encoding="utf-8").splitlines()
    shown = re.findall(r"^    > +(\d+) (.*)$", TEXT, re.MULTILINE)
    assert len(shown) == 2
    assert all(lines[int(number) - 1].strip() == text.strip() for number, text in shown)


def test_the_first_page_is_short_and_its_links_lead_somewhere() -> None:
    assert len(TEXT.splitlines()) <= 150
    for link in re.findall(r"\]\((?!http)([^)#]+)", TEXT):
        assert (readme.PAGE.parent / link).is_file(), link


def test_links_of_every_page_lead_somewhere() -> None:
    for page in readme.DOCS.rglob("*.md"):
        for link in re.findall(r"\]\((?!http)([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
