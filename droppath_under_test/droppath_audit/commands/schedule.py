"""``droppath-audit schedule SPEC``: audit a function that gives the drop_prob of every block, by itself."""

from __future__ import annotations

from typing import Any

import click

from droppath_audit.auditing import effort_option, perform, running_options, selection_options
from droppath_audit.commands import Command
from droppath_audit.config import asked_configuration
from droppath_audit.core.facts import SCHEDULE

EXAMPLES = """\b
Examples:
  droppath-audit schedule my_package.models:drop_path_rates
  droppath-audit schedule timm.layers:calculate_drop_path_rates --schedule linear
  droppath-audit schedule 'path/to/file.py:rates?prob=survival:keep&depth=layers:stages&arg.mode=linear'
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("spec", metavar="SPEC")
@click.option(
    "--schedule",
    metavar="RULE",
    help="Rule of the rates: linear, ends-early, paper, constant, stagewise, or none.  [default: any]",
)
@effort_option("standard")
@click.option("--device", "devices", multiple=True, metavar="NAME", help="Device to run on.  [default: cpu]")
@selection_options
@running_options
def command(spec: str, schedule: str | None, **options: Any) -> int:
    """Audit a schedule: a function of a rate and a number of blocks.

    SPEC is package.module:function or path/to/file.py:function, a class whose instances are called, or a method.
    Which argument means what is read from its name; 'depth=NAME' is the number of blocks ('depth=NAME:stages' a list of
    one for each stage), 'prob=NAME:drop' or 'prob=NAME:keep' the rate, 'index=NAME' a block, where one rate is
    returned, 'arg.NAME=VALUE' gives another argument a value.
    """
    from droppath_audit.models.spec import with_items
    from droppath_audit.schedules.spec import parse_schedule

    text = with_items(spec, schedule=schedule)
    parse_schedule(text)
    return perform((text,), {**options, "kind": SCHEDULE}, asked_configuration().waivers)
