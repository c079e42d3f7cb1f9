"""DP902 survival-by-layer: every call of a layer that drops paths keeps as many samples as its drop_prob says.

What it checks
    The model is run in training, on random inputs, until the certificate of every call is decided: within 0.02 of the
    promised keep probability (0.05 at quick, 0.01 at thorough), or another. The trial's share of the error budget is
    divided among the calls. The first samples of all calls, as many as were planned, go through a chi-square together,
    those of each call that expects too few for it through an exact test. A sample of which a part is dropped breaks
    the promise. A module that is called twice in a pass has two calls. Of a call whose input is always zero nothing is
    seen, and that is told.
Why it matters
    What a layer does by itself says nothing of the model: rates are lost, replaced, shared, or applied twice.
How to fix
    Look at the line that calls the layer, and at what its drop_prob is at that moment.
Seen in
    Rates that are reset by a loaded configuration; element dropout in the place of DropPath.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.cause import Place
from droppath_audit.core.check import Check, Design
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Once
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.networks import DROPPED, KEPT
from droppath_audit.stats.certificate import Certificate
from droppath_audit.stats.chi_square import MINIMUM_EXPECTED, frequency_table
from droppath_audit.stats.design import samples_for_certificate
from droppath_audit.stats.exact import binomial_test

if TYPE_CHECKING:
    from collections.abc import Iterable

    from droppath_audit.frameworks.networks import Passage
    from droppath_audit.models.probe import ModelProbe
    from droppath_audit.scripts import ModelScript

COARSE = 5  # by which the resolution is coarser where a call is one decision
ALIKE = 8  # passes in which all samples share their fate before that is taken as meant
Z = 3.29  # of an interval of 0.999
NAMED = 4
MOST_PARTLY = 64  # samples of which a part is dropped: more say nothing new
TYPICAL = 0.9  # the keep probability at which costs are planned


@dataclass(frozen=True)
class Layer:
    """Counts of one call of a layer.

    Attributes:
        key: Name of the call.
        place: The line that calls it.
        drop_prob: What it was to drop at; None where nobody knows.
        changed: Whether that was another in some pass.
        kept: Of the decisions, those that were kept.
        decisions: Samples, or passes where a pass is one decision.
        first_kept: The same of the first decisions, as many as were planned.
        first: How many these are.
        partly: Samples of which a part was dropped.
        silent: Samples whose input was zero.
        unread: Passes in which the output had another shape than the input.
        without: Whether no axis of its input is as long as the batch.
    """

    key: str
    place: Place
    drop_prob: float | None
    changed: bool = False
    kept: int = 0
    decisions: int = 0
    first_kept: int = 0
    first: int = 0
    partly: int = 0
    silent: int = 0
    unread: int = 0
    without: bool = False


@dataclass(frozen=True)
class Seen:
    """Counts by call, how many branches a sample kept on the average with its deviation, and whether passes decide."""

    layers: tuple[Layer, ...]
    depth: float
    deviation: float
    samples: int
    by_pass: bool


class SurvivalByLayer(Check[Seen, Case]):
    where = Once()
    lengthy = True
    mutants = (
        "rate_halved_on_use",
        "element_dropout",
        "one_decision_a_token",
        "one_decision_a_window",
        "squared_rate",
    )

    def design(self, at: Case, alpha: float) -> Design:
        """Resolve the same for every layer; how many there are is known when the model runs."""
        delta = _delta(at)
        return Design(delta, "survival of a layer", samples_for_certificate(delta, TYPICAL, alpha / 48, 1e-3))

    def collect(self, probe: ModelProbe) -> Seen:
        """Count until every certificate is decided."""
        batch, planned = probe.batch(), _planned(probe.at)
        layers: dict[str, Layer] = {}
        totals, alike, passes = list[np.ndarray](), True, 0
        without = probe.network.unplaced()
        for one in probe.passes(10**6, batch):
            passes += 1
            alike = alike and all(len(set(passage.fates.tolist())) < 2 for passage in one.passages)
            by_pass = alike and passes >= ALIKE
            for passage in one.passages:
                layer = layers.get(passage.key) or Layer(
                    passage.key, passage.place, passage.drop_prob, without=passage.key in without
                )
                layers[passage.key] = _counted(layer, passage, planned)
            totals.append(sum((passage.fates == KEPT).astype(int) for passage in _whole(one.passages, batch)))
            if not one.passages:
                break
            if by_pass:
                found = [_by_pass(layer, passes) for layer in layers.values()]
            else:
                found = list(layers.values())
            if (by_pass or not alike) and all(_settled(layer, probe, len(found), by_pass=by_pass) for layer in found):
                break
        if not layers:
            raise NotApplicable("no layer that drops paths was called in a forward pass (see DP906)")
        # Where nothing is dropped at all, all samples share their fate as well.
        by_pass = alike and passes >= ALIKE and any(layer.kept < layer.decisions for layer in layers.values())
        probe.drawn += sum(layer.decisions for layer in layers.values())
        each = (
            np.concatenate([one for one in totals if np.ndim(one)])
            if any(np.ndim(one) for one in totals)
            else np.zeros(1)
        )
        final = [_by_pass(layer, passes) for layer in layers.values()] if by_pass else list(layers.values())
        return Seen(tuple(final), float(each.mean()), float(each.std()), int(each.size), by_pass)

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail where a certificate, the table or an exact test does, or where a part of a sample is dropped."""
        partly = [layer for layer in seen.layers if layer.partly]
        if partly:
            named = "; ".join(f"{one.key}: of {one.partly} samples a part" for one in partly[:NAMED])
            return Verdict.failed(f"{named} is dropped", promised="a sample is kept whole or dropped whole")
        unread = [layer.key for layer in seen.layers if layer.unread]
        if unread:
            return Verdict.failed(f"{', '.join(unread[:NAMED])}: another shape is returned than is given")
        wrong, opened, p_value = list[Layer](), list[Layer](), 1.0
        for layer in seen.layers:
            outcome, p = _judged(layer, at, alpha / (2 * len(seen.layers)), by_pass=seen.by_pass)
            p_value = min(p_value, p)
            (wrong if outcome == "fail" else opened if outcome == "open" else []).append(layer)
        table = _table(seen.layers, alpha / 4)
        if wrong or table:
            named = "; ".join(_said(layer) for layer in (wrong or seen.layers)[:NAMED])
            more = f"; {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
            return Verdict.failed(f"{named}{more}{f'; {table}' if table else ''}", p_value=p_value)
        unknown = [layer.key for layer in seen.layers if layer.drop_prob is None]
        blind = [layer.key for layer in seen.layers if not layer.decisions and layer.key not in unknown]
        without = [layer.key for layer in seen.layers if layer.without]
        changing = sum(layer.changed for layer in seen.layers)
        judged = len(seen.layers) - len(unknown) - len(blind) - changing
        said = f"{judged} calls within {_delta(at, by_pass=seen.by_pass):g}; {_depth(seen)}"
        said += f"; of {changing} the rate changes from pass to pass" if changing else ""
        said += f"; what reaches {', '.join(blind[:NAMED])} is zero, so that nothing is seen" if blind else ""
        if opened:
            return Verdict.inconclusive(
                f"{len(opened)} of {len(seen.layers)} calls are open: {_said(opened[0])}; {said}"
            )
        if unknown:
            return Verdict.inconclusive(f"nobody knows at what rate {', '.join(unknown[:NAMED])} is to drop; {said}")
        if without:
            return Verdict.inconclusive(f"no axis of what {', '.join(without[:NAMED])} is given is the batch; {said}")
        if seen.by_pass:
            return Verdict.failed(
                f"each pass is one decision for all samples of a batch; {said}",
                promised="each sample of a batch is decided on by itself",
                level=Level.SHOULD,
            )
        return replace(Verdict.passed(said, p_value=p_value), brief=_depth(seen))

    def show(self, seen: Seen, at: Case, script: ModelScript) -> None:
        """Count at the layer that is furthest off."""
        layer = max(seen.layers, key=lambda one: (one.partly, _off(one)))
        name = layer.key.partition(" (call ")[0]
        script.watch(name, "seen")
        script.mode(training=True)
        with script.under("for _ in range(200):"):
            script.inputs(16)
            script.run()
        number = layer.key.partition(" (call ")[2].rstrip(")") or "1"
        script.add(
            f"of_a_pass = len(seen) // 200; seen = seen[{int(number) - 1}::of_a_pass]",
            "kept = np.concatenate([(y.reshape(len(y), -1) != 0).float().mean(1).numpy() for _, y in seen])",
            "assert (kept > 0.9).mean() + (kept == 0).mean() > 0.99, 'parts of samples are dropped'",
        )
        if layer.drop_prob is not None:
            q = 1.0 - layer.drop_prob
            script.add(
                f"print((kept > 0).mean(), 'of', {q:.6g})",
                f"assert abs((kept > 0).mean() - {q!r}) < {max(0.005, 0.5 * _off(layer))!r}",
            )

    def place(self, seen: Seen, at: Case) -> Place | None:
        """The line that calls the layer that is furthest off."""
        return max(seen.layers, key=lambda one: (one.partly, _off(one))).place


def _delta(at: Case, *, by_pass: bool = False) -> float:
    return at.effort.pick(0.05, 0.02, 0.01) * (COARSE if by_pass else 1)


def _planned(at: Case) -> int:
    """Return how many decisions of each call the table and the exact tests look at."""
    return at.effort.pick(1024, 4096, 16384)


def _whole(passages: Iterable[Passage], batch: int) -> list[Passage]:
    return [one for one in passages if len(one.fates) == batch]


def _counted(layer: Layer, passage: Passage, planned: int) -> Layer:
    kept, dropped = int((passage.fates == KEPT).sum()), int((passage.fates == DROPPED).sum())
    room = max(0, planned - layer.first)
    first = passage.fates[passage.fates >= 0][:room]
    return replace(
        layer,
        changed=layer.changed or passage.drop_prob != layer.drop_prob,
        kept=layer.kept + kept,
        decisions=layer.decisions + kept + dropped,
        first_kept=layer.first_kept + int((first == KEPT).sum()),
        first=layer.first + len(first),
        partly=layer.partly + passage.partly,
        silent=layer.silent + passage.silent,
        unread=layer.unread + (not passage.fates.size),
    )


def _by_pass(layer: Layer, passes: int) -> Layer:
    """Return the counts of passes, where all samples of each shared their fate; none of them was planned."""
    share = layer.kept / max(1, layer.decisions)
    kept = round(share * passes)
    return replace(layer, kept=kept, decisions=passes, first_kept=0, first=0)


def _certificate(layer: Layer, at: Case, alpha: float, *, by_pass: bool) -> Certificate | None:
    """Return the certificate of a layer; None where it drops all or nothing, which one wrong decision disproves."""
    q = 1.0 - (layer.drop_prob or 0.0)
    if not 0.0 < q < 1.0:
        return None
    # Coarser than the promise itself it would promise nothing.
    return Certificate(q, min(_delta(at, by_pass=by_pass), 0.99 * max(q, 1.0 - q)), alpha)


def _settled(layer: Layer, probe: ModelProbe, layers: int, *, by_pass: bool) -> bool:
    if layer.unread >= ALIKE or layer.partly > MOST_PARTLY:
        return True
    if layer.drop_prob is None or layer.changed:
        return layer.first >= _planned(probe.at)
    if not layer.decisions and layer.silent > 2 * _planned(probe.at):
        return True
    certificate = _certificate(layer, probe.at, probe.alpha / (2 * layers), by_pass=by_pass)
    enough = by_pass or layer.first >= _planned(probe.at) or layer.silent > 2 * _planned(probe.at)
    return enough and (certificate is None or certificate.settled(layer.kept, layer.decisions))


def _judged(layer: Layer, at: Case, alpha: float, *, by_pass: bool) -> tuple[str, float]:
    """Return fail, open or pass, and a p-value."""
    if layer.drop_prob is None or layer.changed or not layer.decisions:
        return "pass", 1.0
    certificate = _certificate(layer, at, alpha, by_pass=by_pass)
    if certificate is None:
        wrong = layer.kept if layer.drop_prob >= 1.0 else layer.decisions - layer.kept
        return ("fail", 0.0) if wrong else ("pass", 1.0)
    return certificate.outcome(layer.kept, layer.decisions), certificate.p_value(layer.kept, layer.decisions)


def _table(layers: Iterable[Layer], alpha: float) -> str:
    """Return what the chi-square of the first decisions says, or an exact test; empty where they agree."""
    inside = [one for one in layers if one.drop_prob is not None and not one.changed and 0.0 < one.drop_prob < 1.0]
    many = [
        one for one in inside if one.first * min(one.drop_prob or 0.0, 1.0 - (one.drop_prob or 0.0)) >= MINIMUM_EXPECTED
    ]
    if many:
        found = frequency_table(
            [one.first_kept for one in many],
            [one.first for one in many],
            [1.0 - (one.drop_prob or 0.0) for one in many],
        )
        if found.p_value <= alpha / 2:
            return f"all layers together: G = {found.g:.4g}, {found.degrees_of_freedom} degrees of freedom"
    few = [one for one in inside if one not in many and one.first]
    for one in few:
        p = binomial_test(one.first_kept, one.first, 1.0 - (one.drop_prob or 0.0))
        if p <= alpha / (2 * len(few)):
            return f"{one.key} kept {one.first_kept} of the first {one.first}: p = {p:.2g}"
    return ""


def _off(layer: Layer) -> float:
    if layer.drop_prob is None or not layer.decisions:
        return 0.0
    return abs(layer.kept / layer.decisions - (1.0 - layer.drop_prob))


def _said(layer: Layer) -> str:
    share = layer.kept / max(1, layer.decisions)
    half = Z * math.sqrt(max(share * (1.0 - share), 1.0 / max(1, layer.decisions)) / max(1, layer.decisions))
    promised = "" if layer.drop_prob is None else f" where {1.0 - layer.drop_prob:.4g} was promised"
    return f"{layer.key} kept {share:.4g} ± {half:.2g}{promised}"


def _depth(seen: Seen) -> str:
    """Return how many branches a sample kept, beside what was promised."""
    promised = sum(1.0 - (layer.drop_prob or 0.0) for layer in seen.layers)
    half = Z * seen.deviation / math.sqrt(max(1, seen.samples))
    return f"expected depth {seen.depth:.4g} ± {half:.2g} of {len(seen.layers)}, promised {promised:.4g}"
