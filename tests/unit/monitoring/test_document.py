"""What docs/survival-monitor.md shows runs as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "survival-monitor.md"


def test_the_example_runs(tmp_path):
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.drop_path" in done.stdout
    assert "12800 of 12800" in done.stdout
    assert "expected depth" in done.stdout
    ET.parse(tmp_path / "survival.svg")  # noqa: S314 - it was written a moment ago
