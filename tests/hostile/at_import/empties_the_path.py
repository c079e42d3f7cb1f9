"""Forgets where modules are."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = ""

sys.path.clear()
