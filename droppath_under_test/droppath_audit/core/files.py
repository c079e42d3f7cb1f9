"""Files that a user names, and why the system refuses them."""

from __future__ import annotations

import stat
from pathlib import Path

from droppath_audit.core.errors import UsageError
from droppath_audit.core.visible import shortened


def is_there(path: str) -> bool:
    """Return whether there is a regular file that can be read; a folder that does not exist holds none.

    Raises:
        UsageError: If something else is there, it cannot be read, or no system takes the name.
    """
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{shortened(path)} is a folder, not a file.")
        if not stat.S_ISREG(mode):  # to open a pipe may wait for ever
            raise UsageError(f"{shortened(path)} is not a regular file.")
        with Path(path).open("rb"):
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise UsageError(f"{shortened(path)} cannot be read: {reason(error)}.") from None


def reason(error: Exception) -> str:
    """Return why the system refused, such as ``No space left on device``."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
