"""Measure kills and false alarms and write ``docs/calibration.md``: ``tox -e calibration``.

Answers go to a scratch file as they come, named by the code and the versions that gave them: the shared code, the files
of the check and that of the subject. So an interrupted run continues where it stopped, a check that changes is asked
again and no other, and no answer comes from code that is no longer there. No figure on the page has another source.

``python -m tools.calibrating --parts kills`` measures one part of the page; the others stay, each with its commit.

``python -m tools.calibrating --only DP402 --page build/dp402.md`` asks one check alone, after a change of it, where
earlier answers are gone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from droppath_audit.checks import catalogue
from droppath_audit.run.processes import cores
from tools import DOCS, ROOT
from tools.calibrating.asking import PARTS, Numbers, all_answers
from tools.calibrating.page import Page
from tools.calibrating.scratch import Scratch

PAGE = DOCS / "calibration.md"
SCRATCH = ROOT / "build" / "calibration"


def whole(text: str, least: int = 0) -> int:
    """Return a number of at least zero, or of at least another.

    Raises:
        ValueError: If it is none.
    """
    if int(text) < least:
        raise ValueError
    return int(text)


def positive(text: str) -> int:
    """Return a number of at least one; see ``whole``."""
    return whole(text, 1)


def main() -> int:
    """Measure, write the page, and return 1 where a figure is not as it should be."""
    parser = argparse.ArgumentParser(description="Measure kills and false alarms; write docs/calibration.md.")
    parser.add_argument("--seeds", type=positive, default=20, help="root seeds under which every mutant is killed")
    parser.add_argument(
        "--audits", type=positive, default=1000, help="quick audits of the reference and sound variants"
    )
    parser.add_argument("--standard", type=whole, default=100, help="standard audits of these")
    parser.add_argument("--synthetic", type=whole, default=2000, help="audits of the synthetic target")
    parser.add_argument("--jobs", type=positive, default=cores(), help="processes at a time")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="folder for results of interrupted runs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="measure these alone; others stay")
    parser.add_argument("--page", type=Path, default=PAGE, help="what to write")
    parser.add_argument("--only", nargs="+", choices=tuple(catalogue()), metavar="CHECK", help="ask these checks alone")
    options = parser.parse_args()
    if options.only and options.page == PAGE:
        parser.error("--only: the page is about all checks; name another file with --page")
    checks = tuple(check for check in catalogue() if check in (options.only or catalogue()))
    scratch = Scratch(options.scratch)
    numbers = Numbers(options.seeds, options.audits, options.standard, options.synthetic)
    measured = all_answers(numbers, scratch, options.jobs, checks, options.parts)
    page = Page(measured, options.page.read_text(encoding="utf-8") if options.page.exists() else "")
    options.page.write_text(page.text, encoding="utf-8")
    sys.stderr.write(f"{options.page} is written\n")
    sys.stderr.writelines(f"wrong  {line}\n" for line in page.wrong)
    return int(bool(page.wrong))


if __name__ == "__main__":
    sys.exit(main())
