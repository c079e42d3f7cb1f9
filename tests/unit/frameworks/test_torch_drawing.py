"""An operation that may ask a generator draws only where it drops something."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from droppath_audit.frameworks.torch.tape import TorchTape

X = torch.ones(2, 1, 4, 8)
LSTM = torch.nn.LSTM(8, 8, num_layers=2, dropout=0.5)


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (lambda: scaled_dot_product_attention(X, X, X), 0),
        (lambda: scaled_dot_product_attention(X, X, X, dropout_p=0.5), 1),
        (lambda: torch.native_dropout(X, 0.5, True), 1),
        (lambda: torch.native_dropout(X, 0.5, False), 0),
        (lambda: torch.rrelu(X, training=False), 0),
        (lambda: LSTM.train()(X[:, 0]), 1),
        (lambda: LSTM.eval()(X[:, 0]), 0),
        (lambda: torch.bernoulli(X, p=0.0), 1),
    ],
)
def test_what_draws_is_told_by_its_arguments(call, number):
    state = torch.get_rng_state()
    with TorchTape().record(values=False) as found:
        call()
    assert len(found) == number
    assert torch.equal(torch.get_rng_state(), state) is (number == 0)
