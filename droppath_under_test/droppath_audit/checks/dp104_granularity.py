"""DP104 granularity: one decision per sample along axis 0 (or per batch, or per element, where that is declared).

What it checks
    For inputs of rank 1 to 5, and one of as many channels as real layers have, at drop_prob = 0.5: everything that
    shares a decision is dropped or kept together, and what should be decided apart is not always alike. The first is
    exact; the second is an exact binomial test on how often a whole group agrees by chance.
Why it matters
    A mask per token, per channel or per batch is another regulariser than the one in the paper that is being
    reproduced; results stop being comparable, and nothing fails.
How to fix
    Draw a mask of shape (B, 1, 1, …): as many ones as x has further axes. Axis 0 must be the batch.
Seen in
    NAFNet issue 32 (per batch); VideoX issue 85 and adapt-image-models issue 50 (per token); Dropout2d in its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check, Design
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.selection import INTERIOR_CELLS, Selection, interior
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.calls import Refused
from droppath_audit.probes.certifying import resolved
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Probe, Request
from droppath_audit.probes.values import moderate
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import CHANCE
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.design import detectable_binomial
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.probes.calls import Calls
    from droppath_audit.scripts.script import Script

DROP_PROB = 0.5
BATCH = 16
# What splits channels into groups, or takes another path for wide inputs, shows on the last one alone.
FEATURES = ((), (12,), (3, 4), (3, 2, 2), (3, 2, 2, 1), (256, 2, 2))
MOST_CALLS = 64  # that are pictured
RANKS = (4, 3, 5, 6, 2)  # of the calls that show along which axes decisions differ, the most telling first
LARGE, LARGE_CALLS = 2**20, 2  # elements of calls that take another path for large inputs, of a shape that is large

Key = tuple[int, int, int, float]
"""Rank, batch, elements of a sample, and drop_prob."""


@dataclass(frozen=True)
class Uniformity:
    """Samples and calls in which all elements met the same fate, or did not, at one rank, size and drop_prob.

    Attributes:
        shape: Shape of x; of a recording, of the first such calls.
        drop_prob: p.
        share: Share of the decisions that kept.
        calls: Calls that tell.
        samples: Samples that tell.
        mixed_calls: Calls that are partly dropped.
        mixed_samples: Samples that are partly dropped.
    """

    shape: tuple[int, ...]
    drop_prob: float
    share: float
    calls: int
    samples: int
    mixed_calls: int
    mixed_samples: int

    @property
    def rank(self) -> int:
        """Rank of x."""
        return len(self.shape)

    @property
    def key(self) -> tuple[int, int, int]:
        """Rank, batch and elements of a sample."""
        return self.rank, self.shape[0], self.size

    @property
    def size(self) -> int:
        """Elements of a sample."""
        return math.prod(self.shape[1:])

    def groups(self, at: DtypeCase) -> tuple[int, int, float]:
        """Return groups seen, groups that were all alike, and the chance of that under the declared granularity.

        The groups are what must not be decided as one: the calls for decisions per sample, the samples for decisions
        per element.
        """
        # A recording has other probabilities, and its chance is that of the share of kept ones seen in it: a wrong
        # keep probability is DP102's to find.
        share = self.share if at.blocks else DROP_PROB
        per_sample = at.dialect.granularity == "sample"
        size = self.shape[0] if per_sample else self.size
        seen, mixed = (self.calls, self.mixed_calls) if per_sample else (self.samples, self.mixed_samples)
        return seen, seen - mixed, share**size + (1.0 - share) ** size

    def mixed(self, granularity: str) -> tuple[int, int]:
        """Return groups that are partly dropped though one decision is promised for them, and all such groups."""
        if granularity == "sample":
            return self.mixed_samples, self.samples
        return (self.mixed_calls, self.calls) if granularity == "batch" else (0, 0)


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        rows: What was seen at each rank.
        refused: Why some ranks were refused.
        apart: Whether tensors that were given together were dropped apart.
        deciding: Axes of x along which decisions differ, at the most telling rank; None where no call tells.
        rank: That rank.
        raster: Which samples of successive calls were kept by their first elements, a text of 0 and 1 a call, at
            drop_prob 0.5: for a picture.
    """

    rows: tuple[Uniformity, ...]
    refused: tuple[str, ...]
    apart: bool = False
    deciding: tuple[int, ...] | None = None
    rank: int = 0
    raster: tuple[str, ...] = ()


class Granularity(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    judges_granularity = True
    recorded = Selection(interior, "dtype", INTERIOR_CELLS.lacking)
    mutants = ("per_batch", "per_channel", "per_token", "per_element", "per_group_of_channels")

    def design(self, at: DtypeCase, alpha: float) -> Design | None:
        """Return the share of calls decided as a whole that is seen at each rank; of a recording, in all its sizes."""
        if not at.blocks:
            excess = detectable_binomial(_calls(at), 2.0 * 0.5**BATCH, alpha / len(FEATURES), BETA)
            return Design(excess, "share of calls decided as a whole", _calls(at) * BATCH * len(FEATURES))
        if at.per_call:
            return None
        per_sample = at.dialect.granularity == "sample"
        seen: dict[tuple[int, int, float], int] = {}
        for block in at.blocks:
            batch = block.shape[0]
            key = len(block.shape), batch if per_sample else block.width // batch, block.drop_prob
            seen[key] = seen.get(key, 0) + block.calls * (1 if per_sample else batch)
        chances = {key: max(1e-15, key[2] ** key[1] + (1.0 - key[2]) ** key[1]) for key in seen}
        level = alpha / len(seen)
        largest = max(
            detectable_binomial(n, chances[key], level, BETA) if chances[key] < 1.0 else 1.0 for key, n in seen.items()
        )
        if resolved(largest) == math.inf:
            return None
        return Design(largest, f"share of {'calls' if per_sample else 'samples'} decided as a whole", at.decisions)

    def collect(self, probe: Probe[DtypeCase]) -> Seen:
        """Count samples and calls in which all elements met the same fate, at each rank, size and drop_prob."""
        shapes: dict[Key, tuple[int, ...]] = {}
        counts: dict[Key, npt.NDArray[np.int64]] = {}
        refused = []
        deciding: dict[int, set[int]] = {}
        raster: tuple[str, ...] = ()
        for calls in _looked_at(probe):
            if isinstance(calls, Refused):
                rank = 1 + len(calls.features)
                counts.pop((rank, BATCH, math.prod(calls.features), DROP_PROB), None)
                refused.append(f"rank {rank}: {calls.why}")
            else:
                key = len(calls.shape), *calls.y.shape[1:], calls.drop_prob
                shapes.setdefault(key, calls.shape)
                counts[key] = counts.get(key, np.zeros(6, np.int64)) + _counted(calls)
                if calls.readable.all():
                    rank = len(calls.shape)
                    raster = raster or _raster(calls)
                    deciding[rank] = deciding.get(rank, set()) | _deciding(calls)
        rows = (
            Uniformity(shapes[key], key[3], kept / max(1, decisions), *numbers)
            for key, found in counts.items()
            for *numbers, kept, decisions in [found.tolist()]
        )
        rank = next((rank for rank in RANKS if rank in deciding), 0)
        return Seen(
            tuple(rows),
            tuple(refused),
            isinstance(probe, LiveProbe) and probe.target.apart,
            tuple(sorted(deciding[rank])) if rank else None,
            rank,
            raster,
        )

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where one decision's elements differ, or where decisions that should differ agree beyond chance."""
        granularity, rows = at.dialect.granularity, seen.rows
        if seen.apart:
            return Verdict.failed(
                "tensors that one call is given as the same x come back as different ones",
                promised="what is given together is dropped together",
            )
        if not rows:
            return Verdict.not_applicable(f"no rank keeps its shape (see DP005): {seen.refused[0]}")
        promised = f"one decision per {granularity}"
        smallest = 1.0
        for row in rows:
            mixed, number = row.mixed(granularity)
            if mixed:
                units = "samples" if granularity == "sample" else "calls"
                return Verdict.failed(
                    f"at rank {row.rank}, {mixed} of {number} {units} are partly dropped",
                    promised=promised,
                    hint=_hint(seen, granularity),
                )
            if granularity == "batch" or (granularity == "element" and row.size == 1):
                continue
            number, alike, chance = row.groups(at)
            # Any of the ranks can fail the trial, so each has its part of alpha, and of the p-value.
            p_value = min(1.0, len(rows) * binomial_test(alike, number, chance)) if alike > number * chance else 1.0
            smallest = min(smallest, p_value)
            if p_value <= alpha:
                whole = "call" if granularity == "sample" else "sample"
                return Verdict.failed(
                    f"at rank {row.rank}, {alike} of {number} {whole}s are dropped or kept as a whole "
                    f"(by chance {chance * number:.2g})",
                    promised=promised,
                    p_value=p_value,
                    hint=_hint(seen, granularity) if alike == number else "",
                )
        ranks = ", ".join(dict.fromkeys(str(row.rank) for row in rows))
        return Verdict.passed(f"{promised} at rank {ranks}", p_value=smallest if granularity != "batch" else None)

    def show(self, seen: Seen, at: DtypeCase, script: Script) -> None:
        """Look for samples or calls that are dropped in part, or for too many that are dropped or kept as a whole."""
        from scipy.stats import binom

        if seen.apart and isinstance(script, LiveScript):
            script.several(DROP_PROB, (BATCH, *FEATURES[1]))
            return
        granularity = at.dialect.granularity
        row = max(seen.rows, key=lambda row: row.mixed(granularity)[0])
        mixed = row.mixed(granularity)[0] > 0
        if not mixed:
            row = max(seen.rows, key=lambda row: _excess(*row.groups(at)))
        units = "calls" if granularity == ("batch" if mixed else "sample") else "samples"
        axes = "*ys.shape[:2], -1" if units == "samples" else "len(ys), -1"
        body = [
            f"seen = np.broadcast_to(xs != 0, ys.shape).reshape({axes})",
            f"kept = (ys != {script.dropped}).reshape({axes})",
            "whole = ~(kept & seen).any(-1) | (kept | ~seen).all(-1)",
        ]
        if granularity == "sample" and not mixed:
            body = [*script.masks(), "whole = kept.all(1) | ~kept.any(1)"]
        elif granularity == "element":
            body.append("whole = whole[seen.all(-1)]")
        script.add("alike = number = 0")
        script.each(
            *body,
            "alike, number = alike + whole.sum(), number + whole.size",
            drop_prob=row.drop_prob,
            shape=row.shape,
            calls=row.calls,
            xs=True,
            blocks=lambda block: row.key == (len(block.shape), block.shape[0], math.prod(block.shape[1:])),
        )
        script.add(f"print(alike, 'of', number, '{units} are dropped or kept as a whole')")
        if mixed:
            script.add("assert alike == number")
        else:
            number, _, chance = row.groups(at)
            script.add(f"assert alike <= {int(binom.isf(CHANCE, number, chance))}  # one chance in 10^9")


def _deciding(calls: Calls) -> set[int]:
    """Return the axes of x along which the decisions of a call differ, in any of the calls."""
    kept = (calls.y != calls.base).reshape(-1, *calls.shape)
    return {axis for axis in range(len(calls.shape)) if (kept != kept.take([0], axis + 1)).any()}


def _raster(calls: Calls) -> tuple[str, ...]:
    """Return which samples were kept, call by call; nothing of samples that have no elements."""
    kept = (calls.y != calls.base)[:MOST_CALLS]
    if not kept.shape[2]:
        return ()
    return tuple("".join("1" if one else "0" for one in call) for call in kept[:, :, 0])


def _hint(seen: Seen, granularity: str) -> str:
    """Return the item that declares what was seen; empty where none does."""
    deciding = seen.deciding
    if deciding is None:
        return ""
    every = set(range(seen.rank))
    others = every - set(deciding)
    meant, item = "", ""
    if not deciding:
        meant, item = "one decision a batch", "granularity=batch"
    elif deciding == (0,) and granularity != "sample":
        meant, item = "one decision a sample", "granularity=sample"
    elif len(deciding) == 1 and deciding != (0,):
        meant, item = f"the batch is axis {deciding[0]} of x", f"axis={deciding[0]}"
    elif deciding == (0, 1):
        meant, item = "a decision for every channel of every sample", "granularity=channel"
    elif not others and granularity != "element":
        meant, item = "a decision for every element", "granularity=element"
    elif len(others) == 1 and 0 in deciding:
        (shared,) = others
        meant, item = f"decisions that are shared along axis {shared} alone", f"shared={shared}"
    verb = "if" if item.startswith("axis") else "if the layer means"
    return f"{verb} {meant}, add {item} to the SPEC" if item else ""


def _calls(at: DtypeCase) -> int:
    """Return the calls of a batch; of large samples those that there is time for, and four show one decision a call."""
    calls = at.effort.pick(64, 256, 1024)
    return min(calls, max(4, 4 * at.effort.examined // (BATCH * at.largest))) if at.largest > 1 else calls


def _looked_at(probe: Probe[DtypeCase]) -> Iterator[Calls | Refused]:
    """Yield calls of every rank; where the SPEC fixes a shape, of that, in a usual batch and in a large one."""
    at = probe.at
    yield from probe.by_features(Request(BATCH, moderate, _calls(at)), FEATURES, DROP_PROB)
    large = LARGE // at.largest
    if at.largest > 1 and large > BATCH:
        yield from probe.by_features(Request(large, moderate, LARGE_CALLS), FEATURES, DROP_PROB)


def _counted(calls: Calls) -> npt.NDArray[np.int64]:
    """Return calls, samples, mixed calls, mixed samples, decisions that kept, and decisions."""
    kept, seen = calls.y != calls.base, calls.readable
    number, size = np.count_nonzero(seen, axis=2), seen.shape[2]
    per_element = calls.granularity == "element"
    # A group of which a part cannot be read is more easily alike: it may show a mixture, but not its absence.
    whole = {"sample": number > 0, "batch": number.any(axis=1)[:, None], "element": number == size}[calls.granularity]
    telling = whole.all(axis=1)
    samples = whole if per_element else number > 0
    per_sample = np.count_nonzero(kept & seen, axis=2)
    mixed = (per_sample > 0) & (per_sample < number)
    mixed_calls = (per_sample.sum(axis=1) > 0) & (per_sample.sum(axis=1) < number.sum(axis=1))
    counted = (
        telling,
        samples,
        mixed_calls & telling,
        mixed & whole if per_element else mixed,
        per_sample * whole if per_element else per_sample > 0,
        samples * size if per_element else samples,
    )
    return np.array([values.sum() for values in counted])


def _excess(number: int, alike: int, chance: float) -> float:
    return alike - number * chance
