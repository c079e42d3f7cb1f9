"""What is seen of a model in one forward pass: sites, calls, fates, and where outputs are added."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from droppath_audit import audit_model
from droppath_audit.core.case import Case
from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks import spelling_of
from droppath_audit.frameworks.networks import DROPPED, KEPT
from droppath_audit.frameworks.torch.networks import TorchNetwork
from droppath_audit.models.sites import found, told
from droppath_audit.models.target import load
from droppath_audit.scripts import ModelScript
from droppath_audit.sound.models._network import Block, DropPath, Network, linear


def watched(model, layer=""):
    network = TorchNetwork(model)
    sites, held = found(network, layer)
    network.watch(sites)
    return network, sites, held


def run(network, batch=4, **asked):
    return network.forward((torch.randn(batch, 3, 6),), training=True, **asked)


def test_layers_and_identities_are_found_by_class_and_name():
    network, sites, held = watched(Network(linear(0.3)))
    assert told(held, sites) == "2 Identity, 8 DropPath"
    assert [one.drop_prob for one in held[:4]] == [0.0, 0.0, 0.075, 0.075]
    assert len(run(network).passages) == 10


def test_fates_are_those_of_the_samples():
    model = Network([0.5] * 3)
    network, _, _ = watched(model)
    seen = {}
    for name, module in model.named_modules():
        if isinstance(module, DropPath):
            module.register_forward_hook(lambda _, given, y, name=name: seen.update({name: (y != 0).flatten(1).any(1)}))
    for one in run(network, batch=64).passages:
        assert np.array_equal(one.fates == KEPT, seen[one.site].numpy())
        assert ((one.fates == KEPT) | (one.fates == DROPPED)).all()
        assert one.factor == pytest.approx(2.0)
        assert one.place.function.endswith("forward")


def test_rates_are_lent_for_one_pass():
    network, sites, _ = watched(Network([0.5] * 2))
    everything = run(network, batch=32, rates={site.name: 1.0 for site in sites})
    assert all((one.fates == DROPPED).all() for one in everything.passages)
    assert all(network.rate(site.name) == 0.5 for site in sites)


def test_a_layer_that_overwrites_its_input_is_read_by_what_that_was():
    class InPlace(DropPath):
        def forward(self, x):
            return x.mul_((torch.arange(len(x)) % 2).reshape(-1, 1, 1))

    class Own(Block):
        def __init__(self, rate):
            super().__init__(rate)
            self.drop_path1 = InPlace(rate)

    network, _, _ = watched(Network([0.5], Own))
    first = run(network).passages[0]
    assert first.fates.tolist() == [DROPPED, KEPT, DROPPED, KEPT]
    assert run(network, joinings=True).joinings[0].merged == "shortcut"


@pytest.mark.parametrize("training", [True, False])
def test_a_pass_leaves_generators_and_the_model_alone(training):
    model = Network(linear(0.3))
    network, _, _ = watched(model)
    x = torch.randn(4, 3, 6)
    torch.manual_seed(1)
    one = network.forward((x,), training=training, outputs=True)
    torch.manual_seed(1)
    again = model.train(training)(x)
    torch.manual_seed(1)
    assert one.outputs == network.forward((x,), training=training, outputs=True).outputs
    assert torch.isfinite(again).all()


def test_modules_in_plain_lists_are_met():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(6, 6)
            self.drops = [DropPath(0.1), DropPath(0.2)]

        def forward(self, x):
            for drop in self.drops:
                x = x + drop(self.first(x))
            return x

    _, _, held = watched(Listed())
    assert [(one.name, one.drop_prob) for one in held] == [("drops[0]", 0.1), ("drops[1]", 0.2)]


def test_further_layers_are_named_by_a_pattern():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = 0.5

        def forward(self, x):
            return x * (torch.rand(len(x), 1, 1) < 0.5) * 2 if self.training else x

    class Own(Block):
        def __init__(self, rate):
            super().__init__(rate)
            self.drop_path1 = nn.Identity()
            self.gate = Skip()

        def forward(self, x):
            return x + self.gate(self.mixer(x))

    assert not any(one.kind == "Skip" for one in watched(Network([0.5], Own))[2])
    network, _, held = watched(Network([0.5], Own), "Skip|gate")
    assert ("blocks.0.gate", 0.5) in [(one.name, one.drop_prob) for one in held]
    assert [one.site for one in run(network).passages] == ["blocks.0.gate"]


def test_a_model_in_hand_is_audited_as_a_copy():
    model = Network(linear(0.3))
    report = audit_model(model, (3, 6), effort="quick", schedule="linear", largest=0.3, only=("DP901", "DP903"))
    assert report.exit_status == 0
    assert not any(module._forward_hooks for module in model.modules())
    wrong = audit_model(model, lambda batch: torch.randn(batch, 3, 6), effort="quick", largest=0.2, only=("DP901",))
    assert [result.trial.check for result in wrong.findings] == ["DP901"]


def test_a_model_whose_inputs_nobody_knows_is_looked_at_and_does_not_pass():
    class Needs(Network):
        def forward(self, x, mask):
            return super().forward(x * mask)

    report = audit_model(Needs(linear(0.3)), effort="quick")
    outcomes = {result.trial.check: str(result.outcome) for result in report.results}
    assert outcomes["DP901"] == outcomes["DP907"] == "pass"
    assert {outcomes[check] for check in ("DP902", "DP903", "DP904", "DP905", "DP906")} == {"inconclusive"}
    assert report.exit_status == 3
    assert "give --input" in report.open[0].verdict.observed


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.ReLU()), None, "Nothing in Sequential"),
        (Network(linear(0.3)), (3, 5), "raised on the input"),
        (len, None, "no module of torch"),
    ],
)
def test_what_cannot_be_audited_is_refused_with_what_would_help(model, inputs, said):
    with pytest.raises(UsageError, match=said):
        audit_model(model, inputs)


class _OfMaps(DropPath):
    def forward(self, x):
        return x * (torch.rand(len(x), 1, 1, 1) < 1 - self.drop_prob) if self.training else x


def test_a_layer_that_returns_another_shape_is_named_and_soon():
    class Own(Block):
        def __init__(self, rate):
            super().__init__(rate)
            self.drop_path1 = _OfMaps(rate)

        def forward(self, x):
            return super().forward(x).reshape(-1, *x.shape).mean(0)

    report = audit_model(Network([0.2, 0.3], Own), (3, 6), effort="quick", only=("DP902",))
    assert "another shape is returned" in report.findings[0].verdict.observed
    assert report.seconds < 60


def test_one_decision_a_pass_is_told_and_weighs_as_a_should():
    class Together(DropPath):
        def forward(self, x):
            if not self.training:
                return x
            return x / (1 - self.drop_prob) if torch.rand(()) >= self.drop_prob else 0 * x

    class Own(Block):
        def __init__(self, rate):
            super().__init__(rate)
            self.drop_path1, self.drop_path2 = Together(rate), Together(rate)

    report = audit_model(Network([0.5] * 2, Own), (3, 6), effort="quick", only=("DP902",))
    assert report.exit_status == 0
    assert "one decision for all samples" in report.warnings[0].verdict.observed


def test_a_rate_that_nobody_knows_is_no_pass():
    class Fixed(nn.Module):
        def forward(self, x):
            return x * (torch.rand(len(x), 1, 1) < 0.9) if self.training else x

    class Own(Block):
        def __init__(self, rate):
            super().__init__(rate)
            self.drop_path1 = self.drop_path2 = Fixed()

    report = audit_model(Network([0.1] * 2, Own), (3, 6), layer="Fixed", effort="quick", only=("DP901", "DP902"))
    assert [str(result.outcome) for result in report.results] == ["inconclusive"] * 2
    assert report.exit_status == 3


def test_a_truth_value_is_no_probability():
    audited = audit_model(_Swapped(), (3, 6), effort="quick", only=("DP901",))
    assert "drop_prob is given True" in audited.findings[0].verdict.observed


def drop_path(x, drop_prob, training=False):
    return x * (torch.rand(len(x), 1, 1) >= drop_prob) if training and drop_prob else x


class _Swapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x):
        return x + drop_path(self.layer(x), self.training, 0.1)


def test_where_nothing_drops_nothing_is_said_of_decisions_by_pass():
    report = audit_model(Network([0.0] * 3), (3, 6), effort="quick", only=("DP902",))
    assert [str(result.outcome) for result in report.results] == ["pass"]


@pytest.mark.parametrize(
    ("given", "passed"),
    [("x", ""), ("(x,)", "*"), ("[x]", "*"), ("{'x': x}", "**")],
    ids=["one", "tuple", "list", "named"],
)
def test_a_script_passes_inputs_as_they_are_made(given, passed, tmp_path):
    file = tmp_path / "inputs.py"
    file.write_text(f"import torch\ndef make(batch):\n    x = torch.randn(batch, 3, 6)\n    return {given}\n")
    _, facts = load(f"droppath_audit.sound.models.rules:rises_linearly?input={file}:make")
    assert facts.invocation.passed == passed
    script = ModelScript(Case("cpu"), facts.invocation, spelling_of("torch"))
    script.inputs(2)
    script.run()
    exec(script.text(), {})  # noqa: S102 - we wrote it
