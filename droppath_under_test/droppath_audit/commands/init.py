"""``droppath-audit init``: a commented start of the configuration, and a workflow for GitHub."""

from __future__ import annotations

import json
from pathlib import Path

import click

from droppath_audit.commands import Command
from droppath_audit.config import FILE, TABLE

WORKFLOW = Path(".github/workflows/droppath-audit.yml")
EXAMPLE = "my_package.layers:DropPath"
START = """
[tool.droppath-audit]
# What is audited where the command line names nothing: SPECs, or tables of a spec and its items.
targets = [
{targets}
]
# quick sees a keep probability that is wrong by 0.005, standard by 0.0005, thorough by 0.0001.
effort = "quick"
# A broken SHOULD fails the audit as well.
strict = false

# What is known to be broken, and does not fail the audit. It is told by the check and by the line that makes it, and a
# reason is needed. After the last day it fails again; where it matches nothing, the report says so.
# [[tool.droppath-audit.waivers]]
# check = "DP301"
# line = "return x / keep_prob * mask"
# reason = "the schedule ends below 1"
# until = 2030-01-31
"""
GITHUB = """# Audits the layers that pyproject.toml names, and shows what is found beside the code.
name: droppath-audit
on: [push, pull_request]
permissions:
  contents: read
  security-events: write
jobs:
  audit:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install torch --index-url https://download.pytorch.org/whl/cpu
      - run: pip install droppath-audit .  # or git+URL of a clone, where your index has no release of it
      - run: droppath-audit --markdown summary.md --sarif droppath.sarif
      - if: always()
        run: cat summary.md >> "$GITHUB_STEP_SUMMARY"
      - if: always()
        uses: github/codeql-action/upload-sarif@v3
        with:
          sarif_file: droppath.sarif
          category: droppath-audit
"""


@click.command(cls=Command)
@click.argument("specs", nargs=-1, metavar="[SPEC ...]")
def command(specs: tuple[str, ...]) -> int:
    """Write a start of the configuration into pyproject.toml, and a workflow file.

    SPEC is what is to be audited; without one an example stands there. What is there already is left alone.
    """
    from droppath_audit.core.errors import UsageError
    from droppath_audit.core.files import reason
    from droppath_audit.targets.spec import parse

    for spec in specs:
        parse(spec)
    try:
        _begin(specs or (EXAMPLE,))
        if WORKFLOW.exists():
            click.echo(f"{WORKFLOW} is there already, and is left as it is.")
        else:
            WORKFLOW.parent.mkdir(parents=True, exist_ok=True)
            WORKFLOW.write_text(GITHUB, encoding="utf-8")
            click.echo(f"{WORKFLOW} is written.")
    except OSError as error:
        raise UsageError(f"Nothing more can be written here: {reason(error)}.") from None
    click.echo("Next: droppath-audit" if specs else f"Next: name your layers in {FILE}, then droppath-audit")
    return 0


def _begin(specs: tuple[str, ...]) -> None:
    file = Path(FILE)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if f"[tool.{TABLE}]" in text:
        click.echo(f"{FILE} has a [tool.{TABLE}] already, and is left as it is.")
        return
    targets = "\n".join(f"    {json.dumps(spec)}," for spec in specs)
    start = START.format(targets=targets)
    file.write_text(text + (start if text else start.lstrip("\n")), encoding="utf-8")
    click.echo(f"{FILE} has a [tool.{TABLE}] now.")
