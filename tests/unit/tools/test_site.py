"""The sources of the site: every page has its line, and links lead where they led."""

from __future__ import annotations

import re

from tools import ROOT, site
from tools.blocks import DECISIONS


def test_every_page_has_a_line_in_the_navigation_and_every_line_a_page() -> None:
    assert site.not_listed() == set()
    listed = site.LISTED.findall(site.CONFIGURATION.read_text(encoding="utf-8"))
    assert set(listed) - {"adr/index.md"} <= set(site.sources())
    assert len(listed) == len(set(listed))


PLACES = {
    ROOT / "docs" / "spec.md": "spec.md",
    ROOT / "docs" / "how-to" / "ci.md": "how-to/ci.md",
    ROOT / "SECURITY.md": "SECURITY.md",
}


def test_links_between_the_root_and_docs_are_turned() -> None:
    said = "See [a](docs/spec.md#items), [b](SECURITY.md), [c](LICENSE), [d](https://example.org/x.md), [e](#here)."
    assert site.turned(said, ROOT / "CONTRIBUTING.md", "CONTRIBUTING.md", PLACES) == (
        "See [a](spec.md#items), [b](SECURITY.md), c, [d](https://example.org/x.md), [e](#here).\n"
    )
    from_below = "[a](../spec.md), [b](../../SECURITY.md#what), [c](../../README.md)"
    assert site.turned(from_below, ROOT / "docs" / "how-to" / "ci.md", "how-to/ci.md", PLACES) == (
        "[a](../spec.md), [b](../SECURITY.md#what), [c](../index.md)\n"
    )


def test_code_stays_as_it_is() -> None:
    text = "```text\n[a](docs/spec.md)\n```\n[a](docs/spec.md)\n"
    turned = site.turned(text, ROOT / "README.md", "README.md", PLACES)
    assert turned == "```text\n[a](docs/spec.md)\n```\n[a](spec.md)\n"


def test_every_decision_is_in_the_list() -> None:
    page = site.decisions_page()
    assert re.findall(r"\]\((\d{4}[^)]*)\)", page) == sorted(path.name for path in DECISIONS.glob("*.md"))
