from __future__ import annotations

import threading
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.core.case import Cell
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.mask_law import MaskLaw
from droppath_audit.core.verdict import Outcome
from droppath_audit.exact import enumeration, generators
from droppath_audit.exact.enumeration import Enumerated, enumerate_mask
from droppath_audit.mutants import mutants
from droppath_audit.probes.live import LiveProbe
from droppath_audit.targets.loader import load, load_object


def enumerated(spec, dtype: str, drop_prob: float, **items) -> tuple[Enumerated, Cell]:
    loaded = load(spec) if isinstance(spec, str) else load_object(spec, items)
    cell = Cell("cpu", dtype, drop_prob, dialect=loaded.facts.dialect)
    return enumerate_mask(LiveProbe(loaded.target, cell, np.random.default_rng(0))), cell


def law_of(spec, dtype: str, drop_prob: float, **items) -> MaskLaw:
    found, cell = enumerated(spec, dtype, drop_prob, **items)
    return found.law(cell)


def exact_threshold(keep_prob: float, bits: int) -> Fraction:
    """P(k 2^-bits < keep_prob) for k uniform below 2^bits."""
    return Fraction(ceil(Fraction(keep_prob) * 2**bits), 2**bits)


def shape(x):
    return (x.shape[0],) + (1,) * (x.ndim - 1)


# What floor(keep_prob + rand) does in bfloat16, by counting all 2^24 states; the published roundings of these beside.
FLOOR_IN_BFLOAT16 = {
    0.001: (Fraction(0), "0"),
    0.002: (Fraction(1023, 2**18), ".0039"),
    0.05: (Fraction(415, 2**13), ".05066"),
    0.1: (Fraction(415, 2**12), ".10132"),
    0.5: (Fraction(8372225, 2**24), ".49902"),
    0.9: (1 - Fraction(13, 2**7), ".89844"),
    0.999: (Fraction(1), "1"),
}


def counted(drop_prob: float) -> torch.Tensor:
    """Return floor(keep_prob + rand) in bfloat16 at every state of the CPU's generator, by torch alone."""
    uniform = (torch.arange(2**24) * 2.0**-24).to(torch.bfloat16)
    uniform[uniform == 1] = 0
    return ((1.0 - drop_prob) + uniform).floor()


@pytest.mark.parametrize("drop_prob", FLOOR_IN_BFLOAT16)
def test_the_floor_family_in_bfloat16_has_its_exact_law(drop_prob: float) -> None:
    law = law_of(mutants()["floor_mask"], "bfloat16", drop_prob)
    exact, published = FLOOR_IN_BFLOAT16[drop_prob]
    assert law.whole
    assert 1 - law.keep_prob == exact
    assert abs(float(exact) - float(published)) < 5e-5
    masks = counted(drop_prob)
    assert law.keep_prob == Fraction(int((masks != 0).sum()), 2**24)
    scale = torch.ones(1, dtype=torch.bfloat16).div(1.0 - drop_prob)
    assert law.mean == Fraction(int((scale * masks).double().mul(2**16).sum())) / 2**40


def test_at_a_thousandth_the_floor_family_doubles_one_row_in_256_less_a_state() -> None:
    found, _ = enumerated(mutants()["floor_mask"], "bfloat16", 0.001)
    assert found.outputs == ((1.0, 2**24 - (2**16 - 1)), (2.0, 2**16 - 1))


def test_the_mean_of_the_floor_family_at_a_tenth() -> None:
    assert round(float(law_of(mutants()["floor_mask"], "bfloat16", 0.1).mean), 4) == 0.9970


def test_a_bernoulli_of_a_bfloat16_tensor_keeps_what_the_dtype_holds() -> None:
    law = law_of(mutants()["bernoulli_of_the_dtype_of_x"], "bfloat16", 0.1)
    assert law.keep_prob == Fraction(115, 128)
    assert round(float(law.keep_prob), 5) == 0.89844


@pytest.mark.parametrize("granularity", ["sample", "batch", "element"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("drop_prob", [1e-7, 0.1, 0.5, 0.998])
def test_the_reference_keeps_what_53_bits_can(granularity: str, dtype: str, drop_prob: float) -> None:
    law = law_of(f"droppath_reference:DropPath?granularity={granularity}", dtype, drop_prob)
    assert law.unit == ("call" if granularity == "batch" else "sample")  # of one element
    assert law.keep_prob == exact_threshold(1.0 - drop_prob, 53)
    assert law.states == 2**53


@pytest.mark.parametrize("keep_prob", [0.002, 0.1, 0.5, 0.9, 0.998])
def test_scalar_bernoulli_calls_and_dropout_are_read_off_exactly(keep_prob: float) -> None:
    def scalar(x, keep_prob, training):
        return x * torch.empty(shape(x)).bernoulli_(keep_prob) / keep_prob

    def dropout(x, keep_prob, training):
        return torch.nn.functional.dropout(x, 1.0 - keep_prob)

    def fused(x, keep_prob, training):
        return torch.native_dropout(x, 1.0 - keep_prob, True)[0]

    exact = exact_threshold(1.0 - (1.0 - keep_prob), 53)
    assert law_of(scalar, "float32", 1.0 - keep_prob).keep_prob == exact
    for function in (dropout, fused):
        law = law_of(function, "float32", 1.0 - keep_prob, granularity="element")
        # 1 - (1 - q) is not always q.
        assert abs(law.keep_prob - exact) <= Fraction(1, 2**52)


def test_masks_that_neither_rise_nor_fall_are_enumerated_where_every_value_is_fed() -> None:
    def in_the_middle(x, drop_prob, training):
        uniform = torch.rand(shape(x), dtype=x.dtype)
        return x * ((uniform >= 0.25) & (uniform < 0.5))

    law = law_of(in_the_middle, "float16", 0.75, scaling="none")
    assert law.whole
    uniform = (torch.arange(2**24) * 2.0**-24).half()
    assert law.keep_prob == Fraction(int(((uniform >= 0.25) & (uniform < 0.5)).sum()), 2**24)
    with pytest.raises(NotApplicable, match="neither rises nor falls"):
        law_of(in_the_middle, "float32", 0.75, scaling="none")


def test_wide_samples_and_fixed_shapes() -> None:
    law = law_of("droppath_reference:DropPath?input=B,3,8,8", "bfloat16", 0.1)
    assert law.keep_prob == exact_threshold(0.9, 53)
    law = law_of("droppath_reference:DropPath?input=B,3,8,8&granularity=element", "bfloat16", 0.1)
    assert law.keep_prob == exact_threshold(0.9, 53)
    assert (law.unit, law.numbers_per_sample) == ("element", 192)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_scripted_code_is_seen() -> None:
    @torch.jit.script
    def scripted(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
        return x * (torch.rand([x.size(0), 1]) < 1.0 - drop_prob) / (1.0 - drop_prob)

    def wrapped(x, drop_prob, training):
        return scripted(x, drop_prob, training)

    assert law_of(wrapped, "float32", 0.25).keep_prob == Fraction(3, 4)


# Not applicable, each with its reason.


def two_draws(x, drop_prob, training):
    return x * (torch.rand(shape(x)) * torch.rand(shape(x)) < 0.5)


def normal(x, drop_prob, training):
    return x * (torch.randn(shape(x)) < 0.5)


def by_rank(x, drop_prob, training):
    uniform = torch.rand(x.shape[0])
    return x * (uniform >= uniform.median()).view(shape(x))


def half_of_the_numbers(x, drop_prob, training):
    return x * (torch.rand((x.shape[0] + 1) // 2) < 0.5).repeat(2)[: x.shape[0]].view(shape(x))


def from_numpy(x, drop_prob, training):
    return x * torch.from_numpy(np.random.random(x.shape[0]) < 0.5).view(shape(x))


def from_a_thread(x, drop_prob, training):
    drawn: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: drawn.append(torch.rand(shape(x))))
    thread.start()
    thread.join()
    return x * (drawn[0] < 0.5)


def of_different_probabilities(x, drop_prob, training):
    return x * torch.bernoulli(torch.linspace(0.1, 0.9, x.shape[0])).view(shape(x))


def torn_samples(x, drop_prob, training):
    if x.shape[1:] != (8,):
        raise ValueError("it takes eight features, and no smaller sample")
    tail = torch.arange(x[0].numel()).view(x[0].shape) / x[0].numel()
    return x * (torch.rand(shape(x)) < 0.5 + 0.5 * tail)


def helped_by_numpy(x, drop_prob, training):
    other = torch.from_numpy(np.random.random(x.shape[0]) < 0.999).view(shape(x))
    return x * ((torch.rand(shape(x)) < 0.5) & other)


REASONS = {
    two_draws: "makes 2 draws",
    normal: "randn, which does not draw from a finite list",
    by_rank: "depends on the other draws of its call",
    half_of_the_numbers: r"a draw of shape \[32\], where x has shape \[64, 1\]",
    from_numpy: "draws nothing from the generators of torch",
    from_a_thread: "draws nothing from the generators of torch",
    of_different_probabilities: "probabilities that differ",
    # Its help is rare: in one run of 200 it comes first where two calls from one seed are compared.
    helped_by_numpy: "depends on the other draws of its call, or on earlier calls|two calls from the same seed differ",
}


@pytest.mark.parametrize("function", REASONS, ids=lambda function: function.__name__)
def test_what_cannot_be_enumerated_says_why(function) -> None:
    with pytest.raises(NotApplicable, match=REASONS[function]):
        law_of(function, "float32", 0.5)


def test_samples_that_one_number_tears_apart_are_left_to_the_check_of_granularity() -> None:
    with pytest.raises(NotApplicable, match="DP104"):
        law_of(torn_samples, "float32", 0.5, input=("B", 8))


# The result is verified against plain execution: break each link, and it is refused.


def test_an_unknown_generator_falls_back_to_sampling_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr(generators, "identify", lambda draw, redraw: None)
    monkeypatch.setattr(generators, "_models", {})
    report = audit("droppath_reference:DropPath", only=("DP103[cpu-float32-p0.1]",), effort="quick")
    (result,) = report.results
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "none of those modelled; DP102 certifies this cell by sampling" in result.verdict.observed


def test_a_law_that_does_not_foretell_real_draws_is_refused(monkeypatch) -> None:
    def shifted(*arguments, **keywords):
        found = steps(*arguments, **keywords)
        return type(found)(found.starts + np.array([0, 2**50]), found.outcomes, found.whole)

    steps = enumeration.steps
    monkeypatch.setattr(enumeration, "steps", shifted)
    with pytest.raises(NotApplicable, match="on real draws the mask is not"):
        law_of("droppath_reference:DropPath", "float32", 0.1)


def test_a_layer_that_ignores_the_seed_is_refused() -> None:
    generator = torch.Generator()

    def unseeded(x, drop_prob, training):
        return x * (torch.rand(shape(x), generator=generator) < 1.0 - drop_prob)

    with pytest.raises(NotApplicable, match="DP501"):
        law_of(unseeded, "float32", 0.5, scaling="none")


def test_a_mask_that_turns_over_at_any_call_after_the_first_is_refused() -> None:
    turn, calls = 10**9, 0

    def turning(x, drop_prob, training):
        nonlocal calls
        calls += 1
        kept = torch.rand(shape(x)) < 1.0 - drop_prob
        return x * (kept if calls < turn else ~kept)

    law_of(turning, "float32", 0.3, scaling="none")
    needed, before = calls, 2  # before: the probe of the shape, and the call that shows which draw there is
    assert needed > before + 5
    for number in range(before + 2, needed + 1):
        turn, calls = number, 0
        with pytest.raises(NotApplicable):
            law_of(turning, "float32", 0.3, scaling="none")
