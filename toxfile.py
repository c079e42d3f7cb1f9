"""tox, from the inside: tells environments which interpreter runs tox.

``tox -e cuda`` runs on an interpreter with its own CUDA build of torch; unless DROPPATH_PYTHON names one,
that is the interpreter tox itself runs on, and tox has no substitution for it.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DROPPATH_PYTHON", sys.executable)
