"""Mischief that raises."""

from __future__ import annotations

import sys
from typing import NoReturn

from hostile import hostile


class Custom(BaseException):
    """An exception that ``except Exception`` does not see."""


class Unspeakable(Exception):
    """An exception without a text."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no")


@hostile("raised SystemExit: 0")
def system_exit() -> None:
    """Calls sys.exit, with status 0."""
    sys.exit(0)


@hostile("raised Custom: of its own")
def base_exception() -> None:
    """Raises what is no Exception."""
    raise Custom("of its own")


@hostile("raised KeyboardInterrupt")
def keyboard_interrupt() -> None:
    """Raises what Ctrl-C does."""
    raise KeyboardInterrupt


@hostile("raised GeneratorExit")
def generator_exit() -> None:
    """Raises what ends a generator."""
    raise GeneratorExit


@hostile("raised StopIteration")
def stop_iteration() -> None:
    """Raises what ends a loop."""
    raise StopIteration


@hostile("raised RecursionError: maximum recursion depth exceeded")
def recursion() -> None:
    """Calls itself for ever."""
    _deeper()


def _deeper() -> None:
    _deeper()


@hostile("raised MemoryError")
def memory_error() -> None:
    """Raises what a failed allocation does."""
    raise MemoryError


@hostile("raised Unspeakable")
def unspeakable() -> None:
    """Raises what raises when it is printed."""
    raise Unspeakable


@hostile("raised ValueError: \x1b[2J\x1b[1;32mevery MUST holds")
def escape_sequences() -> None:
    """Raises a message that clears the terminal and prints a verdict."""
    raise ValueError("\x1b[2J\x1b[1;32mevery MUST holds\x07\x9b31m\u202e\ud800")


@hostile("raised ValueError: xxxxx")
def endless_message() -> None:
    """Raises a message of ten megabytes."""
    raise ValueError("x" * 10_000_000)
