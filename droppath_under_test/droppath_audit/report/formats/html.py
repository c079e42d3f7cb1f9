"""HTML: one self-contained page, below 1 MiB, that runs and fetches nothing.

Its content-security policy allows no script and nothing from elsewhere; its one style sheet is allowed by its digest.
What does not fit is left out, from the end of the findings in full, and said.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any

from droppath_audit.core.cause import DEFINITION
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Outcome
from droppath_audit.core.visible import clipped
from droppath_audit.report import costs
from droppath_audit.report.broken import LONGEST, broken, conclusion, counted, is_finding, name_of, telling, waived
from droppath_audit.report.pictures import PICTURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.report.broken import Broken

WHAT = "a page for a browser, with pictures"
MOST = 2**20 - 2**12  # bytes
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #ffffff; --panel: #f6f8fa; --edge: #d1d9e0;
 --good: #1a7f37; --bad: #cf222e; --mild: #9a6700; --blue: #0969da; --on: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9198a1; --paper: #0d1117; --panel: #161b22;
 --edge: #3d444d; --good: #3fb950; --bad: #f85149; --mild: #d29922; --blue: #4493f8; --on: #0d1117; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
 font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
.verdict { display: inline-block; padding: .15rem .6rem; border-radius: .4rem; color: var(--on); font-weight: 600; }
.is-pass { background: var(--good); } .is-fail { background: var(--bad); } .is-inconclusive { background: var(--mild); }
.dim, .INFO { color: var(--dim); } .MUST { color: var(--bad); } .SHOULD, .waived { color: var(--mild); }
section.cause, details { border: 1px solid var(--edge); border-radius: .5rem; padding: .75rem 1rem; margin: .75rem 0; }
section.cause { border-left: .3rem solid var(--bad); }
pre { background: var(--panel); padding: .6rem .8rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem;
 white-space: pre-wrap; }
pre b { color: var(--bad); } summary { cursor: pointer; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .75rem .25rem 0;
 border-bottom: 1px solid var(--edge); vertical-align: top; white-space: nowrap; }
td:last-child { white-space: normal; overflow-wrap: anywhere; width: 100%; }
@media (max-width: 45rem) { .broken, .broken tbody { display: block; } .broken th { display: none; }
 .broken tr { display: block; padding: .3rem 0; border-bottom: 1px solid var(--edge); }
 .broken td { border: 0; padding: 0 .75rem 0 0; display: inline; white-space: normal; }
 .broken td:last-child { display: block; } }
dl { margin: .5rem 0; } dt { font-weight: 600; }
dd { margin: 0 0 .35rem; }
figure { margin: 1rem 0 1.5rem; } figcaption { font-size: .9rem; color: var(--dim); margin-bottom: .4rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
.label { fill: var(--ink); } .on { fill: var(--on); }
.axis { stroke: var(--dim); stroke-dasharray: 3 3; } .interval { stroke-width: 2; }
.kept, .bar { fill: var(--blue); } .share { fill: var(--edge); } .rate { stroke: var(--ink); stroke-width: 2; }
.promised { fill: none; stroke: var(--bad); stroke-width: 2; }
.v-pass { fill: var(--good); stroke: var(--good); } .v-fail, .v-error { fill: var(--bad); stroke: var(--bad); }
.v-inconclusive, .v-waived { fill: var(--mild); stroke: var(--mild); }
.line0 { fill: var(--edge); } .line1 { fill: var(--blue); } .line2 { fill: var(--mild); } .line3 { fill: var(--bad); }
@media print { body { max-width: none; } details { break-inside: avoid; } }
"""
_DIGEST = base64.b64encode(sha256(STYLE.encode()).digest()).decode()
HEAD = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{title}}</title>
<style>{STYLE}</style>
</head>
<body>
"""
FOOT = "</body>\n</html>\n"


def text(document: Mapping[str, Any]) -> str:
    """Return the document as one page."""
    reports = document["reports"]
    title = "droppath-audit: " + ", ".join(name_of(report) for report in reports)
    said = [HEAD.replace("{title}", _said(title[:200]))]
    said += [_report(report) for report in reports]
    size = sum(len(part.encode()) for part in said)
    left = 0
    for report in reports:
        for one in broken(report):
            part = _finding(report, one)
            if left or size + len(part.encode()) > MOST:
                left += 1
                continue
            said.append(part)
            size += len(part.encode())
    if left:
        said.append(f"<p>{left} findings in full are left out, because the page would be too large.</p>\n")
    whole = "".join([*said, FOOT])
    if len(whole.encode()) > MOST + 2**12:
        cut = "<p>This report is too large for a page; its JSON document has all of it.</p>\n"
        return "".join([said[0], *(f"<h1>{_said(name_of(one))}</h1>\n" for one in reports[:50]), cut, FOOT])
    return whole


def _report(report: Mapping[str, Any]) -> str:
    target, trials = report["target"], report["counts"]
    package = f' <span class="dim">{_said(target["package"])}</span>' if target["package"] else ""
    facts = [
        ("source", target["origin"]),
        ("called", target["called"]),
        ("on", f"{target['framework']} {target['framework_version']}, {', '.join(target['devices'])}"),
        (
            "audit",
            f"effort {report['effort']}, seed {report['seed']}, budget {report['budget']:g}, {report['started']}",
        ),
        ("trials", f"{trials['run']} of {trials['planned']} run"),
        *((str(level), counted(report, str(level))) for level in Level),
        ("expected", report["expected"]),
    ]
    rows = "".join(f"<tr><th>{_said(name)}</th><td>{_said(value)}</td></tr>\n" for name, value in facts if value)
    told = [
        f"<h1>{_said(name_of(report))}{package}</h1>\n",
        f'<p><span class="verdict is-{_said(report["verdict"])}">{_said(conclusion(report))}</span></p>\n',
        f"<table>\n{rows}</table>\n",
    ]
    findings = {result["trial"] for result in report["results"] if is_finding(report, result)}
    causes = [one for one in report["causes"] if one["kind"] != DEFINITION and findings & set(one["trials"])]
    if causes:
        told.append("<h2>What is wrong, and where</h2>\n")
        told += [_cause(report, cause) for cause in causes]
    found = broken(report)
    if found:
        told.append(
            '<h2>What is broken</h2>\n<table class="broken">\n'
            "<tr><th>check</th><th>level</th><th>trials</th><th>observed</th></tr>\n"
        )
        told += [_row(one) for one in found]
        told.append("</table>\n")
    open_ = [result for result in report["results"] if result["verdict"] == Outcome.INCONCLUSIVE]
    if open_:
        told.append("<h2>What stayed open</h2>\n<ul>\n")
        told += [f"<li>{_said(one['trial'])}: {_said(one['message'])}</li>\n" for one in open_]
        told.append("</ul>\n")
    told.append(costs.table(report))
    pictures = "".join(picture(report) for picture in PICTURES)
    if pictures:
        told.append(f"<h2>Pictures</h2>\n{pictures}\n")
    return "".join(told)


def _cause(report: Mapping[str, Any], cause: Mapping[str, Any]) -> str:
    seen = telling(report, cause)
    lines = "\n".join(
        f"<b>{number:>5}  {_said(line)}</b>" if number == cause["line"] else f"{number:>5}  {_said(line)}"
        for number, line in cause["around"]
    )
    inside = f" in {_said(cause['function'])}" if cause["function"] else ""
    return (
        f'<section class="cause">\n<h3><span class="{_said(cause["level"])}">{_said(cause["level"])}</span> '
        f'{_said(cause["sentence"])}</h3>\n<p class="dim">{_said(cause["file"])}:{cause["line"]}{inside}</p>\n'
        f"<pre>{lines}</pre>\n<dl>\n"
        f"<dt>breaks</dt><dd>{_said(', '.join(cause['checks']))} in {len(cause['trials'])} trials</dd>\n"
        f"<dt>seen</dt><dd>{_said(seen['message'])}, in {_said(seen['trial'])}</dd>\n"
        f"<dt>change</dt><dd>{_said(cause['fix'])}</dd>\n</dl>\n</section>\n"
    )


def _row(one: Broken) -> str:
    level = f'<span class="{_said(one.level)}">{_said(one.level)}</span>'
    known = f' <span class="waived">{_said(waived(one))}</span>' if waived(one) else ""
    return (
        f"<tr><td>{_said(one.check)} {_said(one.slug)}</td><td>{level}{known}</td>"
        f"<td>{len(one.trials)} of {one.ran}</td><td>{_said(clipped(one.first['message'], 400))}</td></tr>\n"
    )


def _finding(report: Mapping[str, Any], one: Broken) -> str:
    """Return all about the first broken trial of a check, folded."""
    result = one.first
    names = {
        "promised": "promised",
        "message": "observed",
        "hint": "hint",
        "why": "why it matters",
        "fix": "how to fix it",
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{_said(result[field])}</dd>\n" for field, name in names.items() if result[field]
    )
    script = ""
    if result["snippet"]:
        state = _said(result["snippet_state"] or "not run")
        script = f"<p>Without this package ({state}):</p>\n<pre>{_said(result['snippet'], 4 * LONGEST)}</pre>\n"
    title = f"{one.check} {one.slug}, {one.level}: {name_of(report)}"
    return (
        f"<details>\n<summary>{_said(title)}</summary>\n"
        f"<dl>\n{rows}</dl>\n<pre>{_said(result['reproduce'])}</pre>\n{script}</details>\n"
    )


def _said(text_: object, most: int = LONGEST) -> str:
    """Return a text in which nothing is markup, and everything can be seen."""
    return escape(clipped(str(text_), most), quote=True)
