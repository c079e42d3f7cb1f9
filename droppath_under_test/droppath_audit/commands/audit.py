"""``droppath-audit [audit] [SPEC …]``: audit implementations and end with the verdict."""

from __future__ import annotations

import shlex
from typing import Any

import click
from click.core import ParameterSource

from droppath_audit.auditing import REFERENCE, effort_option, perform, running_options, selection_options
from droppath_audit.commands import Command, subcommands
from droppath_audit.config import asked_configuration
from droppath_audit.core.errors import UsageError

EXAMPLES = """\b
Examples:
  droppath-audit my_package.layers:DropPath --effort quick
  droppath-audit path/to/file.py:drop_path --only DP3xx
  droppath-audit 'my_package.layers:DropPath?scaling=none' --plan
  droppath-audit timm --json report.json
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("specs", nargs=-1, metavar="[SPEC ...]")
@effort_option("standard")
@click.option(
    "--device", "devices", multiple=True, metavar="NAME", help="Device to run on; repeatable.  [default: cpu]"
)
@click.option(
    "--variants",
    multiple=True,
    metavar="NAME,…",
    help="How it is run: eager, compile, export, fx, script, vmap.  [default: eager]",
)
@click.option("--benchmark", is_flag=True, help="Measure time, memory and work as well, against the reference.")
@selection_options
@running_options
def command(specs: tuple[str, ...], **options: Any) -> int:
    """Audit implementations of DropPath; without a SPEC, the embedded reference.

    SPEC is package.module:Name or path/to/file.py:Name, followed by what its signature does not say:
    '?granularity=batch&scaling=none', 'prob=NAME:keep', 'training=NAME' …
    """
    from droppath_audit.targets.spec import parse

    configuration = asked_configuration()
    targets = specs or configuration.targets or (REFERENCE,)
    for spec in targets:
        parse(spec)  # a slip of the pen in any of them is answered before the first is audited
    try:
        return perform(targets, options, configuration.waivers)
    except UsageError as error:
        words = shlex.split(error.command)
        if not words or words[1] in subcommands():  # which take other options
            raise
        command = shlex.join([*words, *_given(click.get_current_context())])
        raise error.from_json({**error.to_json(), "command": command}) from error


def _given(context: click.Context) -> list[str]:
    """Return the options of a command line as they were given, for the command to run next."""
    words = []
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not isinstance(option, click.Option) or not given or name not in context.params:
            continue
        value = context.params[name]
        for one in value if isinstance(value, tuple) else (value,):
            words += [option.opts[0]] if option.is_flag else [option.opts[0], str(one)]
    return words
