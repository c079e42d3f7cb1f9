"""What the page says of one implementation is written anew without the reports of the others."""

from __future__ import annotations

from droppath_audit.targets.known import known_systems
from tools.audits import PAGE, page


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
