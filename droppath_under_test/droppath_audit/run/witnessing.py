"""The process in which scripts of findings run under observation: what ``run.explaining`` starts.

It imports the framework once and forks for every script, so that none of them sees what another has left. What goes
over the socket (``run.lines``): to here ``scripts`` (what is to be explained, with all that the target is called); from
here ``number`` (of the script) with ``kind``, place, ``sentence`` and ``fix`` where a line was found, then ``done``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.causes import VAGUE
from droppath_audit.causes.story import MOST_FIRST, MOST_LAST
from droppath_audit.core.quoting import around
from droppath_audit.run.lines import Reader, Writer
from droppath_audit.run.warden import under_guard

if TYPE_CHECKING:
    from droppath_audit.causes.story import Story
    from droppath_audit.frameworks.base import Framework

SCRIPT = "<script>"
LOOK_SECONDS = 0.01  # between two looks whether a script has ended


def main(descriptor: int) -> None:
    """Run scripts as asked.

    Args:
        descriptor: Of the socket to the auditor.
    """
    under_guard(descriptor)
    reader, writer = Reader(descriptor), Writer(descriptor)
    request = reader.next()
    if request is None:
        return
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    framework = _framework(request["framework"])
    sys.path[:] = request["path"]
    sys.argv = ["-c"]
    for script in request["scripts"][:1]:
        _import(script["text"])
    for number, script in enumerate(request["scripts"]):
        child = os.fork()
        if not child:
            os.setsid()
            with suppress(BaseException):
                _explain(number, script, request, framework, writer)
            os._exit(0)
        _end(child, time.monotonic() + 3 * request["seconds"])
    writer.send(done=True)


def _explain(
    number: int, script: dict[str, Any], request: dict[str, Any], framework: Framework | None, writer: Writer
) -> None:
    """Send what explains a script: as its first calls show it, or else as its last ones do, in another run."""
    again, heard = os.pipe()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            found, total = witnessed(script, request, framework)
            if found is not None:
                writer.send(number=number, **found)
            os.write(heard, str(total if found is None or found["kind"] in VAGUE else 0).encode())
        os._exit(0)
    os.close(heard)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    total = int(os.read(again, 32) or 0)
    if total > MOST_FIRST + MOST_LAST:
        found, _ = witnessed(script, request, framework, skipped=total - MOST_LAST)
        if found is not None:
            writer.send(number=number, **found)


def _end(child: int, deadline: float) -> None:
    """Wait for a child, not for ever, and end what it has started."""
    with suppress(ChildProcessError):
        while time.monotonic() < deadline and not os.waitpid(child, os.WNOHANG)[0]:
            time.sleep(LOOK_SECONDS)
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _import(text: str) -> None:
    """Import what a script does, once for all forks: a package can take longer than a script may."""
    lines = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    with suppress(BaseException):  # the scripts say what cannot be imported
        exec("\n".join(lines), {"__name__": "imports"})  # noqa: S102 - what the scripts begin with


def _framework(name: str) -> Framework | None:
    from droppath_audit.frameworks import adapters

    for adapter in adapters():
        if adapter.name == name:
            framework = adapter.framework()
            framework.one_thread().__enter__()
            return framework
    return None


class _Shared:
    """See ``causes.watching.Shared``."""

    def __init__(self, framework: Framework | None) -> None:
        from droppath_audit.frameworks.process_state import ProcessState

        self._state = ProcessState.taken(framework)

    def begin(self) -> None:
        self._state = self._state.afresh()

    def changed(self) -> tuple[str, ...]:
        return tuple(change.expression for change in self._state.changes(patiently=False))


def _enough(*_: object) -> None:
    from droppath_audit.causes.watching import Enough

    raise Enough


def witnessed(
    script: dict[str, Any], target: dict[str, Any], framework: Framework | None, *, skipped: float = inf
) -> tuple[dict[str, Any] | None, int]:
    """Run a script under observation in this process, and return what explains it, None where nothing does.

    Beside it stands the number of calls that the script made.

    Args:
        script: Its ``text``, the ``kinds`` to ask in order, and the fields of ``causes.story.Asked`` (``asked``).
        target: What the target is called: ``origin``, ``factory``, ``roles``, ``keep``, ``inverted``, ``second``;
            ``seconds`` after which the script is ended.
        framework: Its framework.
        skipped: Of how many calls only the first are looked at.
    """
    from droppath_audit.causes import explained
    from droppath_audit.causes.own_files import ownership
    from droppath_audit.causes.story import Asked
    from droppath_audit.causes.watching import Enough, Watching
    from droppath_audit.frameworks.capabilities import has
    from droppath_audit.frameworks.witness import Witnessing

    able = None if framework is None else has(framework, Witnessing)
    shared = _Shared(framework) if "leaving" in script["kinds"] else None
    question, sure = Asked(**script["asked"]), [kind for kind in script["kinds"] if kind not in VAGUE]

    def enough(story: Story) -> None:
        if explained(story, question, sure) is not None:
            raise Enough

    watching = Watching(
        ownership(target["origin"], target["factory"]),
        target["roles"],
        SCRIPT,
        keep=target["keep"],
        inverted=target["inverted"],
        second=target["second"],
        witness=None if able is None else able.witness(),
        shared=shared,
        enough=enough,
        skipped=skipped,
    )
    here = sys.modules["__main__"] = type(sys)("__main__")
    signal.signal(signal.SIGALRM, _enough)
    signal.setitimer(signal.ITIMER_REAL, target["seconds"])
    code = compile(script["text"], SCRIPT, "exec", dont_inherit=True)
    try:
        with watching.on():
            exec(code, here.__dict__)  # noqa: S102 - it is there to be run
    except Enough:
        pass
    except BaseException as error:
        watching.ended(error)
    signal.setitimer(signal.ITIMER_REAL, 0)
    found = explained(watching.story, question, script["kinds"])
    if found is None:
        return None, watching.story.total
    kind, one = found
    told = {
        "kind": kind,
        "file": str(Path(one.spot.file).absolute()),
        "line": one.spot.line,
        "function": one.spot.function,
        "around": around(one.spot.file, one.spot.line),
        "sentence": one.sentence,
        "mistake": one.mistake,
        "fix": one.fix,
    }
    return told, watching.story.total
