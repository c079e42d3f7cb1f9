"""What a framework with ``Checkpointing`` owes."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.frameworks.capabilities import Checkpointing


@pytest.fixture
def checkpointing(place):
    return place.need(Checkpointing)


@pytest.fixture
def x(place):
    return place.tensor(np.arange(1.0, 129.0).reshape(64, 2))


def test_there_is_a_way(checkpointing):
    assert len(checkpointing.checkpoints) >= 1


def test_a_layer_is_run_again_with_the_same_mask(place, checkpointing, layer, x):
    def masked(x):
        runs.append(1)
        return place.framework.multiply(x, place.fresh_mask(x))

    for how in checkpointing.checkpoints:
        runs: list[int] = []
        result = checkpointing.checkpointed(
            layer(masked), x, place.framework.ones((64, 2), "float32", place.device), how
        )
        assert len(runs) == 2, how
        output, gradient = place.framework.numpy(result.output), place.framework.numpy(result.gradient)
        assert np.array_equal(gradient, (output != 0).astype(float)), how
        assert 0 < gradient.mean() < 1
        assert result.reason == ""


def test_an_output_outside_the_graph_has_no_gradient_and_a_reason(place, checkpointing, layer, x):
    cut = layer(lambda x: place.tensor(place.framework.numpy(x)))
    result = checkpointing.checkpointed(cut, x, x, checkpointing.checkpoints[-1])
    assert result.gradient is None
    assert result.reason
