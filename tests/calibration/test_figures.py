"""``docs/statistics.md`` says what ``tools.figures`` finds, except for the time, which is another machine's.

What is computed is compared always; what is simulated, which takes a minute, by ``tox -e calibration``.
"""

from __future__ import annotations

import re

import pytest

from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import divergence, samples_for_binomial, samples_for_dkw
from tools import DOCS
from tools.figures import ALPHA, CELLS, INTRODUCTION, cost, rounded


def page() -> str:
    return (DOCS / "statistics.md").read_text(encoding="utf-8")


def lines() -> list[list[str]]:
    """Return the cells of the table's lines without the time, as the page has them."""
    return [line.strip("| ").split(" | ")[:10] for line in re.findall(r"^\| 0\..*$", page(), re.MULTILINE)]


def test_the_page_has_a_line_per_cell_with_what_is_computed():
    for line, (keep_prob, resolution, _) in zip(lines(), CELLS, strict=True):
        edges = (keep_prob - resolution, keep_prob + resolution)
        assert line[:2] == [f"{keep_prob:g}", f"{resolution:g}"]
        needed = max(divergence(ALPHA, 1.0 - BETA) / divergence(keep_prob, edge) for edge in edges)
        assert line[3] == rounded(needed)
        at_edges = [rounded(divergence(BETA, 1.0 - ALPHA) / divergence(edge, keep_prob)) for edge in edges]
        assert line[6] in at_edges
        assert line[8] == rounded(samples_for_binomial(resolution, keep_prob, ALPHA, BETA))
        assert line[9] == rounded(samples_for_dkw(resolution, ALPHA, BETA))


def test_the_page_begins_with_the_introduction_that_is_written_today():
    figures = re.compile(r"\{[^}]*\}")
    written = figures.split(INTRODUCTION)
    pattern = ".*?".join(re.escape(part) for part in written)
    assert re.match(pattern, page(), re.DOTALL)


@pytest.mark.calibration
def test_the_page_says_what_the_simulation_finds():
    assert lines() == [cost(*cell).cells() for cell in CELLS]
