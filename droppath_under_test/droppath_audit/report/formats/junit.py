"""JUnit XML, which CI servers read: a suite a target, a test case a trial.

A finding is a failure, or an error where there was no evidence; a question left open is an error of its own type. What
does not fail the audit (a broken SHOULD or INFO) passes, and says so on the case's output.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from droppath_audit.core.result import BAD
from droppath_audit.core.verdict import Outcome
from droppath_audit.core.visible import clipped
from droppath_audit.report.broken import LONGEST, is_finding, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

WHAT = "JUnit XML"
# What XML 1.0 has no way to write, beyond what `visible` shows already.
_NO_XML = re.compile("[\ufffe\uffff\U0001fffe\U0001ffff]")


def text(document: Mapping[str, Any]) -> str:
    """Return the document as JUnit XML."""
    suites = ET.Element("testsuites", name="droppath-audit")
    for report in document["reports"]:
        suites.append(_suite(report))
    for name in ("tests", "failures", "errors", "skipped"):
        suites.set(name, str(sum(int(suite.get(name, 0)) for suite in suites)))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _suite(report: Mapping[str, Any]) -> ET.Element:
    name = _legal(name_of(report))
    suite = ET.Element("testsuite", name=name, time=f"{report['seconds']:.3f}", timestamp=report["started"])
    for result in report["results"]:
        case = ET.SubElement(
            suite, "testcase", classname=name, name=_legal(result["trial"]), time=f"{result['seconds']:.3f}"
        )
        _judged(case, report, result)
    if report["incomplete"]:
        case = ET.SubElement(suite, "testcase", classname=name, name="the whole audit", time="0")
        ET.SubElement(case, "error", type="incomplete", message=_legal(report["incomplete"]))
    suite.set("tests", str(len(suite)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(case.find(tag) is not None for case in suite)))
    return suite


def _judged(case: ET.Element, report: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Add what became of a trial to its test case."""
    verdict, message = result["verdict"], _legal(result["message"])
    if verdict == "not-applicable":
        ET.SubElement(case, "skipped", message=message)
    elif is_finding(report, result):
        tag = "failure" if verdict == "fail" else "error"
        ET.SubElement(case, tag, type=result["level"], message=message).text = _details(result)
    elif verdict == Outcome.WAIVED:
        ET.SubElement(case, "skipped", message=_legal(f"{result['note']}: {result['message']}"))
    elif verdict in BAD:
        ET.SubElement(case, "system-out").text = f"{result['level']}, which does not fail: {_details(result)}"
    elif verdict == Outcome.INCONCLUSIVE and result["level"] == "MUST":
        ET.SubElement(case, "error", type=verdict, message=message)


def _details(result: Mapping[str, Any]) -> str:
    rows = [
        ("observed", result["message"]),
        ("promised", result["promised"]),
        ("hint", result["hint"]),
        ("fix", result["fix"]),
        ("reproduce", result["reproduce"]),
    ]
    return "\n".join(f"{name}: {_legal(said)}" for name, said in rows if said)


def _legal(said: str) -> str:
    """Return a text that XML can hold and a reader can see."""
    return _NO_XML.sub(lambda match: ascii(match.group())[1:-1], clipped(said, LONGEST))
