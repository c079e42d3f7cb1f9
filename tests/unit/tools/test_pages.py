"""The generated pages say what they would say if they were written today."""

from __future__ import annotations

from tools import conventions
from tools.pages import PAGE, RECORDINGS, checks_page, recordings_page


def test_the_page_of_checks_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == checks_page()


def test_the_table_of_lengths_is_up_to_date() -> None:
    text = RECORDINGS.read_text(encoding="utf-8")
    assert recordings_page(text) == text


def test_the_page_of_conventions_is_up_to_date() -> None:
    assert conventions.PAGE.read_text(encoding="utf-8") == conventions.page()
