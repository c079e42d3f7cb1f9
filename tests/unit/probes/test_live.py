"""What a live probe owes a check beyond the answers: reasons instead of errors, and inputs that stay what they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from droppath_audit.core.case import Case, Cell
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import Autograd, Layouts, Taped
from droppath_audit.probes.calls import Calls, Refused
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Request
from droppath_audit.probes.values import ones
from droppath_audit.targets.loader import load_object

if TYPE_CHECKING:
    import torch


def probe_of(obj: Any, at: Case | None = None, **items: str) -> LiveProbe[Any]:
    loaded = load_object(obj, {"framework": "torch", "scaling": "none", "training": "always", **items})
    cell = Cell(drop_prob=0.25, dialect=loaded.facts.dialect) if at is None else at
    return LiveProbe(loaded.target, cell, np.random.default_rng(0))


def identity(x: Any, drop_prob: float) -> Any:
    return x


def test_a_capability_that_a_framework_lacks_is_a_reason_and_one_that_it_has_is_the_framework() -> None:
    probe = probe_of(identity, framework="numpy")
    with pytest.raises(NotApplicable, match=r"^numpy does not show the draws of a target$"):
        probe.ask(Taped)
    with pytest.raises(NotApplicable, match=r"^numpy has no gradients$"):
        probe.ask(Autograd)
    assert probe.ask(Layouts) is probe.framework


def test_a_drop_prob_is_that_of_the_cell_and_a_case_without_one_says_so() -> None:
    assert probe_of(identity).drop_prob == 0.25
    with pytest.raises(ValueError, match="is no cell"):
        _ = probe_of(identity, Case()).drop_prob


def test_counting_needs_a_rule_that_ends_it() -> None:
    with pytest.raises(ValueError, match="a rule that ends"):
        probe_of(identity).count()


@pytest.mark.parametrize(("granularity", "each"), [("sample", 8), ("batch", 1)])
def test_what_was_drawn_is_counted_in_decisions(granularity: str, each: int) -> None:
    probe = probe_of(identity, granularity=granularity)
    probe.decisions(4, 8)
    assert probe.drawn == 4 * each
    found = probe.instances(3, 8)
    assert probe.drawn == (4 + 3 * len(found.masks)) * each


def test_what_raises_for_some_batches_leaves_the_others() -> None:
    def picky(x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        if len(x) == 2:
            raise KeyError("two")
        return x

    found, raised = probe_of(picky).by_batch({1: 3, 2: 3, 4: 1})
    assert [(part.batch, part.counts) for part in found] == [(1, (3, 3)), (4, (4, 4))]
    assert list(raised) == [2]
    assert "KeyError" in raised[2]


def test_features_that_a_target_refuses_or_reshapes_are_told_with_the_reason() -> None:
    def of_rank_two(x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        if x.ndim > 3:
            raise ValueError("too many axes")
        return x.reshape(len(x), -1)

    found = list(probe_of(of_rank_two).by_features(Request(4, ones), [(3,), (3, 2), (3, 2, 2)], 0.5))
    taken, reshaped, refused = found
    assert isinstance(taken, Calls)
    assert (taken.shape, taken.drop_prob) == ((4, 3), 0.5)
    assert isinstance(reshaped, Refused)
    assert (reshaped.features, "DP005" in reshaped.why) == ((3, 2), True)
    assert isinstance(refused, Refused)
    assert "too many axes" in refused.why


def test_a_target_that_writes_to_its_input_is_given_it_anew_each_time() -> None:
    def in_place(x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        y = x.clone()
        x.zero_()
        return y

    (calls,) = probe_of(in_place).calls(Request(4, ones, calls=5))
    assert (calls.y == 1.0).all()
    assert calls.y.shape == (5, 4, 1)


def test_what_a_target_raises_in_a_call_is_its_own() -> None:
    def raising(x: torch.Tensor, drop_prob: float) -> torch.Tensor:
        if len(x) == 7:
            raise KeyError("seven")
        return x

    with pytest.raises(TargetRaised, match="KeyError"):
        list(probe_of(raising).calls(Request(7, ones)))


def test_calls_of_one_layer_are_numbered_through() -> None:
    found = list(probe_of(identity).calls(Request(4, ones, calls=2), Request(2, ones), Request(2, ones, calls=3)))
    assert [(calls.first, len(calls.y)) for calls in found] == [(0, 2), (2, 1), (3, 3)]


def test_a_batch_is_made_smaller_where_x_would_have_too_many_elements() -> None:
    (calls,) = probe_of(identity).calls(Request(64, ones, wide=True, elements=60))
    assert calls.shape == (5, 12)
