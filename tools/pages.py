"""Write ``docs/checks.md`` and the table of ``docs/recordings.md``: ``python -m tools.pages``.

``tests/unit/tools`` fails while they are stale.
"""

from __future__ import annotations

from droppath_audit.checks import everything
from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.design import samples_for_certificate
from tools import DOCS

PAGE = DOCS / "checks.md"
RECORDINGS = DOCS / "recordings.md"
BEGIN, END = "<!-- lengths: written by python -m tools.pages -->\n", "<!-- end of lengths -->\n"
RESOLUTIONS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


def checks_page() -> str:
    """Return the page of all checks, made of their docstrings."""
    lines = [
        "# Checks",
        "",
        "Written by `python -m tools.pages` from the checks themselves.",
        "",
        "| id | name | level | promise |",
        "|---|---|---|---|",
    ]
    for check in everything().values():
        promise = check.documentation.promise.replace("|", "\\|")
        lines.append(f"| [{check.id}](#{check.id.lower()}-{check.slug}) | {check.slug} | {check.level} | {promise} |")
    for check in everything().values():
        text = check.documentation
        lines += [
            "",
            f"## {check.id} {check.slug}",
            "",
            text.promise,
            "",
            f"**What it checks.** {text.what}",
            "",
            f"**Why it matters.** {text.why}",
            "",
            f"**How to fix.** {text.fix}",
            "",
            f"**Seen in.** {text.seen}",
            "",
            f"**Mutants it kills.** {', '.join(f'`{name}`' for name in check.mutants)}",
        ]
    return "\n".join(lines) + "\n"


def recordings_page(text: str) -> str:
    """Return the page of recordings with its table of lengths computed anew."""
    probabilities = (0.1, 0.5)
    lines = [
        "| keep probability off by | decisions at drop_prob 0.1 or 0.9 | at 0.5 |",
        "|---|---|---|",
    ]
    for resolution in RESOLUTIONS:
        numbers = [samples_for_certificate(resolution, 1.0 - p, share(DEFAULT_BUDGET), BETA) for p in probabilities]
        lines.append(f"| {resolution:g} | {' | '.join(f'{number:,}' for number in numbers)} |")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(checks_page(), encoding="utf-8")
    RECORDINGS.write_text(recordings_page(RECORDINGS.read_text(encoding="utf-8")), encoding="utf-8")
