"""The warden: a process that runs nothing of the target, and leaves nothing of it running.

It stands between the supervisor and the server. Whatever the target starts, in whatever session, is its descendant or
becomes its child when its own parent ends. When the supervisor is gone, or the server has ended, it ends all of them.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from droppath_audit.run import processes

if TYPE_CHECKING:
    from typing import NoReturn

LOOK_SECONDS = 0.2  # between two looks for orphans to bury
DESCRIPTORS = 2**20  # more than a process has
BREATH_SECONDS = 0.01  # between two rounds of ending what goes on starting processes


def under_guard(supervisor: int) -> None:
    """Fork: return in the child, which may run the target; the parent watches over it and never returns.

    Args:
        supervisor: Descriptor of a socket to the supervisor, which hangs up when that ends.
    """
    warden = os.getpid()
    processes.adopt_orphans()
    child = os.fork()
    if child == 0:
        os.setsid()
        processes.end_with_parent()
        if os.getppid() != warden:  # it ended before the kernel was told
            os._exit(1)
        return
    _watch(supervisor, child)


def _watch(supervisor: int, server: int) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # meant for the supervisor, which says when it ends
    # No other end of a pipe is held: their readers are to see when the server is gone.
    os.closerange(0, supervisor)
    os.closerange(supervisor + 1, DESCRIPTORS)
    poll = select.poll()
    poll.register(supervisor, 0)  # no events but a hang-up
    with suppress(OSError, AttributeError):
        poll.register(os.pidfd_open(server), select.POLLIN)
    while _bury(server) and not any(fd == supervisor for fd, _ in poll.poll(1000 * LOOK_SECONDS)):
        pass
    while _bury(0):
        processes.kill(*processes.descendants(os.getpid()))
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(server, signal.SIGKILL)  # where nothing is known of descendants
        time.sleep(BREATH_SECONDS)
    os._exit(0)


def _bury(server: int) -> bool:
    """Wait for children that have ended; return whether any is left, or, if it is one, whether the server is."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if ended == server != 0:
            return False
        if not ended:
            return True
