"""Mischief that does not end, or takes everything."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque

import numpy as np

from hostile import hostile

# By processor time, or by waiting where the machine is so busy that a process has less than a third of a core.
BUSY = "no answer within 0.6 seconds of processor time|no answer within 1.8 seconds"
IDLE = "no answer within 1.2 seconds, at the second attempt as well"
FULL = "it used more than 768 MiB of memory"


@hostile(BUSY, planned=True, seconds=0.6)
def endless_loop() -> None:
    """Loops in Python."""
    while True:
        pass


@hostile(BUSY, planned=True, seconds=0.6)
def endless_loop_in_c() -> None:
    """Loops in C, where no signal handler of Python runs."""
    deque(itertools.repeat(0), maxlen=0)


@hostile(BUSY, planned=True, seconds=0.6)
def works_in_a_child() -> None:
    """Lets a process in a session of its own loop, and waits for it."""
    subprocess.run([sys.executable, "-c", "while True: pass"], start_new_session=True, check=False)


@hostile(IDLE, planned=True, seconds=0.4)
def deadlock() -> None:
    """Takes a lock twice."""
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@hostile(IDLE, planned=True, seconds=0.4)
def deaf_sleeper() -> None:
    """Sleeps, and ignores every signal that can be ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(1000)


@hostile(IDLE, planned=True, seconds=0.4)
def stopped() -> None:
    """Stops itself, as Ctrl-Z does."""
    os.kill(os.getpid(), signal.SIGSTOP)


@hostile(FULL, gibibytes=0.75)
def memory_without_bound() -> None:
    """Keeps all that it allocates."""
    kept = []
    while True:
        kept.append(np.ones(2**22))


@hostile(FULL, gibibytes=0.75)
def memory_of_a_child() -> None:
    """Lets another process keep all that it allocates."""
    code = "kept = []\nwhile True: kept.append(bytearray(b'x') * 2**24)"
    subprocess.run([sys.executable, "-c", code], start_new_session=True, check=False)


@hostile(FULL, gibibytes=0.75)
def memory_at_once() -> None:
    """Allocates and fills everything in one call of C."""
    np.ones(2**30)
    time.sleep(10)
