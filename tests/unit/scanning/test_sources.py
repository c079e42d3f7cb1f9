"""Which files a scan reads, and that it imports none of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.scanning.reading import Unread, parsed, read
from droppath_audit.scanning.sources import File, locate

if TYPE_CHECKING:
    from tests.unit.scanning.conftest import Write


def test_a_package_is_found_without_importing_it(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__init__.py", "layers/__init__.py", "layers/drop.py"):
        write(f"site/scanned_package/{name}", "raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    sources = locate("scanned_package")
    assert [file.module for file in sources.files] == [
        "scanned_package", "scanned_package.layers", "scanned_package.layers.drop",
    ]  # fmt: skip
    assert [file.module for file in locate("scanned_package.layers.drop").files] == ["scanned_package.layers.drop"]
    assert not any(name.startswith("scanned_package") for name in sys.modules)


def test_a_folder_has_files_and_no_modules(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("code/a.py", "code/inner/b.py", "code/.tox/c.py", "code/env/d.py", "code/site-packages/e.py"):
        write(name, "")
    write("code/env/pyvenv.cfg", "")
    monkeypatch.chdir(tmp_path)
    sources = locate("code")
    assert [(file.path, file.module) for file in sources.files] == [("code/a.py", ""), ("code/inner/b.py", "")]
    assert [(one.file, one.reason) for one in sources.skipped] == [
        ("code/.tox", "a hidden folder"),
        ("code/env", "packages of others"),
        ("code/site-packages", "packages of others"),
    ]
    assert locate("code/a.py").files == (File("code/a.py", "", "code"),)


def test_a_folder_that_is_called_like_an_installed_package_is_not_meant(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("click/mine.py", "")
    monkeypatch.chdir(tmp_path)
    sources = locate("click")
    assert "the folder of that name is ./click" in sources.note
    assert all(file.module.startswith("click") for file in sources.files)
    assert [file.path for file in locate("./click").files] == [str(Path("./click/mine.py"))]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("no_such_package_at_all", "There is no package no_such_package_at_all"),
        ("layrs", "Did you mean 'layers'"),
        ("package.layers:DropPath", "is a SPEC of one target"),
        ("empty", "no file of Python in empty"),
        ("notes.txt", "no file of Python, whose name ends in .py"),
    ],
)
def test_what_would_work_is_said(
    target: str, said: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("layers/a.py", "")
    write("notes.txt", "")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        locate(target)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def drop_path(x:\n", "does not parse: line 1"),
        ("print 'x'\ndef drop_path(x): pass\n", "does not parse: line 1"),
        ("def drop_path(x): pass\n\0", "does not parse"),
        ("def drop_path(x): return " + "(" * 500 + ")" * 500, "does not parse"),
    ],
)
def test_a_file_that_does_not_parse_says_where(write: Write, text: str, reason: str) -> None:
    with pytest.raises(Unread, match=reason):
        read(File(write("a.py", text), "", ""))


def test_a_file_without_a_draw_or_a_name_is_not_parsed(write: Write) -> None:
    file = File(write("a.py", "import torch\n\ndef scale(x, rate):\n    return x * rate\n"), "", "")
    assert read(file) is None
    assert list(parsed(file).functions) == ["scale"]
