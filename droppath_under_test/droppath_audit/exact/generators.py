"""Models of random generators: every value that a draw can produce, each with its exact integer weight.

A generator turns words of 32 bits into one of N equally likely states, and a state into a number that never
decreases with it. From that follows, for every draw, an ``Alphabet``: the values in order, and how many states give
a smaller one. Which model is right is decided by comparing its prediction from a seed with real draws, bit by bit;
versions are not asked.

CPU: MT19937 (Matsumoto and Nishimura 1998). float32 and the 16-bit types use the low 24 bits of a word, float64 the
low 53 bits of two. CUDA: Philox4x32-10 (Salmon et al. 2011, SC'11), whose word w becomes fl(fl(w) 2^-32 + 2^-33), in
(0, 1]; in both the upper end of a range is replaced by the lower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.exact.alphabets import Listed, Remainders, Unit, continuous, scaled
from droppath_audit.exact.words import mt19937, philox
from droppath_audit.frameworks.tape import BERNOULLI, INTEGER, UNIFORM
from droppath_reference.law import FORMATS, round_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.exact.alphabets import Alphabet, States, Values
    from droppath_audit.frameworks.tape import Draw

PROBE_NUMBERS = 251  # a block of CUDA's threads draws 256; an odd number shows a tail
PROBE_SEEDS = (20_161_109, 4_000_000_007)
WIDE_INTEGERS = 2**28  # from this range on torch draws 64 bits
LARGEST_INTEGERS = 2**53  # whole numbers beyond are no float64


@dataclass(frozen=True)
class Model:
    """A generator: how words become states, and what each kind of draw makes of them.

    Attributes:
        name: In words, for reports.
        words: ``(seed, numbers, words a number) -> uint64 array of shape (numbers, words)``.
        single: States of a draw in float32 and the 16-bit types, from one word.
        double: States of a draw in float64, from two words.
        single_state: Words of shape (numbers, 1) to states.
        double_state: Words of shape (numbers, 2) to states.
        scalar: ``(probability, dtype of the mask) -> unit and limit`` of a Bernoulli draw with a scalar probability.
        inclusive: Whether a Bernoulli draw with a tensor of probabilities keeps at equality.
    """

    name: str
    words: Callable[[int, int, int], States]
    single: Unit
    double: Unit
    single_state: Callable[[States], States]
    double_state: Callable[[States], States]
    scalar: Callable[[Model, float, str], tuple[Unit, float]]
    inclusive: bool = False

    def alphabet(self, draw: Draw) -> Alphabet | None:
        """Return what a draw can produce, None where this model does not say."""
        if draw.kind == UNIFORM and draw.dtype in FORMATS:
            return continuous(self._unit(draw.dtype), draw.dtype, draw.low, draw.high)
        if draw.kind == INTEGER and 0 < draw.high - draw.low <= LARGEST_INTEGERS:
            return Remainders(_integer_states(draw), int(draw.low), int(draw.high))
        if draw.kind == BERNOULLI and draw.probability is not None:
            unit, limit, inclusive = self._bernoulli(draw)
            ones = unit.below(limit, inclusive=inclusive)
            weights = {0.0: unit.states - ones, 1.0: ones}
            given = {value: weight for value, weight in weights.items() if weight}
            return Listed(np.array(list(given)), tuple(given.values()), unit.states)
        return None

    def source(self, draw: Draw) -> str:
        """Return the generator and its states in words, such as ``MT19937, 24 bits``."""
        if draw.kind == INTEGER:
            return f"{self.name}, remainder of {_integer_states(draw).bit_length() - 1} bits"
        unit = self._bernoulli(draw)[0] if draw.kind == BERNOULLI else self._unit(draw.dtype)
        return f"{self.name}, {unit.name}"

    def predict(self, draw: Draw, numbers: int, seed: int) -> Values | None:
        """Return what a freshly seeded generator gives for this draw in shape (numbers,)."""
        if self.alphabet(draw) is None:
            return None
        if draw.kind == INTEGER:
            wide = _integer_states(draw) > 2**32
            words = self.words(seed, numbers, 2 if wide else 1)
            word = (words[:, 0] << np.uint64(32)) | words[:, 1] if wide else words[:, 0]
            span = np.uint64(int(draw.high - draw.low))
            return (word % span).astype(np.float64) + draw.low
        if draw.kind == BERNOULLI:
            unit, limit, inclusive = self._bernoulli(draw)
            uniform = unit.number(self._states(unit, seed, numbers))
            return np.asarray((uniform <= limit) if inclusive else (uniform < limit)).astype(np.float64)
        unit = self._unit(draw.dtype)
        low, high = (float(end) for end in round_to([draw.low, draw.high], draw.dtype))
        values = scaled(unit, draw.dtype, draw.low, draw.high, self._states(unit, seed, numbers))
        return np.where(values >= high, low, values)

    def _unit(self, dtype: str) -> Unit:
        return self.double if dtype == "float64" else self.single

    def _states(self, unit: Unit, seed: int, numbers: int) -> States:
        if unit is self.double:
            return self.double_state(self.words(seed, numbers, 2))
        return self.single_state(self.words(seed, numbers, 1))

    def _bernoulli(self, draw: Draw) -> tuple[Unit, float, bool]:
        assert draw.probability is not None  # noqa: S101 - asked before
        if draw.probability_dtype:
            return self._unit(draw.probability_dtype), draw.probability, self.inclusive
        return (*self.scalar(self, draw.probability, draw.dtype), False)


def _integer_states(draw: Draw) -> int:
    return 2**64 if draw.high - draw.low >= WIDE_INTEGERS else 2**32


def _low_bits(bits: int) -> Callable[[States], States]:
    mask = np.uint64(2**bits - 1)

    def take(words: States) -> States:
        word = words[:, 0] if words.shape[1] == 1 else (words[:, 0] << np.uint64(32)) | words[:, 1]
        return word & mask

    return take


def _binary(bits: int) -> Unit:
    scale = 2.0**-bits
    return Unit(f"{bits} bits", 2**bits, lambda states: states.astype(np.float64) * scale)


def _double_word(words: States) -> States:
    """Return the 53 bits that cuRAND makes of two words: x xor (y shifted left by 21)."""
    return words[:, 0] ^ (words[:, 1] << np.uint64(21))


def _centred_single(states: States) -> Values:
    """Return fl32(fl32(w) 2^-32 + 2^-33), in (0, 1]."""
    single = states.astype(np.float32) * np.float32(2.0**-32) + np.float32(2.0**-33)
    return single.astype(np.float64)


def _centred_double(states: States) -> Values:
    """Return z 2^-53 + 2^-54, in (0, 1]."""
    return states.astype(np.float64) * 2.0**-53 + 2.0**-54


CPU = Model(
    name="MT19937",
    words=mt19937,
    single=_binary(24),
    double=_binary(53),
    single_state=_low_bits(24),
    double_state=_low_bits(53),
    # Compared in double whatever the dtype of the mask.
    scalar=lambda model, probability, _: (model.double, probability),
)


def _cuda(layout: str) -> Model:
    def scalar(model: Model, probability: float, dtype: str) -> tuple[Unit, float]:
        if dtype == "float64":
            return model.double, probability
        return model.single, float(np.float32(probability))

    return Model(
        name="Philox4x32-10",
        words=philox(layout),
        single=Unit("32 bits rounded to float32", 2**32, _centred_single),
        double=Unit("53 bits", 2**53, _centred_double),
        single_state=lambda words: words[:, 0],
        double_state=_double_word,
        scalar=scalar,
        inclusive=True,
    )


MODELS = (CPU, _cuda("strided"), _cuda("consecutive"))


def identify(draw: Draw, redraw: Callable[[Draw, int, int], Values]) -> Model | None:
    """Return the model whose predictions for this draw are real draws, bit by bit; None where no model's are.

    Args:
        draw: The call of the generator.
        redraw: ``(draw, numbers, seed) -> values``: makes it again from a fresh generator.
    """
    real = [redraw(draw, PROBE_NUMBERS, seed) for seed in PROBE_SEEDS]
    for model in MODELS:
        predictions = [model.predict(draw, PROBE_NUMBERS, seed) for seed in PROBE_SEEDS]
        if all(
            guess is not None and np.array_equal(guess, seen) for guess, seen in zip(predictions, real, strict=True)
        ):
            return model
    return None


def model_of(draw: Draw, redraw: Callable[[Draw, int, int], Values]) -> Model | None:
    """Return what ``identify`` returns, found out once for each kind of draw."""
    key = (draw.op, draw.kind, draw.dtype, draw.device, draw.low, draw.high, draw.probability_dtype)
    if key not in _models:
        _models[key] = identify(draw, redraw)
    return _models[key]


_models: dict[tuple[Any, ...], Model | None] = {}
