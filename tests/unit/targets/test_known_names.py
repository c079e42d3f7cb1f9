"""Known names: what they stand for, and what is said where the package is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import droppath_audit
from droppath_audit.core.errors import UsageError
from droppath_audit.core.known import Known
from droppath_audit.targets import known, spec
from droppath_audit.targets.loader import load
from droppath_audit.targets.spec import parse

SAMPLE = "droppath_audit.samples.floor_style:DropPath"


@pytest.fixture
def systems(monkeypatch):
    """Names that stand for targets of this test."""
    named = {
        "here": Known("here", SAMPLE, "a layer that is here", imports=("droppath_audit.samples.drop_connect",)),
        "declared": Known("declared", f"{SAMPLE}?granularity=batch", "one with an item"),
        "absent": Known("absent", "no_such_package:X", "one that is gone", install=("pip install a", "pip install b")),
        "lacking": Known("lacking", SAMPLE, "one that lacks", imports=("no_such_helper",), install=("pip install it",)),
        "renamed": Known("renamed", "droppath_audit.samples.floor_style:NoSuchName", "one that was renamed"),
    }
    monkeypatch.setattr(spec, "known_systems", lambda: named)
    return named


def test_a_name_stands_for_its_spec(systems):
    parsed = parse("here")
    assert (parsed.text, parsed.module, parsed.name) == ("here", "droppath_audit.samples.floor_style", "DropPath")
    assert parsed.known is systems["here"]


@pytest.mark.parametrize("text", ["here?scaling=none", "declared?scaling=none"])
def test_items_are_added_to_what_the_name_stands_for(systems, text):
    assert parse(text).dialect["scaling"] == "none"
    assert parse(text).text == text


def test_an_item_that_the_name_declares_already_is_refused(systems):
    with pytest.raises(UsageError, match="says granularity twice"):
        parse("declared?granularity=sample")


def test_the_report_has_the_name_and_what_it_stands_for(systems):
    facts = load("here").facts
    assert (facts.spec, facts.stands_for) == ("here", SAMPLE)
    assert "import droppath_audit.samples.drop_connect" in facts.invocation.imports


@pytest.mark.parametrize(("name", "commands"), [("absent", ["pip install a", "pip install b"]),
                                                ("lacking", ["pip install it"])])  # fmt: skip
def test_what_is_not_installed_comes_with_the_commands_that_install_it(systems, name, commands):
    with pytest.raises(UsageError, match="is not installed in this environment") as caught:
        load(name)
    assert [line.strip() for line in caught.value.message.splitlines()[1:]] == commands


def test_what_is_installed_and_lacks_the_name_says_so(systems):
    with pytest.raises(UsageError, match="has no 'NoSuchName'"):
        load("renamed")


def test_a_name_that_is_nearly_known_is_suggested():
    with pytest.raises(UsageError, match="Did you mean 'timm'"):
        parse("timn")


def test_two_files_cannot_define_one_name(tmp_path, monkeypatch):
    for file in ("first_of_two", "second_of_two"):
        text = "from droppath_audit.core.known import Known\nSYSTEMS = (Known('twice', 'a:B', 'twice'),)\n"
        (tmp_path / f"{file}.py").write_text(text)
    monkeypatch.setattr(known, "__path__", [str(tmp_path)])
    known.known_systems.cache_clear()
    try:
        with pytest.raises(ValueError, match="twice"):
            known.known_systems()
    finally:
        known.known_systems.cache_clear()


FAKE = """
import torch
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: dets)
value = 1
"""


@pytest.mark.parametrize(("source", "outcome"), [
    (FAKE, "1"),
    ("value = 2", "2"),
    ("raise RuntimeError('out of order')", "out of order"),
])  # fmt: skip
def test_torchvision_is_given_its_schemas_only_where_it_lacks_them(tmp_path, source, outcome):
    (tmp_path / "torchvision.py").write_text(source)
    paths = [str(tmp_path), str(Path(droppath_audit.__file__).parent.parent)]
    code = (
        f"import sys; sys.path[:0] = {paths!r}\n"
        "import droppath_audit.targets.torchvision_operators, torchvision; print(torchvision.value)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert outcome in (run.stdout + run.stderr).splitlines()[-1]
