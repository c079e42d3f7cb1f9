"""Exchange: what ranks hand over to each other through the store of ``torch.distributed``, waiting for nobody.

No operation here waits until another rank does something. Every rank counts up a number of its own while it lives; one
whose number stands still for the patience, by the clock of the one who looks, is missed. An operation of the store that
does not end is given up by the same patience, so that a store that was lost, or stopped, ends the run as well.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.ranks.world import World

PATIENCE = 60.0  # seconds; loading the framework holds back beats of a busy machine for a few
CONNECTING = 120.0  # seconds until the slowest rank has imported torch.distributed
BEAT = 0.5  # seconds between two beats, or a tenth of the patience
CLOSING = 5.0  # seconds for which a thread is waited for that should have ended at once
PAUSE = 0.02  # seconds between two looks at what others do
END, OVER = "end", "over"  # of one piece of work, and of all


class RankLost(UsageError):
    """A rank, or the store itself, no longer answers; the reason says which."""


@dataclass(frozen=True)
class _Call:
    """An operation of the store, and where its outcome goes."""

    what: Callable[[], Any]
    answer: queue.SimpleQueue[tuple[Any, Exception | None]] = field(default_factory=queue.SimpleQueue)


class Exchange:
    """This rank's access to the store. A context manager.

    The store is connected to in the background; whoever needs it first waits for that.

    Args:
        here: This rank.
        patience: Seconds without a sign of life after which a rank is missed.
    """

    def __init__(self, here: World, patience: float = PATIENCE) -> None:
        self.here, self.patience = here, patience
        self._scope = ""
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._broken = ""
        self._closed = threading.Event()
        self._interval = min(BEAT, patience / 10)
        self._age = 0  # own beats: a clock that stands still while this process is stopped
        self._looked = -1  # the age at the last look
        self._handed = Counter[int]()  # by rank, how much it has handed over, or was taken of it
        self._seen: dict[int, tuple[int, int]] = {}  # by rank, its last beat that was seen, and when
        self._store: Any = None
        # Daemons: what hangs in the store's client must not keep this process from ending.
        self._threads = [threading.Thread(target=what, daemon=True) for what in (self._beat, self._work)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        with suppress(RankLost, UsageError):  # nobody can be told
            if kind is not None and issubclass(kind, Exception) and not issubclass(kind, RankLost):
                self.fail(str(error))
            if self.here.leads:
                self.put(OVER, True)
        self.close()

    def close(self) -> None:
        """Give no further sign of life, and leave the store; rank 0 ends it where it serves it."""
        self.silence()
        self._calls.put(None)
        # A thread that is in the store's client when Python ends would be unwound there, and abort the process.
        for thread in self._threads:
            thread.join(CLOSING)

    def silence(self) -> None:
        """Give no further sign of life."""
        self._closed.set()

    def tick(self) -> None:
        """Let time pass for this rank: a tenth of its patience or less."""
        self._age += 1

    def begin(self, scope: str) -> None:
        """Speak of another piece of work from here on, whose keys are its own."""
        self._scope = f"{scope}/"
        self._handed.clear()

    def put(self, key: str, value: object) -> None:
        """Leave plain data under a key.

        Raises:
            RankLost: If the store does not answer.
        """
        self._put(self._scope + key, value)

    def find(self, key: str) -> Any:
        """Return what lies under a key; None where nothing does yet.

        Raises:
            RankLost: If the store does not answer.
        """
        return self._find(self._scope + key)

    def hand(self, value: object) -> None:
        """Leave plain data for rank 0, behind what this rank handed over before.

        Raises:
            RankLost: If the store does not answer.
        """
        self.put(f"{self.here.rank}/{self._handed[self.here.rank]}", value)
        self._handed[self.here.rank] += 1

    def handed(self) -> Iterator[Any]:
        """Yield what the other ranks handed over and was not taken yet, rank by rank, each in its order.

        Raises:
            RankLost: If the store does not answer.
        """
        for rank in range(1, self.here.size):
            while (value := self.find(f"{rank}/{self._handed[rank]}")) is not None:
                self._handed[rank] += 1
                yield value

    def take(self, counter: str, number: int = 1) -> int:
        """Return the first of so many numbers of a counter, from 0 on, that no other rank has.

        Raises:
            RankLost: If the store does not answer.
        """
        return self._add(self._scope + counter, number) - number

    def fail(self, why: str) -> None:
        """Tell the others that this rank cannot take part.

        Raises:
            RankLost: If the store does not answer.
        """
        self.put(f"failed/{self.here.rank}", why)

    def end(self) -> None:
        """Tell all ranks that nothing more of this work is wanted.

        Raises:
            RankLost: If the store does not answer.
        """
        self.put(END, True)

    @property
    def ended(self) -> bool:
        """Whether nothing more of this work is wanted."""
        return self.find(END) is not None or self._find(OVER) is not None

    def look(self) -> None:
        """Look whether those live whose work is waited for: all others for rank 0, rank 0 for each of them.

        Raises:
            RankLost: If one has failed or gives no sign of life.
        """
        if self._looked == self._age:
            return  # nothing can have changed that matters
        self._looked = self._age
        for rank in range(1, self.here.size) if self.here.leads else (0,):
            if (said := self.find(f"failed/{rank}")) is not None:
                raise RankLost(f"rank {rank} failed: {said}")
            if self._find(f"left/{rank}") is not None:
                continue
            beat = self._add(f"beat/{rank}", 0)
            before, seen = self._seen.get(rank, (-1, 0))
            if beat != before:
                self._seen[rank] = beat, self._age
            elif (waited := (self._age - seen) * self._interval) > (self.patience if beat else CONNECTING):
                raise RankLost(f"rank {rank} of {self.here.size} gave no sign of life for {waited:.0f} s")

    def await_value(self, key: str) -> Any:
        """Return what lies under a key as soon as something does; None where the work ends before.

        Raises:
            RankLost: If whoever is to leave it gives no sign of life meanwhile.
        """
        while (value := self.find(key)) is None:
            if self.ended:
                return None
            self.look()
            self.pause()
        return value

    def leave(self) -> None:
        """Say that this rank is done; where it is rank 0, wait until all are.

        Raises:
            RankLost: If one of them gives no sign of life meanwhile, or failed.
        """
        if not self.here.leads:
            self._put(f"left/{self.here.rank}", True)
            return
        self._put(OVER, True)
        self.begin(OVER)  # what failed before was seen then
        while any(self._find(f"left/{rank}") is None for rank in range(1, self.here.size)):
            self.look()
            self.pause()

    def pause(self) -> None:
        """Sleep a little: between two looks at what others do."""
        time.sleep(min(PAUSE, self._interval))

    def _put(self, key: str, value: object) -> None:
        text = json.dumps(value)

        def put() -> None:
            self._store.set(key, text)
            self._store.check([key])  # setting does not wait for the server, asking does

        self._ask(put)

    def _find(self, key: str) -> Any:
        text = self._ask(lambda: self._store.get(key) if self._store.check([key]) else None)
        return None if text is None else json.loads(text)

    def _add(self, counter: str, number: int) -> int:
        return int(self._ask(lambda: self._store.add(counter, number)))

    def _connect(self) -> None:
        # A store that is lost is said in a line of ours; its client would add its own stack.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]  # documented, not listed

        here = self.here
        store = TCPStore(
            here.address,
            here.port,
            is_master=here.leads and not here.served,
            timeout=timedelta(seconds=CONNECTING),
            wait_for_workers=False,
        )
        self._store = PrefixStore(f"droppath-audit/{here.run}", store)

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Return what an operation of the store returns.

        Raises:
            RankLost: If it fails or does not end in time.
            UsageError: If the store cannot be reached to begin with.
        """
        asked = _Call(call)
        if not self._broken:
            self._calls.put(asked)
            try:
                found, error = asked.answer.get(timeout=self.patience if self._store is not None else 2 * CONNECTING)
            except queue.Empty:
                self._broken = self._broken or "it does not answer"
            else:
                if error is None:
                    return found
                self._broken = self._broken or _said(error)
        if self._store is None:
            where = f"{self.here.address}:{self.here.port}"
            raise UsageError(
                f"Rank {self.here.rank} cannot reach the store of torch.distributed at {where}: {self._broken}."
            )
        raise RankLost(f"the store of torch.distributed is lost: {self._broken}")

    def _work(self) -> None:
        try:
            self._connect()
        except Exception as error:
            self._broken = _said(error)
        while (asked := self._calls.get()) is not None:
            try:
                asked.answer.put((asked.what(), None))
            except Exception as error:
                asked.answer.put((None, error))
        self._store = None

    def _beat(self) -> None:
        with suppress(RankLost, UsageError):  # whoever asks next is told so
            self._add(f"beat/{self.here.rank}", 1)
            while not self._closed.wait(self._interval):
                self.tick()
                self._add(f"beat/{self.here.rank}", 1)


def _said(error: Exception) -> str:
    """Return the first line of what an error says, without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
