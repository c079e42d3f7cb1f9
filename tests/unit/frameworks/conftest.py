"""Every framework on every device that is here, found as the package finds them: a new one is tested by being there."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from droppath_audit.frameworks import adapters, spelling_of
from droppath_audit.frameworks.capabilities import has

if TYPE_CHECKING:
    from droppath_audit.frameworks.spelling import Spelling

FRAMEWORKS = {adapter.name: adapter for adapter in adapters()}


def installed(name: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in FRAMEWORKS[name].packages)


def places() -> list[tuple[str, str]]:
    """Return framework and device of every run of the laws."""
    found = [(name, "cpu") for name in FRAMEWORKS]
    if installed("torch"):
        import torch

        accelerator = torch.accelerator.current_accelerator(check_available=True)
        found += [("torch", accelerator.type)] if accelerator is not None else []
    return found


@cache
def loaded(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # paddle's import misses a compiler cache, aloud
        return FRAMEWORKS[name].framework()


@dataclass
class Place:
    """A framework on one of its devices, with what laws are written in."""

    framework: Any
    device: str
    spelling: Spelling
    names: dict[str, Any]

    def tensor(self, values, dtype="float32"):
        return self.framework.tensor(np.asarray(values, dtype=np.float64), dtype, self.device)

    def values(self, tensor):
        return self.framework.numpy(tensor).tolist()

    def run(self, *lines, **names):
        """Return the names that lines of source text bind, the framework's imports among them."""
        found = {**self.names, **names}
        exec("\n".join(lines), found)  # noqa: S102 - a spelling is there to be run
        return found

    def spelled(self, expression, **names):
        """Return the value of an expression."""
        return self.run(f"result = {expression}", **names)["result"]

    def draw(self, size=64):
        """Return a tensor of normal values, as a script draws it: the framework's own draw."""
        return self.spelled(self.spelling.random(repr((size,)), "float32", repr(self.device)))

    def fresh_mask(self, x):
        """Return a tensor that keeps or drops each sample of x by chance."""
        batch, *rest = self.framework.info(x).shape
        kept = self.framework.numpy(self.draw(batch)).real > 0
        return self.framework.tensor(
            kept.reshape(batch, *[1] * len(rest)).astype(float), self.framework.info(x).dtype, self.device
        )

    def need(self, capability):
        found = has(self.framework, capability)
        if found is None:
            pytest.skip(f"{self.framework.name} {capability.lacking}")
        return found


class Function:
    """A layer that is a function of x."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x, *, training):
        assert training
        return self.function(x)


@pytest.fixture(params=places(), ids="-".join)
def place(request):
    name, device = request.param
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    framework, spelling = loaded(name), spelling_of(name)
    names: dict[str, Any] = {}
    exec("\n".join(spelling.imports), names)  # noqa: S102
    with framework.scope():
        framework.seed(20_160_330)
        yield Place(framework, device, spelling, names)


@pytest.fixture
def layer():
    return Function
