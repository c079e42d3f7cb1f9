"""Write ``docs/speed.md``: ``python -m tools.timing``, on an otherwise idle machine.

The unit is U, the time in which one thread of this machine makes 10^8 decisions with timm's rule and counts them: a
ratio to it says on another machine what seconds say on this one. No figure on the page has another source.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools import DOCS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PAGE = DOCS / "speed.md"
SPEC = "droppath_reference:DropPath"
DECISIONS, BATCH = 10**8, 65_536
EFFORTS = ("standard", "quick")
LEAST = 0.005  # share of the time of a check that has a line of its own
ROUNDS = 5
# The command, and at its end the processor seconds of its own process on standard error: workers are not in it.
OWN = (
    "import atexit, resource, sys; "
    "spent = lambda: resource.getrusage(resource.RUSAGE_SELF); "
    "atexit.register(lambda: print(spent().ru_utime + spent().ru_stime, file=sys.stderr)); "
    "from droppath_audit.commands import main; main()"
)
# What is installed is compiled once; where Python was told to keep no bytecode, each of three processes compiles it.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
}

INTRODUCTION = """# Where the time goes

Written by `python -m tools.timing`: no figure here has another source. All is of the reference on the CPU.

**U** is the time in which one thread makes 10^8 decisions with timm's rule (`new_empty`, `bernoulli_`, `div_`, a
product) on float32 tensors of shape (65536, 1) and counts them: here {unit:.2f} s. Of every time the least of {rounds}
rounds, in which U and the commands take turns.

| command | seconds | in U | processor seconds of its own process |
|---|---|---|---|
{commands}
Beside its own process a command has {workers}, which import the framework and run the trials. The own process
imports SciPy meanwhile, plans (the trials of a standard audit: {plan:.2f} s), judges and reports. `import torch` alone
takes {torch:.2f} s in a fresh Python.
"""

SHARES = """
## {title} audit: {seconds:.1f} processor seconds of trials

| check | trials | processor seconds | share |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Timed:
    """One run of a command.

    Attributes:
        seconds: Wall time, in seconds.
        own: Processor seconds of its own process, without workers.
    """

    seconds: float
    own: float


@dataclass(frozen=True)
class Share:
    """What the trials of one check took.

    Attributes:
        check: Its id.
        trials: How many were run.
        seconds: Processor seconds in which their evidence was collected.
    """

    check: str
    trials: int
    seconds: float


def unit() -> float:
    """Return U in seconds, from a quarter of the decisions."""
    import torch

    def drop_path(x: Tensor, keep_prob: float) -> Tensor:
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep_prob)
        return x * mask.div_(keep_prob)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x, calls = torch.ones(BATCH, 1), DECISIONS // BATCH // 4
        drop_path(x, 0.9)
        started = time.perf_counter()
        kept = sum(int(torch.count_nonzero(drop_path(x, 0.9))) for _ in range(calls))
        seconds = time.perf_counter() - started
    finally:
        torch.set_num_threads(threads)
    assert 0.89 < kept / (calls * BATCH) < 0.91  # noqa: S101 - what was timed is what was meant
    return seconds * DECISIONS / (calls * BATCH)


def ran(*words: str) -> Timed:
    """Run ``droppath-audit`` with these words, to its end.

    Raises:
        subprocess.CalledProcessError: If its exit status is not 0.
    """
    started = time.perf_counter()
    command = [sys.executable, "-c", OWN, *words]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)  # noqa: S603
    return Timed(time.perf_counter() - started, float(done.stderr.split()[-1]))


def shares(effort: str) -> tuple[list[Share], float]:
    """Return what the trials of each check take, the longest first, and the seconds in which they are planned.

    The trials are run in this process, in their order. What a trial imports is in its seconds.
    """
    from droppath_audit.run import plan
    from droppath_audit.run.driving import InProcess
    from droppath_audit.targets.loader import load

    collector, settings = InProcess(load(SPEC)), plan.Settings(effort=effort)
    plan.prepare()
    started = time.perf_counter()
    trials = [trial for trial in plan.make(collector.facts, settings) if not trial.reason]
    planned = time.perf_counter() - started
    number: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    before = time.process_time()
    for trial, _ in collector.collect(trials):
        now = time.process_time()
        number[trial.check] += 1
        seconds[trial.check] += now - before
        before = now
    found = [Share(check, number[check], seconds[check]) for check in number]
    return sorted(found, key=lambda share: -share.seconds), planned


def _afresh(effort: str) -> tuple[list[Share], float]:
    """Return what ``shares`` says in a fresh process, in which nothing is imported."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "shares.json")
        command = [sys.executable, "-m", "tools.timing", "--shares", effort, str(file)]
        subprocess.run(command, env=ENVIRONMENT, check=True)  # noqa: S603
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return [Share(**share) for share in said["shares"]], said["planned"]


def page(rounds: int = ROUNDS) -> str:
    """Return the page: measure on this machine."""
    import torch

    from droppath_audit.run.processes import cores

    words = {
        **{f"droppath-audit --effort {effort}": ("--effort", effort) for effort in EFFORTS},
        "droppath-audit --plan": ("--plan",),
        "droppath-audit --help": ("--help",),
    }
    units, imports, runs = [], [], defaultdict(list)
    for _ in range(rounds):
        units.append(unit())
        for name, arguments in words.items():
            runs[name].append(ran(*arguments))
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        imports.append(time.perf_counter() - started)
    told = {effort: _afresh(effort) for effort in EFFORTS}
    commands = "".join(_row(name, found, min(units)) for name, found in runs.items())
    jobs = cores()
    text = INTRODUCTION.format(
        unit=min(units),
        rounds=rounds,
        commands=commands,
        workers=f"{jobs} workers" if jobs > 1 else "one worker",
        plan=told["standard"][1],
        torch=min(imports),
    )
    tables = "".join(_table(effort, found) for effort, (found, _) in told.items())
    where = (
        f"{platform.machine()} with {jobs} processors, Python {platform.python_version()}, torch {torch.__version__}"
    )
    return f"{text}{tables}\nMeasured on {where}.\n"


def _row(name: str, found: Sequence[Timed], one: float) -> str:
    seconds, own = min(run.seconds for run in found), min(run.own for run in found)
    return f"| `{name}` | {seconds:.2f} | {seconds / one:.1f} | {own:.2f} |\n"


def _table(effort: str, found: list[Share]) -> str:
    total = sum(share.seconds for share in found)
    long = [share for share in found if share.seconds >= LEAST * total]
    rest = [share for share in found if share.seconds < LEAST * total]
    long.append(Share(f"{len(rest)} others", sum(s.trials for s in rest), sum(s.seconds for s in rest)))
    rows = [f"| {s.check} | {s.trials} | {s.seconds:.2f} | {s.seconds / total:.1%} |\n" for s in long]
    return SHARES.format(title="A " + effort, seconds=total) + "".join(rows)


def main() -> None:
    """Measure and write the page, or what a fresh process is asked for it."""
    parser = argparse.ArgumentParser(description="Measure where the time of an audit goes; write docs/speed.md.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often every command is run")
    parser.add_argument("--page", type=Path, default=PAGE, help="what to write")
    parser.add_argument("--shares", nargs=2, metavar=("EFFORT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.shares:
        effort, file = options.shares
        found, planned = shares(effort)
        said = {"shares": [vars(share) for share in found], "planned": planned}
        Path(file).write_text(json.dumps(said), encoding="utf-8")
        return
    options.page.write_text(page(options.rounds), encoding="utf-8")


if __name__ == "__main__":
    main()
