"""The page for a browser: whole by itself, safe, below 1 MiB, and right on a screen of any width."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit import audit
from droppath_audit.core.cause import Cause, Place
from droppath_audit.core.level import Level
from droppath_audit.report import formats, pictures
from droppath_audit.report.formats import html
from droppath_audit.report.json import document

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = """</style><script>alert(1)</script><img src=x onerror=alert(1)>" onload='x' \x1b[2J\ud800 https://a.b/c.js"""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    only = ("DP102[*-p0.1]", "DP103[cpu-bfloat16*]", "DP104", "DP105", "DP301")
    found = document([audit("droppath_audit.samples.floor_style:DropPath", effort="quick", only=only)])
    place = Place("/a/layers.py", 7, "drop_path", "return x / 0 * mask", ((6, "mask = 1"), (7, "return x / 0 * mask")))
    broken = tuple(result["trial"] for result in found["reports"][0]["results"] if result["check"] == "DP301")
    cause = Cause("not_finite", place, "div makes NaN here", "Select.", Level.MUST, broken, broken[0])
    found["reports"][0]["causes"] = [cause.to_json()]
    # Of a model; everything else is of a layer.
    layers = [{"key": "drop_path", "drop_prob": 0.1, "changed": False, "kept": 900, "decisions": 1000}]
    other = {"check": "DP902", "verdict": "pass", "evidence": {"layers": layers}}
    found["reports"][0]["results"].append({**found["reports"][0]["results"][0], **other})
    # Of an audit with --benchmark.
    timed = {"shape": [64, 2], "passes": "forward", "seconds": {"target": 2e-3, "reference": 1e-3, "<other>": 4e-3}}
    other = {"check": "DP801", "verdict": "pass", "evidence": {"rows": [timed]}}
    found["reports"][0]["results"].append({**found["reports"][0]["results"][0], **other})
    return found


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_it_holds_verdict_causes_findings_and_pictures(report: dict[str, Any]) -> None:
    page = html.text(report)
    assert "findings (exit 1)" in page
    assert "<b>    7  return x / 0 * mask</b>" in page
    for check in ("DP103 exact-keep-probability", "DP301 keep-prob-zero"):
        assert f"<summary>{check}, MUST" in page
    assert page.count("<svg ") == len(pictures.PICTURES)
    for cell in ("64×2", "2 ms", "2 × reference, 0.5 × &lt;other&gt;"):
        assert f"<td>{cell}</td>" in page


@pytest.mark.parametrize("picture", pictures.PICTURES, ids=lambda one: one.__name__)
def test_a_picture_is_empty_where_there_is_nothing_to_show(picture: Any, report: dict[str, Any]) -> None:
    assert "<title>" in picture(report["reports"][0]) or picture is pictures.raster
    assert picture({**report["reports"][0], "results": []}) == ""


def test_the_raster_tells_frozen_and_joint_decisions_apart(report: dict[str, Any]) -> None:
    (seen,) = {one["trial"]: one for one in report["reports"][0]["results"]}.keys() & {"DP104[cpu-float64]"}
    result = next(one for one in report["reports"][0]["results"] if one["trial"] == seen)
    rows = result["evidence"]["raster"]
    assert len(rows) == 64
    assert {len(row) for row in rows} == {16}
    assert 400 < sum(row.count("1") for row in rows) < 624  # of 1,024 by chance one half; seven standard deviations
    frozen = {**result, "evidence": {**result["evidence"], "raster": ["10"] * 3}}
    assert pictures.raster({"results": [frozen]}).count('class="kept"') == 3


def test_nothing_runs_and_nothing_is_fetched(report: dict[str, Any]) -> None:
    page = html.text(report)
    tags = Tags(page).tags
    assert {"script", "img", "link", "iframe", "object", "a", "form"}.isdisjoint(tag for tag, _ in tags)
    assert not [name for _, held in tags for name in held if name.startswith("on") or name in ("src", "href", "style")]
    (policy,) = [held["content"] for tag, held in tags if tag == "meta" and held.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in page


def test_no_text_of_a_target_is_markup(report: dict[str, Any]) -> None:
    before = Tags(html.text(report)).tags
    one = report["reports"][0]
    spoilt = {
        **one,
        "target": {**one["target"], "spec": HOSTILE, "origin": HOSTILE, "called": HOSTILE, "package": HOSTILE},
        "results": [{**result, "message": HOSTILE, "snippet": HOSTILE, "hint": HOSTILE} for result in one["results"]],
        "causes": [{**cause, "sentence": HOSTILE, "around": [[7, HOSTILE]]} for cause in one["causes"]],
    }
    page = html.text({**report, "reports": [spoilt]})
    assert {tag for tag, _ in Tags(page).tags} == {tag for tag, _ in before}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", page)


def test_what_is_too_large_is_left_out_and_said(report: dict[str, Any]) -> None:
    one = report["reports"][0]
    long = [{**result, "snippet": "x" * 20_000, "message": "y" * 5000} for result in one["results"]]
    page = html.text({**report, "reports": [{**one, "results": long}] * 14})
    assert len(page.encode()) < 2**20
    assert "findings in full are left out" in page
    assert len(html.text({**report, "reports": [one] * 3000}).encode()) < 2**20


def test_it_is_a_form_like_any_other() -> None:
    assert "html" in formats.names()


MEASURE = """<iframe id="page" src="page.html" width="{width}" height="900"></iframe><pre id="said"></pre><script>
onload = () => {{
  const page = document.getElementById("page"), root = page.contentDocument.documentElement;
  const wide = [...root.querySelectorAll("body *:not(svg *)")].filter(
    (one) => one.getBoundingClientRect().right > {width} + 1 && !one.closest("details:not([open]), pre"));
  document.getElementById("said").textContent = JSON.stringify(
    [root.scrollWidth, wide.length, page.contentWindow.performance.getEntriesByType("resource").length,
     root.querySelectorAll("svg").length, root.querySelector("h1").getBoundingClientRect().height > 0]);
}};
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; .ci/run installs one")
@pytest.mark.parametrize("width", [360, 1200])
def test_in_a_browser_nothing_overflows_and_nothing_is_fetched(
    width: int, report: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(html.text(report), encoding="utf-8")
    (tmp_path / "measure.html").write_text(MEASURE.format(width=width), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--window-size=1400,1000",
        "--dump-dom", f"file://{tmp_path / 'measure.html'}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    said = re.search(r'<pre id="said">\[(\d+),(\d+),(\d+),(\d+),(true|false)\]', done.stdout)
    assert said, done.stdout[-500:]
    scroll, beyond, fetched, drawn, shown = said.groups()
    assert (int(beyond), int(fetched), int(drawn), shown) == (0, 0, len(pictures.PICTURES), "true")
    assert int(scroll) <= width
