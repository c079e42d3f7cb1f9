"""``docs/recordings.md`` is true: its writers write recordings, and its table names the checks that read them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue

PAGE = (Path(__file__).parents[3] / "docs" / "recordings.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_writers_write_recordings_that_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec("\n".join(blocks("python")), {})  # noqa: S102 - the page's own code
    for file in ("calls.npz", "calls.safetensors"):
        report = audit(file, only=("DP1xx", "DP2xx"))
        report.raise_for_findings()
        assert report.facts.recording is not None
        assert sum(block.calls for block in report.facts.recording) == 300
        (certificate,) = [result for result in report.results if result.trial.check == "DP102"]
        assert certificate.trial.case.decisions == 19_200


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_the_cpp_writer_writes_a_recording_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (source,) = blocks("cpp")
    Path("writer.cpp").write_text(source, encoding="utf-8")
    subprocess.run(["g++", "-Wall", "-Werror", "-o", "writer", "writer.cpp"], check=True)  # noqa: S607
    subprocess.run(["./writer"], check=True)
    report = audit("calls.jsonl")
    report.raise_for_findings()
    assert report.exit_status == 0


@pytest.mark.skipif(shutil.which("lua") is None, reason="no Lua")
def test_the_lua_writer_writes_a_recording_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (source,) = blocks("lua")
    subprocess.run(["lua", "-"], input=source.encode(), check=True)  # noqa: S607
    audit("calls.jsonl").raise_for_findings()


def test_every_check_that_reads_recordings_is_in_the_page_and_no_other() -> None:
    table = PAGE.partition("## What each check needs")[2].partition("\n\nThe other")[0]
    assert set(re.findall(r"DP\d{3}", table)) == {check.id for check in catalogue().values() if check.recorded}
