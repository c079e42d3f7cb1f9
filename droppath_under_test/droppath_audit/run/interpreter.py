"""A fresh interpreter for one script, under a warden: what ``run.showing`` starts.

What goes over the socket (``run.lines``): to here ``script`` (path); from here ``raised`` (said, own, line) where the
script ended by an exception, then ``ended`` with its exit status.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from droppath_audit.run.lines import Reader, Writer
from droppath_audit.run.warden import under_guard

if TYPE_CHECKING:
    from collections.abc import Callable


def run_script(text: bytes, tell: Callable[[dict[str, Any]], None]) -> None:
    """Run a script as the main module, which knows no name but its own.

    Args:
        text: The script.
        tell: Called where it ends by an exception, with its class (``raised``), what it ``said``, whether the script
            itself raised it (``own``) and in which ``line`` the script had come to its end.

    Raises:
        BaseException: That exception.
    """
    import sys

    here = sys.modules["__main__"] = type(sys)("__main__")
    try:
        exec(compile(text, "<script>", "exec", dont_inherit=True), here.__dict__)  # noqa: S102 - it is there to be run
    except BaseException as error:
        places, at = [], error.__traceback__
        while at is not None:
            places.append((at.tb_frame.f_code.co_filename == "<script>", at.tb_lineno))
            at = at.tb_next
        line = next((line for ours, line in places if ours), 0)
        tell({"raised": type(error).__name__, "said": str(error)[:1000], "own": places[-1][0], "line": line})
        raise


SCRIPT = f"""
from __future__ import annotations
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import json, os
sys.path[:], socket, sys.argv = json.loads(sys.argv[1]), int(sys.argv[2]), ['-c']
{inspect.getsource(run_script)}
def tell(found, write=os.write, dumps=json.dumps):
    write(socket, b'\\n' + dumps(found).encode() + b'\\n')
run_script(sys.stdin.buffer.read(), tell)
"""
"""Runs what comes on standard input, with nothing of this package."""


def main(descriptor: int) -> None:
    """Run one script and tell how it ended.

    Args:
        descriptor: Of the socket to the auditor.
    """
    under_guard(descriptor)
    request = Reader(descriptor).next()
    if request is None:
        return
    with subprocess.Popen(  # noqa: S603 - our own interpreter; the script is what a reader is told to run
        [sys.executable, "-c", SCRIPT, json.dumps(request["path"]), str(descriptor)],
        stdin=subprocess.PIPE,
        pass_fds=(descriptor,),
    ) as process:
        process.communicate(request["script"].encode("utf-8", "backslashreplace"))
    Writer(descriptor).send(ended=process.returncode)
