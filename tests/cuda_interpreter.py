"""Say in one sentence what keeps an interpreter from running the suite on CUDA, and end with status 1.

``python tests/cuda_interpreter.py INTERPRETER``, for ``tox -e cuda``: that environment installs nothing, to run on the
torch that fits the machine, and what is missing there would otherwise be said by the first import that fails.
"""

from __future__ import annotations

import subprocess
import sys

# What pyproject.toml depends on, with pytest.
NEEDED = ("click", "hypothesis", "numpy", "pytest", "rich", "scipy", "torch")
# Runs in the interpreter, whatever its version: what it prints continues "… runs on INTERPRETER, which".
_LOOK = """
import sys
if sys.version_info < (3, 10):
    print("is older than Python 3.10")
    sys.exit()
from importlib.util import find_spec
missing = [name for name in sys.argv[1:] if find_spec(name) is None]
if missing:
    print("lacks " + ", ".join(missing))
    sys.exit()
import torch
if not torch.cuda.is_available():
    print("has torch " + torch.__version__ + ", to which no CUDA device is available")
"""


def complaint(interpreter: str) -> str:
    """Return what keeps the interpreter from it, in one sentence; an empty text if nothing does."""
    try:
        run = subprocess.run([interpreter, "-c", _LOOK, *NEEDED], capture_output=True, text=True)
    except OSError as error:
        reason = f"cannot be run: {error.strerror}"
    else:
        last_words = run.stderr.strip().splitlines()[-1:]
        reason = run.stdout.strip() if run.returncode == 0 else " ".join(["cannot import torch:", *last_words])
    if not reason:
        return ""
    return (
        f"tox -e cuda installs nothing and runs on {interpreter}, which {reason}; name another interpreter in "
        "DROPPATH_PYTHON, or mend this one."
    )


if __name__ == "__main__":
    sys.exit(complaint(sys.argv[1]) or 0)
