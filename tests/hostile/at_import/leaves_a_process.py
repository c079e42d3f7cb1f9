"""Starts a process in a session of its own."""

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
