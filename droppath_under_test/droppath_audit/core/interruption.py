"""Interruption: somebody asked for the end of an audit."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Interruption:
    """Is told by a signal, or why there is nobody to go on with, and looked at by whoever waits.

    Attributes:
        signal: Number of the signal; 0 until there is one.
        loss: Why nobody can go on, such as a rank that died; empty where somebody can.
    """

    signal: int = 0
    loss: str = ""

    @property
    def told(self) -> bool:
        """Whether the audit is to end."""
        return self.signal != 0 or bool(self.loss)

    @property
    def reason(self) -> str:
        """Why the audit ended, for a report; empty until it is told."""
        return f"interrupted by {signal.Signals(self.signal).name}" if self.signal else self.loss

    @contextmanager
    def listening(self, *, at_once: bool = False) -> Iterator[None]:
        """Take the signals that end a command. The second one raises ``KeyboardInterrupt`` wherever it comes.

        Args:
            at_once: Whether the first one does as well: where nobody looks while the target runs.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may take signals
            return

        def take(number: int, _: Any) -> None:
            again, self.signal = self.signal != 0, number
            if again or at_once:
                raise KeyboardInterrupt

        before = {number: signal.signal(number, take) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                # None: it was not installed from Python, and cannot be put back from there.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
