"""Write the pages of ``docs/reference``, the glossary and two tables: ``python -m tools.reference``.

Each is made of the code itself: options of the commands and of pytest, exit statuses, the JSON schemas, known names,
items of SPECs, words. ``tests/unit/tools`` fails while one of them is stale.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.checks import catalogue
from droppath_audit.commands import cli
from droppath_audit.core.glossary import WORDS
from droppath_audit.core.level import Level
from droppath_audit.core.report import EXIT_STATUSES
from droppath_audit.targets.item_table import MEANINGS
from droppath_audit.targets.known import known_systems
from tools import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

FOLDER = DOCS / "reference"
NOTE = "Written by `python -m tools.reference`."
SCHEMAS = {
    "schema.json": ("Reports", "what `--json FILE` writes"),
    "scan_schema.json": ("Scans", "what `droppath-audit scan timm --json FILE` writes"),
    "grade_schema.json": ("Grades", "what `droppath-audit grade TESTS --target SPEC --json FILE` writes"),
}
PART = re.compile(r"(<!-- (\w+): written by python -m tools\.reference -->\n).*?(<!-- end of \2 -->\n)", re.DOTALL)
WIDTH = 1000  # of a line of click's, so that none is broken


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in rows
    ]


def options_page() -> str:
    """Return the page of commands with their options, and of the options of pytest."""
    lines = ["# Commands and options", "", NOTE, "", cli_text(cli.help), ""]
    context = click.Context(cli, info_name="droppath-audit", max_content_width=WIDTH, terminal_width=WIDTH)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101 - it was listed
        inner = click.Context(command, parent=context, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH)
        usage = " ".join(command.collect_usage_pieces(inner))
        lines += [f"## {name}", "", "```text", f"droppath-audit {name} {usage}", "```", "", cli_text(command.help), ""]
        records = [option.get_help_record(inner) for option in command.get_params(inner)]
        rows = [
            (f"`{record[0]}`", angled(record[1]))
            for record in records
            if record and record[0].startswith("-") and "--help" not in record[0]
        ]
        lines += [*table(("option", "meaning"), rows), ""] if rows else []
    lines += ["## pytest", "", "The plugin is there where the package is installed.", ""]
    lines += table(("option", "meaning"), [(f"`{name}`", text) for name, text in pytest_options()])
    return "\n".join(lines) + "\n"


def cli_text(help_text: str | None) -> str:
    """Return the text of a command as paragraphs of Markdown."""
    paragraphs = (help_text or "").replace("\b\n", "").split("\n\n")
    return "\n\n".join(angled(" ".join(paragraph.split())) for paragraph in paragraphs)


def angled(text: str) -> str:
    """Return a text of the command line without what Markdown would read as its own."""
    return re.sub(r"[\[\]*_<>]", r"\\\g<0>", text.replace("\\", "\\\\"))


def pytest_options() -> list[tuple[str, str]]:
    """Return the options and ini keys that the plugin adds, with what they say of themselves."""
    found: list[tuple[str, str]] = []

    class Recorder:
        def getgroup(self, *_: str) -> Recorder:
            return self

        def addoption(self, name: str, **settings: Any) -> None:
            metavar = f" {settings['metavar']}" if "metavar" in settings else ""
            found.append((f"{name}{metavar}", settings["help"]))

        def addini(self, name: str, text: str, **_: Any) -> None:
            found.append((f"{name} =", f"in the ini file: {text}"))

    from droppath_audit.pytest_plugin import pytest_addoption

    pytest_addoption(Recorder())  # type: ignore[arg-type]
    return found


def statuses() -> list[str]:
    """Return the table of exit statuses."""
    return table(("status", "meaning"), [(str(int(status)), text) for status, text in EXIT_STATUSES.items()])


def statuses_page() -> str:
    """Return the page of exit statuses."""
    others = [
        (f"[`{name}`](options.md#{name})", sentence)
        for name in cli.list_commands(click.Context(cli))
        if (command := cli.get_command(click.Context(cli), name)) is not None
        for sentence in re.findall(r"Exit status[^.]*\.", " ".join((command.help or "").split()))
    ]
    lines = ["# Exit statuses", "", NOTE, "", *statuses(), ""]
    lines += ["Of several SPECs the gravest counts: a signal, then 1, 2, 3, 0.", ""]
    lines += ["Where another command says something of its own, this is it:", "", *table(("command", "status"), others)]
    return "\n".join(lines) + "\n"


def schema_page() -> str:
    """Return the page of the JSON documents."""
    lines = ["# JSON documents", "", NOTE, ""]
    for file, (title, what) in SCHEMAS.items():
        schema = json.loads(resources.files("droppath_audit.report").joinpath(file).read_text(encoding="utf-8"))
        lines += [
            f"## {title}",
            "",
            f"`droppath_audit/report/{file}`: {what}. {schema.get('description', '')}".rstrip(),
            "",
        ]
        for name, of in {"the document": schema, **schema.get("$defs", {})}.items():
            if "properties" in of:
                lines += [f"### {title}: {name}", "", *_fields(of), ""]
    return "\n".join(lines)


def _fields(of: Mapping[str, Any]) -> list[str]:
    needed = of.get("required", ())
    rows = [
        (f"`{name}`", _type(value), "yes" if name in needed else "", angled(value.get("description", "")))
        for name, value in of["properties"].items()
    ]
    return table(("key", "type", "always there", "meaning"), rows)


def _type(value: Mapping[str, Any]) -> str:
    """Return the type of a value in a few words."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(one)}`" for one in value["enum"])
    if "anyOf" in value or "oneOf" in value:
        return " or ".join(_type(one) for one in value.get("anyOf", value.get("oneOf")))
    kinds = value.get("type", "any")
    items = value.get("items")
    words = [
        f"array of {_type(items)}" if kind == "array" and items else kind
        for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ]
    return " or ".join(words)


def known_page() -> str:
    """Return the page of implementations that can be audited by name."""
    levels = {check.id: check.level for check in catalogue().values()}
    rows = []
    for system in known_systems().values():
        finding = any(levels[broken.check] is Level.MUST for broken in system.broken)
        rows.append(
            (f"`{system.name}`", system.title, f"`{system.spec}`", system.dialect.describe(), str(int(finding)))
        )
    lines = ["# Known names", "", NOTE, ""]
    lines += [
        "`droppath-audit NAME` audits it. `droppath-audit list NAME` says how to install it and what to expect of"
    ]
    lines += ["it, with the reasons. [What the audits found](../audits.md) is a page of its own.", ""]
    return "\n".join([*lines, *table(("name", "what it is", "SPEC", "dialect", "exit status"), rows)]) + "\n"


def glossary_page() -> str:
    """Return the page of words."""
    lines = ["# Glossary", "", f"{NOTE} `droppath-audit explain WORD` prints each of these."]
    for word, text in sorted(WORDS.items()):
        lines += ["", f"## {word}", "", text]
    return "\n".join(lines) + "\n"


def items() -> list[str]:
    """Return the table of the items of a SPEC."""
    return table(("item", "meaning"), [(", ".join(f"`{one}`" for one in ones), text) for ones, text in MEANINGS])


def seconds() -> list[str]:
    """Return the times of whole audits, as ``docs/speed.md`` has them."""
    speed = (DOCS / "speed.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (`droppath-audit --(?:effort \w+|plan)`) \| ([\d.]+) \|", speed, re.MULTILINE)
    return table(("command", "seconds on two cores"), found)


def with_parts(text: str) -> str:
    """Return a page with its parts written anew."""
    parts: dict[str, Callable[[], list[str]]] = {"items": items, "statuses": statuses, "seconds": seconds}
    return PART.sub(lambda part: "\n".join([part[1].rstrip("\n"), "", *parts[part[2]](), "", part[3]]), text)


def written() -> dict[Path, str]:
    """Return every page that is written here, by its file."""
    pages = {
        FOLDER / "options.md": options_page(),
        FOLDER / "exit-statuses.md": statuses_page(),
        FOLDER / "json.md": schema_page(),
        FOLDER / "known-names.md": known_page(),
        DOCS / "glossary.md": glossary_page(),
    }
    for name in ("spec.md", "gate.md", "how-to/effort-and-budget.md"):
        pages[DOCS / name] = with_parts((DOCS / name).read_text(encoding="utf-8"))
    return pages


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in written().items():
        file.write_text(text, encoding="utf-8")
