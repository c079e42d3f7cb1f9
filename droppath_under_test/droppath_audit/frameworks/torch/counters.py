"""Counts of fates on the device where they fall; nothing waits for it until they are read.

A call leaves a few elements of every sample, before and after. Those of many calls are compared together, and what
follows is added to one table of whole numbers: two small operations a call, and some thirty every ``TOGETHER`` calls.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple

import torch

from droppath_audit.frameworks.monitoring import MOST_RATES, Counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.frameworks.networks import Reading

TOGETHER = 64  # calls that are compared together
ALONG_THE_LAST, ALONG_OTHERS, IN_ALL = 8, 2, 64  # elements of a sample that are looked at
PLANNED, EXPECTED = 4096, 100  # first decisions of a row, and the fewest that each of its two fates is to expect
LEAST, FOREVER = 1e-12, 2**62
KEPT_INDEXES = 64
COUNTS = (
    "kept",
    "decisions",
    "partly",
    "silent",
    "plural",
    "mixed",
    "kept_calls",
    "decided_calls",
    "first_kept",
    "first",
)
FIRST = COUNTS.index("first")


class Look(NamedTuple):
    """One call: its row, how it is read, and the elements before and after, of shape (samples, elements)."""

    row: int
    reading: Reading
    before: torch.Tensor
    after: torch.Tensor


def few(x: torch.Tensor) -> torch.Tensor:
    """Return a copy of a few elements of every sample, spread over it.

    Args:
        x: Of shape (samples, ...).

    Returns:
        Of shape (samples, elements), untracked.
    """
    chosen, left = [slice(None)], IN_ALL
    for axis, size in enumerate(x.shape[1:], 1):
        most = min(ALONG_THE_LAST if axis == x.ndim - 1 else ALONG_OTHERS, left, size)
        step = size // most
        chosen.append(slice(step // 2, step // 2 + step * (most - 1) + 1, step))
        left = max(1, left // most)
    return x.detach()[tuple(chosen)].clone(memory_format=torch.contiguous_format).view(x.shape[0], -1)


class Counters:
    """Counts by layer and rate."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, float | None], int] = {}
        self._rates: dict[str, int] = {}
        self._calls: list[int] = []
        self._planned: list[int] = []
        self._pending: list[Look] = []
        self._tables: dict[torch.device, torch.Tensor] = {}
        self._indexes: dict[tuple[torch.device, tuple[int, ...]], torch.Tensor] = {}
        self._lock = threading.RLock()

    def add(
        self, site: str, drop_prob: float | None, reading: Reading, before: torch.Tensor, after: torch.Tensor
    ) -> None:
        """Note a call, with what ``few`` returned of the input before it and of the output."""
        with self._lock:
            row = self._rows.get((site, drop_prob))
            if row is None:
                row = self._begun(site, drop_prob)
            self._calls[row] += 1
            self._pending.append(Look(row, reading, before, after))
            if len(self._pending) >= TOGETHER:
                self._count()

    def read(self) -> tuple[Counted, ...]:
        """Return the counts, in the order in which layers and rates came first."""
        with self._lock:
            self._count()
            total = torch.zeros(len(self._rows), len(COUNTS), dtype=torch.int64, device="cpu")
            for table in self._tables.values():
                total[: len(table)] += table.cpu()[: len(total)]
            found = zip(self._rows, self._calls, total.tolist(), self._planned, strict=True)
            return tuple(
                Counted(site, drop_prob, calls, planned=planned, **dict(zip(COUNTS, counts, strict=True)))
                for (site, drop_prob), calls, counts, planned in found
            )

    def _begun(self, site: str, drop_prob: float | None) -> int:
        """Return a new row, or that of no rate where the layer has had too many."""
        if drop_prob is not None:
            self._rates[site] = self._rates.get(site, 0) + 1
            if self._rates[site] > MOST_RATES:
                found = self._rows.get((site, None))
                return self._begun(site, None) if found is None else found
        smaller = 0.0 if drop_prob is None else min(drop_prob, 1.0 - drop_prob)
        # A rate next to 0 or 1 is never met often enough.
        self._planned.append(max(PLANNED, math.ceil(EXPECTED / smaller)) if smaller > LEAST else FOREVER)
        self._calls.append(0)
        return self._rows.setdefault((site, drop_prob), len(self._rows))

    def _count(self) -> None:
        """Compare what is pending, and add it to the tables."""
        pending, self._pending = self._pending, []
        alike: dict[object, list[Look]] = {}
        for look in pending:
            before, after = look.before, look.after
            alike.setdefault((look.reading, before.shape, before.dtype, after.dtype, before.device), []).append(look)
        # A table that came about in inference mode could not be written to outside.
        with torch.inference_mode(False), torch.no_grad():
            for looks in alike.values():
                self._counted(looks)

    def _counted(self, looks: Sequence[Look]) -> None:
        device = looks[0].before.device
        before, after = torch.stack([look.before for look in looks]), torch.stack([look.after for look in looks])
        if looks[0].reading == "wrapper":
            kept = (before != after).any(2)
            dropped, partly = ~kept, torch.zeros_like(kept)
        else:
            # What the output's dtype does not hold was zero before, to it.
            tells, gone = before.to(after.dtype) != 0, after == 0
            there, lost = (tells & ~gone).any(2), (tells & gone).any(2)
            kept, dropped, partly = there & ~lost, lost & ~there, there & lost
        k, d, parts = kept.sum(1), dropped.sum(1), partly.sum(1)
        plural, mixed, none_dropped = k + d > 1, (k > 0) & (d > 0), (k > 0) & (d == 0)
        alike = (k > 0) ^ (d > 0)
        silent = before.shape[1] - k - d - parts
        counts = torch.stack([k, k + d, parts, silent, plural, mixed, none_dropped, alike], 1)
        rows, planned = self._index(device, [look.row for look in looks])
        table = self._table(device)
        wanted = (table[rows, FIRST] < planned)[:, None]
        table.index_add_(0, rows, torch.cat([counts, counts[:, :2] * wanted], 1))

    def _table(self, device: torch.device) -> torch.Tensor:
        """Return the table of a device, with a row for everything there is."""
        table = self._tables.get(device)
        if table is None or len(table) < len(self._rows):
            larger = torch.zeros(2 * len(self._rows), len(COUNTS), dtype=torch.int64, device=device)
            if table is not None:
                larger[: len(table)] = table
            self._tables[device] = table = larger
        return table

    def _index(self, device: torch.device, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return rows, and what is planned for them, on a device; they are alike in nearly every pass."""
        key = (device, tuple(rows))
        found = self._indexes.get(key)
        if found is None:
            if len(self._indexes) >= KEPT_INDEXES:
                self._indexes.clear()
            numbers = torch.tensor([rows, [self._planned[row] for row in rows]], dtype=torch.int64, device="cpu")
            found = self._indexes[key] = numbers.to(device, non_blocking=True)
        return found[0], found[1]
