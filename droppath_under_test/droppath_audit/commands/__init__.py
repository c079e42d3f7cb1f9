"""The command line: one file a subcommand, found by being here.

A file defines ``command``; its name is the subcommand's. A command line that begins with a SPEC, or with nothing, is
an audit.
"""

from __future__ import annotations

import signal
import sys
from functools import cache
from importlib import import_module
from io import StringIO
from pkgutil import iter_modules
from typing import cast

import click

from droppath_audit import __version__
from droppath_audit.core.errors import Interrupted, UsageError, nearest
from droppath_audit.core.report import SIGNALLED, UNUSABLE
from droppath_audit.core.search_path import put_working_directory_last
from droppath_audit.core.visible import visible
from droppath_audit.report.streams import failure, patient_streams

DEFAULT = "audit"


@cache
def subcommands() -> tuple[str, ...]:
    """Return the names of the files in this folder."""
    return tuple(module.name for module in iter_modules(__path__))


class Command(click.Command):
    """A subcommand; an option that is given an empty value is a slip, and not as if it had not been given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and refuse an option whose value is empty."""
        rest = super().parse_args(ctx, args)
        for option in self.params:
            value = ctx.params.get(option.name or "")
            values = value if isinstance(value, tuple) else (value,)
            if isinstance(option, click.Option) and any(isinstance(one, str) and not one.strip() for one in values):
                raise UsageError(f"{option.opts[0]} was given an empty value; give it one, or leave it out.")
        return rest


class Commands(click.Group):
    """The group of subcommands; what is none of them is a SPEC."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the subcommands, in the order of their names."""
        return sorted(subcommands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a subcommand, importing its file."""
        if cmd_name not in subcommands():
            return None
        return cast("click.Command", import_module(f"{__name__}.{cmd_name}").command)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default subcommand in front, unless the first word is one or asks for help."""
        first = args[0] if args else ""
        if first not in (*subcommands(), "--help", "-h", "--version"):
            if first and not first.startswith("-") and not _is_target(first):
                from droppath_audit.targets.known import known_systems

                raise UsageError(
                    f"{first!r} is neither a subcommand, nor a known name ('droppath-audit list --known'), nor a SPEC "
                    "(package.module:Name or path/to/file.py:Name)."
                    + nearest(first, (*subcommands(), *known_systems()))
                )
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


def _is_target(word: str) -> bool:
    """Return whether a first word is meant as a SPEC; dotted names and files are, though they lack their colon."""
    if any(mark in word for mark in ":./?"):
        return True
    from droppath_audit.targets.known import known_systems

    return word in known_systems()


# click keeps the lines of a paragraph apart that begins with a backspace character.
EXAMPLES = """\b
Examples:
  droppath-audit                              audit the embedded reference
  droppath-audit timm                         audit a known implementation: see 'list --known'
  droppath-audit my_package.layers:DropPath   audit a class of an installed package
  droppath-audit path/to/file.py:drop_path    audit a function in a file
  droppath-audit audit --help                 show every option of an audit
"""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@click.version_option(__version__, prog_name="droppath-audit")
def cli() -> None:
    """Verify an implementation of DropPath (stochastic depth), with stated error rates.

    A command line that begins with a SPEC, or with nothing, is an audit.

    Exit status: 0 every MUST holds, 1 at least one finding, 2 usage or loading error, 3 no finding but something
    inconclusive.
    """


def main() -> None:
    """Run the command line and exit with its status."""
    put_working_directory_last()
    with patient_streams():
        status = _status()
        lost = failure(sys.stdout)
        if lost:
            click.echo(f"droppath-audit: standard output cannot be written: {visible(lost)}.", err=True)
        if (lost or failure(sys.stderr)) and status < SIGNALLED:
            status = UNUSABLE
    sys.exit(status)


def _status() -> int:
    """Run the command line and return its status, having said what was wrong."""
    try:
        status = cli.main(standalone_mode=False)
    except Interrupted as error:
        click.echo(f"droppath-audit: {visible(error.message)}", err=True)
        return SIGNALLED + error.signal
    except UsageError as error:
        click.echo(f"droppath-audit: {visible(error.message)}", err=True)
        if error.detail and any(flag in sys.argv for flag in ("-v", "--verbose")):
            click.echo(visible(error.detail.rstrip()), err=True)
        return UNUSABLE
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        click.echo(visible(said.getvalue()), nl=False, err=True)
        return UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        click.echo("droppath-audit: interrupted", err=True)
        return SIGNALLED + signal.SIGINT
    return status if isinstance(status, int) else 0
