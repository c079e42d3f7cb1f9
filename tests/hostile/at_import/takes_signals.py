"""Ignores signals."""

import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = "after the import of the target, "

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
