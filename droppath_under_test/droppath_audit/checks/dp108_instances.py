"""DP108 instances: two instances, and the blocks of a deep copy, decide independently.

What it checks
    Under one seed two instances and two deep copies of the first are called in turn. Two instances, an instance and its
    copy, and two copies are compared position by position, in the same round and up to four rounds apart. The most
    suspicious of these is tested exactly on fresh rounds.
Why it matters
    A network of blocks that drop the same samples is one deep or one shallow network at a time: the ensemble of depths
    that stochastic depth trains collapses, and a sample either passes every branch or none.
How to fix
    Draw from the framework's default generator. A generator, a counter or a cached mask on the module is copied with
    it; one on the class is shared by all.
Seen in
    Layers with a generator of their own and a constant seed, copied block by block: torch's TransformerEncoder deep
    copies the one layer it is given.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Design, Level, Recorded
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.sampling.dependence import correlation, table
from droppath_audit.sampling.masks import MaskSource
from droppath_audit.sampling.recorded import SHAPE, interior, per_cell, resolved, runs, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.recording import BlockFacts, Recording
    from droppath_audit.core.target import Layer, Target

DROP_PROB, BATCH = 0.5, 65_536
INSTANCES = ("an instance", "another instance", "a deep copy", "another deep copy")
PAIRS = ((0, 1), (0, 2), (2, 3))
OFFSETS = range(-4, 5)
FEW = 8  # recorded layers of which every two are compared; of more, each with the next


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: neither the dtype nor the probability has a part in who draws."""
    yield Case(device, "float32", DROP_PROB, effort=effort)


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """A function is one and the same everywhere."""
    return "a function has no instances" if facts.kind == "function" else ""


def _rounds(case: Case) -> int:
    """Return the calls of each instance, in the search and in the confirmation alike."""
    return case.effort.pick(2**8, 2**10, 2**14) if _per_call(case) else case.effort.pick(8, 60, 240)


def _per_call(case: Case) -> bool:
    return case.dialect.granularity == "batch"


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Search pairs of instances and offsets, then draw the table of the most suspicious afresh."""
    assert case.drop_prob is not None  # noqa: S101
    target.framework.seed(int(rng.integers(2**32)))
    layers: list[Layer] = [target.make(case.drop_prob) for _ in range(2)]
    # A generator or a cache that is made by the first call is there to be copied.
    MaskSource(target, case, layers[0]).draw(1, 1)
    without_copies = ""
    try:
        layers += [layers[0].copied("deepcopy") for _ in range(2)]
    except (NotApplicable, TargetRaised) as error:
        without_copies = str(error)
    sources = [MaskSource(target, case, layer) for layer in layers]
    masks = _draw(sources, case)
    scores = {
        (first, second, offset): abs(correlation(table(*pair))) * pair[0].size ** 0.5
        for first, second in PAIRS
        if second < len(sources)
        for offset in OFFSETS
        for pair in [_shifted(masks[first], masks[second], offset)]
    }
    first, second, offset = max(scores, key=lambda key: scores[key])
    masks = _draw(sources, case)
    return {
        "instances": [first, second],
        "offset": offset,
        "search_z": scores[first, second, offset],
        "table": table(*_shifted(masks[first], masks[second], offset)),
        "without_copies": without_copies,
    }


def _draw(sources: list[MaskSource], case: Case) -> list[npt.NDArray[np.bool_]]:
    """Return the masks of every source, of shape (rounds, batch); in each round they are called in turn."""
    batch = 1 if _per_call(case) else BATCH
    masks = [np.empty((_rounds(case), batch), dtype=np.bool_) for _ in sources]
    for number in range(_rounds(case)):
        for source, drawn in zip(sources, masks, strict=True):
            drawn[number] = source.draw(1, batch)[0]
    return masks


def _shifted(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], offset: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the rounds of ``first`` beside those of ``second`` that came ``offset`` later."""
    rounds = len(first)
    return first[max(0, -offset) : rounds - max(0, offset)], second[max(0, offset) : rounds - max(0, -offset)]


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail where the proposed relation is real."""
    from droppath_audit.stats.exact import hypergeometric_test

    counts, offset = evidence["table"], evidence["offset"]
    first, second = evidence.get("layers") or [INSTANCES[index] for index in evidence["instances"]]
    later = f" {abs(offset)} calls {'later' if offset > 0 else 'earlier'}" if offset else ""
    looked_at = evidence.get("looked_at", 1)  # where the same calls were searched, every relation counts
    p_value = min(1.0, looked_at * hypergeometric_test(*counts))
    observed = (
        f"{first} and {second}{later}: correlation {correlation(counts):+.4f} at the same position "
        f"in {sum(counts)} {'fresh ' if looked_at == 1 else ''}pairs, p = {p_value:.2g}"
    )
    if p_value <= alpha:
        return Verdict.failed(observed, promised="independent instances", p_value=p_value)
    skipped = f"; not copied: {evidence['without_copies']}" if evidence["without_copies"] else ""
    return Verdict.passed(f"most suspicious were {observed}{skipped}", p_value=p_value)


def design(case: Case, alpha: float) -> Design:
    """Return the correlation that the confirmation sees at the largest offset."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric

    batch, rounds = 1 if _per_call(case) else BATCH, _rounds(case)
    resolves = detectable_hypergeometric((rounds - OFFSETS[-1]) * batch, 1.0 - DROP_PROB, alpha, BETA)
    return Design(resolves, "correlation between instances", 2 * len(INSTANCES) * rounds * batch)


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the masks of the two instances."""
    first, second = evidence["instances"]
    offset = evidence["offset"]
    batch, rounds = (1, 2048) if _per_call(case) else (BATCH, 16)
    call = code.output(DROP_PROB)
    build = [line for line in code.construct(DROP_PROB) if line]
    lines = [*code.setup(), "import copy", *code.input((batch, 1), "float32", case.device)]
    lines += [*build, "one = layer", *build, "other = layer", "layer = one", call]
    lines.append("layers = [one, other, copy.deepcopy(one), copy.deepcopy(one)]")
    begin, end = max(0, -offset), rounds - max(0, offset)
    return "\n".join([
        *lines,
        f"masks = [[({call} != 0) * 1.0 - {1.0 - DROP_PROB!r} for layer in layers] for _ in range({rounds})]",
        f"pairs = [float((masks[i][{first}] * masks[i + {offset}][{second}]).mean()) for i in range({begin}, {end})]",
        f"correlation = sum(pairs) / len(pairs) / {DROP_PROB * (1.0 - DROP_PROB)!r}",
        f"print('correlation of {INSTANCES[first]} with {INSTANCES[second]}:', correlation)",
        f"assert abs(correlation) < 9 / (len(pairs) * {batch}) ** 0.5  # one run in 10^10 of independent instances",
    ])  # fmt: skip


def recorded_cases(blocks: tuple[BlockFacts, ...], effort: Effort) -> Iterator[Case]:
    """Yield a case for each cell and batch size at which several layers were recorded."""
    found = per_cell([block for block in blocks if interior(block) and block.whole], effort, by_batch=True)
    return (case for case in found if len(_calls_of(case)) > 1)


def _width(case: Case) -> int:
    return max(block.width for block in case.blocks)


def _calls_of(case: Case) -> dict[str, tuple[set[int], int]]:
    """Return the indices of the calls of every layer, and how many of these cannot be read altogether."""
    found: dict[str, tuple[set[int], int]] = {}
    for block in case.blocks:
        if block.width == _width(case):
            calls, missing = found.get(block.layer, (set(), 0))
            calls = calls | set(range(block.call, block.call + block.calls))
            found[block.layer] = calls, missing + block.calls - block.whole
    return found


def _layer_pairs(case: Case) -> dict[tuple[str, str], int]:
    """Return the pairs of layers that are compared, each with the calls that lie side by side at any offset."""
    layers = _calls_of(case)
    pairs = combinations(layers, 2) if len(layers) <= FEW else pairwise(layers)
    found = {}
    for first, second in pairs:
        (calls, missing), (others, lacking) = layers[first], layers[second]
        common = min(len(calls & {call - offset for call in others}) for offset in (OFFSETS[0], 0, OFFSETS[-1]))
        found[first, second] = max(0, common - missing - lacking)
    return found


def collect_recorded(recording: Recording, case: Case) -> Evidence:
    """Search and test the same calls, for none can be drawn afresh; the judge allows for how much was looked at."""
    width, masks, calls = _width(case), {}, {}
    for layer in _calls_of(case):
        found = [run for run in runs(recording, case) if run.layer == layer and run.masks.shape[1] == width]
        masks[layer] = np.concatenate([run.masks for run in found])
        calls[layer] = np.concatenate([run.first + np.arange(len(run.masks)) for run in found])
    tables = {}
    pairs = _layer_pairs(case)
    for (first, second), common in pairs.items():
        for offset in OFFSETS:
            _, ours, theirs = np.intersect1d(calls[first], calls[second] - offset, return_indices=True)
            if common and len(ours):
                tables[first, second, offset] = table(masks[first][ours], masks[second][theirs])
    scores = {key: abs(correlation(counts)) * sum(counts) ** 0.5 for key, counts in tables.items()}
    first, second, offset = max(scores, key=lambda key: scores[key])
    return {
        "layers": [f"layer {first!r}", f"layer {second!r}"],
        "instances": [first, second],
        "offset": offset,
        "search_z": scores[first, second, offset],
        "table": tables[first, second, offset],
        "without_copies": "",
        "looked_at": len(pairs) * len(OFFSETS),
    }


def recorded_design(case: Case, alpha: float) -> Design:
    """Return the correlation that is seen between the two layers that have most calls side by side."""
    from droppath_audit.stats.budget import BETA
    from droppath_audit.stats.design import detectable_hypergeometric

    assert case.drop_prob is not None  # noqa: S101
    pairs, width = _layer_pairs(case), _width(case)
    first, second = max(pairs, key=lambda pair: pairs[pair])
    level = alpha / (len(pairs) * len(OFFSETS))
    found = detectable_hypergeometric(pairs[first, second] * width, 1.0 - case.drop_prob, level, BETA)
    quantity = f"correlation between layers {first!r} and {second!r}"
    return Design(resolved(found), quantity, width * sum(block.whole for block in case.blocks))


def show_recorded(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that compares the masks of the two layers, call by call."""
    first, second = evidence["instances"]
    wanted = tuple(block for block in case.blocks if block.layer in (first, second) and block.width == _width(case))
    numbers = [
        (block.index, block.calls if code.recording == "calls" else 1, block.call, [first, second].index(block.layer))
        for block in wanted
    ]
    each = [
        "(call, layer), = [(c + block - b, l) for b, n, c, l in blocks if b <= block < b + n]",
        f"kept = (y != dropped).reshape({SHAPE[case.dialect.granularity]}).any(-1)",
        "masks[layer].update(enumerate(kept, call))",
    ]
    after = [
        f"pairs = [(mask, masks[1][call + {evidence['offset']}]) for call, mask in masks[0].items()"
        f" if call + {evidence['offset']} in masks[1]]",
        "one, other = np.concatenate(pairs, axis=1)",
        "correlation = np.corrcoef(one, other)[0, 1]",
        f"print({f'correlation of {first!r} with {second!r}:'!r}, correlation)",
        "assert abs(correlation) < 6 / len(one) ** 0.5  # six standard deviations",
    ]
    before = [f"blocks = {numbers}  # number, how many, first call, layer", "masks = {}, {}"]
    return script(replace(case, blocks=wanted), code, each, after, before=before)


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    mutants=(
        "generator_of_its_own",
        "generator_that_is_copied",
        "generator_seeded_at_the_first_call",
        "mask_shared_by_the_class",
        "seed_of_block_plus_step",
        "antithetic_blocks",
    ),
    design=design,
    applicable=applicable,
    recorded=Recorded(
        recorded_cases,
        collect_recorded,
        show_recorded,
        "the recording has no two layers whose calls can be read altogether, at one drop_prob inside (0, 1)",
        recorded_design,
    ),
)
