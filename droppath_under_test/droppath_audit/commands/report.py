"""``droppath-audit report FILE``: other forms of a JSON report that was written before."""

from __future__ import annotations

from typing import Any

import click

from droppath_audit.commands import Command
from droppath_audit.core.report import HOLDS
from droppath_audit.report.options import asked_for, report_options, write_reports

EXAMPLES = """\b
Examples:
  droppath-audit report report.json --junit junit.xml --sarif audit.sarif
  droppath-audit report report.json --markdown "$GITHUB_STEP_SUMMARY" --github -
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE ...", type=click.Path(dir_okay=False))
@report_options(with_json=False)
def command(files: tuple[str, ...], **options: Any) -> int:
    """Write JSON reports in other forms; without an option, say what is broken, a line a check.

    Several FILEs make one document. Exit status: 0, whatever the reports say.
    """
    from droppath_audit.core.visible import visible
    from droppath_audit.report.broken import broken, conclusion, name_of
    from droppath_audit.report.reading import read_document

    wanted = asked_for(options)
    documents = [read_document(file) for file in files]
    document = {**documents[0], "reports": [report for one in documents for report in one["reports"]]}
    if wanted:
        write_reports(wanted, document)
        return HOLDS
    for report in document["reports"]:
        click.echo(visible(f"{name_of(report)}: {conclusion(report)}"))
        for one in broken(report):
            many = f"{len(one.trials)} of {one.ran}"
            click.echo(visible(f"  {one.check} {one.slug}  {one.level}  {many}  {one.first['message']}"))
    return HOLDS
