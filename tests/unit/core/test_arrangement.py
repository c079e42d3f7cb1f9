from __future__ import annotations

import math

import numpy as np
import pytest

from droppath_audit.core.arrangement import Arrangement
from droppath_audit.core.errors import NotApplicable

ALL = [
    Arrangement(axis=1),
    Arrangement(axis=2),
    Arrangement(channels=True),
    *(Arrangement(shared=axis) for axis in (1, 2, 3)),
    Arrangement(batch=8),
    Arrangement(batch=3, shared=2),
]
SHAPES = [(8, 4), (12, 3, 2), (7, 1, 1, 1), (1, 5, 2), (6, 2, 0)]


def rows(x, numbers):
    return x[numbers]


def numbered(shape):
    return np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("arrangement", ALL, ids=Arrangement.describe)
def test_what_is_given_comes_back_as_it_was(arrangement, shape):
    x = numbered(shape)
    if not arrangement.takes(shape):
        with pytest.raises(NotApplicable, match="is no shape of samples for batch at axis"):
            arrangement.given(x, rows)
        return
    np.testing.assert_array_equal(arrangement.back(arrangement.given(x, rows), shape), x)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if math.prod(shape)])
@pytest.mark.parametrize("arrangement", ALL, ids=Arrangement.describe)
def test_the_source_does_the_same(arrangement, shape):
    if not arrangement.takes(shape):
        return
    names = {}
    exec("\n".join(arrangement.lines()), names)  # noqa: S102 - it is written to be run
    x = numbered(shape)
    given = arrangement.given(x, rows)
    np.testing.assert_array_equal(names["given"](x), given)
    np.testing.assert_array_equal(names["back"](given * 2, x), x * 2)


@pytest.mark.parametrize(
    ("arrangement", "where"),
    [
        (Arrangement(axis=1), lambda x: x[:1, :, :1, :1]),
        (Arrangement(channels=True), lambda x: x[:, :, :1, :1, :1]),
        (Arrangement(shared=1), lambda x: x[:, :1]),
        (Arrangement(shared=2), lambda x: x[:, :, :1]),
        (Arrangement(shared=3), lambda x: x[..., :1]),
    ],
    ids=["axis", "channels", "shared 1", "shared 2", "shared 3"],
)
def test_a_sample_is_all_that_shares_a_decision(arrangement, where):
    shape = (8, 3, 2, 2)
    given = arrangement.given(np.ones(shape), rows)
    decisions = where(np.zeros_like(given))
    decided = given * numbered(decisions.shape)
    samples = arrangement.back(decided, shape).reshape(8, -1)
    assert (samples == samples[:, :1]).all()
    assert len(set(samples[:, 0])) == decisions.size == 8
    assert sorted(samples[:, 0]) == samples[:, 0].tolist()  # drawn in the order of the samples


def test_a_batch_is_filled_up_to_a_multiple():
    assert Arrangement(batch=8).given(np.ones((9, 2)), rows).shape == (16, 2)


@pytest.mark.parametrize("arrangement", [*ALL[2:]], ids=Arrangement.describe)
def test_no_samples_cannot_be_arranged(arrangement):
    assert not arrangement.takes((0, 4))
    with pytest.raises(NotApplicable):
        arrangement.given(np.ones((0, 4)), rows)
