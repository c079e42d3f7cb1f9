"""Variants: what is planned, what runs, what is refused, and what a report says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit import audit
from droppath_audit.checks import catalogue
from droppath_audit.core.collected import DIED, HUNG, Collected
from droppath_audit.core.errors import UsageError
from droppath_audit.core.verdict import Outcome
from droppath_audit.run.blame import SAME_DEATHS, SAME_HANGS, Blame
from droppath_audit.run.plan import Settings, make
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = "droppath_reference:DropPath"
LAYERS = """\
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self, drop_prob: float = 0.0):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if self.drop_prob == 0.0 or not self.training:
            return x
        q = 1.0 - self.drop_prob
        mask = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) < q
        return x * mask.to(x.dtype) * (1.0 / q if q else 0.0)

class Kept(Plain):
    @torch.compiler.disable
    def forward(self, x):
        return super().forward(x)

class Breaks(Plain):
    def forward(self, x):
        if self.training and x.sum().item() != x.sum().item():
            return x
        return x if torch.compiler.is_compiling() and self.training else super().forward(x)

def seven(x, drop_prob, training, factor={"a": 7}):
    return Plain(drop_prob).train(training)(x)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "layers.py"
    path.write_text(LAYERS)
    return str(path)


@pytest.fixture(scope="module")
def facts() -> Any:
    return load(REFERENCE).facts


def asked(spec: str, only: str, *variants: str) -> dict[str, Any]:
    report = audit(spec, variants=variants, only=(only,), effort="quick")
    return {one.trial.id: one for one in report.results if not one.verdict.observed.startswith("not run")}


def test_what_is_planned_as_it_is_written_is_what_it_was_and_comes_first(facts: Any) -> None:
    alone = [trial.id for trial in make(facts, Settings())]
    both = [trial.id for trial in make(facts, Settings(variants=("eager", "compile", "export")))]
    assert both[: len(alone)] == alone
    assert len(both) == len(set(both))
    assert {name.rstrip("]").split("-")[-1] for name in both[len(alone) :]} == {"compile", "dynamic", "aot", "export"}
    assert not any(name.startswith(("DP703", "DP704")) for name in alone)


def test_every_check_is_asked_in_a_variant_or_said_not_to_be(facts: Any) -> None:
    trials = make(facts, Settings(variants=("vmap",)))
    left = {trial.check: trial.reason for trial in trials if trial.reason.startswith("not run")}
    ran = {trial.check for trial in trials if not trial.reason}
    elsewhere = {check.id for check in catalogue().values() if check.away or check.benchmark}
    alone = {"DP703", "DP704"} | elsewhere  # which are asked in other variants, on other devices or for costs alone
    assert {*left, *ran} == {*catalogue()} - alone
    assert left["DP102"] == "not run, in 28 of its 32 cases, where the target is not run as it is written"
    assert left["DP601"] == "not run, where the target is not run as it is written"


def test_the_part_of_a_check_is_a_part_of_its_cases() -> None:
    from droppath_audit.core.effort import EFFORTS

    for check in catalogue().values():
        for effort in EFFORTS.values():
            if check.in_variants is not None:
                part = {case.slug for case in check.in_variants.cases("cpu", effort)}
                assert part <= {case.slug for case in check.cases("cpu", effort)}, check.id


@pytest.mark.parametrize(
    ("spec", "names", "said"),
    [
        (REFERENCE, ("compiled",), "Did you mean 'compile'?"),
        ("plain.py:drop_path", ("compile",), "a target of numpy; there is eager."),
    ],
)
def test_a_variant_that_there_is_not_is_refused_in_one_sentence(
    spec: str, names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    if spec.startswith("plain"):
        path = tmp_path / "plain.py"
        path.write_text("import numpy as np\ndef drop_path(x, drop_prob, training):\n    return np.asarray(x)\n")
        spec = f"{path}:drop_path"
    with pytest.raises(UsageError) as refused:
        make(load(spec).facts, Settings(variants=names))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_torch_keeps_from_the_compiler_is_not_taken_for_compiled_code(file: str) -> None:
    (law,) = asked(f"{file}:Kept", "DP002[*-compile-aot]", "compile").values()
    assert law.outcome is Outcome.NOT_APPLICABLE
    assert "torch.compiler.disable" in law.verdict.observed
    (whole,) = asked(f"{file}:Kept", "DP703[*-compile-aot]", "compile").values()
    assert (whole.outcome, str(whole.level)) == (Outcome.FAIL, "SHOULD"), whole.verdict.observed
    assert "torch.compiler.disable" in whole.verdict.observed


def test_what_is_compiled_after_an_evaluation_and_a_break_is_compiled(file: str) -> None:
    (whole,) = asked(f"{file}:Breaks", "DP703[*-compile-aot]", "compile").values()
    assert whole.is_finding()
    assert "after a call in evaluation, nothing is dropped" in whole.verdict.observed


def test_the_law_is_enumerated_of_a_program_and_not_of_compiled_code(file: str) -> None:
    (exact,) = asked(f"{file}:Plain", "DP103[cpu-float32-p0.1-export]", "export").values()
    assert exact.outcome is Outcome.PASS
    (compiled,) = asked(f"{file}:Plain", "DP103[cpu-float32-p0.1-compile-aot]", "compile").values()
    assert "its eager original does" in compiled.verdict.observed


def test_a_variant_that_torch_refuses_is_not_applicable_in_its_words(file: str) -> None:
    found = asked(f"{file}:seven", "DP003*", "script")
    assert {one.outcome for one in found.values()} == {Outcome.NOT_APPLICABLE}
    assert all("torch cannot script it" in one.verdict.observed for one in found.values())


def test_deaths_and_hangs_in_one_variant_are_no_reason_in_another(facts: Any) -> None:
    trials = make(facts, Settings(variants=("eager", "export"), only=("DP102", "DP001")))
    (eager, export) = (
        [trial for trial in trials if trial.case.variant == variant and "bfloat16" in trial.id and not trial.reason]
        for variant in ("eager", "export")
    )
    for ended, times in ((DIED, SAME_DEATHS), (HUNG, SAME_HANGS)):
        blame = Blame()
        for _ in range(times):
            blame.note(eager[-1], Collected(ended=ended))
        assert blame.reason(eager[-1])
        assert not any(blame.reason(trial) for trial in export)


def test_the_time_of_compiling_is_given_to_what_is_compiled(facts: Any) -> None:
    from droppath_audit.run.driving import InProcess

    seen: list[float] = []
    check = catalogue()["DP002"]
    collect = type(check).collect
    try:
        type(check).collect = lambda self, probe: (seen.append(probe.at.effort.seconds), collect(self, probe))[1]  # type: ignore[method-assign, func-returns-value]
        trials = make(facts, Settings("quick", variants=("eager", "compile"), only=("DP002[cpu-float32*",)))
        chosen = [one for one in trials if one.case.variant in ("eager", "compile-aot")]
        list(InProcess(load(REFERENCE)).collect([replace(one) for one in chosen]))
    finally:
        type(check).collect = collect  # type: ignore[method-assign]
    assert seen == [5.0, 65.0]
