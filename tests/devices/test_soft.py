"""What shows on a second device only dies there; what holds there for the reference, tests/conformance says.

``tox -e soft`` runs both. Each audit has processes of its own, since a process cannot take a device back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from droppath_audit.checks import catalogue
from droppath_audit.core.dialect import CANONICAL
from droppath_audit.core.effort import EFFORTS
from droppath_audit.core.facts import Facts

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOFT = ("--import", "tests.devices.soft", "--device", "soft")
CHECKS = ("DP001", "DP201", "DP401", "DP404", "DP502")

NO_FACTS = Facts("", "class", "", "", "", CANONICAL, "", "", {})
AWAY = [check for check in catalogue().values() if check.away]

# Each layer with the checks that fail it there, DP701 apart.
FAULTS = {
    "KeepsItsBufferOnTheCPU": {"DP201", "DP401", "DP404", "DP502"},
    "RemembersTheDevice": {"DP201", "DP401", "DP404", "DP502"},
    "SeedsTheCPU": {"DP401", "DP404"},
    "DropsLessElsewhere": {"DP201", "DP702"},
}


def audited(layer: str, *options: str, tmp_path: Path) -> tuple[int, set[str]]:
    """Return the exit status, and the checks that fail or end in an error."""
    file = tmp_path / "report.json"
    spec = layer if ":" in layer else f"{HERE / 'faulty' / 'layers.py'}:{layer}"
    command = [sys.executable, "-m", "droppath_audit", spec, "--effort", "quick", "--json", str(file), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert file.exists(), done.stdout + done.stderr
    (report,) = json.loads(file.read_text(encoding="utf-8"))["reports"]
    return done.returncode, {result["check"] for result in report["results"] if result["verdict"] in ("fail", "error")}


def results(tmp_path: Path) -> list[dict[str, object]]:
    """Return the results of the audit before."""
    (report,) = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["reports"]
    return report["results"]


def only(*checks: str) -> list[str]:
    return [word for check in checks for word in ("--only", check)]


@pytest.mark.parametrize("layer", FAULTS)
def test_a_fault_that_shows_on_a_second_device_only_dies_there_and_lives_on_the_cpu(layer, tmp_path):
    assert audited(layer, *only(*CHECKS), tmp_path=tmp_path) == (0, set())
    status, failed = audited(layer, *SOFT, *only(*CHECKS, "DP702"), tmp_path=tmp_path)
    assert status == 1
    assert failed >= FAULTS[layer]


def test_drawing_on_the_cpu_breaks_no_law_and_dies_by_what_passes_between_the_devices(tmp_path):
    assert audited("DrawsOnTheCPU", *SOFT, *only(*CHECKS), tmp_path=tmp_path) == (0, set())
    assert audited("DrawsOnTheCPU", *SOFT, *only("DP701"), tmp_path=tmp_path) == (1, {"DP701"})


def test_a_mask_that_is_the_same_in_every_replay_dies_by_its_graph(tmp_path):
    graphs = only("DP702", "DP707")
    assert audited("CountsItsCalls", *SOFT, *graphs, "--strict", tmp_path=tmp_path) == (1, {"DP707"})
    script = next(result for result in results(tmp_path) if result["check"] == "DP707")
    assert "replay 2 has the mask of replay 1" in script["message"]  # which tells more than that the share is off
    assert script["snippet_state"] == "shown", script["snippet_note"]


def test_masks_that_come_again_after_some_replays_die_by_their_graph(tmp_path):
    assert audited("DrawsAPoolAhead", *SOFT, *only("DP707"), "--strict", tmp_path=tmp_path) == (1, {"DP707"})
    (script,) = results(tmp_path)
    assert "replay 9 has the mask of replay 1" in script["message"]
    assert script["snippet_state"] == "shown", script["snippet_note"]


def test_what_waits_for_the_device_cannot_be_recorded_and_is_not_blamed_for_that(tmp_path):
    assert audited("DrawsOnTheCPU", *SOFT, *only("DP707"), tmp_path=tmp_path)[1] == set()
    (result,) = results(tmp_path)
    assert (result["verdict"], "cannot record" in result["message"]) == ("not-applicable", True)


def test_the_checks_that_compare_with_the_cpu_are_not_asked_there(tmp_path):
    assert {check.id for check in AWAY} == {"DP702", "DP707"}
    assert not any(list(check.planned(NO_FACTS, "cpu", effort, 0)) for check in AWAY for effort in EFFORTS.values())


def test_the_layer_that_they_are_made_of_has_no_fault(tmp_path):
    assert audited("Layer", *SOFT, *only(*CHECKS, "DP701", "DP707"), tmp_path=tmp_path) == (0, set())


def test_counting_waits_for_the_device_a_few_times_however_much_is_counted():
    lines = [
        "import tests.devices.soft as soft",
        "from dataclasses import replace",
        "from droppath_audit.core.case import Case",
        "from droppath_audit.probes.counting import Sampler",
        "from droppath_audit.run.loading import load",
        "target = load('layer', 'droppath_reference:DropPath', devices=('soft',), imports=()).target",
        "for decisions in (2**20, 2**25):",
        "    sampler = Sampler(target.framework, target.make(0.5), Case('soft'), 'float32', (1,))",
        "    soft.Module.waits = 0",
        "    counts = sampler.draw(decisions)",
        "    assert counts.decisions >= decisions and not counts.other, counts",
        "    print(soft.Module.waits)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=ROOT, check=True, timeout=300, capture_output=True, text=True)
    few, many = map(int, done.stdout.split())
    assert few <= many <= 40, (few, many)


def test_nothing_of_the_reference_waits_for_the_device():
    lines = [
        "import torch",
        "import tests.devices.soft as soft",
        "from droppath_reference import DropPath",
        "x = torch.ones(8, 4, device='soft', requires_grad=True)",
        "DropPath(0.5)(x).backward(torch.ones_like(x))",
        "assert soft.Module.waits == 0, soft.Module.waits",
        "x.detach().sum().item()",
        "assert soft.Module.waits == 1",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, check=True, timeout=120)


def test_a_device_on_which_nothing_can_be_computed_is_refused_in_one_sentence():
    command = [sys.executable, "-m", "droppath_audit", "droppath_reference:DropPath", "--device", "meta"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("droppath-audit: Nothing can be computed on the device 'meta' of torch: ")
    assert done.stderr.count("\n") == 1
