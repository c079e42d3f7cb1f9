"""A repository of somebody else, with folders named like ours: run by ``tox -e package`` against the installed wheel.

It has its own ``tests`` and ``reference``, a layer that is sound and one that is not, and is tested in the ways in
which a project may use the plugin: by an option, by ``conformance`` in a test file, and both beside xdist and a
plugin that runs tests in random order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

FILES = {
    "pyproject.toml": '[project]\nname = "mine"\nversion = "1"\n\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n'
    'pythonpath = ["."]\n',
    "reference/__init__.py": "VALUE = 42\n",
    "my_layers.py": """import torch
from torch import nn


class DropPath(nn.Module):
    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        if not 0.0 <= drop_prob <= 1.0:
            raise ValueError(f"drop_prob must lie in [0, 1]; got {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, x):
        if not self.training or self.drop_prob == 0.0:
            return x
        keep_prob = 1.0 - self.drop_prob
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), dtype=torch.float64, device=x.device) < keep_prob
        return torch.where(mask, x, torch.zeros_like(x)) / (keep_prob or 1.0)

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob}"


def unscaled(x, drop_prob=0.0, training=False):
    if not training or drop_prob == 0.0:
        return x
    mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1), device=x.device) < 1.0 - drop_prob
    return torch.where(mask, x, torch.zeros_like(x))
""",
    "tests/__init__.py": "",
    "tests/test_mine.py": """from droppath_audit import conformance

import reference

test_my_layer = conformance("my_layers:DropPath", effort="quick", only=("DP0xx", "DP201", "DP301"))


def test_our_own_folders_are_ours():
    assert reference.VALUE == 42
""",
}
ONLY = ["-k", "DP301 or DP201 or ours"]


def run(folder: Path, *words: str) -> tuple[int, dict[str, int], str]:
    """Return the exit status of pytest there, and how many items ended how."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", said)}
    return done.returncode, counts, said


def main(folder: Path) -> None:
    """Build the repository in a folder and run its tests."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    for title, words, status in (
        ("conformance in a test file", [], 0),
        ("an option, a sound layer", ["--droppath", "my_layers:DropPath", "--droppath-effort", "quick", *ONLY], 0),
        ("an option, a faulty one", ["--droppath", "my_layers:unscaled", "--droppath-effort", "quick", *ONLY], 1),
        ("beside xdist", ["-n", "2", "--dist", "worksteal"], 0),
        ("in random order", ["--random-order", "--random-order-seed", "7"], 0),
        ("both", ["-n", "2", "--random-order"], 0),
    ):
        found, counts, said = run(folder, *words)
        sys.stdout.write(f"{title}: exit {found}, {counts}\n")
        assert found == status, said
        assert counts.get("passed", 0) > 20, said
        assert bool(counts.get("failed")) == (status == 1), said


if __name__ == "__main__":
    main(Path(sys.argv[1]))
