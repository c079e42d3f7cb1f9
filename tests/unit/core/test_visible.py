from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.core.level import Level
from droppath_audit.core.visible import shortened, visible, visible_texts


@given(st.text(st.characters(), max_size=20))
def test_nothing_is_left_that_a_terminal_obeys_and_nothing_else_is_changed(text: str) -> None:
    shown = visible(text)
    assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    turning = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    assert not any(unicodedata.bidirectional(char) in turning for char in shown)
    shown.encode("utf-8")  # raises of what no encoding can write
    assert visible(shown) == shown
    if text.isprintable():
        assert shown == text


def test_what_is_hidden_is_shown_as_its_escape() -> None:
    assert (
        visible("\x1b[2J \r\x07\x7f\x9b \u202e\ud800 a\n\tb ü") == r"\x1b[2J \r\x07\x7f\x9b \u202e\ud800 a" + "\n\tb ü"
    )


class Pair(NamedTuple):
    first: str
    second: int


@dataclass(frozen=True)
class Deep:
    text: str
    level: Level
    parts: tuple[object, ...]


def test_every_text_in_plain_data_is_reached() -> None:
    before = Deep("\x1b", Level.MUST, (Pair("\x07", 1), {"\x1b": ["\r", None]}))
    after = visible_texts(before)
    assert after == Deep(r"\x1b", Level.MUST, (Pair(r"\x07", 1), {"\x1b": [r"\r", None]}))
    assert after.level is Level.MUST


def test_a_name_that_is_too_long_is_quoted_by_its_ends() -> None:
    assert shortened("short") == "short"
    long = "a" * 3000 + "z" * 3000
    assert len(shortened(long)) < 200
    assert shortened(long).startswith("aaa")
    assert shortened(long).endswith("zzz")
