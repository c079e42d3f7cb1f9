"""What the adapters of all frameworks share: devices that are refused, and signatures that are read."""

from __future__ import annotations

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks import adapter_for


class Plain:
    def __call__(self, x, rate):
        return x


class Switched(Plain):
    def train(self):
        pass

    def eval(self):
        pass


@pytest.fixture
def torch_adapter():
    pytest.importorskip("torch")
    return adapter_for(None, "torch")


def test_every_device_is_described_by_its_dtypes(place):
    adapter = adapter_for(None, place.framework.name)
    (dtypes,) = adapter.devices((place.device,)).values()
    assert "float32" in dtypes
    assert adapter.framework().name == adapter.name
    assert adapter.version()[0].isdigit()


def test_a_device_that_does_not_exist_is_refused_with_the_reason(place):
    adapter = adapter_for(None, place.framework.name)
    with pytest.raises(UsageError, match=f"^The device 'nonsense' is not available to {adapter.name} "):
        adapter.devices(("nonsense",))


def test_a_device_on_which_nothing_can_be_computed_is_refused_in_one_sentence(torch_adapter):
    with pytest.raises(UsageError, match=r"^Nothing can be computed on the device 'meta' of torch: [^.]*; no data!$"):
        torch_adapter.devices(("cpu", "meta"))


def test_signatures_are_read_without_self(place):
    adapter = adapter_for(None, place.framework.name)
    assert list(adapter.forward_parameters(Plain)) == ["x", "rate"]
    assert list(adapter.function_parameters(lambda x, p: x)) == ["x", "p"]
    assert adapter.has_modes(Switched)
    assert not adapter.has_modes(Plain)
    assert not adapter.is_layer(Plain())


def test_layers_are_read_through_their_forward(place):
    adapter = adapter_for(None, place.framework.name)
    for base in adapter.layer_types():
        layer = type("Layer", (base,), {"forward": lambda self, x, rate: x})
        assert list(adapter.forward_parameters(layer)) == ["x", "rate"]
        assert adapter.is_layer(layer())


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_of_a_scripted_module_the_method_that_was_scripted_is_called(torch_adapter):
    import torch

    class Scripted(torch.jit.ScriptModule):
        @torch.jit.script_method
        def forward(self, x, rate: float):
            return x * rate

    assert list(torch_adapter.forward_parameters(Scripted)) == ["x", "rate"]
