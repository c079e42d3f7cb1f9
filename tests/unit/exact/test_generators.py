from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from droppath_audit.exact.alphabets import continuous
from droppath_audit.exact.generators import CPU, MODELS, Model, identify
from droppath_audit.exact.words import mt19937, philox, philox4x32
from droppath_audit.frameworks.tape import BERNOULLI, INTEGER, UNIFORM, Draw
from droppath_audit.frameworks.torch.tape import TorchTape
from droppath_audit.stats.chi_square import goodness_of_fit
from droppath_reference.law import round_to

CUDA = MODELS[1]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
FLOATS = ("float64", "float32", "float16", "bfloat16")
ALPHA = 1e-9  # of each chi-square below; a run has fewer than a hundred of them


def uniform(dtype: str, low: float = 0.0, high: float = 1.0, device: str = "cpu") -> Draw:
    return Draw("rand" if (low, high) == (0.0, 1.0) else "uniform_", UNIFORM, dtype, (1,), device, low, high)


def integer(low: int, high: int, device: str = "cpu") -> Draw:
    return Draw("randint", INTEGER, "int64", (1,), device, low, high)


def bernoulli(probability: float, held_by: str = "", device: str = "cpu") -> Draw:
    return Draw("bernoulli_", BERNOULLI, "float32", (1,), device, probability=probability, probability_dtype=held_by)


DRAWS = {
    **{f"rand {dtype}": uniform(dtype) for dtype in FLOATS},
    **{f"uniform {dtype}": uniform(dtype, 0.25, 1.25) for dtype in FLOATS},
    "uniform float32 wide": uniform("float32", -1.0, 2.0),
    "uniform float16 odd": uniform("float16", 0.3, 1.3),
    "byte": integer(0, 256),
    "hundred": integer(0, 100),
    "shifted": integer(-5, 95),
    "wide": integer(0, 2**28 + 1),
    **{f"bernoulli {q}": bernoulli(q) for q in (0.002, 0.3, 0.9)},
    **{f"bernoulli tensor {dtype}": bernoulli(float(round_to(0.9, dtype)), dtype) for dtype in FLOATS},
}  # fmt: skip


# Known answers: the authors' reference of MT19937, seed 5489; Random123's file of known answers for Philox4x32-10.


def test_mt19937_gives_the_words_of_its_authors() -> None:
    words = mt19937(5489, 10_000, 1)[:, 0]
    assert words[:3].tolist() == [3499211612, 581869302, 3890346734]
    assert words[-1] == 4123659995  # which the C++ standard asks of std::mt19937


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, words) -> None:
    assert tuple(philox4x32(np.array([counter], dtype=np.uint64), key)[0].tolist()) == words


def test_threads_of_a_gpu_share_a_seed_and_differ_in_the_third_word_of_the_counter() -> None:
    strided, consecutive = philox("strided")(7, 5, 1), philox("consecutive")(7, 5, 1)
    own = [philox4x32(np.array([[0, 0, thread, 0]], dtype=np.uint64), (7, 0))[0] for thread in range(5)]
    assert strided[:, 0].tolist() == [int(words[0]) for words in own]
    assert consecutive[:, 0].tolist() == [*own[0].tolist(), int(own[1][0])]
    assert philox("consecutive")(7, 3, 2).tolist() == [own[0][:2].tolist(), own[0][2:].tolist(), own[1][:2].tolist()]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", DRAWS)
def test_a_model_predicts_the_installed_generator_bit_by_bit(name: str, device: str) -> None:
    draw = Draw(**{**vars(DRAWS[name]), "device": device})
    model = identify(draw, TorchTape().redraw)
    assert model is not None
    assert (model is CPU) == (device == "cpu")
    numbers, seed = 250 if device == "cuda" else 3001, 2**31 + 11
    assert np.array_equal(model.predict(draw, numbers, seed), TorchTape().redraw(draw, numbers, seed))


def test_a_generator_that_is_off_in_one_number_is_unknown() -> None:
    def nearly(draw: Draw, numbers: int, seed: int) -> np.ndarray:
        values = TorchTape().redraw(draw, numbers, seed)
        values[-1] = np.nextafter(values[-1], 1.0)
        return values

    assert identify(uniform("float32"), nearly) is None


def test_each_device_has_its_own_words_so_no_model_passes_for_another() -> None:
    for draw in DRAWS.values():
        predictions = [model.predict(draw, 251, 3) for model in MODELS]
        assert not np.array_equal(predictions[0], predictions[1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", DRAWS)
def test_real_draws_have_the_weights_of_the_alphabet(name: str, device: str) -> None:
    """Chi-square over at most 16 cells: on 2^20 numbers it sees a cell of weight 1/16 that is off by 5 %."""
    draw = Draw(**{**vars(DRAWS[name]), "device": device})
    model = identify(draw, TorchTape().redraw)
    assert model is not None
    alphabet = model.alphabet(draw)
    ranks = np.unique(np.linspace(0, alphabet.size, min(17, alphabet.size + 1)).astype(np.int64))
    edges = np.unique(alphabet.values(ranks[:-1]))
    starts = [_first_rank(alphabet, edge) for edge in edges]
    weights = np.diff([*(alphabet.below(rank) for rank in starts), alphabet.states]) / alphabet.states
    values = TorchTape().redraw(draw, 2**20, 5)
    assert values.min() >= edges[0]
    counts = np.bincount(np.searchsorted(edges, values, side="right") - 1, minlength=len(edges))
    assert goodness_of_fit(counts, weights * values.size).p_value > ALPHA


def test_the_chi_square_of_real_draws_sees_a_cell_off_by_5_percent() -> None:
    cell = 2**16
    observed = [1.05 * cell, *[cell * (1 - 0.05 / 15)] * 15]
    assert goodness_of_fit(observed, [cell] * 16).p_value < ALPHA / 1000  # so that noise rarely hides it


def _first_rank(alphabet, value: float) -> int:
    low, high = 0, alphabet.size
    while low < high:
        middle = (low + high) // 2
        if alphabet.values(np.array([middle]))[0] >= value:
            high = middle
        else:
            low = middle + 1
    return low


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_weights_are_those_of_all_2_to_the_24_states(dtype: str) -> None:
    every = (torch.arange(2**24) * 2.0**-24).to(getattr(torch, dtype))
    every[every == 1] = 0
    letters, weights = every.float().unique(return_counts=True)
    alphabet = continuous(CPU.single, dtype, 0.0, 1.0)
    assert np.array_equal(alphabet.letters, letters.double().numpy())
    assert alphabet.weights == tuple(weights.tolist())


@pytest.mark.parametrize("model", MODELS[:2], ids=["cpu", "cuda"])
@pytest.mark.parametrize("name", DRAWS)
def test_an_alphabet_is_ordered_and_its_weights_add_up(name: str, model: Model) -> None:
    alphabet = model.alphabet(DRAWS[name])
    ranks = np.unique(np.linspace(0, alphabet.size - 1, 999).astype(np.int64))
    assert (np.diff(alphabet.values(ranks)) >= 0).all()
    assert alphabet.below(0) == 0
    assert alphabet.below(alphabet.size) == alphabet.states
    below = [alphabet.below(int(rank)) for rank in ranks]
    assert all(a < b for a, b in pairwise(below))
    draw = DRAWS[name]
    if draw.kind == UNIFORM:
        ends = alphabet.values(np.array([0, alphabet.size - 1]))
        assert draw.low <= round(float(ends[0]), 2)
        assert ends[1] < draw.high


def test_remainders_favour_the_first_values() -> None:
    alphabet = CPU.alphabet(integer(0, 100))
    weights = np.diff([alphabet.below(rank) for rank in range(101)])
    assert weights.tolist() == [2**32 // 100 + (value < 2**32 % 100) for value in range(100)]


# CUDA's arithmetic, from STATISTICS.md: it is checked here against that description, and on a device above.


@pytest.mark.parametrize(("dtype", "share"), [("float32", 2.0**-25), ("float16", 2.0**-12), ("bfloat16", 2.0**-9)])
def test_cuda_replaces_its_upper_end_by_zero(dtype: str, share: float) -> None:
    alphabet = CUDA.alphabet(uniform(dtype))
    assert alphabet.values(np.array([0]))[0] == 0.0
    # Exactly in float32; in the 16-bit types what is rounded up to 1, and down to 0, less a little.
    assert alphabet.below(1) / alphabet.states == pytest.approx(share, rel=0 if dtype == "float32" else 1e-3)


def test_cuda_drops_at_keep_prob_1_once_in_2_to_the_25() -> None:
    ones = CUDA.alphabet(bernoulli(1.0))
    assert Fraction(ones.below(1), ones.states) == Fraction(1, 2**25)
    assert CUDA.alphabet(bernoulli(1.0, "float32")).size == 1  # the tensor form keeps at equality


def test_cuda_never_draws_a_state_below_another() -> None:
    states = np.sort(np.random.default_rng(0).integers(0, 2**32, 10_000, dtype=np.uint64))
    numbers = CUDA.single.number(states)
    assert (np.diff(numbers) >= 0).all()
    assert CUDA.single.number(np.array([0, 2**32 - 1], dtype=np.uint64)).tolist() == [2.0**-33, 1.0]


@pytest.mark.parametrize("keep_prob", [0.002, 0.1, 0.5, 0.9, 0.998])
def test_a_scalar_bernoulli_is_off_by_at_most_its_last_state(keep_prob: float) -> None:
    for model, miss in ((CPU, Fraction(1, 2**53)), (CUDA, Fraction(1, 2**24))):
        alphabet = model.alphabet(bernoulli(keep_prob))
        assert abs(1 - Fraction(alphabet.below(1), alphabet.states) - Fraction(keep_prob)) <= miss
