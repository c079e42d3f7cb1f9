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
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core import grid
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.recorded import NOT_INTERIOR, chunks, interior, per_dtype, resolved, script
from droppath_audit.sampling.values import moderate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.case import Case
    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Target

DROP_PROB = 0.5
BATCH = 16
# What splits channels into groups, or takes another path for wide inputs, shows on the last one alone.
FEATURES = ((), (12,), (3, 4), (3, 2, 2), (3, 2, 2, 1), (256, 2, 2))


def _calls(case: Case) -> int:
    return case.effort.pick(64, 256, 1024)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Count, at each rank, samples and calls in which all elements met the same fate."""
    assert case.dtype is not None  # noqa: S101
    framework, layer = target.framework, target.make(DROP_PROB)
    ranks, refused = [], []
    for features in [target.fixed_shape[1:]] if target.fixed_shape else FEATURES:
        values = moderate(rng, (BATCH, *features), case.dtype)
        size = int(np.prod(features))
        mixed_samples = mixed_calls = 0
        for _ in range(_calls(case)):
            try:
                x = framework.tensor(values, case.dtype, case.device)
                kept = framework.numpy(layer(x, training=True)) != 0
            except TargetRaised as error:
                refused.append(f"rank {1 + len(features)}: {error}")
                break
            if kept.shape != (BATCH, *features):
                refused.append(f"rank {1 + len(features)}: the output has shape {list(kept.shape)}")
                break
            share = kept.reshape(BATCH, size).mean(axis=1)
            mixed_samples += int(np.count_nonzero((share > 0) & (share < 1)))
            mixed_calls += int(0 < kept.mean() < 1)
        else:
            ranks.append({"rank": 1 + len(features), "size": size, "calls": _calls(case), "features": list(features),
                          "mixed_samples": mixed_samples, "mixed_calls": mixed_calls})  # fmt: skip
    return {"ranks": ranks, "refused": refused}


def groups(row: dict[str, Any], granularity: str) -> tuple[int, int, float]:
    """Return groups seen, groups that were all alike, and the chance of that under the declared granularity.

    The groups are what must not be decided as one: the calls for decisions per sample, the samples for decisions
    per element.
    """
    # A recording has other sizes and probabilities, and its chance is that of the share of kept ones seen in it: a
    # wrong keep probability is DP102's to find.
    share = row.get("share", DROP_PROB)
    size = row.get("batch", BATCH) if granularity == "sample" else row["size"]
    chance = share**size + (1.0 - share) ** size
    if granularity == "sample":
        return row["calls"], row["calls"] - row["mixed_calls"], chance
    return _samples(row), _samples(row) - row["mixed_samples"], chance


def _samples(row: dict[str, Any]) -> int:
    return int(row.get("samples", row["calls"] * BATCH))


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:
    """Fail where one decision's elements differ, or where decisions that should differ agree beyond chance."""
    from droppath_audit.stats.exact import binomial_test

    granularity, ranks = case.dialect.granularity, evidence["ranks"]
    if not ranks:
        return Verdict.not_applicable(f"no rank keeps its shape (see DP005): {evidence['refused'][0]}")
    promised = f"one decision per {granularity}"
    mixed = "mixed_samples" if granularity == "sample" else "mixed_calls"
    smallest = 1.0
    for row in ranks:
        if granularity != "element" and row[mixed]:
            if granularity == "sample":
                observed = (
                    f"at rank {row['rank']}, {row['mixed_samples']} of {_samples(row)} samples are partly dropped"
                )
                hint = "if every element is meant to be decided alone, add granularity=element to the SPEC"
            else:
                observed = f"at rank {row['rank']}, {row['mixed_calls']} of {row['calls']} calls are partly dropped"
                hint = "if every sample is meant to be decided alone, add granularity=sample to the SPEC"
            return Verdict.failed(observed, promised=promised, hint=hint)
        if granularity == "batch" or (granularity == "element" and row["size"] == 1):
            continue
        seen, alike, chance = groups(row, granularity)
        # Any of the ranks can fail the trial, so each has its part of alpha, and of the p-value.
        p_value = min(1.0, len(ranks) * binomial_test(alike, seen, chance)) if alike > seen * chance else 1.0
        smallest = min(smallest, p_value)
        if p_value <= alpha:
            whole, smaller = ("call", "batch") if granularity == "sample" else ("sample", "sample")
            observed = (
                f"at rank {row['rank']}, {alike} of {seen} {whole}s are dropped or kept as a whole "
                f"(by chance {chance * seen:.2g})"
            )
            hint = (
                f"if one decision per {smaller} is meant, add granularity={smaller} to the SPEC"
                if alike == seen
                else ""
            )
            return Verdict.failed(observed, promised=promised, p_value=p_value, hint=hint)
    seen_ranks = ", ".join(dict.fromkeys(str(row["rank"]) for row in ranks))
    return Verdict.passed(f"{promised} at rank {seen_ranks}", p_value=smallest if granularity != "batch" else None)


def design(case: Case, alpha: float) -> Design:
    """Return the share of calls decided as a whole that is seen with certainty 1 - β at each rank."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_binomial

    calls = _calls(case)
    excess = detectable_binomial(calls, 2.0 * 0.5**BATCH, alpha / len(FEATURES), BETA)
    return Design(excess, "share of calls decided as a whole", calls * BATCH * len(FEATURES))


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that looks at one batch."""
    assert case.dtype is not None  # noqa: S101
    granularity = case.dialect.granularity
    rows = evidence["ranks"]
    broken = {"sample": "mixed_samples", "batch": "mixed_calls"}.get(granularity)
    row = next((row for row in rows if broken and row[broken]), rows[0])
    lines = code.run(DROP_PROB, (256, *row["features"]), case.dtype, case.device)
    lines.append("kept = [float((sample != 0).sum()) / max(1, int(sample.numel())) for sample in y]")
    lines.append("print('share kept in each sample:', kept[:8])")
    if granularity == "sample":
        lines.append("assert set(kept) == {0.0, 1.0}")
    elif granularity == "batch":
        lines.append("assert set(kept) in ({0.0}, {1.0})")
    else:
        lines.append("assert not set(kept) <= {0.0, 1.0}")
    return "\n".join(lines)


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each dtype of the blocks in which samples are both kept and dropped."""
    return per_dtype([block for block in blocks if interior(block)], effort)


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Count samples and calls in which all elements met the same fate, for each rank, size and drop_prob."""
    rows: dict[tuple[float, ...], dict[str, float]] = {}
    for chunk in chunks(recording, case):
        granularity, kept, seen = case.dialect.granularity, chunk.y != chunk.base, chunk.readable
        number = np.count_nonzero(seen, axis=2)
        # A group of which a part cannot be read is more easily alike: it may show a mixture, but not its absence.
        whole = {"sample": number > 0, "batch": number.any(axis=1)[:, None], "element": number == seen.shape[2]}[
            granularity
        ]
        calls = whole.all(axis=1)
        per_sample = np.count_nonzero(kept & seen, axis=2)
        mixed = (per_sample > 0) & (per_sample < number)
        mixed_calls = (per_sample.sum(axis=1) > 0) & (per_sample.sum(axis=1) < number.sum(axis=1))
        counted = {
            "calls": calls,
            "samples": whole if granularity == "element" else number > 0,
            "mixed_samples": mixed & whole if granularity == "element" else mixed,
            "mixed_calls": mixed_calls & calls,
            "kept": per_sample * whole if granularity == "element" else per_sample > 0,
        }
        rank, batch, size = len(chunk.facts.shape), kept.shape[1], kept.shape[2]
        row = rows.setdefault(
            (rank, batch, size, chunk.facts.drop_prob),
            {"rank": rank, "size": size, "batch": batch, **dict.fromkeys(counted, 0)},
        )
        for name, values in counted.items():
            row[name] += int(values.sum())
    for row in rows.values():
        decisions = row["samples"] * (row["size"] if case.dialect.granularity == "element" else 1)
        row["share"] = row.pop("kept") / decisions if decisions else 0.0
    return {"ranks": list(rows.values()), "refused": []}


def recorded_design(case: Case, alpha: float) -> Design | None:
    """Return the share of calls decided as a whole that is seen for every batch size and drop_prob; None if none is."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_binomial

    if case.dialect.granularity == "batch":
        return None
    seen: dict[tuple[int, int, float], int] = {}
    for block in case.blocks:
        group, number = block.shape[0], block.calls
        if case.dialect.granularity == "element":
            group, number = block.width // block.shape[0], block.calls * block.shape[0]
        key = len(block.shape), group, block.drop_prob
        seen[key] = seen.get(key, 0) + number
    chances = {key: max(1e-15, key[2] ** key[1] + (1.0 - key[2]) ** key[1]) for key in seen}
    level = alpha / len(seen)
    found = [
        detectable_binomial(n, chances[key], level, BETA) if chances[key] < 1.0 else 1.0 for key, n in seen.items()
    ]
    if resolved(max(found)) == math.inf:
        return None
    group_name = "calls" if case.dialect.granularity == "sample" else "samples"
    return Design(max(found), f"share of {group_name} decided as a whole", case.decisions)


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that looks for samples decided in part, or for too many calls decided as a whole."""
    granularity, rows = case.dialect.granularity, evidence["ranks"]
    broken = {"sample": "mixed_samples", "batch": "mixed_calls"}.get(granularity, "")
    mixed = any(row.get(broken) for row in rows)
    per_sample = granularity == ("sample" if mixed else "element")
    shape, group = ("*y.shape[:2], -1", "samples") if per_sample else ("len(y), -1", "calls")
    each = [
        f"seen = np.broadcast_to(x != 0, y.shape).reshape({shape})",
        f"kept = (y != dropped).reshape({shape})",
        "whole = ~(kept & seen).any(-1) | (kept | ~seen).all(-1)",
    ]
    if mixed:
        each += [f"print((~whole).sum(), 'of', whole.size, '{group} are dropped in part')", "assert whole.all()"]
        return script(case, code, each, ())
    row = max(
        rows, key=lambda row: groups(row, granularity)[1] - groups(row, granularity)[0] * groups(row, granularity)[2]
    )
    number, _, chance = groups(row, granularity)
    wanted = (row["rank"], row["batch"], row["size"])
    blocks = tuple(b for b in case.blocks if (len(b.shape), b.shape[0], math.prod(b.shape[1:])) == wanted)
    limit = chance + 6.0 * (chance * (1.0 - chance) / number) ** 0.5
    after = [
        f"print(alike, 'of', number, '{group} are dropped or kept as a whole')",
        f"assert alike <= {limit:.3g} * number",
    ]
    each.append("alike, number = alike + whole.sum(), number + whole.size")
    return script(replace(case, blocks=blocks), code, each, after, before=["alike = number = 0"])


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=grid.per_dtype,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=("per_batch", "per_channel", "per_token", "per_element", "per_group_of_channels"),
    design=design,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        NOT_INTERIOR,
        recorded_design,
    ),
)
