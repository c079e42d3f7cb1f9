"""Every command line on the pages is one that its program understands; none is run here."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shlex
from typing import TYPE_CHECKING, Any

import click
import pytest

from droppath_audit.commands import cli
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.errors import UsageError
from droppath_audit.targets.spec import parse
from tools import ROOT
from tools.blocks import blocks, pages
from tools.reference import pytest_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS = {page: page.read_text(encoding="utf-8") for page in pages()}
OTHERS = {
    ".venv/bin/pip",
    "pip",
    "cd",
    "echo",
    "grep",
    "head",
    "tail",
    "sed",
    "cat",
    "rm",
    "cp",
    "mkdir",
    "docker",
    "git",
    "test",
}
INLINE = re.compile(r"`(droppath-audit [^`]*)`")
PLACEHOLDERS = {
    "SPEC": "my_package.layers:DropPath", "NAME": "timm", "WORD": "cell", "TESTS": "tests", "NAMES": "timm",
    "PACKAGE_OR_FOLDER": "timm", "OLD": "old.json", "NEW": "new.json", "FILE": "report.json",
}  # fmt: skip
WITHOUT_SPEC = {"scan", "explain", "list", "report", "compare", "schedule", "power", "selftest"}


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, without assignments and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|;&"):
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
        else:
            words.append(word)


def understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail unless a program takes these words."""
    words = words[: next((number for number, word in enumerate(words) if set(word) <= set("<>")), len(words))]
    program, arguments = words[0], words[1:]
    if program == "torchrun":  # its own options are not looked at
        program, arguments = "python", words[words.index("-m") :]
    if program == "python" and arguments[0] == "-m":
        program, arguments = arguments[1], arguments[2:]
        if program.startswith("tools."):
            assert importlib.util.find_spec(program), program
            return
        assert program in ("pytest", "droppath_audit", "venv"), program
    if program in ("droppath-audit", "droppath_audit"):
        parsed(arguments, monkeypatch)
    elif program == "pytest":
        known = {name.split()[0] for name, _ in pytest_options()}
        assert {word for word in arguments if word.startswith("--droppath")} <= known
        for word in arguments:
            assert not word.startswith("tests/") or (ROOT / word.split("::")[0]).exists() or "my" in word, word
    elif program == "tox":
        of_tox(arguments)
    else:
        assert program in OTHERS | {"python", "venv"}, program


def of_tox(arguments: list[str]) -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    names = {section.partition(":")[2] for section in settings.sections()}
    if arguments and arguments[0] == "-e":
        zoo = next(name for name in names if name.startswith("zoo-"))
        names |= {f"zoo-{name}" for name in zoo.partition("{")[2].rstrip("}").split(",")} | {"zoo-my-package"}
        assert set(arguments[1].split(",")) <= names
    elif arguments and arguments[0] == "-m":
        assert f"{arguments[1]} =" in settings["tox"]["labels"]


def parsed(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command line of ours as far as its SPECs; nothing is invoked."""
    seen: list[click.Context] = []

    def noted(_: click.Command, context: click.Context) -> None:
        seen.append(context)

    with monkeypatch.context() as patch:
        patch.setattr(click.Command, "invoke", noted)
        cli.main(arguments, prog_name="droppath-audit", standalone_mode=False)
    if not seen:  # --help or --version
        return
    name, given = str(seen[-1].info_name), seen[-1].params
    effort = given.get("effort", "quick")
    assert set([effort] if isinstance(effort, str) else effort) <= set(EFFORTS), effort
    if name not in WITHOUT_SPEC:
        for spec in specs_of(given):
            parse(spec)


def specs_of(given: dict[str, Any]) -> list[str]:
    found = [given.get(key) for key in ("spec", "specs", "target")]
    return [one for value in found if value for one in ([value] if isinstance(value, str) else value)]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: "/".join(page.parts[-2:]))
def test_every_line_of_a_console_block_is_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(TEXTS[page]):
        for line in block.commands():
            for words in simple_commands(line):
                try:
                    understood(words, monkeypatch)
                except (UsageError, click.ClickException) as error:
                    pytest.fail(f"{line}: {error.message}")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: "/".join(page.parts[-2:]))
def test_every_command_within_a_sentence_is_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in INLINE.findall(TEXTS[page]):
        if "…" in text or "[" in text:
            continue
        try:
            words = [PLACEHOLDERS.get(word, word) for word in shlex.split(text)]
            understood(words, monkeypatch)
        except click.MissingParameter:
            assert len(words) == 2, text  # the command is spoken of
        except (UsageError, click.ClickException) as error:
            pytest.fail(f"{text}: {error.message}")


@pytest.mark.parametrize(
    "line",
    [
        "droppath-audit my.py:f --efort quick",
        "droppath-audit my.py:f --effort swift",
        "droppath-audit 'my.py:f?granularty=batch'",
        "droppath-audit noname",
        "droppath-audit grade tests --target 'my.py:f?from=branch'",
        "droppath-audit && droppath-audit certfy timm",
        "pytest --droppath my.py:f --droppath-efort quick",
        "tox -e cpus",
        "tox -m audit",
        "python -m tools.page",
        "drop-audit my.py:f",
    ],
)
def test_a_slip_in_a_command_is_found(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> None:
        for words in simple_commands(line):
            understood(words, monkeypatch)

    with pytest.raises((UsageError, click.ClickException, AssertionError)):
        read()
