"""What stands in a target's place is what it was: its fault shows there, and sound code stays sound there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from droppath_audit.commands import cli
from droppath_audit.grading.frame import Frame
from droppath_audit.grading.standing import stand_in
from droppath_audit.grading.substitute import Substitute
from droppath_audit.run.plan import Settings
from droppath_audit.selftest.examination import results
from droppath_audit.selftest.processes import Lost, answers
from droppath_audit.sound import sound_variants
from droppath_audit.targets.bound import BoundTarget
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.selftest

# Faults of the whole object, or of a default that the reference does not have; and one of 65,536 calls, for which what
# stands in between leaves no time.
HIDDEN = {
    "CallsForwardItself", "CopiesWithoutHooks", "PicklesItsProbabilityAlone", "ShowsNothing", "DefaultsToAnInteger",
    "DefaultsToNone", "CountsInSixteenBits",
}  # fmt: skip
TEST = """
import torch
from droppath_reference import DropPath


def test_it_can_be_called():
    DropPath(0.5)(torch.ones(4, 3))
"""


def test_every_fault_that_fits_the_reference_shows_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_it.py").write_text(TEST, encoding="utf-8")
    words = ["grade", "test_it.py", "--target", "droppath_reference:DropPath", "--json", "grade.json"]
    assert cli.main(words, standalone_mode=False) == 0
    grade = json.loads((tmp_path / "grade.json").read_text(encoding="utf-8"))
    assert {fault["name"] for fault in grade["faults"] if fault["outcome"] == "hidden"} <= HIDDEN
    assert len([fault for fault in grade["faults"] if fault["outcome"] == "missed"]) > 200
    assert grade["sound_runs"]["rejected"] == 0


def broken(name: str) -> list[str]:
    """Return the findings of an audit of a sound variant in the reference's place."""
    import droppath_reference

    loaded = load("droppath_reference:DropPath")
    assert isinstance(loaded.target, BoundTarget)
    variant = load(sound_variants()[name]).target
    assert isinstance(variant, BoundTarget)
    stand_in(Frame(loaded.target), droppath_reference, Substitute(name, variant))
    found = results(loaded, Settings("quick", 0))
    return [f"{one.trial.id}: {one.verdict.observed}" for one in found if one.is_finding()]


def test_a_sound_function_and_a_sound_layer_are_sound_in_the_references_place() -> None:
    names = ["float64_uniform", "CountsItsCalls", "takes_keep_prob"]
    found = dict(answers(broken, names, workers=2, limit=600.0))
    assert not [answer for answer in found.values() if isinstance(answer, Lost)]
    assert found == {name: [] for name in names}
