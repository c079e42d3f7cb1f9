"""Waits when the interpreter ends."""

import atexit
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

atexit.register(time.sleep, 1000)
