"""DP207 own-sample: what becomes of a sample depends on its own x alone, whatever another sample holds.

What it checks
    A layer is called twice under one seed: on ordinary x, and on the same x with NaN, an infinity, the dtype's largest
    number or another ordinary value in one sample, or in every second. In training (at drop_prob 0.3, 0 and 1) and in
    evaluation the output of all other samples must be the same bit for bit, and so must their gradient, with such
    numbers in the cotangent of those samples too. A sample that holds NaN must meet the fate that it meets without,
    which an ordinary number beside the NaN tells. Where no seed fixes the masks, the other samples must be dropped or
    scaled as ever, and of samples that hold NaN neither all nor none may be kept.
Why it matters
    One sample that overflows is an event of every long run in half precision. A layer that looks at the whole batch,
    for its mean, its norm or whether all of it is finite, hands that sample's NaN to all others, or drops none in just
    that step; one that spares such a sample lets its NaN into the sum more often than the rate says.
How to fix
    Look at x only element by element: multiply it, or select. Take no mean, norm, maximum or test of all of x.
Seen in
    Rules that rescale the batch to the norm that it had; guards that return x unchanged where a value is not finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.fuzz.oracle import training_violations
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.values import moderate
from droppath_reference.law import FORMATS, multiplier

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

    Floats = npt.NDArray[np.float64]

BATCH, SEVERAL = 17, 3  # SEVERAL samples where a call is one decision
DROP_PROB = 0.3
HELD = ("nan", "inf", "-inf", "largest", "another")
SEEDS = 128  # of a script, in which the fault shows
REPEATED = 32  # pairs of independent decisions of three samples are all alike by chance once in 10^7
KEPT_BITS = -math.log2(1.0 - DROP_PROB)  # that the fate of one that is kept is worth, which is the likelier
CERTAIN = 64  # bits: that so many samples are all kept, or all dropped, happens by chance once in 2^64
LAWFUL = 64  # calls of one decision each, all alike for once in 2^33 runs at drop_prob 0.3
OUTPUT, GRADIENT, LAW, FATE, ALWAYS, NEVER = "output", "gradient", "law", "fate", "all kept", "all dropped"


@dataclass(frozen=True)
class Pair:
    """Two calls under one seed.

    Attributes:
        drop_prob: p.
        training: The mode.
        held: What some samples hold the second time.
        rows: Which samples.
        differentiated: Whether there was a backward pass.
    """

    drop_prob: float
    training: bool
    held: str
    rows: tuple[int, ...]
    differentiated: bool

    def __str__(self) -> str:
        which = "one sample" if len(self.rows) == 1 else f"{len(self.rows)} samples"
        what = {"largest": "the largest number", "another": "another value"}.get(self.held, self.held)
        return f"{what} in {which}, at drop_prob {self.drop_prob:g} in {'training' if self.training else 'evaluation'}"


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        pairs: How many there were.
        repeatable: Whether a seed fixes the masks.
        shape: Shape of x.
        changed: What was not as it must be; empty where nothing was.
        where: The pair in which.
        example: What it was without, and with what the other sample holds.
    """

    pairs: int
    repeatable: bool
    shape: tuple[int, ...]
    changed: str = ""
    where: Pair | None = None
    example: tuple[float, float] = (0.0, 0.0)


class OwnSample(Check[Seen, DtypeCase]):
    where = Dtypes()
    in_variants = Dtypes(("float32",))
    driven = "it must be called again under one seed with another sample"
    causes = ("looking",)
    mutants = (
        "adds_nothing_times_the_mean",
        "idle_where_anything_is_not_finite",
        "spares_samples_that_hold_nan",
        "drops_samples_that_hold_nan",
        "gradient_is_skipped_for_all",
        "evaluation_looks_for_nan",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Call with and without, under seed after seed, until something differs."""
        shape = probe.shape(SEVERAL if probe.at.per_call else BATCH, wide=True)
        asking, pairs = _Asking(probe, shape), 0
        time = probe.clock.part()
        for pair in _pairs(probe, shape, repeatable=asking.repeatable):
            if pairs and time.over():
                break
            pairs += 1
            changed, example = asking.changed(pair)
            if changed:
                return Seen(pairs, asking.repeatable, shape, changed, pair, example)
        changed, where = asking.one_sided()
        return Seen(pairs, asking.repeatable, shape, changed, where)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where a single number of another sample differs, or a sample's fate."""
        if seen.where is None:
            how = "under one seed" if seen.repeatable else "by their law, since no seed fixes the masks,"
            return Verdict.passed(f"other samples are as they were, compared {how} in {seen.pairs} pairs of calls")
        one, other = seen.example
        observed = {
            OUTPUT: f"the output of another sample is {other:.6g} in place of {one:.6g}",
            GRADIENT: f"the gradient of another sample is {other:.6g} in place of {one:.6g}",
            LAW: "another sample is neither dropped nor what a kept one is",
            FATE: "the same sample meets another fate",
            ALWAYS: "all samples that hold it are kept",
            NEVER: "all samples that hold it are dropped",
        }[seen.changed]
        return Verdict.failed(f"with {seen.where}, {observed}", promised="what its own x and its own decision make it")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Call under one seed with and without, under many seeds."""
        pair = seen.where
        assert pair is not None  # noqa: S101 - asked by whoever calls
        p, training, size = pair.drop_prob, pair.training, prod(seen.shape[1:])
        held = {"largest": repr(FORMATS[at.dtype].largest), "another": "3.0"}.get(pair.held, pair.held)
        script.imports("from math import inf, nan")
        script.layer(p, training=training)
        script.add(f"special = np.isin(np.arange({seen.shape[0]}), {list(pair.rows)})", "fates = []")
        with script.under(f"for seed in range({SEEDS}):"):
            script.add("seen = []")
            with script.under(f"for value in (1.0, {held}):"):
                script.add(
                    f"values = np.ones(({seen.shape[0]}, {size}))", f"values[special, {min(1, size - 1)}:] = value"
                )
                script.from_array("values", seen.shape)
                script.add(script.seed("seed"))
                if seen.changed == GRADIENT:
                    script.track()
                    script.run(p)
                    ones = script.spell.literal("values.ravel().tolist()", repr(seen.shape), at.dtype, repr(at.device))
                    script.add(script.spell.backward(f"(y * {ones})"))
                    script.read_gradient()
                    script.add("seen.append(gradient)")
                else:
                    script.add(f"seen.append({script.array(script.call(p, training=training))})")
            script.add("without, beside = seen")
            if seen.changed in (OUTPUT, GRADIENT) and seen.repeatable:
                script.add("assert np.array_equal(without[~special], beside[~special])")
            elif seen.changed in (OUTPUT, GRADIENT, LAW):
                script.add("others = beside[~special]")
                kept = f"(abs(others / {multiplier(p, at.dialect.scaling)!r} - 1) < 1e-2)" if p < 1.0 else "False"
                script.add(f"assert ((others == 0) | {kept}).all(), others")
            elif seen.changed == FATE:
                first = ".reshape(len(special), -1)[special, 0] != 0"
                script.add(f"assert (((without{first}) == (beside{first})).all())")
            else:
                script.add("fates.append((beside.reshape(len(special), -1)[special, 0] != 0).ravel())")
        if seen.changed in (ALWAYS, NEVER):
            script.add(
                "kept = np.concatenate(fates)", f"assert {'not kept.all()' if seen.changed == ALWAYS else 'kept.any()'}"
            )


def _pairs(probe: LiveProbe[DtypeCase], shape: tuple[int, ...], *, repeatable: bool) -> Iterator[Pair]:
    """Yield the pairs: all that samples may hold, in one of them and in every second, tracked and untracked.

    Where no seed fixes the masks, as many with NaN that their fates alone tell whether there are two.
    """
    rng, batch, autograd = probe.rng, shape[0], has(probe.framework, Autograd) is not None
    turns = probe.at.effort.pick(2, 4, 16) * (16 if probe.at.per_call else 1)
    for number in range(turns):
        for held in HELD:
            one, half = (int(rng.integers(batch)),), tuple(range(number % 2, batch, 2))
            for rows, differentiated in ((one, autograd), (half, False)):
                yield Pair(DROP_PROB, training=True, held=held, rows=rows, differentiated=differentiated)
    for drop_prob in probe.accepted(0.0, 1.0):
        for held in HELD[:2]:
            yield Pair(drop_prob, training=True, held=held, rows=(0,), differentiated=autograd)
    if not repeatable:
        half = tuple(range(0, batch, 2))
        for _ in range(math.ceil(CERTAIN / KEPT_BITS / (1 if probe.at.per_call else len(half)))):
            yield Pair(DROP_PROB, training=True, held="nan", rows=half, differentiated=False)
    if probe.target.evaluates:
        for held in HELD:
            yield Pair(DROP_PROB, training=False, held=held, rows=(batch - 1,), differentiated=False)


class _Asking:
    """Calls layers in pairs."""

    def __init__(self, probe: LiveProbe[DtypeCase], shape: tuple[int, ...]) -> None:
        self._probe, self._framework, self._shape = probe, probe.framework, shape
        self._layers: dict[float, Layer] = {}
        self._lawfully: dict[float, bool] = {}
        self.repeatable = self._repeats()
        self._held: dict[bool, list[Pair]] = {True: [], False: []}
        self._fates: list[bool] = []

    def changed(self, pair: Pair) -> tuple[str, tuple[float, float]]:
        """Return what of a pair differs that must not, and an example; an empty text where nothing does."""
        probe, rows = self._probe, np.isin(np.arange(self._shape[0]), pair.rows)
        values, cotangent = (moderate(probe.rng, self._shape, probe.dtype) for _ in range(2))
        seed = int(probe.rng.integers(2**31))
        without = self._answer(pair, values, cotangent, seed)
        beside = self._answer(pair, self._holding(values, rows, pair), self._holding(cotangent, rows, pair), seed)
        if beside[0] is None or without[0] is None:
            return "", (0.0, 0.0)
        one, other = (array.reshape(self._shape[0], -1) for array in (without[0], beside[0]))
        tells = self._tells and 0.0 < pair.drop_prob < 1.0 and pair.training
        fates = other[rows, 0] != 0
        if tells and pair.held == "nan":
            self._fates += fates[: 1 if probe.at.per_call else None].tolist()
        if not self.repeatable and pair.training:
            broken = self._breaks_its_law(values[~rows], beside[0][~rows], pair.drop_prob)
            # What breaks its law without the other sample as well is other checks' to say.
            return (LAW if broken and self._lawful(pair.drop_prob) else ""), (0.0, 0.0)
        for what, first, second in ((OUTPUT, one, other), (GRADIENT, without[1], beside[1])):
            if first is None or second is None:
                continue
            first, second = (array.reshape(self._shape[0], -1)[~rows] for array in (first, second))
            differ = (first != second) & ~(np.isnan(first) & np.isnan(second))
            if differ.any():
                return what, (float(first[differ][0]), float(second[differ][0]))
        if tells and np.any(fates != (one[rows, 0] != 0)):
            return FATE, (0.0, 0.0)
        return "", (0.0, 0.0)

    def _breaks_its_law(self, values: Floats, output: Floats, drop_prob: float) -> bool:
        """Return whether a sample is neither dropped nor what a kept one is."""
        return bool(training_violations(values, output, drop_prob, self._probe.dtype, self._probe.at.dialect))

    def _lawful(self, drop_prob: float) -> bool:
        """Return whether usual samples meet their law in so many calls that either fate is among them."""
        if drop_prob not in self._lawfully:
            calls = ((moderate(self._probe.rng, self._shape, self._probe.dtype)) for _ in range(LAWFUL))
            outputs = (
                (values, self._output(self._layer(drop_prob)(self._probe.tensor(values), training=True)))
                for values in calls
            )
            self._lawfully[drop_prob] = not any(
                y is not None and self._breaks_its_law(values, y, drop_prob) for values, y in outputs
            )
        return self._lawfully[drop_prob]

    def one_sided(self) -> tuple[str, Pair | None]:
        """Return whether all samples that held NaN met one fate, where only chance could tell."""
        enough = len(self._fates) * KEPT_BITS >= CERTAIN
        if self.repeatable or not enough or len(set(self._fates)) > 1:
            return "", None
        pair = Pair(DROP_PROB, training=True, held="nan", rows=(0,), differentiated=False)
        return (ALWAYS if self._fates[0] else NEVER), pair

    @property
    def _tells(self) -> bool:
        """Whether a number beside a NaN tells what became of the sample."""
        return prod(self._shape[1:]) > 1 and self._probe.at.dialect.granularity != "element"

    def _holding(self, values: Floats, rows: npt.NDArray[np.bool_], pair: Pair) -> Floats:
        """Return the values with what a pair has in some samples, but for their first number where there are more."""
        form, changed = FORMATS[self._probe.dtype], values.reshape(self._shape[0], -1).copy()
        held = {"largest": form.largest, "another": 3.0}.get(pair.held)
        changed[rows, min(1, changed.shape[1] - 1) :] = float(pair.held) if held is None else held
        return changed.reshape(self._shape)

    def _answer(self, pair: Pair, values: Floats, cotangent: Floats, seed: int) -> tuple[Floats | None, Floats | None]:
        """Return the output under a seed, and the gradient where one is asked for."""
        layer, framework = self._layer(pair.drop_prob), self._framework
        x = self._probe.tensor(values)
        framework.seed(seed)
        if pair.differentiated:
            result = gradient_of(self._probe.target, layer, x, self._probe.tensor(cotangent))
            gradient = None if result.gradient is None else framework.numpy(result.gradient)
            return self._output(result.output), gradient
        return self._output(layer(x, training=pair.training)), None

    def _output(self, y: Tensor) -> Floats | None:
        """Return the values of an output; None where it has another shape than x, which is DP005's to say."""
        array = self._framework.numpy(y)
        return array if array.shape == self._shape else None

    def _layer(self, drop_prob: float) -> Layer:
        if drop_prob not in self._layers:
            self._layers[drop_prob] = self._probe.make(drop_prob)
        return self._layers[drop_prob]

    def _repeats(self) -> bool:
        """Return whether a layer, seeded again, has the same mask again; see DP402."""
        layer, x, framework = self._layer(DROP_PROB), self._probe.ones(self._shape), self._framework

        def output(seed: int) -> npt.NDArray[np.uint8]:
            framework.seed(seed)
            return framework.bits(layer(x, training=True))

        first = int(self._probe.rng.integers(2**31))
        return all(np.array_equal(output(seed), output(seed)) for seed in range(first, first + REPEATED))
