"""What is counted where chosen numbers say nothing: a share, and whether two decisions hang together."""

from __future__ import annotations

import pytest
import torch

from droppath_audit import audit
from droppath_audit.core.configuration import Configuration
from droppath_audit.core.verdict import Outcome
from droppath_audit.exact.decided import Decided
from droppath_audit.probes.dependence import Proposal
from droppath_audit.space.asking import Found
from droppath_audit.space.judging import TESTS, broken
from droppath_audit.stats.exact import hypergeometric_test

SOME = ("DP114[cpu-c0*", "DP114[cpu-c1*", "DP114[cpu-c2*")


def drawn(x):
    return torch.rand(
        len(x), dtype=torch.float64, generator=torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    )


def applied(x, kept, drop_prob):
    kept = kept.reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def alone(x, drop_prob, training):
    """Sound: the numbers come from a generator of the call's own, which is seeded from the framework's."""
    if drop_prob == 0.0 or not training:
        return x
    return applied(x, drawn(x) < 1.0 - drop_prob, drop_prob)


def in_pairs(x, drop_prob, training):
    """Two neighbours have one decision, of the right share."""
    if drop_prob == 0.0 or not training:
        return x
    return applied(x, drawn(x).repeat_interleave(2)[: len(x)] < 1.0 - drop_prob, drop_prob)


def too_often(x, drop_prob, training):
    """More is kept than was asked for."""
    if drop_prob == 0.0 or not training:
        return x
    return applied(x, drawn(x) < (1.0 - drop_prob) ** 0.5, drop_prob)


@pytest.mark.parametrize(
    ("layer", "observed"), [(alone, None), (in_pairs, "decisions 1 positions apart"), (too_often, "decisions: x of")]
)
def test_decisions_of_an_unknown_generator_are_counted_and_paired(layer, observed):
    report = audit(layer, effort="quick", only=SOME)
    counted = [result for result in report.results if "decisions counted" in result.verdict.observed]
    failed = [result.verdict.observed for result in report.results if result.outcome is Outcome.FAIL]
    assert len(counted) + len(failed) > 10
    assert bool(failed) is (observed is not None)
    assert not failed or any(observed in text for text in failed)


def test_what_writes_to_x_is_not_counted_of_what_it_left():
    def in_place(x, drop_prob, training):
        y = alone(x, drop_prob, training)
        return y if y is x else x.copy_(y)

    report = audit(in_place, effort="quick", only=SOME)
    failed = [result.verdict.observed for result in report.results if result.outcome is Outcome.FAIL]
    assert len(failed) > 20
    assert [text for text in failed if not text.startswith("x was written to")] == []


class Pooled(torch.nn.Module):
    """Sound in its law: numbers are drawn in blocks, each of them used once."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob, self.pool = drop_prob, torch.empty(0, dtype=torch.float64)

    def forward(self, x):
        if self.drop_prob == 0.0 or not self.training:
            return x
        if len(self.pool) < len(x):
            self.pool = torch.rand(4096 + len(x), dtype=torch.float64)
        numbers, self.pool = self.pool[: len(x)], self.pool[len(x) :]
        return applied(x, numbers < 1.0 - self.drop_prob, self.drop_prob)


def test_numbers_drawn_in_blocks_are_numbers_drawn():
    report = audit(Pooled, effort="quick", only=SOME)
    assert not [result for result in report.results if "no random number" in result.verdict.observed]


def test_tests_of_what_is_counted_share_their_size():
    table = (600, 400, 400, 600)
    found = Found(
        Configuration(),
        decided=Decided(why_not="of several kinds"),
        kept=4096,
        decisions=8192,
        proposal=Proposal("lag", (1,), 9.0, 8),
        table=table,
    )
    _, observed, p_value = broken(found, 1e-6, others=10)
    assert "correlation +0.2000 in 2000 fresh pairs" in observed
    assert p_value == pytest.approx(10 * TESTS * hypergeometric_test(*table), rel=1e-9, abs=0)
    assert broken(found, p_value / 2, others=10) == ("", "", None)
