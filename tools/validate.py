"""Write ``docs/validation/DEVICE.md``: ``python -m tools.validate --device cuda``, in one run of some minutes.

It needs no network and no installation beyond what ``pyproject.toml`` depends on; nothing on the page has another
source. A device that is asked for and missing ends it with status 1 and one sentence. What a device cannot do stands on
the page with the reason.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import DOCS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDER = DOCS / "validation"
BERNOULLI = "droppath_audit.sound.draws:bernoulli_then_divide"  # timm's rule: one Bernoulli number a sample, divided
LAYERS = {"the reference": "droppath_reference:DropPath", "one Bernoulli number a sample": BERNOULLI}
FINEST = 1e-5  # what certificates are asked for
RATED = 0.1  # drop_prob at which decisions are counted for a rate
RATES = ("float32", "bfloat16")
COMPILED = ("DP101", "DP201", "DP401", "DP703")  # law, values, gradients, and that compiled code ran
SLACK = 300.0  # seconds that a command may take beside those that it is given

PAGE = """# {name}

Written by `python -m tools.validate --device {device}`: no figure here has another source.

| | |
|---|---|
{environment}
## Verdicts

`droppath-audit SPEC --device {device} --effort {effort}`, seed 0. A MUST that fails is a fault of the layer, of the
device or of the framework there; *not applicable* is what the framework, or the device, does not have.

{verdicts}
## Compiled code

`droppath-audit SPEC --device {device} --variants compile`, and of its checks {compiled_checks}.

{compiled}
## Decisions per second

Drawn, and counted on the device, for {tenth:g} s at drop_prob {rated:g}.

| layer | dtype | decisions per second |
|---|---|---|
{rates}
## Certificates in {seconds:g} s

`droppath-audit certify {bernoulli} --device {device} --resolve {finest:g} --time-limit {seconds:g}s`: every keep
probability of the standard grid is known to be within this distance of the one asked for, as far as the time allowed.

| dtype | drop_prob | decisions | kept within | verdict |
|---|---|---|---|---|
{certificates}
"""


@dataclass(frozen=True)
class Validation:
    """What is asked of a device.

    Attributes:
        device: Its name.
        imports: Modules to import before.
        effort: Of the audits.
        seconds: For all certificates; each rate has a tenth.
        only: Patterns of trials; all where empty.
        compiled: Whether compiled code is audited as well.
    """

    device: str
    imports: tuple[str, ...]
    effort: str
    seconds: float
    only: tuple[str, ...] = ()
    compiled: bool = True

    @property
    def options(self) -> list[str]:
        """The options of every command."""
        return ["--device", self.device, *(word for name in self.imports for word in ("--import", name))]


def missing(asked: Validation) -> str:
    """Return why nothing can be run on the device, in one sentence; empty where something can."""
    import torch

    try:
        for name in asked.imports:
            import_module(name)
        torch.ones(1, device=asked.device).sum().item()
    except Exception as error:
        return f"Nothing can be run on {asked.device!r}: {type(error).__name__}: {str(error).splitlines()[0]}"
    return ""


def environment(device: str) -> dict[str, str]:
    """Return what the page says of the device and the software, by its name."""
    import torch

    module = torch.get_device_module(device)
    name = getattr(module, "get_device_name", lambda _: device)(device)
    found = {"device": name, "driver": _driver(), "torch": torch.__version__, "Python": platform.python_version()}
    if getattr(module, "get_device_capability", None) is not None:
        found["compute capability"] = ".".join(map(str, module.get_device_capability(device)))
    if device.startswith("cuda") and torch.version.cuda:
        found["CUDA of torch"] = torch.version.cuda
    found["processor"] = f"{platform.machine()}, {os.cpu_count()} processors"
    return {key: value for key, value in found.items() if value}


def _driver() -> str:
    """Return the version of NVIDIA's driver, or an empty text."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def told(words: Sequence[str], file: Path, seconds: float) -> dict[str, Any]:
    """Run ``droppath-audit`` and return the JSON that it wrote.

    Raises:
        RuntimeError: If it wrote none, with the end of what it said.
    """
    command = [sys.executable, "-m", "droppath_audit", *words, "--json", str(file)]
    paths = [str(ROOT), str(ROOT / "droppath_under_test"), str(ROOT / "reference"), os.environ.get("PYTHONPATH", "")]
    there = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, timeout=seconds)  # noqa: S603
    if not file.exists():
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return written


def audited(asked: Validation, folder: Path, stem: str, only: Sequence[str], *more: str) -> Iterator[str]:
    """Audit every layer and yield a table of each; reports stay in the folder, by names that begin with ``stem``."""
    for number, (name, spec) in enumerate(LAYERS.items()):
        file, page = folder / f"{stem}{number or ''}.json", folder / f"{stem}{number or ''}.html"
        trials = [word for pattern in only for word in ("--only", pattern)]
        words = [spec, *asked.options, "--effort", asked.effort, *trials, *more, "--html", str(page)]
        (report,) = told(words, file, 2 * SLACK)["reports"]
        yield f"**{name}** (`{spec}`): {_conclusion(report)}\n"
        yield "| check | passed | other |\n|---|---|---|\n" + "".join(_rows(report["results"]))


def _conclusion(report: dict[str, Any]) -> str:
    levels = Counter((one["level"], one["verdict"]) for one in report["results"])
    parts = [f"{number} {level} {verdict}" for (level, verdict), number in sorted(levels.items())]
    return f"{report['verdict']}; {', '.join(parts)}."


def _rows(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    for check in dict.fromkeys(one["check"] for one in results):
        own = [one for one in results if one["check"] == check]
        passed = sum(one["verdict"] == "pass" for one in own)
        others = Counter(f"{one['verdict']}: {_cell(one['message'])}" for one in own if one["verdict"] != "pass")
        other = "; ".join(f"{number} × {text}" for text, number in others.most_common(3))
        yield f"| {check} {own[0]['slug']} ({own[0]['level']}) | {passed} of {len(own)} | {other} |\n"


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= 160 else f"{line[:159]}…"


def rated(asked: Validation) -> Iterator[str]:
    """Draw for some time and yield a row for each layer and dtype."""
    from droppath_audit.core.case import Case
    from droppath_audit.core.effort import EFFORTS
    from droppath_audit.core.recording import Recording
    from droppath_audit.probes.clock import Clock
    from droppath_audit.probes.counting import Sampler
    from droppath_audit.targets.loader import load

    for name, spec in LAYERS.items():
        target = load(spec, devices=(asked.device,)).target
        assert not isinstance(target, Recording)  # noqa: S101 - a SPEC of a function or class names none
        for dtype in RATES:
            case = Case(asked.device, effort=EFFORTS[asked.effort])
            drawing = (target.framework, target.make(RATED), case, dtype, (1,))
            Sampler(*drawing).draw(2**24)  # what is made once
            sampler, started = Sampler(*drawing, clock=Clock(asked.seconds / 10)), time.monotonic()
            counts = sampler.draw(2**62)
            per_second = counts.decisions / (time.monotonic() - started)
            yield f"| {name} | {dtype} | {_scientific(per_second)} |\n"


def _scientific(value: float) -> str:
    exponent = math.floor(math.log10(value))
    return f"{value / 10**exponent:.1f}·10^{exponent}"


def certified(asked: Validation, folder: Path) -> Iterator[str]:
    """Certify the standard grid and yield a row for each cell."""
    words = ["certify", BERNOULLI, *asked.options, "--resolve", f"{FINEST:g}", "--time-limit", f"{asked.seconds:g}s"]
    for cell in told(words, folder / "certificates.json", asked.seconds + SLACK)["cells"]:
        within = cell["within"] if cell["within"] is not None else cell["resolution"]
        known = "" if within is None else f"±{within:.2g}"
        row = (cell["dtype"], f"{cell['drop_prob']:g}", f"{cell['decisions']:.3g}", known, cell["verdict"])
        yield f"| {' | '.join(row)} |\n"


def page(asked: Validation, folder: Path) -> str:
    """Return the page: measure on this machine."""
    found = environment(asked.device)
    return PAGE.format(
        name=found["device"],
        device=asked.device,
        effort=asked.effort,
        seconds=asked.seconds,
        tenth=asked.seconds / 10,
        rated=RATED,
        finest=FINEST,
        bernoulli=BERNOULLI,
        environment="".join(f"| {key} | {value} |\n" for key, value in found.items()),
        verdicts="\n".join(audited(asked, folder, "report", asked.only)),
        compiled_checks=", ".join(COMPILED),
        compiled="\n".join(audited(asked, folder, "compiled", COMPILED, "--variants", "compile"))
        if asked.compiled
        else "Not asked for.\n",
        rates="".join(rated(asked)),
        certificates="".join(certified(asked, folder)),
    )


def main() -> None:
    """Write the page of a device, and the reports where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="name of the device (default: cuda)")
    parser.add_argument("--import", dest="imports", action="append", default=[], help="a module to import before")
    parser.add_argument("--effort", default="standard", help="of the audits (default: standard)")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="for certificates (default: 60); a rate has a tenth"
    )
    parser.add_argument("--not-compiled", action="store_true", help="leave compiled code out, where nothing compiles")
    parser.add_argument("--only", action="append", default=[], help="trials of the audits (default: all)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where the page is written (default: docs/validation)"
    )
    parser.add_argument("--reports", type=Path, help="where report.json, report.html and certificates.json stay")
    given = parser.parse_args()
    asked = Validation(
        given.device,
        tuple(given.imports),
        given.effort,
        given.seconds,
        tuple(given.only),
        compiled=not given.not_compiled,
    )
    if reason := missing(asked):
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as temporary:
        reports = given.reports or Path(temporary)
        for folder in (reports, given.folder):
            folder.mkdir(parents=True, exist_ok=True)
        text = page(asked, reports)
    name = re.sub(r"[^a-z0-9]+", "-", environment(asked.device)["device"].lower()).strip("-")
    file = given.folder / f"{name}.md"
    file.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
