"""Which files are the target's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.own_files import ownership

if TYPE_CHECKING:
    from pathlib import Path


def test_a_factory_owns_what_it_runs_by_a_path_and_nothing_beside_that(tmp_path: Path) -> None:
    for folder in ("state", "project", "other"):
        (tmp_path / folder).mkdir()
    block, factory = tmp_path / "project" / "block.py", tmp_path / "state" / "audit_me.py"
    factory.write_text(f"import runpy, sys\nBlock = runpy.run_path({str(block)!r})['Block']\n", encoding="utf-8")
    owns = ownership(str(factory))
    assert owns(str(factory))
    assert owns(str(block))
    assert owns(str(block.with_name("beside.py")))
    assert not owns(str(tmp_path / "other" / "block.py"))
    assert not owns("<string>")
    assert not ownership(str(tmp_path / "state" / "without.py"))(str(block))


def test_a_file_that_was_written_to_drive_a_block_is_not_the_block_s(tmp_path: Path) -> None:
    owns = ownership(str(tmp_path / "block.py"), str(tmp_path / "audit_me.py"))
    assert owns(str(tmp_path / "block.py"))
    assert not owns(str(tmp_path / "audit_me.py"))
    assert ownership(str(tmp_path / "block.py"))(str(tmp_path / "audit_me.py"))
