"""The process in which a user's tests run: what ``grading.asking`` starts.

It lets pytest begin a session there, configuration, plugins and conftest files included, and then forks for every run:
a run costs no import, and nothing that one leaves behind reaches the next. What goes over the socket (``run.lines``):
to here one request; from here ``refused`` with a message, or fields of a grade as they come (``fault`` and ``variant``
many times), between them ``step`` with a ``total`` and ``done_one`` for who watches, and ``done``.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.run.lines import Reader, Writer
from droppath_audit.run.warden import under_guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.grading.examining import Examination

SAID = 12  # lines of what pytest says that are told where it does not come to run tests
# Options of plugins that would run tests in processes of their own, or write files of every run; with what ends that.
OFF: dict[str, Any] = {"numprocesses": None, "dist": "no", "tx": [], "no_cov": True}
# Forks share a file that is captured into; and this package, which brings a plugin, is imported before that is.
ARGUMENTS = ("--capture=sys", "-W", "ignore::pytest.PytestAssertRewriteWarning")


def main(descriptor: int) -> None:
    """Do as asked, and end.

    Args:
        descriptor: Of the socket to the auditor.
    """
    under_guard(descriptor)
    request, writer = Reader(descriptor).next(), Writer(descriptor)
    if request is None:
        return
    folder = Path(request["folder"])
    with (folder / "said").open("w+b", buffering=0) as said, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
    sys.path[:] = request["path"]
    import droppath_audit.selftest.preloaded  # noqa: F401 - once for all forks
    from droppath_audit.grading.examining import Examination  # before pytest rewrites what it imports

    sys.argv = ["pytest"]
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
    arguments = [*request["tests"], *ARGUMENTS, "-o", f"cache_dir={folder / 'cache'}"]
    with suppress(SystemExit):
        pytest.main(arguments, plugins=[Grading(lambda session: Examination(session, request), writer)])
    text = (folder / "said").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    writer.send(refused="pytest did not come to run the tests:\n" + "\n".join(f"  {line}" for line in text[-SAID:]))


class Grading:
    """The plugin that takes over where a session that has begun would collect.

    Args:
        begin: What examines the tests of a session.
        writer: To the auditor.
    """

    def __init__(self, begin: Callable[[pytest.Session], Examination], writer: Writer) -> None:
        self._begin: Callable[[pytest.Session], Examination] | None = begin
        self._writer = writer

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep the session in this process."""
        for name, value in OFF.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Examine the tests, and end the process; in its forks the session goes on."""
        begin, self._begin = self._begin, None
        if begin is None:
            return
        try:
            for message in begin(session).messages():
                self._writer.send(**message)
            self._writer.send(done=True)
        except UsageError as error:
            self._writer.send(refused=error.message, detail=error.detail)
        except BaseException as error:
            self._writer.send(refused=f"Grading failed: {error!r}.", detail=traceback.format_exc())
        os._exit(0)
