"""Recordings whose decisions depend on where, when, in what batch, on what x and by which layer they are made."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.checks.dp111_input import recorded_groups
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants import mutants
from droppath_audit.recording import Recorder
from droppath_reference.drop_path import drop_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from droppath_audit.core.report import Report

    Layer = Callable[..., torch.Tensor]

SPECIAL = torch.tensor([float("nan"), float("inf"), -float("inf")])
SIZES = ((1, 2), (2, 2), (4, 2), (12, 2), (64, 2))


def with_special(shape: tuple[int, ...]) -> torch.Tensor:
    """Return random numbers in the first column, NaN and infinities in the others."""
    x = torch.randn(shape)
    x[:, 1:] = SPECIAL[torch.randint(3, (shape[0], shape[1] - 1))]
    return x


def with_zeros(shape: tuple[int, ...]) -> torch.Tensor:
    """Return random numbers, half of the samples with a zero in their last column."""
    x = torch.randn(shape)
    x[: shape[0] // 2, -1] = 0.0
    return x[torch.randperm(shape[0])]


def over_the_whole_range(shape: tuple[int, ...]) -> torch.Tensor:
    return ((torch.rand(shape, dtype=torch.float64) * 2 - 1) * 65504).half()


def record(
    file: Path,
    layers: Mapping[str, Layer],
    *,
    drop_prob: float = 0.5,
    calls: int = 60,
    shapes: tuple[tuple[int, ...], ...] = ((64, 2),),
    x: Callable[[tuple[int, ...]], torch.Tensor] = torch.randn,
    dtype: str = "float32",
    **description: str,
) -> Path:
    """Record training calls of several layers in turn, each with x of its own; residual forms add a shortcut."""
    torch.manual_seed(0)
    made: dict[str, list[list[Any]]] = {name: [] for name in layers}
    with Recorder(file, **description) as recorder:
        for call in range(calls):
            for name, layer in layers.items():
                value = x(shapes[call * len(shapes) // calls]).to(getattr(torch, dtype))
                shortcut = None
                if description.get("form") == "residual":
                    shortcut = torch.randn(value.shape).to(value.dtype)
                y = layer(value, drop_prob, True)
                y = y if shortcut is None else shortcut + y
                plain = [None if t is None else (t.float() if dtype == "bfloat16" else t).numpy()
                         for t in (value, y, shortcut)]  # fmt: skip
                made[name].append(plain)
        for name, found in made.items():
            for value, y, shortcut in found:
                recorder.add(value, y, drop_prob=drop_prob, training=True, layer=name, dtype=dtype, shortcut=shortcut)
    return file


def mutant(name: str) -> Any:
    module, _, attribute = mutants()[name].partition(":")
    return getattr(import_module(module), attribute)


def called(name: str, drop_prob: float = 0.5) -> Layer:
    """Return a mutant as a function of x, drop_prob and training."""
    found = mutant(name)
    if not isinstance(found, type):
        return found
    instance = found(drop_prob)
    return lambda x, drop_prob, training: instance(x)


def broken(report: Report) -> set[str]:
    return {result.trial.check for result in report.findings}


def outcomes(report: Report, check: str) -> set[Outcome]:
    return {result.outcome for result in report.results if result.trial.check == check}


def snippets_show(report: Report, outcome_of: Callable[[str], str]) -> None:
    for check in broken(report):
        first = next(result for result in report.findings if result.trial.check == check)
        assert outcome_of(first.snippet) == "fails", (check, first.snippet, first.verdict.observed)


DIALECTS = [
    {},
    {"granularity": "batch"},
    {"granularity": "element"},
    {"form": "residual"},
    {"scaling": "none", "form": "residual", "granularity": "element"},
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: "-".join(dialect.values()) or "canonical")
def test_correct_layers_pass(dialect: dict[str, str], dtype: str, tmp_path: Path) -> None:
    layer = partial(drop_path, **{key: value for key, value in dialect.items() if key != "form"})
    per_call = dialect.get("granularity") == "batch"
    file = record(
        tmp_path / "calls.npz",
        {"first": layer, "second": layer, "third": layer},
        calls=1500 if per_call else 300,
        shapes=((4, 2), (16, 2)) if per_call else SIZES,
        x=torch.randn if dialect.get("granularity") == "element" else with_zeros,
        dtype=dtype,
        **dialect,
    )
    report = audit(str(file), strict=True)
    report.raise_for_findings()
    assert (report.exit_status, report.counts["inconclusive"]) == (0, 0)
    judged = {
        check for check in ("DP108", "DP109", "DP110", "DP111", "DP112") if Outcome.PASS in outcomes(report, check)
    }
    assert judged == {"DP108", "DP110", "DP111", "DP112"} | (set() if per_call else {"DP109"})


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: "-".join(dialect.values()) or "canonical")
def test_correct_layers_pass_on_what_is_no_number(dialect: dict[str, str], tmp_path: Path) -> None:
    layer = partial(drop_path, **{key: value for key, value in dialect.items() if key != "form"})
    report = audit(str(record(tmp_path / "calls.npz", {"": layer}, x=with_special, **dialect)), strict=True)
    report.raise_for_findings()
    assert outcomes(report, "DP206") == {Outcome.PASS}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: "-".join(dialect.values()) or "canonical")
def test_correct_layers_pass_on_the_largest_numbers(dialect: dict[str, str], tmp_path: Path) -> None:
    layer = partial(drop_path, **{key: value for key, value in dialect.items() if key != "form"})
    file = record(tmp_path / "calls.npz", {"": layer}, x=over_the_whole_range, dtype="float16", **dialect)
    report = audit(str(file), strict=True)
    report.raise_for_findings()
    assert outcomes(report, "DP205") == {Outcome.PASS}


WIDE = {"shapes": ((2048, 2),), "calls": 300}
MIXED = {"shapes": SIZES, "calls": 1000}
FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "first_is_always_kept": ("DP109", {}),
    "last_is_never_dropped": ("DP109", {}),
    "ignores_its_first_number": ("DP109", {}),
    "every_eighth_dropped_less": ("DP109", WIDE),
    "single_sample_is_never_dropped": ("DP110", MIXED),
    "subset_of_at_least_one": ("DP110", MIXED),
    "small_batches_drop_less": ("DP110", MIXED),
    "unmasked_remainder": ("DP110", MIXED),
    "single_sample_takes_keep_for_drop": ("DP110", {**MIXED, "drop_prob": 0.3}),
    "redraws_an_empty_batch": ("DP110", {"shapes": ((2, 2), (64, 2)), "calls": 1000, "drop_prob": 0.7}),
    "gate_leans_on_the_mean": ("DP111", WIDE),
    "importance_by_rank": ("DP111", WIDE),
    "spares_the_larger_half": ("DP111", WIDE),
    "spares_padded_samples": ("DP111", {"x": with_zeros}),
    "warms_up_by_itself": ("DP112", {}),
    "first_call_is_identity": ("DP112", {"shapes": ((1024, 1),)}),
    "early_only": ("DP112", {"shapes": ((4, 1),), "calls": 3600}),
    "multiplies_by_its_mask": ("DP206", {"x": with_special}),
    "clears_nan_alone": ("DP206", {"x": with_special}),
    "makes_numbers_of_what_is_none": ("DP206", {"x": with_special}),
    "clips_what_it_keeps": ("DP206", {"x": with_special}),
    "subtracts_what_it_drops": ("DP206", {"x": with_special}),
    "interpolates_towards_zero": ("DP206", {"x": with_special}),
    "multiplies_the_dropped_rows": ("DP206", {"x": with_special}),
    "selects_only_below_one": ("DP206", {"x": with_special, "drop_prob": 1.0}),
    "adds_what_it_subtracts": ("DP205", {"x": over_the_whole_range, "dtype": "float16"}),
    "multiplies_by_the_batch_size": ("DP205", {"x": over_the_whole_range, "dtype": "float16"}),
    "scales_in_percent": ("DP205", {"x": over_the_whole_range, "dtype": "float16"}),
    "factor_in_the_dtype_of_x": (
        "DP205",
        {
            "x": lambda shape: 0.25 + 0.2 * torch.rand(shape),
            "dtype": "float16",
            "drop_prob": 1.0 - 2.0**-17,
            "shapes": ((2**17, 1),),
            "calls": 6,
        },
    ),
}
IMPURE = {  # their frequency, their counts, their neighbours or their values are wrong as well
    "every_eighth_dropped_less",
    "single_sample_is_never_dropped",
    "subset_of_at_least_one",
    "small_batches_drop_less",
    "unmasked_remainder",
    "spares_the_larger_half",
    "importance_by_rank",
    "spares_padded_samples",
    "warms_up_by_itself",
    "first_call_is_identity",
    "early_only",
    "adds_what_it_subtracts",
    "multiplies_by_the_batch_size",
    "scales_in_percent",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_layer_fails_the_check_that_claims_it_and_the_snippets_show_it(
    name: str, tmp_path: Path, outcome_of: Callable[[str], str]
) -> None:
    check, made = FAULTS[name]
    assert name in catalogue()[check].mutants
    file = record(tmp_path / "calls.npz", {"": called(name, made.get("drop_prob", 0.5))}, **made)
    report = audit(str(file), strict=True)
    assert check in broken(report)
    if name not in IMPURE:
        assert broken(report) == {check}
    snippets_show(report, outcome_of)


@pytest.mark.parametrize("ending", [".npz", ".jsonl"])
@pytest.mark.parametrize("name", catalogue()["DP108"].mutants)
def test_layers_that_share_what_they_draw_are_found_in_any_format(
    name: str, ending: str, tmp_path: Path, outcome_of: Callable[[str], str]
) -> None:
    torch.manual_seed(1)
    one = mutant(name)(0.5)
    two = copy.deepcopy(one) if "copied" in name else mutant(name)(0.5)
    layers: dict[str, Layer] = {"a": lambda x, p, training: one(x), "b": lambda x, p, training: two(x)}
    report = audit(str(record(tmp_path / f"calls{ending}", layers, shapes=((128, 1),), calls=40)))
    assert broken(report) == {"DP108"}
    (finding,) = report.findings
    assert "layer 'a' and layer 'b'" in finding.verdict.observed
    snippets_show(report, outcome_of)


@pytest.mark.parametrize("ending", [".safetensors", ".jsonl"])
@pytest.mark.parametrize(
    ("name", "check"),
    [("first_is_always_kept", "DP109"), ("warms_up_by_itself", "DP112"), ("multiplies_by_its_mask", "DP206")],
)
def test_snippets_read_the_other_formats(
    name: str, check: str, ending: str, tmp_path: Path, outcome_of: Callable[[str], str]
) -> None:
    x = with_special if check == "DP206" else torch.randn
    file = record(tmp_path / f"calls{ending}", {"a": called(name), "b": called(name)}, x=x)
    report = audit(str(file), strict=True, only=(check,))
    assert broken(report) == {check}
    snippets_show(report, outcome_of)


def test_layers_that_were_not_called_side_by_side_are_not_compared(tmp_path: Path) -> None:
    report = audit(str(record(tmp_path / "calls.npz", {"a": drop_path, "b": drop_path}, calls=4)), only=("DP108",))
    (result,) = report.results
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "too short" in result.trial.reason


def test_every_pair_of_layers_and_every_offset_that_was_looked_at_counts(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", dict.fromkeys("abc", drop_path))
    (result,) = audit(str(file), only=("DP108",)).results
    check = catalogue()["DP108"]
    seen = replace(check.load(result.evidence), table=(40, 10, 10, 40))
    assert seen.multiplicity == 3 * 9
    alone = check.judge(replace(seen, multiplicity=1), result.trial.case, 0.0).p_value
    assert check.judge(seen, result.trial.case, 0.0).p_value == pytest.approx(27 * alone)


def test_groups_of_input_leave_out_what_is_alike_or_no_number() -> None:
    x = np.array([[3.0, -1.0, 2.0, 2.0, 0.0, -5.0, 4.0, 1.5], [1.0] * 8, [np.nan, *[1.0] * 7]])[:, :, None]
    groups = recorded_groups(x)
    assert groups["rank"].tolist() == [[0, 1, -1, -1, 1, 0, 0, 1], [-1] * 8, [-1] * 8]
    assert groups["largest"].tolist() == [[1, 1, 1, 1, 1, 0, 1, 1], [-1] * 8, [-1] * 8]
    assert groups["smallest"].tolist() == [[1, 1, 1, 1, 0, 1, 1, 1], [-1] * 8, [-1] * 8]
    assert groups["sign"].tolist() == [[1, 0, 1, 1, -1, 0, 1, 1], [-1] * 8, [-1] * 8]
    assert groups["all_of_one_sign"].tolist() == [[-1] * 8, [1] * 8, [-1, *[1] * 7]]
    assert groups["zeros"].tolist() == [[1, 1, 1, 1, 0, 1, 1, 1], [1] * 8, [-1, *[1] * 7]]


def test_nothing_is_said_of_x_that_are_all_alike(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", {"": called("first_is_always_kept")}, x=torch.ones)
    (result,) = audit(str(file), only=("DP111",)).results
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "too much alike" in result.verdict.observed


def test_no_nan_among_a_hundred_that_became_zero_is_chance_at_a_small_drop_prob(
    tmp_path: Path, outcome_of: Callable[[str], str]
) -> None:
    def none_dropped(x: torch.Tensor, drop_prob: float, training: bool) -> torch.Tensor:
        return x / (1.0 - drop_prob)

    def nan(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.full(shape, float("nan"))

    made = {"calls": 1, "shapes": ((100, 1),), "x": nan, "granularity": "element"}
    for drop_prob, expected in ((0.1, Outcome.NOT_APPLICABLE), (0.5, Outcome.FAIL)):
        file = record(tmp_path / "calls.npz", {"": none_dropped}, drop_prob=drop_prob, **made)  # type: ignore[arg-type]
        report = audit(str(file), strict=True, only=("DP206",))
        assert outcomes(report, "DP206") == {expected}
        snippets_show(report, outcome_of)


def test_a_drop_prob_of_any_size_is_judged_by_its_frequency(tmp_path: Path) -> None:
    for drop_prob in (5e-324, 1e-7, 1.0 - 1e-7):
        made = {"calls": 2, "shapes": ((2**16, 1),), "drop_prob": drop_prob}
        sound = audit(str(record(tmp_path / "calls.npz", {"": drop_path}, **made)))  # type: ignore[arg-type]
        sound.raise_for_findings()
        assert outcomes(sound, "DP102") == {Outcome.PASS}
        file = record(tmp_path / "calls.npz", {"": lambda x, p, t: drop_path(x, 0.5, t)}, **made)  # type: ignore[arg-type]
        wrong = audit(str(file))
        assert "DP102" in broken(wrong)


def test_every_other_check_says_what_it_would_have_to_drive(tmp_path: Path) -> None:
    report = audit(str(record(tmp_path / "calls.npz", {"": drop_path}, calls=1)))
    reasons = {result.trial.check: result.trial.reason for result in report.results}
    assert reasons["DP113"] == "it must be seeded, over and over; a recording cannot be driven"
    assert "DP102" in reasons["DP303"]
    for check in catalogue().values():
        if check.recorded is None and not check.benchmark:
            assert reasons[check.id] == check.not_recorded
