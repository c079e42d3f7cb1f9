"""Options of the command line that ask for reports in files, and what writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from droppath_audit.core.errors import UsageError
from droppath_audit.report import formats
from droppath_audit.report.json import text_of
from droppath_audit.report.writing import STANDARD_OUTPUT, refuse_unwritable, write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any] | click.Command")
JSON = "json"


def report_options(*, with_json: bool) -> Callable[[F], F]:
    """Return the options that ask for a report in a file, one a form.

    Args:
        with_json: Whether the JSON document can be asked for as well.
    """
    asked = [(JSON, "the JSON report")] if with_json else []
    asked += [(name, formats.what(name)) for name in formats.names()]

    def added(function: F) -> F:
        for name, what in reversed(asked):
            function = click.option(
                f"--{name}",
                f"{name}_file",
                type=click.Path(dir_okay=False),
                metavar="FILE",
                help=f"Write {what} ('-' for standard output).",
            )(function)
        return function

    return added


def asked_for(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the file of each form that was asked for.

    Raises:
        UsageError: If a file cannot be written, or two forms have the same one.
    """
    found = {name: options.get(f"{name}_file") for name in (JSON, *formats.names())}
    files = {name: file for name, file in found.items() if file}
    for file in files.values():
        same = [f"--{other}" for other in files if files[other] == file]
        if len(same) > 1:
            where = "standard output" if file == STANDARD_OUTPUT else file
            raise UsageError(f"{' and '.join(same)} cannot both be written to {where}.")
        refuse_unwritable(file)
    return files


def write_reports(files: Mapping[str, str], document: Mapping[str, Any]) -> None:
    """Write a document in every form that was asked for, each though another fails.

    Raises:
        Unwritable: If one or more cannot be written.
    """
    texts = {file: formats.text_of(name, document) for name, file in files.items() if name != JSON}
    if JSON in files:
        texts = {files[JSON]: text_of(dict(document)), **texts}
    write_all(texts)
