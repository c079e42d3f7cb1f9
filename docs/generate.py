"""Write the generated pages: ``python docs/generate.py``. ``tests/catalogue`` fails while they are stale."""

from __future__ import annotations

from pathlib import Path

from droppath_audit.checks import catalogue

PAGE = Path(__file__).parent / "checks.md"


def checks_page() -> str:
    """Return the page of all checks, made of their docstrings."""
    lines = [
        "# Checks",
        "",
        "Written by `python docs/generate.py` from the checks themselves.",
        "",
        "| id | name | level | promise |",
        "|---|---|---|---|",
    ]
    for check in catalogue().values():
        promise = check.documentation.promise.replace("|", "\\|")
        lines.append(f"| [{check.id}](#{check.id.lower()}-{check.slug}) | {check.slug} | {check.level} | {promise} |")
    for check in catalogue().values():
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


if __name__ == "__main__":
    PAGE.write_text(checks_page(), encoding="utf-8")
