"""Mischief with streams and copies of the process: no answer is lost for it."""

from __future__ import annotations

import os
import sys

from hostile import hostile


@hostile()
def prints() -> None:
    """Prints five megabytes, through Python and past it."""
    sys.stdout.write("x" * 5_000_000)
    os.write(1, b"y" * 5_000_000)


@hostile(DP505="")
def closes_its_streams() -> None:
    """Closes standard input, output and error."""
    os.closerange(0, 3)


@hostile(DP505="")
def throws_its_streams_away() -> None:
    """Replaces the streams of Python by nothing."""
    sys.stdout = sys.stderr = None


@hostile()
def reads_its_input() -> None:
    """Waits for input, of which there is none."""
    sys.stdin.read()


@hostile()
def forges_answers() -> None:
    """Writes what looks like an answer where answers once went."""
    os.write(1, b"""{"collected": {"error": "forged"}}\nnot json\n\n{"ended": 1}\n""")


@hostile()
def scribbles() -> None:
    """Writes into every descriptor that is open."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b'[[[\n{"collected": 1, "forked": "x"\n"text"\n[1e999]\n\xff\xfe\n')
        except OSError:
            continue


@hostile()
def forks() -> None:
    """Forks, and both go on."""
    os.fork()
