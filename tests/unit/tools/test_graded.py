"""What the tests of packages see stands in a section of a page that another command writes."""

from __future__ import annotations

from tools.graded import BEFORE, PAGE, SUITES, section, section_of, with_section

GRADE = {
    "seen": 1,
    "graded": 3,
    "seconds_of_runs": 12.4,
    "sound_runs": {"runs": 40, "rejected": 0, "interval": [0.0, 0.088], "confidence": 0.95},
    "checks": {"DP102": {"slug": "keep-probability"}, "DP104": {"slug": "granularity"}},
    "faults": [
        {"outcome": "missed", "check": "DP104"},
        {"outcome": "missed", "check": "DP104"},
        {"outcome": "seen", "check": "DP102"},
    ],
}


def test_a_section_says_how_many_are_seen_and_what_sees_the_others():
    text = section([(SUITES[0], "1.2.3", GRADE)])
    assert "| timm 1.2.3 |" in text
    assert "| 1 | 3 | 0 of 40 runs (0% to 8.8%, confidence 95%) | 12 |" in text
    assert "by the check that sees it: DP104 granularity (2)." in text


def test_what_lets_nothing_through_has_no_such_sentence():
    assert "let through" not in section([(SUITES[0], "1.2.3", {**GRADE, "faults": []})])


def test_the_section_is_replaced_and_kept_where_the_page_is_written_anew():
    fresh = f"# Page\n\n{BEFORE}rest\n"
    once = with_section(fresh, section([(SUITES[0], "1", GRADE)]))
    twice = with_section(once, section([(SUITES[0], "2", GRADE)]))
    assert twice.count("## The tests themselves") == 1
    assert "timm 2" in twice
    assert with_section(fresh, section_of(twice)) == twice
    assert with_section(twice, "") == fresh


def test_the_page_has_a_place_for_it():
    assert PAGE.read_text(encoding="utf-8").count(BEFORE) == 1
