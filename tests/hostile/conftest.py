from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SOUND = """
import time
import numpy as np
from hostile import sound

{at_import}

def drop_path(x, drop_prob, training):
{in_call}
    return sound(x, drop_prob, training)
"""


@pytest.fixture
def target(tmp_path: Path) -> Callable[..., str]:
    def write(in_call: str = "pass", at_import: str = "") -> str:
        """Write a sound function on NumPy arrays that also runs these statements, and return its SPEC."""
        folder = str(Path(__file__).parent)
        at_import = f"import sys; sys.path.append({folder!r}); from hostile import sound\n{at_import}"
        text = SOUND.replace("from hostile import sound\n", "").format(at_import=at_import, in_call=f"    {in_call}")
        (tmp_path / "target.py").write_text(text, encoding="utf-8")
        return f"{tmp_path / 'target.py'}:drop_path?framework=numpy"

    return write


@pytest.fixture
def environment(mark: str, tmp_path: Path) -> dict[str, str]:
    """Give commands a state folder of their own and a mark."""
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), mark: "1"}


@pytest.fixture
def command(environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start the command line with these words, its standard output and error thrown away unless told otherwise."""
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
        return subprocess.Popen([sys.executable, "-m", "droppath_audit", *words], env=environment, **options)

    return start
