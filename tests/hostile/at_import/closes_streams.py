"""Closes standard output and error."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = "after the import of the target, "

os.close(1)
os.close(2)
