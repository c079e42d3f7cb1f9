"""What an audit says of a recording: of correct layers, of faulty ones, of short ones."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
import torch

from droppath_audit import audit
from droppath_audit.commands import cli
from droppath_audit.core.errors import UsageError
from droppath_audit.core.verdict import Outcome
from droppath_audit.mutants import mutants
from droppath_audit.recording import Recorder
from droppath_audit.report.json import dumps
from droppath_audit.targets.spec import parse
from droppath_reference.drop_path import drop_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.report import Report


def layer_of(name: str, drop_prob: float) -> Callable[[torch.Tensor, bool], torch.Tensor]:
    module, _, attribute = mutants()[name].partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, type):
        return lambda x, training: found(x, drop_prob, training)
    instance = found(drop_prob)
    return lambda x, training: instance.train(training)(x)


def record(
    file: Path,
    make: Callable[[float], Callable[..., torch.Tensor]],
    *,
    drop_probs: tuple[float, ...] = (0.0, 0.5, 0.9, 1.0),
    calls: int = 60,
    shape: tuple[int, ...] = (64, 3),
    dtype: str = "float32",
    x: Callable[..., torch.Tensor] = torch.randn,
    **description: str,
) -> Path:
    """Record training calls, and two in evaluation, of a layer at each drop_prob."""
    torch.manual_seed(0)
    residual = description.get("form") == "residual"

    def plain(tensor: torch.Tensor | None) -> Any:
        if tensor is None:
            return None
        return (tensor.float() if dtype == "bfloat16" else tensor).detach().numpy()

    with Recorder(file, **description) as recorder:
        for drop_prob in drop_probs:
            layer = make(drop_prob)
            for call in range(calls + 2):
                value = x(shape).to(getattr(torch, dtype)).requires_grad_()
                shortcut = torch.randn(shape).to(value.dtype) if residual else None
                y = layer(value, call < calls)
                y = y if shortcut is None else y + shortcut
                gradient = torch.autograd.grad(y.sum(), value)[0] if y.requires_grad and not residual else None
                recorder.add(plain(value), plain(y), drop_prob=drop_prob, training=call < calls, dtype=dtype,
                             output_dtype=str(y.dtype).removeprefix("torch."), shortcut=plain(shortcut),
                             gradient=plain(gradient))  # fmt: skip
    return file


def reference(**dialect: str) -> Callable[[float], Callable[..., torch.Tensor]]:
    return lambda drop_prob: lambda x, training: drop_path(x, drop_prob, training, **dialect)


def broken(report: Report) -> set[str]:
    return {result.trial.check for result in report.findings}


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".jsonl"])
def test_a_correct_layer_passes_in_every_format(ending: str, tmp_path: Path) -> None:
    file = record(tmp_path / f"calls{ending}", reference(), calls=20)
    report = audit(str(file))
    report.raise_for_findings()
    assert report.exit_status == 0
    assert report.counts["inconclusive"] == 0
    assert not [r for r in report.results if r.outcome is Outcome.ERROR]


DIALECTS = [
    {"granularity": "batch"},
    {"granularity": "element"},
    {"scaling": "none"},
    {"scaling": "eval"},
    {"form": "residual"},
    {"granularity": "batch", "scaling": "eval", "form": "residual"},
]


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: "-".join(dialect.values()))
def test_a_correct_layer_passes_in_every_dialect(dialect: dict[str, str], dtype: str, tmp_path: Path) -> None:
    made = {key: value for key, value in dialect.items() if key != "form"}
    file = record(tmp_path / "calls.npz", reference(**made), calls=40, dtype=dtype, **dialect)
    report = audit(str(file))
    report.raise_for_findings()
    assert (report.exit_status, report.counts["inconclusive"]) == (0, 0)
    assert vars(report.facts.dialect).items() >= dialect.items()


FAULTS = {
    "floor_mask": {"DP301", "DP302"},
    "per_batch": {"DP104", "DP105", "DP106"},
    "per_channel": {"DP104"},
    "per_element": {"DP104"},
    "fixed_count": {"DP105"},
    "pairs_of_samples": {"DP106"},
    "antithetic_halves": {"DP106"},
    "frozen_after_first_call": {"DP107"},
    "alternates_with_its_complement": {"DP107"},
    "never_scaled": {"DP201", "DP203", "DP204"},
    "off_by_half_a_percent": {"DP201", "DP203"},
    "sometimes_doubled": {"DP201"},
    "random_scale": {"DP201", "DP204"},
    "leaks_a_thousandth": {"DP202"},
    "never_floored": {"DP202"},
    "drops_large_samples": {"DP203"},
    "keeps_what_it_should_drop": {"DP101", "DP102"},
    "active_in_evaluation": {"DP001"},
    "scaled_in_evaluation": {"DP001"},
    "identity_at_keep_prob_zero": {"DP102", "DP301"},
    "clamps_keep_prob": {"DP102", "DP301"},
    "nan_backward_at_keep_prob_zero": {"DP302"},
    "gradient_with_another_mask": {"DP401"},
    "gradient_without_factor": {"DP401"},
}
ALONE = {
    "per_channel",
    "per_element",
    "fixed_count",
    "pairs_of_samples",
    "off_by_half_a_percent",
    "active_in_evaluation",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_layer_fails_the_checks_that_claim_it_and_every_snippet_shows_it(
    name: str, tmp_path: Path, outcome_of: Callable[[str], str]
) -> None:
    shape = (2048, 3) if name == "sometimes_doubled" else (64, 3)  # one sample in four thousand
    file = record(tmp_path / "calls.npz", lambda drop_prob: layer_of(name, drop_prob), shape=shape)
    report = audit(str(file))
    assert broken(report) >= FAULTS[name]
    if name in ALONE:
        assert broken(report) <= FAULTS[name] | {"DP401"}  # the gradient has the factor too
    for check in broken(report):
        first = next(result for result in report.findings if result.trial.check == check)
        assert outcome_of(first.snippet) == "fails", (check, first.snippet, first.verdict.observed)
        assert first.reproduce.startswith(f"droppath-audit {file} --only ")


@pytest.mark.parametrize("ending", [".safetensors", ".jsonl"])
def test_snippets_read_the_other_formats(ending: str, tmp_path: Path) -> None:
    file = record(
        tmp_path / f"calls{ending}",
        lambda p: layer_of("frozen_after_first_call", p),
        drop_probs=(0.5,),
        dtype="bfloat16",
    )
    finding = next(result for result in audit(str(file), only=("DP107",)).findings)
    done = subprocess.run([sys.executable, "-c", finding.snippet], capture_output=True, text=True, check=False)
    assert (done.returncode, "AssertionError" in done.stderr) == (1, True), done.stderr


def test_a_rule_that_never_drops_in_bfloat16_is_found_in_a_long_recording(tmp_path: Path) -> None:
    make = {"drop_probs": (0.001,), "calls": 10, "shape": (16_384, 1), "dtype": "bfloat16"}
    file = record(tmp_path / "calls.npz", lambda p: layer_of("floor_mask", p), **make)  # type: ignore[arg-type]
    assert broken(audit(str(file))) >= {"DP101", "DP102", "DP202"}
    sound = record(tmp_path / "sound.npz", reference(), **make)  # type: ignore[arg-type]
    audit(str(sound)).raise_for_findings()


def test_a_widened_output_is_named_by_its_dtype(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", lambda p: layer_of("widened_to_float32", p), dtype="bfloat16", calls=20)
    assert broken(audit(str(file))) >= {"DP005"}


def test_one_wrong_sample_in_thousands_at_drop_prob_zero_is_found(tmp_path: Path) -> None:
    file = record(
        tmp_path / "calls.npz",
        lambda p: layer_of("floor_without_shortcut", p),
        drop_probs=(0.0,),
        shape=(4096, 1),
        calls=4,
        dtype="bfloat16",
    )
    assert "DP002" in broken(audit(str(file)))


def test_a_short_recording_passes_and_says_how_little_it_resolves(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", reference(), drop_probs=(0.5,), calls=25, shape=(8, 1))
    report = audit(str(file))
    assert (report.exit_status, report.counts["inconclusive"]) == (0, 0)
    (certificate,) = [result for result in report.results if result.trial.check == "DP102"]
    assert certificate.outcome is Outcome.PASS
    assert certificate.trial.design is not None
    assert certificate.trial.design.decisions == 200
    assert 0.2 < certificate.trial.design.resolves < 0.5
    assert f"within {certificate.trial.design.resolves:.2g} of 0.5" in certificate.verdict.observed


def test_one_call_is_too_short_for_most_and_says_so(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", reference(), drop_probs=(0.5,), calls=1, shape=(4, 1))
    report = audit(str(file))
    assert report.exit_status == 0
    reasons = {r.trial.check: r.trial.reason for r in report.results if r.trial.reason}
    assert reasons["DP102"] == "too short: 4 recorded decisions resolve no keep probability at all"
    assert reasons["DP003"] == "its mode must be switched; a recording cannot be driven"
    assert "two calls" in reasons["DP107"]
    assert all(result.outcome is not Outcome.INCONCLUSIVE for result in report.results)


def test_samples_of_zeros_are_no_decisions(tmp_path: Path) -> None:
    def half(*shape: Any) -> torch.Tensor:
        return torch.randn(*shape) * (torch.rand(shape[0][0], 1) < 0.5)

    file = record(tmp_path / "calls.npz", reference(), drop_probs=(0.5,), x=half)
    report = audit(str(file))
    report.raise_for_findings()
    (cell,) = [r for r in report.results if r.trial.check == "DP102"]
    assert 1500 < cell.evidence["decisions"] < 2300  # half of 3840, give or take ten standard deviations
    assert cell.evidence["decisions"] == cell.trial.case.decisions


def test_outputs_that_are_nan_are_no_decisions_but_a_finding(tmp_path: Path) -> None:
    def nan(drop_prob: float) -> Callable[..., torch.Tensor]:
        return lambda x, training: x / 0 * 0 if training else x

    report = audit(str(record(tmp_path / "calls.npz", nan, drop_probs=(0.5, 1.0))))
    assert {"DP201", "DP301"} <= broken(report)
    assert "see DP201" in next(
        r.verdict.observed for r in report.results if r.trial.id == "DP102[recorded-float32-p0.5]"
    )


def test_calls_of_different_layers_are_no_successive_calls(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random((2048, 1)) < 0.5
    file = tmp_path / "calls.npz"
    with Recorder(file) as recorder:
        for layer in ("first", "second"):
            recorder.add(np.ones((2048, 1)), mask * 2.0, drop_prob=0.5, training=True, layer=layer)
    (result,) = audit(str(file), only=("DP107",)).results
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_the_report_of_a_recording_fits_the_schema(tmp_path: Path) -> None:
    import json

    schema = json.loads((Path(import_module("droppath_audit.report").__path__[0]) / "schema.json").read_text())
    report = audit(str(record(tmp_path / "calls.npz", lambda p: layer_of("never_scaled", p), calls=5)))
    jsonschema.validate(json.loads(dumps([report])), schema)


@pytest.mark.parametrize(
    "item", ["prob=p:drop", "training=always", "call=(x,p)", "init.a=1", "arg.a=1", "output=0", "input=B,4"]
)
def test_a_spec_that_says_how_to_call_a_recording_is_refused(item: str) -> None:
    with pytest.raises(UsageError, match="a recording is not called"):
        parse(f"calls.npz?{item}")
    assert parse("a%20b/calls.jsonl?granularity=batch&scaling=eval").module == "a b/calls.jsonl"


def test_a_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not run on cuda"):
        audit(str(record(tmp_path / "calls.npz", reference(), calls=1)), devices=("cuda",))


def test_the_command_reads_in_a_worker_that_needs_no_framework(tmp_path: Path) -> None:
    file = record(tmp_path / "calls.npz", reference(), calls=5)
    code = (
        "import sys; from droppath_audit.run.driving import collect_one\n"
        "from droppath_audit.targets.loader import load\n"
        "from droppath_audit.run.plan import Settings, make\n"
        f"loaded = load({str(file)!r})\n"
        "for trial in make(loaded.facts, Settings()):\n    trial.reason or collect_one(loaded.target, trial)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"], check=True)
    assert cli.main([str(file), "--only", "DP301"], standalone_mode=False) == 0


def test_a_file_that_cannot_be_read_ends_the_command_with_2(tmp_path: Path) -> None:
    file = tmp_path / "calls.npz"
    file.write_bytes(b"PK")
    code = f"import sys; sys.path[:] = {sys.path!r}; from droppath_audit.commands import main; main()"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    reason = "it is too short for an .npz file: empty, or cut off"
    assert done.stderr == f"droppath-audit: {file} cannot be read as a recording: {reason}.\n"
