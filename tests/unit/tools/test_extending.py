"""The page on extending says of the code what the code says."""

from __future__ import annotations

import pytest

from droppath_audit.checks import everything
from droppath_audit.frameworks.capabilities import capabilities
from tools.extending import EXAMPLE, FILES, PAGE, extending_page, lines_of_example


def test_the_page_on_extending_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert extending_page(text) == text


def test_the_example_is_the_whole_folder_and_as_short_as_the_page_says() -> None:
    assert {path.name for path in EXAMPLE.glob("*.py")} == set(FILES)
    assert lines_of_example() < 200


def test_every_capability_is_on_the_page_with_every_check_that_needs_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for capability in capabilities():
        part = text.partition(f"**{capability.__name__}.**")[2].partition("\n**")[0]
        assert capability.__abstractmethods__, capability  # it owes something
        for name in capability.__abstractmethods__:
            attribute = isinstance(getattr(capability, name), property)
            assert (f"`{name}`" if attribute else f"`{name}(") in part, capability
        assert all(check.id in part for check in everything().values() if capability in check.needs), capability


def test_a_part_that_nothing_writes_is_an_error() -> None:
    with pytest.raises(KeyError):
        extending_page("<!-- missing: written by python -m tools.extending -->\n<!-- end of missing -->\n")
