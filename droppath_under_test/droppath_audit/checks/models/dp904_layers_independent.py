"""DP904 layers-independent: what one layer of a model drops says nothing of what another drops.

What it checks
    Fates of samples in all calls of all layers in the same passes. The first half of the passes proposes the pair of
    calls that agree, or disagree, the most; one exact test on the second half, which nobody has looked at, judges it.
    Where a pass is one decision, passes take the place of samples.
Why it matters
    Layers that share a mask drop whole sub-networks together: the expected depth is as promised, its spread is not,
    and the regularisation is another one.
How to fix
    Let every layer draw for itself at every call; keep no mask, and seed nothing inside of the model.
Seen in
    Masks that are drawn once a forward pass and handed to all blocks; layers that seed a generator of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.cause import Place
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.networks import KEPT, UNTOLD
from droppath_audit.stats.design import detectable_hypergeometric
from droppath_audit.stats.exact import hypergeometric_test

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

TYPICAL = 0.9
FEWEST = 128  # decisions of a half


@dataclass(frozen=True)
class Seen:
    """The pair that was proposed, with the four counts of the second half: both kept, the first alone, and so on."""

    first: str
    second: str
    place: Place
    counts: tuple[int, int, int, int]
    calls: int


class LayersIndependent(Check[Seen, Case]):
    where = Once()
    mutants = ("one_mask_for_two_blocks", "seeds_itself")

    def design(self, at: Case, alpha: float) -> Design:
        """Resolve a correlation at a keep probability of 0.9."""
        number = _number(at)
        return Design(detectable_hypergeometric(number, TYPICAL, alpha, 1e-3), "correlation of two layers", 2 * number)

    def collect(self, probe: ModelProbe) -> Seen:
        """Draw, propose a pair, count it in the rest."""
        batch, number = probe.batch(), _number(probe.at)
        fates: dict[str, list[npt.NDArray[np.int8]]] = {}
        places: dict[str, Place] = {}
        for one in probe.passes(max(2, 2 * -(-number // batch)), batch):
            for passage in one.passages:
                fates.setdefault(passage.key, []).append(passage.fates)
                places[passage.key] = passage.place
        passes = max((len(found) for found in fates.values()), default=0)
        keys = [key for key, found in fates.items() if len(found) == passes and all(len(one) == batch for one in found)]
        if len(keys) < 2:
            raise NotApplicable("fewer than two calls of layers that drop paths decide for each sample of a batch")
        whole = np.stack([np.concatenate(fates[key]) for key in keys]).reshape(len(keys), passes, batch)
        if all(len(set(call.tolist())) < 2 for layer in whole for call in layer):
            whole = whole[:, :, :1]  # a pass is one decision
        flat = whole.reshape(len(keys), -1)
        half = flat.shape[1] // 2
        if half < FEWEST:
            raise NotApplicable(f"{half} decisions of each call say nothing of pairs; {FEWEST} are the least")
        first, second = _proposed(flat[:, :half])
        probe.drawn += flat.size
        a, b = flat[first, half:], flat[second, half:]
        both = (a != UNTOLD) & (b != UNTOLD)
        a, b = a[both] == KEPT, b[both] == KEPT
        counts = (int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))
        return Seen(keys[first], keys[second], places[keys[second]], counts, len(keys))

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Judge the proposed pair by the exact test of a table of two by two."""
        p_value = hypergeometric_test(*seen.counts)
        alone = seen.counts[0] + seen.counts[3]
        said = f"{seen.first} and {seen.second} share the fate of {alone} of {sum(seen.counts)} samples"
        if p_value <= alpha:
            return Verdict.failed(f"{said}: p = {p_value:.2g}", p_value=p_value)
        pairs = seen.calls * (seen.calls - 1) // 2
        return Verdict.passed(f"of {pairs} pairs of calls the most suspicious is none: {said}", p_value=p_value)

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Count how often the two agree."""
        both, first, second, neither = seen.counts
        total = max(1, sum(seen.counts))
        kept = ((both + first) / total, (both + second) / total)
        expected = kept[0] * kept[1] + (1.0 - kept[0]) * (1.0 - kept[1])
        found = (both + neither) / total
        for key, name in ((seen.first, "first"), (seen.second, "second")):
            script.watch(key.partition(" (call ")[0], name)
        script.mode(training=True)
        with script.under("for _ in range(100):"):
            script.inputs(16)
            script.run()
        for key, name in ((seen.first, "first"), (seen.second, "second")):
            number = int(key.partition(" (call ")[2].rstrip(")") or 1) - 1
            script.add(
                f"{name} = [(y.reshape(len(y), -1) != 0).any(1) for _, y in {name}][{number}::len({name}) // 100]"
            )
        script.add(
            "alike = np.mean([(a == b).float().mean().item() for a, b in zip(first, second)])",
            f"print(alike, 'alike, of independent ones', {expected:.4g})",
            f"assert abs(alike - {expected!r}) < {max(0.02, 0.5 * abs(found - expected))!r}",
        )

    def place(self, seen: Seen, at: Case) -> Place | None:
        """The line that calls the second of the pair."""
        return seen.place


def _number(at: Case) -> int:
    """Return the decisions of each half."""
    return at.effort.pick(512, 2048, 8192)


def _proposed(fates: npt.NDArray[np.int8]) -> tuple[int, int]:
    """Return the pair of rows whose correlation is the largest, either way."""
    kept = (fates == KEPT).astype(np.float64)
    centred = kept - kept.mean(1, keepdims=True)
    spread = np.sqrt((centred**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(np.abs(centred @ centred.T) / np.outer(spread, spread))
    np.fill_diagonal(correlation, -1.0)
    one, other = np.unravel_index(int(correlation.argmax()), correlation.shape)
    return min(int(one), int(other)), max(int(one), int(other))
