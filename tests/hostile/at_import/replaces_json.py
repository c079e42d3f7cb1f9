"""Replaces what writes messages."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))

from hostile import sound as drop_path  # noqa: F401

EXPECTED = "after the import of the target, json.dumps is"

json.dumps = None
