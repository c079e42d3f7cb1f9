from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droppath_audit.core.errors import UsageError
from droppath_audit.report import writing
from droppath_audit.report.writing import Unwritable, refuse_unwritable, write, write_all

FULL = Path("/dev/full")
on_linux = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


def only_in(folder: Path) -> list[str]:
    return sorted(found.name for found in folder.iterdir())


def test_a_file_is_replaced_whole_with_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 250 + ".json")  # as long as a name can be
    write(str(file), "former\n")
    file.chmod(0o640)
    with file.open(encoding="utf-8") as reader:
        write(str(file), "ü\n")
        assert reader.read() == "former\n"  # whoever reads has one or the other
    assert file.read_bytes() == b"\xc3\xbc\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert only_in(tmp_path) == [file.name]


def test_a_new_file_has_the_permissions_that_the_process_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(str(tmp_path / "new"), "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_what_a_link_points_to_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("folder") / "file")
    for text in ("new", "again"):
        write(str(link), text)
        assert link.is_symlink()
        assert (tmp_path / "folder" / "file").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("failing", ["push", "_sync"])
def test_a_full_disk_leaves_the_former_file_and_nothing_else(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    file = tmp_path / "report.json"
    write(str(file), "former")
    monkeypatch.setattr(writing, failing, full)
    with pytest.raises(Unwritable, match=r"report\.json cannot be written: No space left on device\.$"):
        write(str(file), "later")
    assert file.read_text(encoding="utf-8") == "former"
    assert only_in(tmp_path) == ["report.json"]


def test_a_file_that_nothing_may_stand_beside_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mounted(*_: object) -> None:
        raise OSError(16, os.strerror(16))

    file = tmp_path / "report.json"
    write(str(file), "a former and longer text")
    monkeypatch.setattr(Path, "replace", mounted)
    write(str(file), "later")
    assert file.read_text(encoding="utf-8") == "later"
    assert only_in(tmp_path) == ["report.json"]


def test_a_pipe_and_an_open_descriptor_are_written_to(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    listener.start()
    write(str(pipe), "x" * 200_000)  # more than a pipe holds
    listener.join(10)
    assert heard == [b"x" * 200_000]
    with (tmp_path / "open").open("w+b") as file:
        write(f"/dev/fd/{file.fileno()}", "said")
        assert file.read() == b"said"


@on_linux
def test_every_file_is_written_though_another_cannot_be(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with pytest.raises(Unwritable, match="/dev/full cannot be written: No space left on device"):
        write_all({str(one): "1", str(FULL): "x", str(two): "2"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")


def test_standard_output_under_its_name_is_not_begun_anew(tmp_path: Path) -> None:
    code = (
        "from droppath_audit.report.writing import write\n"
        "print('before'); write('/dev/stdout', 'report\\n'); print('after')"
    )
    file = tmp_path / "out"
    with file.open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert file.read_text(encoding="utf-8") == "before\nreport\nafter\n"


REFUSED = {
    "": "is a folder",
    "missing/report.json": "There is no folder .*missing to write report.json into",
    "file/report.json": "is no folder to write|Not a directory",
    "n" * 300: "cannot be written: File name too long",
    "/".join(["n" * 200] * 30): "cannot be written: File name too long",
}


@pytest.mark.parametrize("name", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_written_is_refused_in_one_short_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=REFUSED[name]) as caught:
        refuse_unwritable(f"{tmp_path}/{name}")
    assert len(caught.value.message) < 400


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_no_name_is_answered_with_anything_but_a_sentence(name: str) -> None:
    with contextlib.suppress(UsageError):
        refuse_unwritable(name)
