"""What is left behind on one path only, and the plainest configuration that takes it."""

from __future__ import annotations

import pytest
import torch

from droppath_audit import audit
from droppath_reference.drop_path import DropPath, drop_path


def found(target, effort="standard"):
    report = audit(target, only=("DP505[cpu-float32]",), effort=effort)
    return [
        (result.outcome.value, result.is_finding(strict=False), result.verdict.observed) for result in report.results
    ]


class OnOnePath(DropPath):
    def path(self, x):
        raise NotImplementedError

    def leave(self, x):
        torch.set_default_dtype(torch.float64)

    def forward(self, x):
        y = super().forward(x)
        if self.training and self.path(x):
            self.leave(x)
        return y


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("maps", lambda x: x.ndim == 4 and x.shape[1] > 1),
        ("strided", lambda x: not x.is_contiguous()),
        ("odd", lambda x: x.shape[0] % 2 and x.shape[0] > 100),
        ("complex", lambda x: x.is_complex()),
        ("scalars", lambda x: x.ndim == 1),
    ],
)
def test_a_setting_that_is_changed_on_one_path_is_found(name, path):
    kind = type("Leaves", (OnOnePath,), {"path": lambda self, x: path(x)})
    ((outcome, must, observed),) = found(kind)
    assert (outcome, must) == ("fail", True)
    assert "get_default_dtype" in observed or "float64" in observed
    assert "with x of shape" in observed


def test_what_is_left_is_told_at_the_plainest_configuration():
    kind = type("Leaves", (OnOnePath,), {"path": lambda self, x: x.ndim == 5})
    ((_, _, observed),) = found(kind)
    assert " under " not in observed
    assert "float16" not in observed.partition("with x of shape")[2]


def test_a_tracked_output_on_one_path_is_a_broken_should():
    def target(x, drop_prob, training):
        y = drop_path(x, drop_prob, training)
        if training and x.ndim == 3 and not x.requires_grad and drop_prob and not x.is_inference() and x.shape[1] > 1:
            return y.detach().requires_grad_()
        return y

    ((outcome, must, observed),) = found(target)
    assert (outcome, must) == ("fail", False)
    assert "the output is tracked although x is not" in observed
    assert " under " not in observed
    assert "float16" not in observed


def test_quick_effort_looks_at_some_configurations_too():
    ((outcome, _, observed),) = found(DropPath, "quick")
    assert outcome == "pass"
    assert int(observed.split(" looks")[0].split()[-1]) > 40
