"""Write ``docs/statistics.md``: ``python -m tools.figures``. ``tests/calibration`` fails while it is stale.

The decisions come from seeded simulations of the certificate's own rule and are the same on every machine; the time is
measured here and now, and the page says where. No figure on the page has another source.
"""

from __future__ import annotations

import math
import platform
import time
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from droppath_audit.stats.bisection import first_integer
from droppath_audit.stats.budget import BETA, DEFAULT_BUDGET, share
from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.design import FLOAT32_MISS, divergence, samples_for_binomial, samples_for_dkw
from tools import DOCS

if TYPE_CHECKING:
    from droppath_audit.frameworks.target import Target

PAGE = DOCS / "statistics.md"
ALPHA = share(DEFAULT_BUDGET)
# keep_prob, resolution, decisions a look: a batch of an audit, or less where a certificate takes few of them.
CELLS = ((0.5, 5e-4, 65_536), (0.9, 5e-4, 65_536), (0.998, 1e-4, 65_536), (0.9, 2e-3, 2048), (0.9, 5e-3, 256))
RUNS = 4000
WINDOW, WINDOWS = 4, 400  # batches of which time is taken at once, and how often

INTRODUCTION = """# Statistics in figures

Written by `python -m tools.figures`: no figure here has another source.

## What a certificate costs

Decisions until the certificate of one keep probability is settled, with false alarms of {alpha:.2g} (one trial's share
of a budget of {budget:g}) and false passes of {beta:g}. *Correct* code keeps with probability q exactly; *at the edge*
is q + δ or q - δ, whichever is further from its bound. Means of {runs:,} simulated runs with a look after every {looks}
decisions, from the first line to the last; none has a standard error above {worst:.1%}.

- **bound**: what no sequential test with these errors can undercut on average (Wald 1945): d(α, 1-β)/KL(q, q ± δ) on
  correct code, the greater of the two, and d(β, 1-α)/KL(q ± δ, q) at the edge, with d the divergence of two Bernoulli
  distributions.
- **exact test**: decisions of a binomial test with the same errors whose number is fixed in advance, proven to suffice.
- **DKW**: the same for a test by the inequality of Dvoretzky, Kiefer and Wolfowitz, which knows no variance.
- **time**: processor time of drawing, counting and judging until the certificate is settled, over that of as many of
  the bare layer's own forward passes (the reference, float32, 65,536 samples a call): the best of {windows} interleaved
  windows of {window} calls each. Where looks are smaller than a batch it is not measured.

| q | δ | correct code | bound | ratio | at the edge | bound | ratio | exact test | DKW | time |
|---|---|---|---|---|---|---|---|---|---|---|
"""


# Of what is asked for beyond an audit: the last is below what a float32 draw can miss by, so that none is offered.
FINE, KEEP_PROBS = (1e-4, 1e-5, 1e-6, 1e-7), (0.5, 0.9, 0.998)
RANKS = (1, 16, 1024)
RATE_WINDOWS = 200

FINER = """
## What a finer resolution costs

Decisions that a certificate is expected to take on correct code at q = {keep_probs} (they grow with 1/δ²), and the
time for the greatest of them, at the rate measured here and now{measured}. Ranks divide it (`torchrun`, see
[ranks.md](ranks.md)). A certificate is offered down to 2^-23 = {miss:.2g}, which one float32 draw can miss by; what
lies below is said exactly by enumeration (DP103, `droppath-audit law`), and the line for it only says why.

| δ | {columns} |
|---|{rule}
"""


class Draws(NamedTuple):
    """Mean number of decisions until a certificate is settled, and the standard error of that mean."""

    mean: float
    error: float


def draws(certificate: Certificate, keep_prob: float, look: int, runs: int = RUNS) -> Draws:
    """Simulate targets of this keep probability, looking after every ``look`` decisions."""
    rng = np.random.default_rng(np.random.SeedSequence(0))
    kept, decisions, stopped = np.zeros(runs, dtype=np.int64), 0, []
    while kept.size:
        wanted = min(look, certificate.cap - decisions)
        kept = kept + rng.binomial(wanted, keep_prob, kept.size)
        decisions += wanted
        settled = _settled(certificate, kept, decisions)
        stopped += [decisions] * int(settled.sum())
        kept = kept[~settled]
    return Draws(float(np.mean(stopped)), float(np.std(stopped)) / math.sqrt(runs))


def _settled(certificate: Certificate, kept: np.ndarray, decisions: int) -> np.ndarray:
    """Return which counts settle the certificate.

    Away from the expected count the outcome is pass, open and fail in this order: four bisections find where it
    changes, with fewer calls of the rule than there are runs.
    """
    if decisions >= certificate.cap:
        return np.ones(kept.shape, dtype=bool)
    expected = round(decisions * certificate.keep_prob)

    def distance(direction: int, *outcomes: str) -> int:
        """Return how far from the expected count the outcome is one of these."""
        reach = expected if direction < 0 else decisions - expected

        def there(number: int) -> bool:
            return number > reach + 1 or certificate.outcome(expected + direction * (number - 1), decisions) in outcomes

        return first_integer(there, 1) - 1

    passed = (kept > expected - distance(-1, "open", "fail")) & (kept < expected + distance(1, "open", "fail"))
    return passed | (kept <= expected - distance(-1, "fail")) | (kept >= expected + distance(1, "fail"))


class Cost(NamedTuple):
    """What the certificate of one cell costs."""

    keep_prob: float
    resolution: float
    correct: Draws
    correct_bound: float
    edge: Draws
    edge_bound: float
    exact: int
    dkw: int

    def cells(self) -> list[str]:
        """Return the cells of its line in the table, without the time."""
        found = [f"{self.keep_prob:g}", f"{self.resolution:g}"]
        for counted, bound in ((self.correct, self.correct_bound), (self.edge, self.edge_bound)):
            found += [rounded(counted.mean), rounded(bound), f"{counted.mean / bound:.2f}"]
        return [*found, rounded(self.exact), rounded(self.dkw)]


def cost(keep_prob: float, resolution: float, look: int, runs: int = RUNS) -> Cost:
    """Simulate one cell and compute what its draws are compared with."""
    certificate = Certificate(keep_prob, resolution, ALPHA)
    edges = (keep_prob - resolution, keep_prob + resolution)
    at_edges = [
        (draws(certificate, edge, look, runs), divergence(BETA, 1.0 - ALPHA) / divergence(edge, keep_prob))
        for edge in edges
    ]
    return Cost(
        keep_prob,
        resolution,
        draws(certificate, keep_prob, look, runs),
        max(divergence(ALPHA, 1.0 - BETA) / divergence(keep_prob, edge) for edge in edges),
        *max(at_edges, key=lambda found: found[0].mean / found[1]),
        samples_for_binomial(resolution, keep_prob, ALPHA, BETA),
        samples_for_dkw(resolution, ALPHA, BETA),
    )


def rounded(count: float) -> str:
    """Return a count with three digits."""
    return f"{float(f'{count:.3g}'):,.0f}"


class _Window:
    """Stopping that lets a certificate's drawing go on for a few batches at a time."""

    def __init__(self, certificate: Certificate, end: int) -> None:
        self.certificate, self.end, self.cap = certificate, end, certificate.cap

    def settled(self, kept: int, decisions: int) -> bool:
        return self.certificate.settled(kept, decisions) or decisions >= self.end


def overhead(keep_prob: float, resolution: float, windows: int = WINDOWS) -> float:
    """Return the time of drawing, counting and judging over that of as many of the layer's own forward passes.

    Short windows of both take turns, and the best of each count: other processes may spoil most of them, not all.
    """
    import torch

    from droppath_audit.core.case import Cell
    from droppath_audit.core.effort import EFFORTS
    from droppath_audit.probes.counting import BATCH, Sampler
    from droppath_audit.targets.loader import load
    from droppath_reference import DropPath

    torch.set_num_threads(1)  # as in the worker
    torch.manual_seed(0)
    certificate = Certificate(keep_prob, resolution, ALPHA)
    cell = Cell("cpu", "float32", 1.0 - keep_prob, effort=EFFORTS["thorough"])
    target = cast("Target", load("droppath_reference:DropPath").target)  # a layer, never a recording
    layer, x = DropPath(1.0 - keep_prob).train(), torch.ones((BATCH, 1))
    ours, own = [], []

    def begun() -> Sampler:
        return Sampler(target.framework, target.make(cell.drop_prob), cell, cell.dtype, tuple(x.shape[1:]))

    sampler = begun()
    for _ in range(windows):
        before = sampler.counts.decisions
        started = time.process_time()
        counts = sampler.draw_until(_Window(certificate, before + WINDOW * BATCH))
        ours.append((time.process_time() - started) / (counts.decisions - before))
        started = time.process_time()
        for _ in range(WINDOW):
            layer(x)
        own.append((time.process_time() - started) / (WINDOW * BATCH))
        if certificate.settled(counts.kept, counts.decisions):
            sampler = begun()
    return min(ours) / min(own)


def seconds_per_decision(device: str, windows: int = RATE_WINDOWS) -> float:
    """Return the wall time of drawing, counting and judging a decision: the best of short windows."""
    import torch

    from droppath_audit.core.case import Cell
    from droppath_audit.core.effort import EFFORTS
    from droppath_audit.probes.counting import Sampler
    from droppath_audit.targets.loader import load

    torch.set_num_threads(1)
    torch.manual_seed(0)
    certificate = Certificate(0.5, FINE[-2], ALPHA)  # which is not settled meanwhile
    cell = Cell(device, "float32", 0.5, effort=EFFORTS["thorough"])
    target = cast("Target", load("droppath_reference:DropPath", devices=(device,)).target)
    sampler = Sampler(target.framework, target.make(0.5), cell, cell.dtype, (1,))
    window = 2**18 if device == "cpu" else 2**28
    found = []
    for _ in range(windows):
        before, started = sampler.counts.decisions, time.perf_counter()
        counts = sampler.draw_until(_Window(certificate, before + window))
        found.append((time.perf_counter() - started) / (counts.decisions - before))
    return min(found)


def expected(keep_prob: float, resolution: float) -> float:
    """Return the decisions that a certificate is expected to take; below what is offered, by the square of δ."""
    offered = max(resolution, FINE[-2])
    return Certificate(keep_prob, offered, ALPHA).expected_decisions() * (offered / resolution) ** 2


def finer() -> str:
    """Return the part of the page on resolutions beyond an audit's, measured on the devices that are here."""
    import torch

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rates = {device: seconds_per_decision(device) for device in devices}
    columns = [f"decisions, q = {keep_prob:g}" for keep_prob in KEEP_PROBS]
    columns += [f"{device}, {ranks:,} rank{'s' if ranks > 1 else ''}" for device in devices for ranks in RANKS]
    lines = []
    for resolution in FINE:
        decisions = [expected(keep_prob, resolution) for keep_prob in KEEP_PROBS]
        cells = [f"{resolution:.0e}", *(f"{number:.2g}" for number in decisions)]
        cells += [lasting(max(decisions) * rates[device] / ranks) for device in devices for ranks in RANKS]
        lines.append(f"| {' | '.join(cells)} |\n")
    return FINER.format(
        keep_probs=", ".join(f"{keep_prob:g}" for keep_prob in KEEP_PROBS),
        measured="".join(f", {1e9 * rates[device]:.2g} ns a decision on {device}" for device in devices),
        miss=FLOAT32_MISS,
        columns=" | ".join(columns),
        rule="---|" * len(columns),
    ) + "".join(lines)


def lasting(seconds: float) -> str:
    """Return a time with two digits, in the unit that suits it."""
    for unit, length in (("years", 365.25 * 86400.0), ("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{float(f'{seconds / length:.2g}'):,g} {unit}"
    return f"{seconds:.2g} s"


def page() -> str:
    """Return the page: simulate, and measure on this machine."""
    import torch

    rows = [cost(*cell) for cell in CELLS]
    worst = max(counted.error / counted.mean for found in rows for counted in (found.correct, found.edge))
    lines = []
    for found, (keep_prob, resolution, look) in zip(rows, CELLS, strict=True):
        measured = f"{overhead(keep_prob, resolution):.2f}" if look == 65_536 else "–"
        lines.append(f"| {' | '.join([*found.cells(), measured])} |\n")
    introduction = INTRODUCTION.format(
        alpha=ALPHA,
        budget=DEFAULT_BUDGET,
        beta=BETA,
        runs=RUNS,
        looks=", ".join(f"{look:,}" for *_, look in CELLS),
        worst=worst,
        windows=WINDOWS,
        window=WINDOW,
    )
    where = f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}"
    return f"{introduction}{''.join(lines)}{finer()}\nTimes of one thread on {where}.\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
