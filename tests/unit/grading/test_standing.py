"""A mutant in the place of layers with conventions of their own: what their callers see of it, and what they do not."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from droppath_audit.core.errors import UsageError
from droppath_audit.grading.frame import Frame
from droppath_audit.grading.standing import stand_in
from droppath_audit.grading.substitute import Substitute
from droppath_audit.mutants import mutants
from droppath_audit.sound import sound_variants
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.grading.standing import Calls

LAYERS = """
import torch
from torch import nn

def drop_path(inputs, survival=1.0, deterministic=True, scale_by_keep=True):
    '''Keep with a probability.'''
    if not 0.0 <= survival <= 1.0:
        raise ValueError(f"no probability: {survival}")
    if deterministic or survival == 1.0:
        return inputs
    kept = torch.rand(inputs.shape[0], *[1] * (inputs.ndim - 1)) < survival
    return inputs * kept / (survival if scale_by_keep and survival else 1.0)

class DropPath(nn.Module):
    def __init__(self, survival=1.0, scale_by_keep=True):
        super(DropPath, self).__init__()
        if not 0.0 <= survival <= 1.0:
            raise ValueError(f"no probability: {survival}")
        self.survival, self.scale_by_keep = survival, scale_by_keep

    def forward(self, inputs):
        return drop_path(inputs, self.survival, not self.training, self.scale_by_keep)

    def extra_repr(self):
        return f"survival={self.survival}"

class Adding(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, shortcut, x):
        return shortcut + drop_path(x, 1.0 - self.drop_prob, not self.training)

class Wrapping(nn.Module):
    def __init__(self, branch, drop_prob):
        super().__init__()
        self.branch, self.drop_prob = branch, drop_prob

    def forward(self, x):
        return x + drop_path(self.branch(x), 1.0 - self.drop_prob, not self.training)
"""
X = torch.ones(256, 2)


@pytest.fixture
def placed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Calls]]:
    """Return what puts a mutant in the place of a target in a fresh ``layers``, and returns that with the calls."""
    (tmp_path / "layers.py").write_text(LAYERS, encoding="utf-8")
    (tmp_path / "others.py").write_text(
        "from layers import *\nfrom layers import drop_path as other\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("layers", "others"):
        # Set and taken away again, so that what is imported now is gone after the test.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    import layers
    import others  # noqa: F401 - which holds a name of the other

    def put(target: str, name: str, *, refuses: bool = False) -> tuple[Any, Calls]:
        frame = Frame(load(f"layers:{target}").target)
        substitute = (
            Substitute(name, load((mutants() | sound_variants())[name]).target, refuses=refuses) if name else None
        )
        assert substitute is None or not frame.unfit(substitute)
        _, calls = stand_in(frame, layers, substitute)
        torch.manual_seed(0)
        return layers, calls

    return put


def kept(y: torch.Tensor) -> float:
    return float((y[:, 0] != 0).double().mean())


def test_a_keep_probability_is_told_as_one_and_follows_a_schedule(placed):
    layers, calls = placed("DropPath", "takes_keep_prob")
    layer = layers.DropPath(survival=0.25)
    assert abs(kept(layer(X)) - 0.25) < 0.15  # 0.15 is more than five standard deviations of 256 decisions
    layer.survival = 0.0
    assert kept(layer(X)) == 0.0
    assert torch.equal(layer.eval()(X), X)
    assert (calls.all, calls.aside) == (3, 0)


def test_the_fault_comes_with_the_targets_names_attributes_and_text(placed):
    layers, _ = placed("DropPath", "KeepsTheMaskOfAPhase")
    layer = layers.DropPath(0.5)
    assert repr(layer) == "DropPath(survival=0.5)"
    assert type(layer) is layers.DropPath
    assert layer.survival == 0.5
    first = layer(X)
    assert torch.equal(layer(X), first)  # which is the fault
    assert not torch.equal(layer.train()(X), first)


def test_a_layer_is_copied_pickled_switched_and_subclassed_with_its_part(placed):
    layers, _ = placed("DropPath", "CopiesInTraining")

    class Mine(layers.DropPath):
        def __init__(self):
            super().__init__(0.5)

    model = nn.Sequential(nn.Linear(2, 2), Mine()).eval()
    assert torch.equal(model[1](X), X)
    assert 0.0 < kept(copy.deepcopy(model[1])(X)) < 1.0  # which is the fault
    again = pickle.loads(pickle.dumps(layers.DropPath(0.5).eval()))  # noqa: S301 - written a moment ago
    assert torch.equal(again(X), X)


def test_train_returns_what_the_mutant_returns(placed):
    layers, _ = placed("DropPath", "TrainReturnsNothing")
    assert layers.DropPath(0.5).eval() is None
    assert layers.DropPath(0.5).training


def test_a_schedule_is_heard_at_once_and_not_at_the_next_call(placed):
    layers, _ = placed("DropPath", "IgnoresChangesInEvaluation")
    layer = layers.DropPath(0.5).eval()
    layer.survival = 0.0
    assert kept(layer.train()(X)) > 0.0


def test_other_arguments_are_answered_by_the_target_and_counted(placed):
    layers, calls = placed("DropPath", "keeps_what_it_should_drop")
    assert set(layers.DropPath(0.75, scale_by_keep=False)(X).unique().tolist()) == {0.0, 1.0}
    assert (calls.all, calls.aside) == (1, 1)
    assert set(layers.DropPath(0.75)(X).unique().tolist()) == {0.0, 4.0}
    assert (calls.all, calls.aside) == (2, 1)


def test_refusals_are_the_targets_unless_they_are_the_fault(placed):
    layers, _ = placed("DropPath", "float64_uniform")
    with pytest.raises(ValueError, match="no probability"):
        layers.DropPath(1.5)


def test_a_fault_of_refusals_refuses_as_it_does_itself(placed):
    layers, _ = placed("DropPath", "refuses_without_a_word", refuses=True)
    layer = layers.DropPath(1.5)
    assert layer.survival == 1.5
    with pytest.raises(AssertionError):
        layer(X)
    with pytest.raises(TypeError):
        layers.DropPath(nonsense=1)


def test_a_default_is_the_mutants_where_the_target_has_one_and_refusals_stay(placed):
    layers, _ = placed("DropPath", "DefaultsToNone", refuses=True)
    with pytest.raises(TypeError, match="must be a number"):
        layers.DropPath()(X)
    assert torch.equal(layers.DropPath(1.0)(X), X)
    with pytest.raises(ValueError, match="no probability"):
        layers.DropPath(1.5)


def test_a_layer_that_was_made_before_is_the_targets(placed):
    layers, _ = placed("Adding", "")
    before = layers.DropPath(0.75)
    _, calls = placed("DropPath", "keeps_what_it_should_drop")
    assert set(before(X).unique().tolist()) <= {0.0, float(torch.tensor(1.0) / 0.75)}
    assert (calls.all, calls.aside) == (1, 1)


def test_a_function_is_replaced_under_every_name_and_with_its_mode(placed):
    layers, calls = placed("drop_path", "keeps_what_it_should_drop")
    import others

    for function in (layers.drop_path, others.drop_path, others.other):
        assert set(function(X, 0.75, False).unique().tolist()) == {0.0, 4.0}
        assert function(X, survival=0.75) is X
        assert function.__doc__ == "Keep with a probability."
    assert calls.all == 6
    assert abs(kept(layers.DropPath(0.75)(X)) - 0.25) < 0.15  # the class calls the function
    with pytest.raises(ValueError, match="no probability"):
        layers.drop_path(X, 1.5, False)


def test_a_mutant_that_is_a_layer_is_kept_for_each_rate_of_a_function(placed):
    layers, _ = placed("drop_path", "alternates_with_its_complement")
    first, second = (layers.drop_path(X, 0.5, False) for _ in range(2))
    assert torch.equal(first != 0, second == 0)


@pytest.mark.parametrize("name", ["identity_at_keep_prob_zero", "adds_to_its_shortcut", "adds_the_shortcut"])
def test_a_target_that_adds_its_shortcut(placed, name):
    layers, calls = placed("Adding", name)
    shortcut = torch.full_like(X, 3.0)
    y = layers.Adding(0.5)(shortcut.clone(), X)
    assert set(y.unique().tolist()) == {3.0, 5.0}
    assert calls.aside == 0
    assert torch.equal(layers.Adding(1.0)(shortcut, X), shortcut + (name == "identity_at_keep_prob_zero"))


@pytest.mark.parametrize("name", ["float64_uniform", "holds_the_branch", "CountsItsCalls"])
def test_a_target_that_runs_its_branch(placed, name):
    layers, calls = placed("Wrapping?form=residual", name)
    branch = nn.Linear(2, 2)
    y = layers.Wrapping(branch, 0.5)(X)
    assert all(
        torch.allclose(row, one) or torch.allclose(row, one + 2 * branch(one)) for row, one in zip(y, X, strict=True)
    )
    assert (calls.all, calls.aside) == (1, 0)


def test_the_target_itself_in_its_own_place_only_counts(placed):
    layers, calls = placed("DropPath", "")
    assert set(layers.DropPath(0.5)(X).unique().tolist()) == {0.0, 2.0}
    assert (calls.all, calls.aside) == (1, 0)


def test_what_does_not_fit_says_why(placed):
    frame = Frame(load("droppath_reference:DropPath").target)
    reasons = {
        name: frame.unfit(Substitute(name, load(spec).target)) for name, spec in (mutants() | sound_variants()).items()
    }
    assert reasons["never_rescales"] == "its scaling is none, the target's inverted"
    assert reasons["batch_at_once"] == "it decides per batch, the target per sample"
    assert reasons["adds_to_its_shortcut"] == "it adds a shortcut, the target adds none"
    assert reasons["holds_the_branch"] == "it runs its branch itself, the target is handed what that returns"
    assert reasons["refuses_too_early"] == "it declares to refuse keep_prob = 0, the target does not"
    assert sum(map(bool, reasons.values())) < len(reasons) / 8


def test_what_mutants_cannot_stand_in_for_is_refused():
    with pytest.raises(UsageError, match="more than x, a shortcut"):
        Frame(load("droppath_audit.mutants.law:per_batch?call=(x,p,[x,p],training)").target)
