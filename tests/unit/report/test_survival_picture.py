"""The picture of what layers drop: where bars, intervals and rates are, in a page and alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from droppath_audit.report.survival_picture import Bar, standing_alone, survival
from droppath_audit.stats.exact import binomial_interval

SVG = "{http://www.w3.org/2000/svg}"
BARS = [Bar(f"blocks.{number}.drop_path", 0.02 * number, 20 * number, 1000, "pass") for number in range(10)]


def numbers(element, *names):
    return [float(element.get(name)) for name in names]


def drawn(bars):
    """Return share, ends of the interval and rate of each bar, read off the drawing by its marks; and its verdicts."""
    root = ET.fromstring(standing_alone(bars))  # noqa: S314 - it was made a moment ago
    marks = [one for one in root.iter(f"{SVG}text") if one.get("text-anchor") == "middle"]
    zero, end = float(marks[0].get("x")), float(marks[-1].get("x"))
    unit = (end - zero) / float(marks[-1].text)
    lines = list(root.iter(f"{SVG}line"))
    flat = [one for one in lines if "interval" in one.get("class") and one.get("y1") == one.get("y2")]
    return (
        [numbers(one, "width")[0] / unit for one in root.iter(f"{SVG}rect")],
        [[(x - zero) / unit for x in numbers(one, "x1", "x2")] for one in flat],
        [(numbers(one, "x1")[0] - zero) / unit for one in lines if one.get("class") == "rate"],
        [one.get("class").split()[-1] for one in flat],
    )


@pytest.mark.parametrize("scale", [1, 4, 500])
def test_lengths_are_shares(scale):
    bars = [replace(bar, drop_prob=bar.drop_prob * scale / 500, dropped=bar.dropped * scale // 500) for bar in BARS]
    shares, intervals, rates, _ = drawn(bars)
    assert shares == pytest.approx([bar.dropped / 1000 for bar in bars], abs=2e-3)
    assert rates == pytest.approx([bar.drop_prob for bar in bars], abs=2e-3)
    for bar, interval in zip(bars, intervals, strict=True):
        assert interval == pytest.approx(bar.interval(), abs=2e-3)


@pytest.mark.parametrize(("dropped", "decisions"), [(0, 500), (50, 500), (250, 500), (500, 500), (900, 10_000)])
def test_the_interval_is_close_to_the_exact_one(dropped, decisions):
    exact = binomial_interval(dropped, decisions, 0.001)
    assert Bar("", None, dropped, decisions, "pass").interval() == pytest.approx(exact, abs=0.008)


def test_a_layer_without_decisions_or_rate_has_a_row():
    shares, intervals, rates, verdicts = drawn([Bar("a", None, 0, 0, "inconclusive"), Bar("b", 0.5, 9, 10, "fail")])
    assert shares == pytest.approx([0.0, 0.9], abs=2e-3)
    assert intervals[0] == pytest.approx([0.0, 1.0], abs=2e-3)
    assert rates == pytest.approx([0.5], abs=2e-3)
    assert verdicts == ["v-inconclusive", "v-fail"]


def test_nothing_is_drawn_beyond_the_picture():
    bars = [*BARS, Bar("very.long." * 12, 1.0, 1000, 1000, "pass"), Bar("</svg><script>\x1b&", 0.0, 0, 5, "pass")]
    text = standing_alone(bars)
    root = ET.fromstring(text)  # noqa: S314 - it was made a moment ago
    _, top, width, height = (float(one) for one in root.get("viewBox").split())
    for line in root.iter(f"{SVG}line"):
        x1, x2, y1, y2 = numbers(line, "x1", "x2", "y1", "y2")
        assert 0 <= x1 <= width
        assert 0 <= x2 <= width
        assert top <= min(y1, y2) < max(y1, y2) + 0.1 <= top + height
    assert "<script" not in text
    assert "\x1b" not in text
    assert ET.fromstring(standing_alone([])) is not None  # noqa: S314
    assert "<style>" + "own" in standing_alone([], "own")


def result(verdict, *layers):
    names = ("key", "drop_prob", "kept", "decisions", "changed")
    layers = [dict(zip(names, layer, strict=True)) for layer in layers]
    return {"results": [{"check": "DP902", "verdict": verdict, "evidence": {"layers": layers}}]}


def test_of_a_report_the_layer_that_is_off_is_the_one_that_fails():
    right, wrong, moved = ("right", 0.1, 900, 1000, False), ("wrong", 0.1, 700, 1000, False), ("moved", 0.3, 1, 9, True)
    picture = survival(result("fail", right, wrong, moved))
    assert picture.startswith("<figure>")
    assert "<style" not in picture
    assert (picture.count("v-pass"), picture.count("v-fail"), picture.count("v-inconclusive")) == (3, 3, 3)
    assert picture.count('class="rate"') == 2
    assert survival({"results": [{"check": "DP902", "verdict": "error", "evidence": {}}]}) == ""
