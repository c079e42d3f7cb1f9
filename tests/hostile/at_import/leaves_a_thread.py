"""Starts a thread."""

import sys
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
