"""What a model says of the images that it takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from torch import nn

from droppath_audit.frameworks import adapter_for
from droppath_audit.frameworks.torch.networks import TorchNetworks
from droppath_audit.models.building import guessed


class Patches(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, 4, 8, 8)
        self.image_size = size

    def forward(self, x):
        if tuple(x.shape[2:]) != self.image_size:
            raise ValueError("another size")
        return self.projection(x)


class Configured(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(image_size=[16, 40])
        self.patches = nn.Conv2d(1, 4, 8, 8)

    def forward(self, x):
        return self.patches(x).reshape(len(x), 4 * 2 * 5)


def test_a_part_says_its_size() -> None:
    network = TorchNetworks().network(nn.Sequential(Patches((16, 48)), nn.Flatten()), "cpu")
    assert ("float32", (3, 16, 48)) in network.shape_hint()


def test_a_configuration_says_the_size_of_an_image_that_is_no_square() -> None:
    network = TorchNetworks().network(Configured(), "cpu")
    assert ("float32", (1, 16, 40)) in network.shape_hint()
    network.watch([])
    make, said, error = guessed(network, adapter_for(Configured).framework(), "cpu")
    assert (said, error) == ("B,1,16,40", "")
    assert make is not None
    assert make(2, np.random.default_rng(0))[0].shape == (2, 1, 16, 40)
