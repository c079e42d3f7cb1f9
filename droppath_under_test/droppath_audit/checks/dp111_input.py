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

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.inputs import ReusedInput, features
from droppath_audit.sampling.recorded import NOT_INTERIOR, SHAPE, chunks, interior_cells
from droppath_audit.sampling.recorded_groups import group_resolved, groups_script
from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import Recording
    from droppath_audit.core.target import Target

    Flags = npt.NDArray[np.bool_]

DROP_PROB = 0.3
SIGNS = ("mixed", "mixed", "positive", "negative")
SIZES = ("spread", "spread", "small", "large")
COMBINATIONS = [(sign, size, tracked) for sign in SIGNS for size in SIZES for tracked in (False, True)]
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
RECORDED = {"zeros": ("samples that hold zeros", "samples without")}


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield a wide and a narrow range of numbers."""
    return (Case(device, dtype, DROP_PROB, effort=effort) for dtype in ("float32", "float16"))


def _sizes(case: Case) -> tuple[int, int]:
    """Return calls, a multiple of the combinations, and samples a call."""
    if case.dialect.granularity == "batch":
        return case.effort.pick(512, 4096, 2**16), 1
    return case.effort.pick((32, 16_384), (96, 65_536), (768, 65_536))


def samples(
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


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count what is kept of each group."""
    assert case.dtype is not None and case.drop_prob is not None  # noqa: S101, PT018
    framework, layer = target.framework, target.make(case.drop_prob)
    feature = features(target, case.dtype, case.device)
    if feature and set(feature) == {1}:
        feature = (2, *feature[1:])  # room for a zero beside the element that shows the decision
    calls, batch = _sizes(case)
    per_call = case.dialect.granularity == "batch"
    shape = (ROWS if per_call else batch, *feature)
    pool = {
        (sign, size): samples(rng, sign, size, shape, case.dtype)
        for sign in sorted(set(SIGNS))
        for size in sorted(set(SIZES))
    }
    rows = [slice(row, row + 1) for row in range(ROWS)] if per_call else [slice(None)]
    dtype, device = case.dtype, case.device
    inputs = {
        (*kind, row): ReusedInput(framework, partial(framework.tensor, values[rows[row]], dtype, device))
        for kind, (values, _) in sorted(pool.items())
        for row in range(len(rows))
    }
    cotangent = framework.ones((1 if per_call else batch, *feature), case.dtype, case.device)
    counts = {trait: [0, 0, 0, 0] for trait in GROUPS}
    untracked = ""
    for call in range(calls):
        sign, size, tracked = COMBINATIONS[call % len(COMBINATIONS)]
        row = call // len(COMBINATIONS) % len(rows)
        traits, x = pool[sign, size][1], inputs[sign, size, row].get()
        if tracked and not untracked:
            try:
                output = framework.gradient(layer, x, cotangent).output
            except TargetRaised as error:
                untracked = str(error)  # DP401's to show
                continue
        else:
            output = layer(x, training=True)
        kept = framework.numpy(output).reshape(1 if per_call else batch, -1)[:, 0] != 0
        here = np.full(kept.shape, tracked and not untracked)
        for trait, flags in (*((trait, flags[rows[row]]) for trait, flags in traits.items()), ("tracked", here)):
            _add(counts[trait], kept, flags)
    return {"counts": counts, "untracked": untracked}


def _add(count: list[int], kept: Flags, flags: Flags) -> None:
    """Add to [kept of the group, its size, kept of the other, its size]."""
    one, size = int(np.count_nonzero(kept & flags)), int(np.count_nonzero(flags))
    count[0] += one
    count[1] += size
    count[2] += int(np.count_nonzero(kept)) - one
    count[3] += kept.size - size


def _tests(evidence: Evidence) -> dict[str, float]:
    """Return the p-value of every trait, before any correction."""
    from droppath_audit.stats.homogeneity import one_against_rest

    return {
        trait: one_against_rest((one, other), (size, rest), 0)
        for trait, (one, size, other, rest) in evidence["counts"].items()
    }


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where one group is kept more or less often than the other."""
    tests = _tests(evidence)
    trait = min(tests, key=lambda trait: tests[trait])
    p_value = min(1.0, len(GROUPS) * tests[trait])
    one, size, other, rest = evidence["counts"][trait]
    shares = [kept / number if number else float("nan") for kept, number in ((one, size), (other, rest))]
    names = {**GROUPS, **RECORDED}[trait]
    observed = f"{names[0]} kept {shares[0]:.4f} of {size}, {names[1]} {shares[1]:.4f} of {rest}, p = {p_value:.2g}"
    if p_value <= alpha:
        return Verdict.failed(observed, promised="decisions that do not depend on x", p_value=p_value)
    left_out = f"; no gradient tracked: {evidence['untracked']}" if evidence["untracked"] else ""
    return Verdict.passed(f"furthest apart were {observed}{left_out}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the difference that two quarters of all decisions show; an eighth of a half shows half as much again."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.homogeneity import detectable_one_against_rest

    calls, batch = _sizes(case)
    half = calls * batch // 4
    resolves = detectable_one_against_rest(half, half, 1.0 - DROP_PROB, alpha / len(GROUPS), BETA)
    return Design(resolves, "keep probability of a class of input", calls * batch)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the two groups that are furthest apart."""
    assert case.dtype is not None  # noqa: S101
    tests = _tests(evidence)
    trait = min(tests, key=lambda trait: tests[trait])
    form = FORMATS[case.dtype]
    small, large = 2.0 ** (form.min_exponent + 1), form.largest / 4.0
    batch = 1 if case.dialect.granularity == "batch" else 65_536
    calls = 4096 if batch == 1 else 16
    call, names = code.output(DROP_PROB), GROUPS[trait]
    x = code.input((batch, 2), case.dtype, case.device)
    group, between = {
        "sign": ("x[::2] *= -1", True),
        "rank": (f"x[: {batch} // 2] *= {large!r}", True),
        "largest": (f"x[: {batch} // 8] *= {large!r}", True),
        "smallest": (f"x[: {batch} // 8] *= {small!r}", True),
        "sparse": ("x[::2, 1:] = 0", True),
        "all_of_one_sign": ("x *= -1", False),
        "all_of_one_size": (f"x *= {large!r}", False),
        "tracked": (code.track, False),
    }[trait]
    chosen = {"sign": "[::2]", "sparse": "[::2]", "rank": f"[: {batch} // 2]"}.get(trait, f"[: {batch} // 8]")
    other = {"sign": "[1::2]", "sparse": "[1::2]", "rank": f"[{batch} // 2 :]"}.get(trait, f"[{batch} // 8 :]")
    smaller = calls * batch // (8 if trait in ("largest", "smallest") else 2 if between else 1)
    lines = [*code.setup(), *code.construct(DROP_PROB), *x]
    share = f"sum(float(({call} != 0)[:, :1].double().mean()) for _ in range({calls})) / {calls}"
    if between and batch > 1:
        lines += [
            group,
            f"kept = sum(({call} != 0)[:, 0] * 1.0 for _ in range({calls})) / {calls}",
            f"shares = float(kept{chosen}.mean()), float(kept{other}.mean())",
        ]
    else:
        before = [f"x *= {small!r}"] if trait == "all_of_one_size" else []
        lines += [*before, f"one = {share}", *x, group, f"shares = {share}, one"]
    return "\n".join([
        *lines,
        f"print({f'kept of {names[0]} and of {names[1]}:'!r}, shares)",
        f"assert abs(shares[0] - shares[1]) <= 7 * (2 * 0.25 / {smaller}) ** 0.5  # standard deviations",
    ])  # fmt: skip


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count what was kept of each group that the recorded x fall into."""
    counts: dict[str, list[int]] = {}
    for chunk in chunks(recording, case):
        mask, seen = chunk.decisions(case.dialect.granularity)
        for trait, group in recorded_groups(chunk.grouped(chunk.x, case.dialect.granularity)).items():
            known = seen & (group >= 0)
            _add(counts.setdefault(trait, [0, 0, 0, 0]), mask[known], group[known] == 0)
    counts = {trait: count for trait, count in counts.items() if count[1] and count[3]}
    if not any(min(size, rest) >= case.decisions // 4 for _, size, _, rest in counts.values()):  # as the design says
        raise NotApplicable("x is too much alike: no two groups of it hold a quarter of the decisions each")
    return {"counts": counts, "untracked": ""}


def recorded_groups(x: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.int64]]:
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

    def split(first: Flags, second: Flags, where: Flags) -> npt.NDArray[np.int64]:
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


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the difference between two quarters of all decisions; there is no verdict on groups that are smaller."""
    assert case.drop_prob is not None  # noqa: S101
    quarter = case.decisions // 4
    resolves = group_resolved(quarter, quarter, 1.0 - case.drop_prob, alpha / len(GROUPS))
    return Design(resolves, "keep probability of a class of input", case.decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the two groups that are furthest apart."""
    tests = _tests(evidence)
    trait = min(tests, key=lambda trait: tests[trait])
    shape, sign = SHAPE[case.dialect.granularity], trait in ("sign", "all_of_one_sign")
    lines = [f"parts = np.broadcast_to(x, y.shape).reshape({shape})"]
    if trait == "zeros":
        lines.append("group = np.where((parts == 0).any(-1), 0, 1)")
    elif sign:
        lines += [
            "mean = (parts / parts.shape[-1]).sum(-1)",
            "mixed = (mean < 0).any(1) & (mean > 0).any(1)",
            "group = np.where(mean < 0, 0, np.where(mean > 0, 1, -1))",
            f"group[{'~' * (trait == 'sign')}mixed] = -1",
        ]
    else:
        first, second = {
            "rank": ("2 * below >= n", "2 * upto <= n"),
            "largest": ("8 * below >= 7 * n", "8 * upto <= 7 * n"),
            "smallest": ("8 * upto <= n", "8 * below >= n"),
        }[trait]
        lines += [
            "size = (abs(parts) / parts.shape[-1]).sum(-1)",
            "below = np.array([np.searchsorted(np.sort(row), row) for row in size])",
            "upto = np.array([np.searchsorted(np.sort(row), row, side='right') for row in size])",
            "n = size.shape[1]",
            f"group = np.where({first}, 0, np.where({second}, 1, -1))",
            "group[~np.isfinite(size).all(1)] = -1",
        ]
    names = {**GROUPS, **RECORDED}[trait]
    return groups_script(case, code, lines, 2, f"{names[0]} and of {names[1]}")


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "drops_large_samples",
        "spares_the_larger_half",
        "importance_by_rank",
        "gate_leans_on_the_mean",
        "spares_padded_samples",
        "quantised_where_tracked",
        "energy_overflows",
        "idle_on_tiny_batches",
    ),
    design=design,
    recorded=Recorded(interior_cells, collect_recorded, show_recorded, NOT_INTERIOR, recorded_design),
)
