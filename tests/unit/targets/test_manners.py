"""What others do with a layer beside calling it."""

from __future__ import annotations

import pytest
import torch

from droppath_audit.core.errors import NotApplicable
from droppath_audit.targets.loader import load_object
from droppath_audit.targets.manners import set_mode


class HidesTrain(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.train, self.inner = True, torch.nn.Identity()


def test_an_attribute_that_hides_train_is_no_way_to_switch_and_is_passed_by() -> None:
    layer = HidesTrain()
    for training in (False, True):
        set_mode(layer, training)
        assert (layer.training, layer.inner.training, layer.train) == (training, training, True)


class Plain:
    """No layer, with an attribute in the place of the method that its class has."""

    def __init__(self) -> None:
        self.train, self.mode = True, True

    def train(self) -> None:
        self.mode = True

    def eval(self) -> None:
        self.mode = False


def test_the_methods_of_a_class_that_is_no_layer_are_passed_by_in_the_same_way() -> None:
    layer = Plain()
    for training in (False, True):
        set_mode(layer, training)
        assert (layer.mode, layer.train) == (training, True)


class HoldsTheRate(torch.nn.Module):
    def __init__(self, drop_ratio: float) -> None:
        super().__init__()
        self.drop_ratio = drop_ratio

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class HoldsWhatItKeeps(HoldsTheRate):
    def __init__(self, drop_ratio: float) -> None:
        super().__init__(1.0 - drop_ratio)


@pytest.mark.parametrize("drop_prob", [0.3, 0.5])
def test_only_a_number_that_is_the_rate_is_assigned_to(drop_prob: float) -> None:
    load_object(HoldsTheRate, {}).target.make(drop_prob).set_drop_prob(0.1)
    with pytest.raises(NotApplicable):
        load_object(HoldsWhatItKeeps, {}).target.make(drop_prob).set_drop_prob(0.1)
