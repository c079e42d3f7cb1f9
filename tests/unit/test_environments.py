"""What the environments of tox.ini rest on: the lowest versions, and an interpreter that has a CUDA device."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOK = ROOT / "tests" / "cuda_interpreter.py"


def requirements(*lists: str) -> dict[str, str]:
    """Return what these lists of pyproject.toml require, each with its lower bound."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")  # tomllib came with Python 3.11
    found = dict(re.findall(r"^(\w+) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL))
    return dict(re.findall(r'"([\w-]+)>=([\d.]+)"', "".join(found[name] for name in lists)))


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without the zeros at its end, which mean nothing."""
    numbers = [int(number) for number in version.split(".")]
    while numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def test_the_pins_of_tox_lowest_are_the_lower_bounds() -> None:
    pins = re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "constraints-lowest.txt").read_text("utf-8"), re.MULTILINE)
    bounds = requirements("dependencies", "test", "plot")
    assert {"torch", "hypothesis", "pytest", "matplotlib"} <= set(bounds)
    assert {name: release(version) for name, version in pins} == {
        name: release(version) for name, version in bounds.items()
    }


def look(interpreter: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(LOOK), interpreter], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.returncode, done.stderr


def fake(tmp_path: Path, script: str) -> str:
    """Return an interpreter that has something of its own before it does what it is told."""
    file = tmp_path / "python"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def test_every_package_that_the_suite_needs_is_looked_for(tmp_path: Path) -> None:
    bare = fake(tmp_path, f'exec "{sys.executable}" -I -S "$@"')
    status, said = look(bare)
    needed = ", ".join(sorted([*requirements("dependencies"), "pytest"]))
    assert (status, said.count("\n")) == (1, 1)
    assert f"runs on {bare}, which lacks {needed}; name another interpreter in DROPPATH_PYTHON" in said


INTERPRETERS = {
    "exit 3": "cannot import torch:",
    "echo 'Boom' >&2; exit 1": "cannot import torch: Boom",
    "echo 'has torch 2.99, to which no CUDA device is available'": "no CUDA device is available; name another",
}


@pytest.mark.parametrize("script", INTERPRETERS)
def test_one_sentence_says_what_is_wrong_with_an_interpreter(script: str, tmp_path: Path) -> None:
    status, said = look(fake(tmp_path, script))
    assert (status, said.count("\n")) == (1, 1)
    assert INTERPRETERS[script] in said


def test_an_interpreter_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    status, said = look(str(tmp_path / "nothing"))
    assert (status, said.count("\n")) == (1, 1)
    assert "cannot be run: No such file or directory" in said


def test_nothing_is_said_of_an_interpreter_that_will_do(tmp_path: Path) -> None:
    assert look(fake(tmp_path, "exit 0")) == (0, "")


def test_the_suite_ends_in_one_sentence_where_its_device_is_missing() -> None:
    words = ["tests/conformance", "-n", "0", "-p", "no:cacheprovider", "--droppath-device", "cuda:99"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert (done.stdout + done.stderr).count("The device 'cuda:99' is not available to torch") == 1
