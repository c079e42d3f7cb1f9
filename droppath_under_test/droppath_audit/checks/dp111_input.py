"""DP111 input: decisions do not depend on what is in x.

What it checks
    Samples are given a sign, a magnitude over the whole range of the dtype, zeros or none, and calls a sign and a
    magnitude in common and a gradient to track or none, in all combinations. Decisions of negative and positive, small
    and large (by rank in the batch, and the extreme eighths), sparse and dense, tracked and untracked are compared,
    each by one exact test, given the share observed over all.
Why it matters
    A mask that knows x is another method: dropping the large or the easy samples biases the mean of the output even
    where the share dropped is right, and no later normalisation repairs it.
How to fix
    Draw the decisions from the shape of x alone.
Seen in
    "Importance-aware" variants that rank samples by their norm; layers that take zeros in x for dropped samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Cell
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable, TargetRaised, TimeRanOut
from droppath_audit.core.grid import Cells
from droppath_audit.core.selection import INTERIOR_CELLS
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.probes.certifying import group_resolved
from droppath_audit.probes.inputs import ReusedInput
from droppath_audit.probes.live import LiveProbe
from droppath_audit.scripts import LiveScript
from droppath_audit.scripts.script import AXES
from droppath_audit.stats.budget import BETA
from droppath_audit.stats.homogeneity import detectable_one_against_rest, one_against_rest
from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.probes.probe import Probe
    from droppath_audit.scripts.script import Script

    Flags = npt.NDArray[np.bool_]
    Integers = npt.NDArray[np.int64]

DROP_PROB = 0.3
SIGNS = ("mixed", "mixed", "positive", "negative")
SIZES = ("spread", "spread", "small", "large")
COMBINATIONS = [(sign, size, tracked) for sign in SIGNS for size in SIZES for tracked in (False, True)]
LARGEST = 2**20  # elements of one input, of which nine kinds are kept
ROWS = 16  # different inputs of each kind where a batch is one decision

# By trait, the two groups that are compared.
GROUPS = {
    "sign": ("negative samples", "positive ones beside them"),
    "all_of_one_sign": ("batches of negative samples", "batches of positive ones"),
    "rank": ("the larger half of a batch", "the smaller half"),
    "largest": ("the largest eighth of a batch", "the rest"),
    "smallest": ("the smallest eighth of a batch", "the rest"),
    "all_of_one_size": ("batches near the dtype's largest number", "batches near its smallest"),
    "sparse": ("samples of zeros but for one element", "samples without zeros"),
    "tracked": ("batches that track a gradient", "batches that track none"),
}
NAMES = {**GROUPS, "zeros": ("samples that hold zeros", "samples without")}  # the last of a recording alone


@dataclass(frozen=True)
class Groups:
    """The two groups of a trait: how many decisions of each kept, and how many there are."""

    trait: str
    kept: int
    size: int
    others_kept: int
    others_size: int

    @property
    def smaller(self) -> int:
        """Decisions of the smaller group."""
        return min(self.size, self.others_size)

    @property
    def p_value(self) -> float:
        """Of the exact test, before any correction."""
        return one_against_rest((self.kept, self.others_kept), (self.size, self.others_size), 0)


@dataclass(frozen=True)
class Seen:
    """What each trait's groups kept, and why no gradient was tracked, where none was."""

    groups: tuple[Groups, ...]
    untracked: str

    @property
    def furthest(self) -> Groups:
        """The groups that are furthest apart."""
        return min(self.groups, key=lambda groups: groups.p_value)


class Input(Check[Seen, Cell]):
    where = Cells((DROP_PROB,), ("float32", "float16"))  # a wide and a narrow range of numbers
    in_variants = Cells((DROP_PROB,), ("float32",))
    recorded = INTERIOR_CELLS
    causes = ("looking",)
    mutants = (
        "drops_large_samples",
        "spares_the_larger_half",
        "importance_by_rank",
        "gate_leans_on_the_mean",
        "spares_padded_samples",
        "quantised_where_tracked",
        "energy_overflows",
        "idle_on_tiny_batches",
    )

    def design(self, at: Cell, alpha: float) -> Design:
        """Return the difference that two quarters of all decisions show.

        An eighth of a half shows half as much again. There is no verdict on recorded groups that are smaller.
        """
        calls, batch = _sizes(at)
        total, level = at.decisions or calls * batch, alpha / len(GROUPS)
        quarter = total // 4
        if at.blocks:
            resolves = group_resolved(quarter, quarter, at.keep_prob, level)
        else:
            resolves = detectable_one_against_rest(quarter, quarter, at.keep_prob, level, BETA)
            resolves = resolves if resolves < max(at.keep_prob, at.drop_prob) else inf
        return Design(resolves, "keep probability of a class of input", total)

    def collect(self, probe: Probe[Cell]) -> Seen:
        """Count what is kept of each group, of inputs made for the purpose or of those that were recorded."""
        return _driven(probe) if isinstance(probe, LiveProbe) else _recorded(probe)

    def judge(self, seen: Seen, at: Cell, alpha: float) -> Verdict:
        """Fail where one group is kept more or less often than the other."""
        groups = seen.furthest
        p_value = min(1.0, len(GROUPS) * groups.p_value)
        one, other = NAMES[groups.trait]
        observed = (
            f"{one} kept {_share(groups.kept, groups.size)}, {other} "
            f"{_share(groups.others_kept, groups.others_size)}, p = {p_value:.2g}"
        )
        if p_value <= alpha:
            return Verdict.failed(observed, promised="decisions that do not depend on x", p_value=p_value)
        left_out = f"; no gradient tracked: {seen.untracked}" if seen.untracked else ""
        return Verdict.passed(f"furthest apart were {observed}{left_out}", p_value=p_value)

    def show(self, seen: Seen, at: Cell, script: Script) -> None:
        """Compare the two groups that are furthest apart."""
        trait = seen.furthest.trait
        names = " and of ".join(NAMES[trait])
        if isinstance(script, LiveScript):
            _show_driven(trait, names, at, script)
        else:
            script.compare_groups(_recorded_lines(trait, at), 2, names, xs=True)


def _sizes(at: Cell) -> tuple[int, int]:
    """Return calls, a multiple of the combinations, and samples a call."""
    if at.per_call:
        calls, batch = at.effort.pick(512, 4096, 2**16), 1
    else:
        calls, batch = at.effort.pick((32, 16_384), (96, 65_536), (768, 65_536))
        batch = min(batch, max(1, LARGEST // at.sample))
    calls, batch = at.within(calls, batch)
    return max(len(COMBINATIONS), calls // len(COMBINATIONS) * len(COMBINATIONS)), batch


def _share(kept: int, size: int) -> str:
    return f"{kept / size if size else nan:.4f} of {size}"


def _tally(kept: Flags, flags: Flags) -> Integers:
    """Return kept of a group, its size, kept of the others, their size."""
    one, size = np.count_nonzero(kept & flags), np.count_nonzero(flags)
    return np.array([one, size, np.count_nonzero(kept) - one, kept.size - size])


def _samples(
    rng: np.random.Generator, sign: str, size: str, shape: tuple[int, ...], dtype: str
) -> tuple[npt.NDArray[np.float64], dict[str, Flags]]:
    """Return values of this shape whose first element a sample is never zero, and the traits of each sample.

    Magnitudes lie between twice the smallest normal number and a quarter of the largest, so that x/q is finite.
    """
    form, number = FORMATS[dtype], shape[0]
    low, high = form.min_exponent + 1.0, np.log2(form.largest) - 2.0
    exponents = {
        "spread": rng.permutation(np.linspace(low, high, number)),
        "small": np.full(number, low),
        "large": np.full(number, high),
    }[size]
    signs = {
        "mixed": np.where(rng.random(number) < 0.5, -1.0, 1.0),
        "positive": np.ones(number),
        "negative": -np.ones(number),
    }[sign]
    values = np.repeat((signs * np.exp2(exponents))[:, None], int(np.prod(shape[1:])), axis=1)
    traits = {"sign" if sign == "mixed" else "all_of_one_sign": signs < 0}
    if size == "spread":
        eighth = (high - low) / 8.0
        traits["rank"] = exponents > (low + high) / 2.0
        traits["largest"] = exponents > high - eighth
        traits["smallest"] = exponents < low + eighth
    else:
        traits["all_of_one_size"] = exponents == high
    if values.shape[1] > 1:
        traits["sparse"] = rng.random(number) < 0.5
        values[traits["sparse"], 1:] = 0.0
    return round_to(values, dtype).reshape(shape), traits


def _with_room(features: tuple[int, ...]) -> tuple[int, ...]:
    """Return features with room for a zero beside the element that shows the decision, where there are any."""
    return (2, *features[1:]) if features and set(features) == {1} else features


def _driven(probe: LiveProbe[Cell]) -> Seen:
    """Count what is kept of each group, in calls with every combination of sign, size and gradient."""
    at, framework, layer = probe.at, probe.framework, probe.make()
    calls, batch = _sizes(at)
    batch, time = probe.in_time(batch), probe.clock.part(0.9)
    feature = _with_room(probe.features())
    shape = (ROWS if at.per_call else batch, *feature)
    pool = {
        (sign, size): _samples(probe.rng, sign, size, shape, at.dtype)
        for sign in sorted(set(SIGNS))
        for size in sorted(set(SIZES))
    }
    rows = [slice(row, row + 1) for row in range(ROWS)] if at.per_call else [slice(None)]
    inputs = {
        (*kind, row): ReusedInput(framework, partial(probe.tensor, values[rows[row]]))
        for kind, (values, _) in sorted(pool.items())
        for row in range(len(rows))
    }
    cotangent = probe.ones((batch, *feature))
    counts = {trait: np.zeros(4, dtype=np.int64) for trait in GROUPS}
    autograd = has(framework, Autograd)
    untracked = "" if autograd else f"{framework.name} {Autograd.lacking}"
    for call in range(calls):
        if time.over():
            if call < len(COMBINATIONS):
                raise TimeRanOut(f"time ran out after {call} of {calls} calls with {batch} samples")
            break
        probe.drawn += batch
        sign, size, tracked = COMBINATIONS[call % len(COMBINATIONS)]
        row = call // len(COMBINATIONS) % len(rows)
        traits, x = pool[sign, size][1], inputs[sign, size, row].get()
        if autograd and tracked and not untracked:
            try:
                output = autograd.gradient(layer, x, cotangent).output
            except TargetRaised as error:
                untracked = str(error)  # DP401's to show
                continue
        else:
            output = layer(x, training=True)
        kept = framework.kept(output, batch)
        for trait, flags in traits.items():
            counts[trait] += _tally(kept, flags[rows[row]])
        counts["tracked"] += _tally(kept, np.full(kept.shape, tracked and not untracked))
    return Seen(tuple(Groups(trait, *count.tolist()) for trait, count in counts.items()), untracked)


def _show_driven(trait: str, names: str, at: Cell, script: LiveScript) -> None:
    """Give the first group its trait: beside the second in a batch, or in a batch of its own."""
    small, large = 2.0 ** (FORMATS[at.dtype].min_exponent + 1), FORMATS[at.dtype].largest / 4.0
    batch, calls = (1, 4096) if at.per_call else (65_536, 16)
    shape = (batch, *_with_room(script.smallest))
    alternate, half, eighth = "np.arange(n) % 2", "np.arange(n) * 2 // n", "(np.arange(n) * 8 >= n) * 1"
    group, change = {
        "sign": (alternate, "values[group == 0] *= -1"),
        "all_of_one_sign": ("", "values[group == 0] *= -1"),
        "rank": (half, f"values[group == 0] *= {large!r}"),
        "largest": (eighth, f"values[group == 0] *= {large!r}"),
        "smallest": (eighth, f"values[group == 0] *= {small!r}"),
        "all_of_one_size": ("", f"values *= {small!r} if group[0] else {large!r}"),
        "sparse": (alternate, "values[group == 0, 1:] = 0"),
        "tracked": ("", ""),
    }[trait]
    script.layer(DROP_PROB)
    script.add(f"n, counts = {batch}, np.zeros((2, 2))")
    for number in (group,) if group and not at.per_call else ("np.zeros(n, int)", "np.ones(n, int)"):
        script.add(f"group, values = {number}, np.ones({shape})", change)
        script.from_array("values", shape)
        if trait == "tracked" and "zeros" in number:
            script.track()
        with script.under(f"for _ in range({calls}):"):
            script.add(
                f"kept = {script.array(script.call(DROP_PROB))}.reshape(n, -1)[:, 0] != 0",
                "counts += [np.bincount(group, kept, 2), np.bincount(group, minlength=2)]",
            )
    script.same_shares(2, names)


def _recorded(probe: Probe[Cell]) -> Seen:
    """Count what was kept of each group that the recorded x fall into."""
    counts: dict[str, Integers] = {}
    for calls in probe.calls():
        decided = calls.decisions()
        for trait, group in recorded_groups(calls.grouped(calls.x)).items():
            known = decided.seen & (group >= 0)
            counts[trait] = counts.get(trait, 0) + _tally(decided.kept[known], group[known] == 0)
    found = [Groups(trait, *count.tolist()) for trait, count in counts.items()]
    found = [groups for groups in found if groups.smaller]
    if max((groups.smaller for groups in found), default=-1) < probe.at.decisions // 4:  # as the design says
        raise NotApplicable("x is too much alike: no two groups of it hold a quarter of the decisions each")
    return Seen(tuple(found), "")


def recorded_groups(x: npt.NDArray[np.float64]) -> dict[str, Integers]:
    """Return, for each trait, in which of its two groups each decision is, or -1 where it is in neither.

    Groups are fixed by the x of a call alone; of samples that are alike neither is larger.

    Args:
        x: Of shape (calls, decisions, elements of a decision).
    """
    calls, number, elements = x.shape
    with np.errstate(invalid="ignore"):  # infinities of both signs
        mean, size = (x / elements).sum(axis=2), (np.abs(x) / elements).sum(axis=2)
    ordered = np.sort(size, axis=1)
    below, upto = np.zeros((2, calls, number), dtype=np.int64)
    for call in range(calls if number > 1 else 0):
        below[call] = np.searchsorted(ordered[call], size[call])
        upto[call] = np.searchsorted(ordered[call], size[call], side="right")

    def split(first: Flags, second: Flags, where: Flags) -> Integers:
        return np.where(where & first, 0, np.where(where & second, 1, -1))

    negative, positive = mean < 0, mean > 0
    mixed = (negative.any(axis=1) & positive.any(axis=1))[:, None]
    ranked, zeros = np.isfinite(size).all(axis=1)[:, None] & (number > 1), (x == 0).any(axis=2)
    return {
        "sign": split(negative, positive, mixed),
        "all_of_one_sign": split(negative, positive, ~mixed),
        "rank": split(2 * below >= number, 2 * upto <= number, ranked),
        "largest": split(8 * below >= 7 * number, 8 * upto <= 7 * number, ranked),
        "smallest": split(8 * upto <= number, 8 * below >= number, ranked),
        "zeros": split(zeros, ~zeros, np.isfinite(size)),
    }


def _recorded_lines(trait: str, at: Cell) -> list[str]:
    """Return lines that bind ``group`` as ``recorded_groups`` does."""
    first, second, where = {
        "sign": ("mean < 0", "mean > 0", "mixed"),
        "all_of_one_sign": ("mean < 0", "mean > 0", "~mixed"),
        "rank": ("2 * below >= n", "2 * upto <= n", "finite"),
        "largest": ("8 * below >= 7 * n", "8 * upto <= 7 * n", "finite"),
        "smallest": ("8 * upto <= n", "8 * below >= n", "finite"),
        "zeros": ("zeros", "~zeros", "True"),
    }[trait]
    lines = {
        "mixed": [
            "mean = (parts / parts.shape[-1]).sum(-1)",
            "mixed = ((mean < 0).any(1) & (mean > 0).any(1))[:, None]",
        ],
        "finite": [
            "size, n = (abs(parts) / parts.shape[-1]).sum(-1), parts.shape[1]",
            "below = np.array([np.searchsorted(np.sort(row), row) for row in size])",
            "upto = np.array([np.searchsorted(np.sort(row), row, side='right') for row in size])",
            "finite = np.isfinite(size).all(1)[:, None]",
        ],
        "True": ["zeros = (parts == 0).any(-1)"],
    }[where.lstrip("~")]
    return [
        f"parts = np.broadcast_to(xs, ys.shape).reshape({AXES[at.dialect.granularity]})",
        *lines,
        f"group = np.select([({first}) & {where}, ({second}) & {where}], [0, 1], -1)",
    ]
