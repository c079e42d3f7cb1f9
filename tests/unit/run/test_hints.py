"""What an audit suggests to somebody whose layer means another dialect than it was taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from droppath_audit.core.report import Report

LAYERS = """
import numpy as np
import torch

def drop(x, p, training, shape, divide=True):
    if not training or p == 0.0:
        return x
    kept = torch.where(torch.rand(shape, dtype=torch.float64, device=x.device) < 1.0 - p, x, torch.zeros_like(x))
    return kept / (1.0 - p) if divide and p < 1.0 else kept

def but(x, *axes):
    return [1 if axis in axes else size for axis, size in enumerate(x.shape)]

def sequence_first(x, drop_prob, training):
    return drop(x, drop_prob, training, but(x, 0, *range(2, x.ndim)))

def sequence_first_of_rank_three(x, drop_prob, training):
    return drop(x, drop_prob, training, (1, x.shape[1], 1))

def channels(x, drop_prob, training):
    return drop(x, drop_prob, training, but(x, *range(2, x.ndim)))

def elements(x, drop_prob, training):
    return drop(x, drop_prob, training, x.shape)

def batches(x, drop_prob, training):
    return drop(x, drop_prob, training, but(x, *range(x.ndim)))

def shared(x, drop_prob, training):
    return drop(x, drop_prob, training, but(x, 2))

def of_the_paper(x, drop_prob, training):
    return drop(x, drop_prob, True, but(x, *range(1, x.ndim)), False) if training else x * (1.0 - drop_prob)

def unscaled(x, drop_prob, training):
    return drop(x, drop_prob, training, but(x, *range(1, x.ndim)), False)

def drops_the_shortcut(x, shortcut, drop_prob, training):
    return x + drop(shortcut, drop_prob, training, but(shortcut, *range(1, shortcut.ndim)))

def zeros_and_ones(x, drop_prob, training):
    return drop(torch.ones_like(x[:, :1]) if x.ndim > 1 else torch.ones_like(x), drop_prob, training,
                but(x, *range(1, x.ndim)))

def keeps_what_it_should_drop(x, drop_prob, training):
    return drop(x, 1.0 - drop_prob if training else 0.0, training, but(x, *range(1, x.ndim)))

def never_drops(x, drop_prob, training):
    return x

def rank_three(x, drop_prob, training):
    return drop(x, drop_prob, training, (x.shape[0], 1, 1))

def draws_from_numpy_for_a_batch(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    return x * 0.0 if np.random.rand() < drop_prob else x / (1.0 - drop_prob)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layers.py"
    path.write_text(LAYERS, encoding="utf-8")
    return path


def hints(report: Report) -> set[str]:
    return {result.verdict.hint for result in report.findings} - {""}


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("sequence_first", "axis=1"),
        ("channels", "granularity=channel"),
        ("elements", "granularity=element"),
        ("batches", "granularity=batch"),
        ("shared", "shared=2"),
        ("elements?granularity=batch", "granularity=element"),
        ("rank_three", "input=B,3,2"),
    ],
)
def test_what_covers_a_decision_is_read_from_the_axes(
    file: Path, isolated: Callable[..., Report], name: str, item: str
) -> None:
    assert {hint.split()[-4] for hint in hints(isolated(f"{file}:{name}", "DP104", "DP005"))} == {item}


def test_a_mask_alone_suggests_that_it_is_one(file: Path, isolated: Callable[..., Report]) -> None:
    (hint,) = hints(isolated(f"{file}:zeros_and_ones", "DP001", "DP201"))
    assert hint.endswith("if that is the mask, add output=mask to the SPEC")
    assert not isolated(f"{file}:zeros_and_ones?output=mask", "DP001", "DP201").findings


def test_axes_are_read_at_the_only_rank_that_is_taken(file: Path, isolated: Callable[..., Report]) -> None:
    (hint,) = hints(isolated(f"{file}:sequence_first_of_rank_three", "DP104"))
    assert hint == "if the batch is axis 1 of x, add axis=1 to the SPEC"


@pytest.mark.parametrize(("name", "item"), [("of_the_paper", "scaling=eval"), ("unscaled", "scaling=none")])
def test_all_findings_suggest_one_scaling(file: Path, isolated: Callable[..., Report], name: str, item: str) -> None:
    found = hints(isolated(f"{file}:{name}", "DP001", "DP201"))
    assert {hint.split()[-4] for hint in found} == {item}


def test_a_dropped_shortcut_suggests_the_other_roles(file: Path, isolated: Callable[..., Report]) -> None:
    spec = f"{file}:drops_the_shortcut?form=residual&call=(x,r,p,training)"
    (hint,) = hints(isolated(spec, "DP101", "DP202"))
    assert hint.endswith("if their roles are swapped, add call=(r,x,p,training) to the SPEC")
    assert hints(isolated(spec.replace("x,r", "r,x"), "DP101", "DP201")) == set()


def test_a_foreign_generator_is_seen_where_there_is_one_decision_a_batch(
    file: Path, isolated: Callable[..., Report]
) -> None:
    """One of 64 decisions differs but for once in 2^64 runs."""
    report = isolated(f"{file}:draws_from_numpy_for_a_batch", "DP501")
    assert [result.trial.check for result in report.findings] == ["DP501"]


def test_a_swapped_probability_is_named_with_what_it_would_be_then(file: Path, isolated: Callable[..., Report]) -> None:
    said = hints(isolated(f"{file}:keeps_what_it_should_drop", "DP102[cpu-float32-p0.1]", "DP103[cpu-float32-p0.1]"))
    assert said == {
        "drop and keep are swapped: if drop_prob is the keep probability, add prob=drop_prob:keep to the SPEC"
    }
    read = f"{file}:keeps_what_it_should_drop?prob=drop_prob:keep"
    assert hints(isolated(read, "DP102[cpu-float32-p0.1]", "DP103[cpu-float32-p0.1]")) == set()


def test_what_never_drops_has_no_swapped_probability(file: Path, isolated: Callable[..., Report]) -> None:
    """At 0.998 it keeps as often as what keeps where it should drop, at 0.3 it does not."""
    near, far = "DP102[cpu-float32-p0.998]", "DP102[cpu-float32-p0.3]"
    (alone,) = hints(isolated(f"{file}:never_drops", near))
    assert alone.startswith("drop and keep are swapped")
    report = isolated(f"{file}:never_drops", near, far)
    assert len(report.findings) == 2
    assert hints(report) == set()
