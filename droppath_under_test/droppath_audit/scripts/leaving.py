"""Lines of scripts that show what a call leaves behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from droppath_audit.scripts.live import LiveScript

USED = {
    "Python's memory": "tracemalloc.get_traced_memory()[0]",
    "open files": "len(os.listdir('/proc/self/fd'))",
    "the device's memory": "torch.get_device_module(x.device).memory_allocated(x.device)",
    "the C library's memory": "sum(vars_of(mallinfo()))",
}
"""What a script reads, by what grows."""

MALLINFO = """
class Info(ctypes.Structure):  # in bytes; uordblks and hblkhd are in use
    _fields_ = [(name, ctypes.c_size_t) for name in
                'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
vars_of = lambda info: (info.uordblks, info.hblkhd)
"""


OF_INPUT = re.compile(r"\bx\b")
"""An expression about the input."""


class Step(Protocol):
    """What was done before something was seen to have changed; see ``checks.dp505_nothing_left_behind``."""

    @property
    def step(self) -> str:
        """``import``, ``constructor``, ``call``, ``backward`` or ``shapes``."""

    @property
    def drop_prob(self) -> float:
        """P."""

    @property
    def training(self) -> bool:
        """The mode."""

    @property
    def tracked(self) -> bool:
        """Whether a gradient of x is asked for."""

    @property
    def batch(self) -> int:
        """Samples of x."""

    @property
    def calls(self) -> int:
        """How many calls."""


def imported(script: LiveScript, expression: str, imports: tuple[str, ...]) -> None:
    """Write a script that fails where an expression has another value beside the target than in a fresh interpreter."""
    script.imports("import re, subprocess, sys")
    code = "; ".join([*imports, f"print(repr({expression}))"])
    script.add(
        f"fresh = subprocess.run([sys.executable, '-c', {code!r}], stdout=subprocess.PIPE, text=True).stdout.strip()",
        f"here = repr({expression})",
        "print(fresh, '->', here)",
        "assert re.sub('0x[0-9a-f]+', '', here) == re.sub('0x[0-9a-f]+', '', fresh), 'the import changed it'",
    )


def compared(script: LiveScript, expression: str, when: Step) -> None:
    """Write a script that fails where an expression has another value after a step than before."""
    of_input = OF_INPUT.search(expression) is not None
    if when.step == "constructor":
        script.add(f"before = {expression}")
        script.layer(when.drop_prob)
    else:
        script.layer(when.drop_prob, training=when.training)
        if not of_input:
            script.add(f"before = {expression}")
        script.ones(script.shape(when.batch))
        if when.tracked or when.step == "backward":
            script.track()
        if of_input:
            script.add(f"before = {expression}")
        if when.calls > 1:
            with script.under(f"for _ in range({when.calls}):"):
                script.add(script.call(when.drop_prob, training=when.training))
        else:
            script.run(when.drop_prob, training=when.training)
        if when.step == "backward":
            script.backward()
    script.add(f"after = {expression}", "print(before, '->', after)", "assert after == before, 'it was changed'")


def around(script: LiveScript, expression: str, drop_prob: object, when: Step) -> None:
    """Add lines that call ``layer`` on ``x``, and fail where an expression has another value afterwards than before."""
    script.add(f"before = {expression}")
    script.run(drop_prob, training=when.training)
    if when.step == "backward":
        script.backward()
    script.add(f"after = {expression}", "print(before, '->', after)", "assert after == before, 'it was changed'")


def grows(script: LiveScript, what: str, drop_prob: float, batch: int, *, tracked: bool) -> None:
    """Write a script that fails where something grows in each of several runs of calls."""
    script.imports("import gc")
    if "Python" in what:
        script.imports("import tracemalloc")
        script.add("tracemalloc.start()")
    elif "files" in what:
        script.imports("import os")
    elif "library" in what:
        script.imports("import ctypes")
        script.add(*MALLINFO.strip().splitlines(), "")
    script.layer(drop_prob)
    script.ones(script.shape(batch))
    if tracked:
        script.track()
    script.add("used = []")
    with script.under("for calls in (256, 512, 1024, 2048, 4096):"):
        with script.under("for _ in range(calls):"):
            script.add(script.call(drop_prob))
        script.add("gc.collect()", f"used.append({USED[what]})")
    least = "calls / 64" if "files" in what else "2 * calls"
    script.add(
        "grown = np.diff(used)",
        "print('growth by run:', grown)",
        f"assert not all(by > {least} for by, calls in zip(grown, (512, 1024, 2048, 4096))), 'it grows with calls'",
    )
