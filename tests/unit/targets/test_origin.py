"""Where a target comes from."""

from __future__ import annotations

import contextlib
import importlib.metadata
import runpy
import sys
from types import SimpleNamespace

import pytest

from droppath_audit.targets.origin import package_of, source_of


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("RECORD", "some_module/__init__.py,,\nsome_module/layers.py,,\n"),
        ("RECORD", "Other/x.py,,\nsome_module.py,sha256=x,3\n"),
        ("top_level.txt", "other_module\nsome_module\n"),
    ],
)
def test_a_package_is_found_by_what_it_installed_whatever_its_name(tmp_path, monkeypatch, file, lines):
    folder = tmp_path / "Renamed_Package-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Renamed-Package\nVersion: 1.2\n")
    (folder / file).write_text(lines)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert package_of(SimpleNamespace(__module__="some_module.layers")) == "Renamed-Package 1.2"
    assert package_of(SimpleNamespace(__module__="some")) == ""
    assert package_of(SimpleNamespace(__module__="layers")) == ""


def test_a_class_of_a_file_that_was_run_by_its_path_is_found_there(tmp_path, monkeypatch):
    text = "x = 1\n\nclass Outer:\n    class Layer:\n        def forward(self): ...\n\nclass Empty:\n    pass\n"
    (tmp_path / "layers.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("layers.py")
    assert source_of(names["Outer"].Layer) == f"{tmp_path / 'layers.py'}:4"
    assert source_of(names["Empty"]) == ""


def test_every_module_that_is_installed_has_the_package_that_the_standard_library_names():
    for top, names in importlib.metadata.packages_distributions().items():
        if top.isidentifier() and not top.startswith("_"):
            named = {f"{name} {importlib.metadata.version(name)}" for name in names}
            assert package_of(SimpleNamespace(__module__=top)) in named, top


@contextlib.contextmanager  # which stands in another file
def decorated():
    yield


def test_what_is_decorated_stands_where_it_was_written():
    file, _, line = source_of(decorated).rpartition(":")
    assert file == __file__
    with open(file, encoding="utf-8") as lines:  # noqa: PTH123 - a list of lines
        assert list(lines)[int(line) - 1].startswith("@contextlib")
