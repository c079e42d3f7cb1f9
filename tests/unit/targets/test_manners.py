"""What others do with a layer beside calling it."""

from __future__ import annotations

import torch

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
