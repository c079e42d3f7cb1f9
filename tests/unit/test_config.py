"""The configuration: what it says is taken, and a slip in it is told with what would have been right."""

from __future__ import annotations

import json
import os
from datetime import date
from typing import TYPE_CHECKING

import pytest

from droppath_audit.commands import main
from droppath_audit.config import Configuration, found, read
from droppath_audit.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
[tool.other]
key = 1

[tool.droppath-audit]
effort = "quick"
seed = 3
strict = true
devices = ["cpu"]
only = ["DP301"]
jobs = 1
targets = [
    "a.b:C",
    { spec = "a.py:f", granularity = "batch", init = { width = 8 } },
]

[[tool.droppath-audit.waivers]]
check = "DP301"
line = "return x / keep_prob * mask"
reason = "the schedule ends below 1"
until = 2030-01-31
"""
LAYER = """import torch

def drop_path(x, drop_prob=0.0, training=False):
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep_prob
    return x / keep_prob * mask
"""
FOUR = ["--only", "DP301[cpu-float32]", "--only", "DP201[cpu-float32-p0.3]", "--effort", "quick"]


def test_everything_that_it_says_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(WHOLE)
    (tmp_path / "deep" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    configuration = found(None, tmp_path / "deep" / "below")
    assert configuration.targets == ("a.b:C", "a.py:f?granularity=batch&init.width=8")
    assert dict(configuration.options) == {
        "effort": "quick", "seed": "3", "strict": True, "devices": ("cpu",), "only": ("DP301",), "jobs": 1,
    }  # fmt: skip
    (waiver,) = configuration.waivers
    assert (waiver.check, waiver.until) == ("DP301", date(2030, 1, 31))


def test_a_file_of_another_name_may_do_without_the_table(tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text('effort = "quick"\n')
    assert dict(read(tmp_path / "audit.toml").options) == {"effort": "quick"}


def test_without_a_table_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    assert found(None, tmp_path) == Configuration(str(tmp_path / "pyproject.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('efort = "quick"', "has a key 'efort', which nobody knows; .* Did you mean 'effort'"),
        ("effort = 1", "effort must be a text, not 1"),
        ("strict = 'yes'", "strict must be true or false, not 'yes'"),
        ("only = 'DP301'", "only must be a list of texts, not 'DP301'"),
        ("jobs = true", "jobs must be a number, not True"),
        ("targets = 'a.b:C'", "targets must be a list"),
        ("targets = [1]", "target 1 must be a SPEC, or a table with one, not 1"),
        ("targets = [{ granularity = 'batch' }]", "spec of target 1 must be a text, not None"),
        ("waivers = [{ check = 'DP301' }]", "waiver 1 has no reason; a waiver needs both"),
        ("waivers = [{ reason = 'known' }]", "waiver 1 has no check"),
        ("waivers = [{ check = 'DP301', reason = ' ' }]", "waiver 1 has no reason"),
        ("waivers = [{ chek = 'DP301', reason = 'known' }]", "waiver 1 has a key 'chek', .* Did you mean 'check'"),
        ("waivers = [{ check = 'DP301', reason = 'known', until = 'soon' }]", "until of waiver 1 must be a day"),
        ("effort = ", "is no TOML"),
        ("[tool]\ndroppath-audit = 3", "must be a table, not 3"),
    ],
)
def test_a_slip_is_told_with_what_would_be_right(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "audit.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read(tmp_path / "audit.toml")


def test_files_are_looked_for_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, below = tmp_path / "audit.toml", tmp_path / "deep"
    below.mkdir()
    waiver = '[[waivers]]\ncheck = "DP301"\nreason = "known"\ntarget = {}\n'
    targets = ["layers.py:DropPath?granularity=batch", "package.layers:DropPath", "counts.npz?keep_prob=0.9", "/a.py:f"]
    patterns = ["layers.py:*", "package.*"]
    file.write_text(
        f"targets = {targets}\nbaseline = 'old.json'\n" + "".join(waiver.format(repr(one)) for one in patterns)
    )
    monkeypatch.chdir(tmp_path)
    here = read(file)
    assert (list(here.targets), here.options["baseline"]) == (targets, "old.json")
    assert [one.target for one in here.waivers] == patterns
    monkeypatch.chdir(below)
    there = read(file)
    assert [os.path.normpath(one) for one in there.targets] == [
        f"../{targets[0]}", targets[1], f"../{targets[2]}", targets[3]
    ]  # fmt: skip
    assert there.options["baseline"] == "../old.json"
    assert [one.target for one in there.waivers] == [f"../{patterns[0]}", patterns[1]]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["droppath-audit", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "layers.py").write_text(LAYER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_begins_a_configuration_that_audits_and_leaves_what_is_there(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    assert run(monkeypatch, "init", "layers.py:drop_path") == 0
    configuration = found(None, project)
    assert (configuration.targets, configuration.options["effort"]) == (("layers.py:drop_path",), "quick")
    assert (project / ".github/workflows/droppath-audit.yml").is_file()
    before = (project / "pyproject.toml").read_text()
    assert run(monkeypatch, "init") == 0
    assert (project / "pyproject.toml").read_text() == before
    assert "left as it is" in capsys.readouterr().out
    assert run(monkeypatch, *FOUR) == 1
    assert "layers.py:drop_path" in capsys.readouterr().out


def test_a_waiver_takes_what_it_names_alone_and_is_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waiver = """
    [[waivers]]
    check = "DP301"
    line = "return x / keep_prob * mask"
    reason = "we end at 0.9"
    [[waivers]]
    check = "DP201"
    reason = "no more"
    [[waivers]]
    check = "DP301"
    reason = "too late"
    until = {}
    """
    (project / "audit.toml").write_text('targets = ["layers.py:drop_path"]\n' + waiver.format("2001-01-01"))
    assert run(monkeypatch, "--config", "audit.toml", *FOUR, "--json", "r.json") == 0
    out = capsys.readouterr().out
    assert "waived DP301, 1 trial: we end at 0.9" in out
    assert "the waiver of DP201 matches nothing, and can go: no more" in out
    (report,) = json.loads((project / "r.json").read_text())["reports"]
    assert [result["verdict"] for result in report["results"]] == ["pass", "waived"]
    assert report["counts"]["waived"] == 1
    text = (project / "audit.toml").read_text().replace('line = "return x / keep_prob * mask"', "until = 2001-01-01")
    (project / "audit.toml").write_text(text)
    assert run(monkeypatch, "--config", "audit.toml", *FOUR) == 1
    assert "the waiver of DP301 has expired on 2001-01-01 (1 trial): we end at 0.9" in capsys.readouterr().out


def test_a_baseline_knows_what_was_found_and_not_what_is_new(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["layers.py:drop_path", *FOUR]
    assert run(monkeypatch, *words, "--json", "old.json") == 1
    # A line more above it is no other fault.
    (project / "layers.py").write_text(LAYER.replace("import torch", "import torch\n\nUSED = True"))
    assert run(monkeypatch, *words, "--baseline", "old.json") == 0
    (project / "layers.py").write_text(LAYER.replace("< keep_prob", "< keep_prob").replace("/ keep_prob *", "*"))
    assert run(monkeypatch, *words, "--baseline", "old.json") == 1
    assert run(monkeypatch, *words, "--baseline", "none.json") == 2


@pytest.mark.selftest
def test_over_twenty_seeds_no_known_fault_is_new(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = "droppath_audit.samples.floor_style:DropPath"
    # DP114 and DP601 meet other configurations with every seed.
    only = [part for one in ("DP3xx", "DP103", "DP114", "DP205", "DP601") for part in ("--only", one)]
    words = [spec, *only, "--effort", "quick"]
    assert run(monkeypatch, *words, "--json", "old.json") == 1
    assert [run(monkeypatch, *words, "--seed", str(seed), "--baseline", "old.json") for seed in range(1, 21)] == [
        0
    ] * 20
