"""Mischief with what a process shares: every call does it, DP505 finds it, and no other trial suffers."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

from hostile import hostile


@hostile(every_call=True, DP505="the working directory was")
def changes_folder() -> None:
    """Goes to another folder."""
    os.chdir("/")


@hostile(every_call=True, DP505="MISCHIEF is 'done'")
def changes_environment() -> None:
    """Sets a variable of the environment."""
    os.environ["MISCHIEF"] = "done"


@hostile(every_call=True, DP505="sys.path has '/mischief' more")
def changes_path() -> None:
    """Puts a folder in front of all modules."""
    sys.path.insert(0, "/mischief")


@hostile(every_call=True, DP505="the handlers of signals")
def takes_signals() -> None:
    """Ignores the signal that ends a process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@hostile(every_call=True, DP505="thread")
def leaves_a_thread() -> None:
    """Starts a thread that never ends, once."""
    if threading.active_count() < 3:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True, name="mischief").start()


@hostile(every_call=True, DP505="a process (/bin/sleep 1000) is still there")
def leaves_a_process() -> None:
    """Starts a process that outlives the call, once a trial."""
    if not hasattr(np, "mischief"):
        np.mischief = subprocess.Popen(["/bin/sleep", "1000"])


@hostile(every_call=True, DP505="warnings")
def silences_warnings() -> None:
    """Ignores all warnings of everybody."""
    warnings.simplefilter("ignore")


@hostile(every_call=True, DP505="garbage")
def stops_collecting_garbage() -> None:
    """Switches the garbage collector off."""
    gc.disable()


@hostile(every_call=True, DP505="NumPy")
def ignores_overflow() -> None:
    """Tells NumPy to raise where it warned."""
    np.seterr(all="raise")


@hostile(every_call=True, DP505="recursion")
def digs_deeper() -> None:
    """Raises the limit of recursion."""
    sys.setrecursionlimit(10**6)


@hostile(every_call=True, DP505="builtins.len is another function")
def replaces_len() -> None:
    """Replaces a builtin function by one that lies."""
    import builtins

    builtins.len = lambda _: 7  # type: ignore[assignment]


@hostile(every_call=True, DP505="json.dumps is another function")
def replaces_json() -> None:
    """Replaces what writes messages."""
    import json

    json.dumps = lambda *_, **__: "null"  # type: ignore[assignment]


@hostile(every_call=True, DP505="os.write is another function")
def replaces_write() -> None:
    """Replaces what messages are written with."""
    os.write = lambda *_: 0  # type: ignore[assignment]


@hostile(every_call=True, DP505="time.monotonic is another function")
def stops_the_clock() -> None:
    """Replaces the clock by one that stands still."""
    time.monotonic = lambda: 0.0
    time.perf_counter = lambda: 0.0


@hostile(every_call=True, DP505="random.seed is another function")
def replaces_seed() -> None:
    """Makes seeding do nothing."""
    random.seed = lambda *_: None  # type: ignore[assignment]
    np.random.seed = lambda *_: None
