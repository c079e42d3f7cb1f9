"""Configuration: ``[tool.droppath-audit]`` of the nearest ``pyproject.toml``, or a file of the same shape.

Every key is checked when it is read: one that nobody knows, or of another type, ends the command with the nearest that
is known. Files are looked for beside it, wherever the command is run.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.files import reason
from droppath_audit.core.search_path import working_directory
from droppath_audit.core.visible import shortened
from droppath_audit.core.waiver import Waiver

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")

TABLE = "droppath-audit"
FILE = "pyproject.toml"
TEXT, TEXTS, FLAG, NUMBER = "a text", "a list of texts", "true or false", "a number"
# Option of the command line, what it must be, and what the command calls it.
OPTIONS = {
    "effort": (TEXT, "effort"),
    "seed": (NUMBER, "seed"),
    "budget": (NUMBER, "budget"),
    "strict": (FLAG, "strict"),
    "devices": (TEXTS, "devices"),
    "imports": (TEXTS, "imports"),
    "variants": (TEXTS, "variants"),
    "benchmark": (FLAG, "benchmark"),
    "only": (TEXTS, "only"),
    "skip": (TEXTS, "skip"),
    "jobs": (NUMBER, "jobs"),
    "trial-timeout": (TEXT, "trial_timeout"),
    "memory-limit": (TEXT, "memory_limit"),
    "baseline": (TEXT, "baseline"),
}
WAIVER = dict.fromkeys(("check", "reason", "until", "target", "kind", "function", "line"), TEXT)


@dataclass(frozen=True)
class Configuration:
    """What a file says.

    Attributes:
        file: Its path; empty where there is none.
        targets: SPECs that are audited where the command line names none.
        options: Values of options that the command line leaves out, by what the command calls them.
        waivers: What is known to be broken.
    """

    file: str = ""
    targets: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()


def found(name: str | None, folder: Path | None = None) -> Configuration:
    """Return the configuration of a file that is named, or of the nearest ``pyproject.toml`` that has one.

    Args:
        name: The file; None to look for one, in the working directory and above.
        folder: Where to begin to look.

    Raises:
        UsageError: If the file cannot be read, or says something that nobody knows.
    """
    if name is not None:
        return read(Path(name))
    here = Path(working_directory()) if folder is None else folder
    for place in (here, *here.parents):
        file = place / FILE
        if file.is_file():
            return read(file)
    return Configuration()


def read(file: Path) -> Configuration:
    """Return what a file says: the table in it, or all of it where it has another name than ``pyproject.toml``.

    Raises:
        UsageError: If it cannot be read, or says something that nobody knows.
    """
    said = shortened(str(file))
    try:
        data: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration {said} cannot be read: {reason(error)}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The configuration {said} is no TOML: {error}.") from None
    table = data.get("tool", {}) if file.name == FILE or "tool" in data else {TABLE: data}
    own = table.get(TABLE) if isinstance(table, dict) else None
    if own is None:
        return Configuration(str(file))
    return _Reader(said, file.parent).configuration(str(file), own)


def config_option(function: F) -> F:
    """Add ``--config``: what the file says stands for options that the command line leaves out."""
    return click.option(
        "--config",
        metavar="FILE",
        is_eager=True,  # or other options would have their defaults by then
        expose_value=False,
        callback=_taken,
        help="Take targets, options and waivers from this file.  [default: the nearest pyproject.toml]",
    )(function)


def asked_configuration() -> Configuration:
    """Return the configuration of the command that runs."""
    configuration: Configuration = click.get_current_context().meta[TABLE]
    return configuration


def _taken(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None and not value.strip():
        raise UsageError("--config was given an empty value; give it one, or leave it out.")
    configuration = context.meta[TABLE] = found(value)
    context.default_map = {**(context.default_map or {}), **configuration.options}


class _Reader:
    """Reads one table, and says where what is wrong stands."""

    def __init__(self, said: str, folder: Path) -> None:
        self._said, self._folder = said, folder

    def configuration(self, file: str, table: Any) -> Configuration:
        if not isinstance(table, dict):
            raise self._wrong(f"[tool.{TABLE}]", "a table", table)
        self._known(table, (*OPTIONS, "targets", "waivers"), f"[tool.{TABLE}]")
        options = {}
        for name, (what, parameter) in OPTIONS.items():
            if name in table:
                value = self._value(name, table[name], what)
                options[parameter] = str(value) if parameter == "seed" else value
        if options.get("baseline"):
            options["baseline"] = self._from_here(options["baseline"])
        targets = self._list("targets", table.get("targets", []))
        waivers = self._list("waivers", table.get("waivers", []))
        return Configuration(
            file,
            tuple(self._target(number, one) for number, one in enumerate(targets, start=1)),
            options,
            tuple(self._waiver(number, one) for number, one in enumerate(waivers, start=1)),
        )

    def _target(self, number: int, said: Any) -> str:
        where = f"target {number}"
        if isinstance(said, str) and said:
            return self._placed(said)
        if not isinstance(said, dict):
            raise self._wrong(where, "a SPEC, or a table with one", said)
        spec = said.get("spec")
        if not isinstance(spec, str) or not spec:
            raise self._wrong(f"spec of {where}", TEXT, spec)
        from droppath_audit.targets.loader import query_of
        from droppath_audit.targets.table import completed

        items = {name: value for name, value in said.items() if name != "spec"}
        flat = {
            f"{name}.{key}": held
            for name, value in items.items()
            if isinstance(value, dict)
            for key, held in value.items()
        }
        query = query_of({**{name: value for name, value in items.items() if not isinstance(value, dict)}, **flat})
        return self._placed(completed(spec, [query] if query else []))

    def _placed(self, spec: str) -> str:
        """Return a SPEC, or a pattern of one, that names a file beside the configuration as it is named from here."""
        from droppath_audit.targets.spec import RECORDINGS

        target, mark, items = spec.partition("?")
        return f"{self._from_here(target)}{mark}{items}" if target.endswith(RECORDINGS) or ".py:" in target else spec

    def _from_here(self, path: str) -> str:
        here, file = working_directory(), Path(path).expanduser()
        return path if file.is_absolute() or self._folder.samefile(here) else os.path.relpath(self._folder / file, here)

    def _waiver(self, number: int, said: Any) -> Waiver:
        where = f"waiver {number}"
        if not isinstance(said, dict):
            raise self._wrong(where, "a table", said)
        self._known(said, tuple(WAIVER), where)
        values = {name: self._value(f"{name} of {where}", said[name], TEXT) for name in said if name != "until"}
        for name in ("check", "reason"):
            if not str(values.get(name, "")).strip():
                raise UsageError(f"{self._said}: {where} has no {name}; a waiver needs both a check and a reason.")
        if "target" in values:
            values["target"] = self._placed(values["target"])
        return Waiver(**values, until=self._day(where, said.get("until")), source=self._said)

    def _day(self, where: str, value: Any) -> date | None:
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise self._wrong(f"until of {where}", "a day such as 2027-01-31", value) from None

    def _list(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._wrong(name, "a list", value)
        return value

    def _value(self, name: str, value: Any, what: str) -> Any:
        texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        right = {TEXT: isinstance(value, str), TEXTS: texts, FLAG: isinstance(value, bool), NUMBER: number}
        if not right[what]:
            raise self._wrong(name, what, value)
        return tuple(value) if what == TEXTS else value

    def _known(self, table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
        for name in table:
            if name not in names:
                raise UsageError(
                    f"{self._said}: {where} has a key {shortened(name)!r}, which nobody knows; "
                    f"there are {', '.join(names)}." + nearest(name, names)
                )

    def _wrong(self, name: str, what: str, value: Any) -> UsageError:
        return UsageError(f"{self._said}: {name} must be {what}, not {shortened(repr(value))}.")
