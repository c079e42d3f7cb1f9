"""The action for GitHub: its script runs an audit, leaves what it promises, and ends as the audit does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = """import torch

def drop_path(x, drop_prob=0.0, training=False):
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < keep_prob
    return {}
"""
FOUND, SOUND = "x / keep_prob * mask", "torch.where(mask, x, 0) / (keep_prob or 1.0)"

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="the action is a script for bash")


def script() -> str:
    """Return what the action runs first."""
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    first = text.partition("      run: |\n")[2]
    lines = []
    for line in first.splitlines():
        if line.strip() and not line.startswith(" " * 8):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))


@pytest.mark.parametrize(("returned", "status"), [(FOUND, "1"), (SOUND, "0")])
def test_the_action_audits_and_leaves_a_summary_annotations_and_outputs(
    returned: str, status: str, tmp_path: Path
) -> None:
    (tmp_path / "layers.py").write_text(LAYER.format(returned))
    command = tmp_path / "bin" / "droppath-audit"
    command.parent.mkdir()
    command.write_text(f'#!/usr/bin/env bash\nexec {sys.executable} -m droppath_audit "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path,
        "SPEC": "layers.py:drop_path\n", "EFFORT": "quick", "ARGS": "--only DP301 --only DP201[cpu-float32*]",
        "SUMMARY": "true", "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "GITHUB_OUTPUT": str(tmp_path / "output"),
    }  # fmt: skip
    (tmp_path / "temp").mkdir()
    done = subprocess.run(
        [str(BASH), "-e", "-o", "pipefail", "-c", script()],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outputs = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert outputs["status"] == status
    report = json.loads(Path(outputs["report"]).read_text())["reports"][0]
    assert str(report["exit_status"]) == status
    assert Path(outputs["sarif"]).is_file()
    assert "layers" in (tmp_path / "summary.md").read_text()
    assert ("::error file=" in done.stdout or "::error title=" in done.stdout) == (status == "1")


def test_the_hook_and_the_workflow_name_commands_that_exist() -> None:
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert "entry: droppath-audit audit --effort quick" in hook
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    asked = {word for line in text.splitlines() for word in line.split() if word.startswith("--")}
    from droppath_audit.commands.audit import command

    options = {name for one in command.params for name in one.opts}
    assert {word for word in asked if word.isascii()} - options - {"--strict", "--baseline"} == set()
