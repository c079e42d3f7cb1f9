"""CITATION.cff names this version and this licence."""

from __future__ import annotations

import re

from droppath_audit import __version__
from tools import ROOT


def test_the_version_and_the_licence_are_those_of_the_package() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([\w-]+): (\S.*)$", text, re.MULTILINE))
    assert fields["version"] == __version__
    assert f'license = "{fields["license"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert fields["cff-version"] == "1.2.0"
