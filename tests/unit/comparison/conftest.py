from __future__ import annotations

import sys
from pathlib import Path

# docs/ is no package: its scripts find theirs beside them.
sys.path.insert(0, str(Path(__file__).parents[3] / "docs"))
