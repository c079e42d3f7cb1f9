"""What to run where everything that looks meant is meant: one command with the items that all hints name."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from droppath_audit.core.case import EAGER
from droppath_audit.core.facts import CHECKS_OF_X
from droppath_audit.core.verdict import SWAPPED

if TYPE_CHECKING:
    from droppath_audit.core.report import Report

_ITEM = re.compile(r"\badd (\w+=\S+) to the SPEC")


def declaring(report: Report) -> str:
    """Return the command that audits under everything that hints suggest; empty where they suggest nothing.

    Of several values for one item the first counts, and takes the place of what the SPEC says.
    """
    broken = [one for one in (*report.findings, *report.warnings) if one.trial.case.variant == EAGER]
    hints = [one.verdict.hint for one in broken]
    # Where the rate is read the wrong way round, what else is suggested is so under another rate.
    swapped = [hint for hint in hints if hint.startswith(SWAPPED)]
    items: dict[str, str] = {}
    for hint in swapped or hints:
        for item in _ITEM.findall(hint):
            items.setdefault(item.partition("=")[0], item)
    if not items or not report.facts.importable:
        return ""
    words = shlex.split(broken[0].reproduce)
    at, only = words.index(report.facts.spec), words.index("--only")
    name, _, said = report.facts.spec.partition("?")
    kept = [one for one in said.split("&") if one and one.partition("=")[0] not in items]
    words[at] = f"{name}?{'&'.join((*kept, *items.values()))}"
    left_out = [word for one in CHECKS_OF_X if report.facts.factory for word in ("--skip", one)]
    return shlex.join((*words[:only], *left_out, *words[only + 2 :]))
