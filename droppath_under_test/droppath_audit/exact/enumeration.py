"""Enumeration: the law of the mask, exactly, from every value that the generator can produce.

A target that decides with one call of a generator is fed all values of that call in place of the random ones, each
weighed by the number of generator states that yield it. Nothing is estimated, so a mask that low precision biases is
a fact. What the result rests on is checked on the spot: that the model of the generator predicts real draws bit by
bit, that a recorded draw replayed reproduces the plain output bit by bit, that a decision does not depend on the
other draws of the call, and that the law foretells what real draws do.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.mask_law import NO_DRAW, MaskLaw
from droppath_audit.exact.generators import model_of
from droppath_audit.exact.steps import Steps, steps
from droppath_audit.frameworks.capabilities import Taped
from droppath_audit.frameworks.tape import BERNOULLI, OTHER
from droppath_reference.law import kept_interval, round_to

if TYPE_CHECKING:
    import numpy.typing as npt

    from droppath_audit.core.case import Cell
    from droppath_audit.exact.alphabets import Alphabet
    from droppath_audit.exact.generators import Model
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.tape import Draw
    from droppath_audit.probes.live import LiveProbe

BATCH, LARGEST = 65_536, 2**22  # samples, and elements, of one call that is fed
LARGEST_SAMPLE = 256  # elements: every outcome of the generator costs a sample
LEAST = 64  # samples of a call; fewer values are repeated
WITNESSES, CALLS = 4096, 16  # real decisions that the law must foretell; calls where each yields one
OTHERS = 8  # outputs other than dropped and kept that are listed


@dataclass(frozen=True)
class Enumerated:
    """What one mask decision can come to, in states of the generator.

    Attributes:
        draw: The call that decides, such as ``rand in bfloat16``.
        generator: Whose model applies, such as ``MT19937, 24 bits``.
        whole: Whether every value was fed; otherwise thresholds were bisected.
        states: Number of equally likely states.
        outputs: What x = 1 becomes, ascending, each with its states.
        per_sample: Random numbers consumed for each sample.
        unit: What one of them decides: a ``sample``, an ``element``, or a whole ``call``.
    """

    draw: str
    generator: str
    whole: bool
    states: int
    outputs: tuple[tuple[float, int], ...]
    per_sample: Fraction
    unit: str

    def law(self, cell: Cell) -> MaskLaw:
        """Return the law at a cell, whose promise tells legitimately kept outputs from others."""
        low, high = hull_of_one(cell)
        dropped = sum(states for value, states in self.outputs if value == 0.0)
        # In x's dtype: a target that widens its output breaks DP005, not the law of its mask.
        fits = {value: bool(low <= float(round_to(value, cell.dtype)) <= high) for value, _ in self.outputs}
        others = [(value, states) for value, states in self.outputs if value != 0.0 and not fits[value]]
        others.sort(key=lambda other: -other[1])
        return MaskLaw(
            draw=self.draw,
            generator=self.generator,
            unit=self.unit,
            whole=self.whole,
            states=self.states,
            keep_prob=1 - Fraction(dropped, self.states),
            mean=sum((Fraction(value) * states for value, states in self.outputs), Fraction(0)) / self.states,
            kept_values=tuple(value for value, _ in self.outputs if value != 0.0 and fits[value]),
            others=tuple(others[:OTHERS]),
            other_states=sum(states for _, states in others),
            other_values=len(others),
            numbers_per_sample=self.per_sample,
        )


def hull_of_one(cell: Cell) -> tuple[float, float]:
    """Return between which values a kept x = 1 may lie, however it is rounded; where all are to be dropped it is 1."""
    if cell.dialect.scaling == "inverted" and cell.drop_prob == 1.0:
        return 1.0, 1.0
    low, high = kept_interval(1.0, cell.drop_prob, cell.dtype, scaling=cell.dialect.scaling)
    return float(low), float(high)


def enumerate_mask(probe: LiveProbe[Cell]) -> Enumerated:
    """Return every outcome of the target's mask at a cell.

    Raises:
        NotApplicable: If the framework has no tape, the mask is not made of one draw a decision, its generator
            is none of those modelled, or a check of the result on real draws fails; the message says which.
        TargetRaised: Whatever the target raises.
    """
    return _Enumeration(probe).outcomes()


def _features(probe: LiveProbe[Cell]) -> tuple[int, ...]:
    """Return the features of the smallest sample; where elements are decided alone, the SPEC's, whose numbers count."""
    declared = probe.target.fixed_shape
    if declared is None or probe.at.dialect.granularity != "element" or prod(declared[1:]) > LARGEST_SAMPLE:
        return probe.features()
    return declared[1:]


class _Enumeration:
    """One target at one case.

    ``unit`` says how a draw of n numbers belongs to the decisions of B samples of s elements: ``call`` (n = 1),
    ``sample`` (n = B) or ``element`` (n = B s).
    """

    def __init__(self, probe: LiveProbe[Cell]) -> None:
        self._target, self._framework = probe.target, probe.framework
        self._tape = probe.ask(Taped).tape()
        self._dtype, self._device, self._drop_prob = probe.at.dtype, probe.at.device, probe.at.drop_prob
        self._rng = probe.rng
        self._features = _features(probe)
        self._size = max(1, prod(self._features))
        if self._size > LARGEST_SAMPLE:
            raise NotApplicable(
                f"the target takes no sample of fewer than {self._size:,} elements, which is too many for each outcome "
                "(see DP102, which samples)"
            )
        self._layer = probe.make()
        self._inputs: dict[int, Tensor] = {}
        self._written = True  # until it is seen that the target leaves its input alone
        self._draw = self._only_draw()
        self._unit = self._unit_of(self._draw)

    def outcomes(self) -> Enumerated:
        model = self._model()
        alphabet = model.alphabet(self._draw)
        if alphabet is None:
            raise NotApplicable(f"there is no model of {self._draw.describe()} (see DP102, which samples)")
        found = steps(lambda r: self._outcomes(alphabet, r), alphabet.size, self._rng, costly=self._unit == "call")
        if np.isnan(found.outcomes).any():
            raise NotApplicable("the outputs are NaN, from which no decision can be read (see DP301)")
        if np.isinf(found.outcomes).any():
            raise NotApplicable("a kept output for x = 1 is infinite, so it has no mean (see DP205)")
        self._verify(alphabet, found)
        bounds = [*(int(start) for start in found.starts), alphabet.size]
        weights: dict[float, int] = {}
        for outcome, first, end in zip(found.outcomes, bounds[:-1], bounds[1:], strict=True):
            value = float(outcome)
            weights[value] = weights.get(value, 0) + alphabet.below(end) - alphabet.below(first)
        return Enumerated(
            draw=self._draw.describe(),
            generator=model.source(self._draw),
            whole=found.whole,
            states=alphabet.states,
            outputs=tuple(sorted(weights.items())),
            per_sample=Fraction(self._draw.numbers, LEAST),
            unit=self._unit,
        )

    def _only_draw(self) -> Draw:
        with self._tape.record(values=False) as draws:
            self._layer(self._input(LEAST), training=True)
        if not draws:
            raise NotApplicable(f"{NO_DRAW} {self._framework.name}")
        if len(draws) > 1:
            names = ", ".join(draw.describe() for draw in draws[:3]) + (", …" if len(draws) > 3 else "")
            raise NotApplicable(f"a call makes {len(draws)} draws ({names}), and only masks of one are enumerated")
        (draw,) = draws
        if draw.kind == OTHER:
            raise NotApplicable(f"the mask is made of {draw.op}, which does not draw from a finite list (see DP102)")
        if draw.kind == BERNOULLI and draw.probability is None:
            raise NotApplicable(f"{draw.describe()} is given probabilities that differ, or none")
        return draw

    def _unit_of(self, draw: Draw) -> str:
        by_number = {LEAST * self._size: "element", LEAST: "sample", 1: "call"}
        if draw.numbers not in by_number:
            raise NotApplicable(
                f"the mask is made of a draw of shape {list(draw.shape)}, where x has shape {[LEAST, *self._features]}"
            )
        return by_number[draw.numbers]

    def _model(self) -> Model:
        draw, model = self._draw, model_of(self._draw, self._tape.redraw)
        if model is None:
            raise NotApplicable(
                f"the generator behind {draw.describe()} on {draw.device} is none of those modelled; DP102 certifies "
                "this cell by sampling"
            )
        return model

    def _input(self, batch: int) -> Tensor:
        x = self._inputs.get(batch)
        if x is None or self._written:
            x = self._inputs[batch] = self._framework.ones((batch, *self._features), self._dtype, self._device)
        return x

    def _outcomes(self, alphabet: Alphabet, ranks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return what x = 1 becomes at each rank; twice, in other company the second time.

        The second time the ranks come in random order, and the lower and the upper half of them in calls of their
        own: a decision that depends on the rest of its call, as that of a sample drawn by lot does, changes.
        """
        values = alphabet.values(ranks)
        if self._unit == "call":
            return np.array([self._feed(values[i : i + 1])[0] for i in range(values.size)])
        outcomes = self._feed(values)
        again = np.empty_like(outcomes)
        for half in np.array_split(np.argsort(values, kind="stable"), 2):
            shuffled = self._rng.permutation(half)
            if shuffled.size:
                again[shuffled] = self._feed(values[shuffled])
        if not np.array_equal(outcomes, again, equal_nan=True):
            raise NotApplicable("what becomes of a sample depends on the other draws of its call, or on earlier calls")
        return outcomes

    def _feed(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what x = 1 becomes at each of these values of the draw."""
        each = self._size if self._unit == "element" else 1  # values that one sample takes
        most = max(LEAST, min(BATCH, LARGEST // self._size)) * each
        outcomes = np.empty(values.size)
        for start in range(0, values.size, most):
            part = values[start : start + most]
            batch = LEAST if self._unit == "call" else max(LEAST, -(-part.size // each))
            fed = part if self._unit == "call" else np.resize(part, batch * each)
            with self._tape.replace(fed) as numbers:
                output = self._layer(self._input(batch), training=True)
            if numbers != [fed.size]:
                raise NotApplicable(
                    "not every call makes this one draw, so the mask depends on earlier calls or values"
                )
            outcomes[start : start + part.size] = self._decisions(output, batch)[: part.size]
        return outcomes

    def _decisions(self, output: Tensor, batch: int) -> npt.NDArray[np.float64]:
        """Return the output of each decision, in the order of the draw's numbers."""
        y = self._framework.numpy(output).reshape(batch, self._size)
        if self._unit == "element":
            return y.reshape(-1)
        if self._unit == "call":
            y = y.reshape(1, -1)
        if not np.array_equal(y, np.broadcast_to(y[:, :1], y.shape), equal_nan=True):
            raise NotApplicable("one random number decides differently on elements that share it (see DP104)")
        return y[:, 0]

    def _verify(self, alphabet: Alphabet, found: Steps) -> None:
        """Check, on real draws, that recording and replaying change nothing and that the law foretells the outputs."""
        per_call = self._unit == "call"
        batch = LEAST if per_call else max(LEAST, min(WITNESSES, LARGEST // self._size))
        first = alphabet.values(found.starts)
        for _ in range(CALLS if per_call else 1):
            seed = int(self._rng.integers(2**63))
            plain, _ = self._run(batch, seed)
            recorded, draw = self._run(batch, seed, record=True)
            if draw is None or draw.values is None:
                raise NotApplicable("not every instance makes this one draw, so the mask depends on more than it")
            numbers = draw.values.reshape(-1)
            with self._tape.replace(numbers):
                replayed, _ = self._run(batch, None)  # whatever else it draws is then another
            bits = [self._framework.bits(output) for output in (plain, recorded, replayed)]
            if not np.array_equal(bits[0], bits[1]):
                raise NotApplicable("two calls from the same seed differ, so no draw explains the mask (see DP501)")
            if not np.array_equal(bits[0], bits[2]):
                raise NotApplicable("replaying the recorded draw does not reproduce the output: more than it decides")
            foretold = found.outcomes[np.maximum(np.searchsorted(first, numbers, side="right") - 1, 0)]
            if not np.array_equal(foretold, self._decisions(plain, batch)):
                raise NotApplicable("on real draws the mask is not what each draw's own value makes of it")

    def _run(self, batch: int, seed: int | None, *, record: bool = False) -> tuple[Tensor, Draw | None]:
        """Run a fresh instance, from a seed if there is one; return the output, and the draw if it is recorded."""
        layer = self._target.make(self._drop_prob)
        x = self._framework.ones((batch, *self._features), self._dtype, self._device)
        if seed is not None:
            self._framework.seed(seed)
        if not record:
            return layer(x, training=True), None
        with self._tape.record() as draws:
            output = layer(x, training=True)
        return output, draws[0] if len(draws) == 1 else None
