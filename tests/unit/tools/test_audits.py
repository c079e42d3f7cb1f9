"""What the page says of one implementation is written anew without the reports of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.targets.known import known_systems
from tools.audits import PAGE, page
from tools.zoo_models import MODELS

if TYPE_CHECKING:
    from tools.zoo_models import ZooModel


def test_the_others_stay_as_they_are() -> None:
    before = PAGE.read_text(encoding="utf-8")
    (name, *_) = known_systems()
    report = {
        "effort": "standard", "seed": 0, "budget": 1e-6, "verdict": "pass", "results": [],
        "counts": {"pass": 7, "run": 7},
        "target": {"framework": "torch", "framework_version": "0", "package": "nothing 0"},
        "dialect": {"granularity": "sample", "scaling": "inverted", "form": "branch", "keep_prob_zero": "zeros"},
    }  # fmt: skip
    after = page({name: report}, before)
    of_it = before[before.index(f"## {name}\n") :].partition("\n## ")[0]
    implementations = before.partition("\n## What the findings")[0]
    changed = {line for line in implementations.splitlines() if line not in after.splitlines()}
    assert changed <= {
        *of_it.splitlines(),
        next(line for line in before.splitlines() if line.startswith(f"| [{name}]")),
    }
    assert "nothing 0" in after
    assert "7 of 7" in after
    assert after.count("\n## ") == before.count("\n## ")


def report_of(model: ZooModel) -> dict[str, Any]:
    broken = [
        {"check": check, "slug": "of-it", "verdict": "fail", "message": f"{model.schedule}."} for check in model.broken
    ]
    schedule = {"check": "DP901", "slug": "schedule", "verdict": "pass", "message": model.schedule}
    return {
        "effort": "standard", "seed": 0, "budget": 1e-6, "verdict": "fail" if broken else "pass",
        "results": broken if "DP901" in model.broken else [schedule, *broken],
        "counts": {"pass": 6, "run": 7},
        "target": {"package": "package 1", "arguments": model.layers},
    }  # fmt: skip


def test_models_have_a_section_that_is_written_and_left_as_a_whole() -> None:
    before = PAGE.read_text(encoding="utf-8")
    reports = {model.name: report_of(model) for model in MODELS}
    written = page({}, before, reports)
    section = written[written.index("\n## Whole models\n") :].partition("\n## What the findings")[0]
    for model in MODELS:
        assert section.count(f"| {model.name} | package 1 |") == 1
        assert f"- **{model.name}**: `{model.spec}`" in section
        for check, why in model.broken.items():
            assert f"[{check}](checks.md#{check.lower()}-" in section
            assert f"{why}. Observed: {model.schedule}." in section
    assert "linear over 12 blocks, 0 to 0.2" in section
    assert page({}, written) == written
    implementations = before.partition("\n## What the findings")[0].partition("\n## Whole models")[0]
    assert set(implementations.splitlines()) <= set(written.splitlines())
