"""Laws that every known implementation obeys, and the page that is written about them."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.commands import cli
from droppath_audit.core.effort import EFFORTS
from droppath_audit.targets.known import known_systems
from droppath_audit.targets.spec import parse

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = list(known_systems().values())
PAGE = (ROOT / "docs" / "audits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
class TestKnown:
    def test_its_name_is_no_subcommand_and_its_spec_is_one(self, system):
        assert system.name not in cli.list_commands(None)
        assert parse(system.name).known is system

    def test_it_expects_what_the_checks_can_find(self, system):
        for broken in system.broken:
            cases = catalogue()[broken.check].cases("cpu", EFFORTS["standard"])
            dtypes = {case.coordinates.get("dtype") for case in cases}
            assert set(broken.dtypes.split()) <= dtypes or dtypes == {None}
            assert len(broken.why) > 15
            assert not broken.why.endswith(".")
        assert len({broken.check for broken in system.broken}) == len(system.broken)

    def test_it_is_audited_in_an_environment_of_its_own(self, system):
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / "tox.ini")
        (section,) = (name for name in tox if name.startswith("testenv:zoo-"))
        environments = section.partition("{")[2].rstrip("}").split(",")
        assert (system.environment or "samples") in environments
        assert bool(system.environment) == bool(system.install)

    def test_the_page_of_audits_says_what_is_expected_of_it(self, system):
        (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| [{system.name}]("))
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        named = {check for check in catalogue() if f"[{check}]" in row}
        assert named == {broken.check for broken in system.broken}
        assert cells[3] == system.dialect.describe()
