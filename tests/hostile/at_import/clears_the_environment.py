"""Forgets the environment."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

os.environ.clear()
