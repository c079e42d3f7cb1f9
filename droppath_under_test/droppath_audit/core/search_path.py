"""Where modules are looked for: the working directory last, so that a file in it shadows no module of ours or Python's.

Imports nothing at first that has not been imported when Python starts, not even ``__future__``.
"""

import os
import sys


def put_working_directory_last() -> None:
    """Move the working directory, under every name it has in ``sys.path``, to the end; add it nowhere."""
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is what may be shadowed
    except OSError:  # it was deleted
        return
    ours = [entry for entry in sys.path if _names(entry, here)]
    if ours:
        sys.path[:] = [entry for entry in sys.path if not _names(entry, here)] + ours


def library_first() -> list[str]:
    """Return ``sys.path`` for a process that runs a target: in this one's order, but the standard library comes first.

    So a ``json.py`` in the working directory hides neither the library's from that process, nor the user's own package
    there behind an installed one.
    """
    import sysconfig

    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    library |= {f"{path}/lib-dynload" for path in library}
    return sorted(sys.path, key=lambda entry: entry not in library)


def working_directory() -> str:
    """Return the working directory.

    Raises:
        UsageError: If it was deleted.
    """
    try:
        return os.getcwd()  # noqa: PTH109 - as above
    except OSError:
        from droppath_audit.core.errors import UsageError

        raise UsageError("The working directory no longer exists; go to one that does.") from None


def _names(entry: str, here: str) -> bool:
    return not entry or os.path.realpath(entry) == here  # getcwd follows links
