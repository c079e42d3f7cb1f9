"""The page on removing blocks: its code runs, and its commands end as it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tools
from droppath_audit.commands import main

PAGE = (tools.DOCS / "removing-blocks.md").read_text(encoding="utf-8")
CODE = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "removing.py").write_text(CODE[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_a_file_a_script_and_two_commands() -> None:
    assert (len(CODE), len(COMMANDS)) == (2, 2)
    for named in re.findall(r"tests/[\w/]+\.py", PAGE):
        assert (Path(tools.ROOT) / named).is_file(), named


def test_the_script_runs_beside_the_file(folder: Path) -> None:
    """Apart from this process, in which tests have left their own paths."""
    (folder / "script.py").write_text(f"import sys; sys.path += {sys.path!r}\n{CODE[1]}", encoding="utf-8")
    run = subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("text", COMMANDS)
def test_a_command_finds_no_fault(
    text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(text, monkeypatch) == 0
    out = capsys.readouterr().out
    checks = re.findall(r"--only (DP\d+)", text)
    assert f"{len(checks)} planned · {len(checks)} run" in out
    assert f"MUST   {len(checks)} passed" in out


def test_a_block_that_cannot_be_removed_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The layer after the addition: what is dropped then is the shortcut as well."""
    wrong = CODE[0].replace("x + self.drop_path(self.branch(x))", "self.drop_path(x + self.branch(x))")
    assert wrong != CODE[0]
    (folder / "removing.py").write_text(wrong, encoding="utf-8")
    assert run_here(COMMANDS[0], monkeypatch) == 1
    assert "DP903 on-the-branch" in capsys.readouterr().out


def run_here(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit status of a command of the page."""
    monkeypatch.setattr(sys, "argv", shlex.split(text))
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code
