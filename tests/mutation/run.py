"""Run the tests of ``stats`` and of the reference against syntactic mutants of both: ``python tests/mutation/run.py``.

Every mutant must die, or stand in ``equivalent.toml`` with the reason why no test can tell it from the original. An
entry there that names no mutant, or one that some test does kill, is an error as well. Results go to
``build/mutation/results.jsonl``; ``--resume`` takes from there what was killed before.

Mutants are made by the operators of mutmut and by our own, which look closer at numbers and conditions. mutmut's own
runner cannot do it here (ADR 13). A mutant runs in a fork of a process that has loaded the libraries, with an import
hook that hands out the mutant for the original.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))
import of_mutmut
import operators
from operators import Mutant

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "build" / "mutation" / "results.jsonl"
EQUIVALENT = Path(__file__).parent / "equivalent.toml"
PATIENCE = (30.0, 20.0)  # seconds, and times what the original takes: a mutant that takes longer is stuck, and noticed

STATS, REFERENCE = "tests/unit/stats", "tests/unit/reference"


@dataclass(frozen=True)
class Source:
    """A mutated file and the tests that must kill its mutants, in stages: the first failure ends the run."""

    root: str
    path: str
    stages: tuple[tuple[str, ...], ...]

    @property
    def module(self) -> str:
        """Name under which it is imported."""
        return self.path.removesuffix(".py").replace("/", ".")

    @property
    def file(self) -> Path:
        """Where it is."""
        return ROOT / self.root / self.path


def _stats(name: str, *calibration: str) -> Source:
    own = tuple(str(file.relative_to(ROOT)) for file in sorted((ROOT / STATS).glob(f"test_{name}*.py")))
    last = tuple(f"tests/calibration/test_{each}.py" for each in calibration)
    stages = (own, (STATS,), last)
    return Source("droppath_under_test", f"droppath_audit/stats/{name}.py", tuple(stage for stage in stages if stage))


SOURCES = (
    _stats("budget"),
    _stats("bisection"),
    _stats("homogeneity", "homogeneity"),
    _stats("planning"),
    _stats("mean", "weighted_mean"),
    _stats("exact", "exact_tests"),
    _stats("chi_square", "tables_far_in_the_tail", "exact_tests"),
    _stats("certificate", "certificate_exactly", "certificate_draws"),
    _stats("design", "exact_tests", "certificate_exactly", "certificate_draws"),
    Source("reference", "droppath_reference/schedule.py", ((f"{REFERENCE}/test_schedule.py",),)),
    Source("reference", "droppath_reference/law.py", ((f"{REFERENCE}/test_law.py",),)),
    Source(
        "reference",
        "droppath_reference/drop_path.py",
        ((f"{REFERENCE}/test_drop_path.py",), (f"{REFERENCE}/test_module.py",), (f"{REFERENCE}/test_transforms.py",)),
    ),
)


class Substitute:
    """An import hook that hands out one file for one module.

    Args:
        module: Full name of the module.
        file: The file to run in its place.
    """

    def __init__(self, module: str, file: Path) -> None:
        self.module, self.file = module, file

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """Find the substitute by the module's name."""
        return importlib.util.spec_from_file_location(name, self.file) if name == self.module else None


def _fails(source: Source, mutant: Mutant, stage: tuple[str, ...], seconds: float) -> str:
    """Return how a stage of tests ends in a fork that imports the mutant: ``""`` where it passes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, source.file.name)
        file.write_text(mutant.source, encoding="utf-8")
        child = os.fork()
        if not child:
            _run_tests(source, file, stage)
        deadline = time.monotonic() + seconds
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "" if status == 0 else "failed"
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "stuck"
            time.sleep(0.02)


def _run_tests(source: Source, file: Path, stage: tuple[str, ...]) -> None:
    """Run pytest in this process, which is a fork, and end it with pytest's status."""
    import pytest
    from hypothesis import settings

    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, Substitute(source.module, file))
    settings.register_profile("mutation", database=None, derandomize=True)
    settings.load_profile("mutation")
    # Of a run that ends at its first failure, nothing but the status is needed.
    without = [
        word for name in ("cacheprovider", "terminalreporter", "unraisableexception") for word in ("-p", f"no:{name}")
    ]
    every = ("-m", "")  # the last stage has the long tests, which are left out unless asked for
    os._exit(int(pytest.main(["-x", "-q", "--tb=no", "--assert=plain", *every, *without, *stage], plugins=[_Leave()])))


class _Leave:
    """A plugin that ends the process with the session, where pytest would collect garbage first."""

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        os._exit(int(exitstatus))


def judge(source: Source, mutant: Mutant, limits: dict[tuple[str, ...], float]) -> str:
    """Return ``failed`` or ``stuck`` with the stage that noticed the mutant, or ``survived``."""
    for stage, limit in limits.items():
        how = _fails(source, mutant, stage, limit)
        if how:
            return f"{how} in {' '.join(stage)}"
    return "survived"


def limits_of(source: Source, stages: int | None) -> dict[tuple[str, ...], float]:
    """Return the stages of tests with the seconds that each may take, from what the original takes.

    Raises:
        SystemExit: If the tests do not pass on the original.
    """
    original = Mutant("original", 0, source.file.read_text(encoding="utf-8"))
    least, times = PATIENCE
    limits = {}
    for stage in source.stages[:stages]:
        started = time.monotonic()
        if _fails(source, original, stage, float("inf")):
            raise SystemExit(f"the tests of {source.path} do not pass as it is: {' '.join(stage)}")
        limits[stage] = max(least, times * (time.monotonic() - started))
    return limits


def _equivalents() -> dict[str, str]:
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("equivalent", [])
    return {entry["mutant"]: entry["reason"] for entry in listed}


def _digest(source: Source) -> str:
    return hashlib.sha256(source.file.read_bytes()).hexdigest()[:16]


def _known() -> dict[tuple[str, str], str]:
    """Return what earlier runs killed, by mutant and by digest of the original."""
    if not RESULTS.exists():
        return {}
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return {(row["mutant"], row["digest"]): row["result"] for row in rows if row["result"] != "survived"}


def _selected(only: str) -> Iterator[Source]:
    return (source for source in SOURCES if only in f"{source.root}/{source.path}")


def _made(source: Source, makers: list[ModuleType]) -> list[Mutant]:
    text = source.file.read_text(encoding="utf-8")
    return [mutant for maker in makers for mutant in maker.mutants(text, source.path)]


def main() -> int:
    """Run everything that is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="a part of the path of a source, such as stats/ or law")
    parser.add_argument("--resume", action="store_true", help="believe what earlier runs killed of unchanged sources")
    parser.add_argument("--stages", type=int, help="stop after so many stages of tests: 1 is the file's own unit tests")
    parser.add_argument("--operators", choices=("ours", "mutmut", "both"), default="both", help="who makes the mutants")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args()
    os.chdir(ROOT)
    sources = list(_selected(options.only))
    makers = {"ours": [operators], "mutmut": [of_mutmut], "both": [operators, of_mutmut]}[options.operators]
    made = {source: _made(source, makers) for source in sources}
    if options.list:
        for source in sources:
            sys.stdout.writelines(f"{mutant.line:4d} {mutant.id}\n" for mutant in made[source])
            sys.stdout.write(f"{len(made[source])} mutants of {source.path}\n")
        return 0
    _load()
    return _report(sources, made, _results(sources, made, options), complete=options.operators == "both")


def _load() -> None:
    """Load, once for all forks, what the tests need and no mutant changes."""
    import hypothesis.extra.numpy
    import pytest
    import scipy.special
    import scipy.stats
    import torch

    torch.set_num_threads(1)  # a fork cannot use the threads of its parent
    gc.freeze()
    del hypothesis, pytest, scipy


def _results(sources: list[Source], made: dict[Source, list[Mutant]], options: argparse.Namespace) -> dict[str, str]:
    known = _known() if options.resume else {}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    equivalents, results = _equivalents(), {}
    for source in sources:
        limits, digest = limits_of(source, options.stages), _digest(source)
        for mutant in made[source]:
            results[mutant.id] = known.get((mutant.id, digest)) or judge(source, mutant, limits)
            row = {"mutant": mutant.id, "line": mutant.line, "digest": digest, "result": results[mutant.id]}
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if results[mutant.id] == "survived" and mutant.id not in equivalents:
                sys.stdout.write(f"survived: line {mutant.line}: {mutant.id}\n")
                sys.stdout.flush()
    return results


def _report(sources: list[Source], made: dict[Source, list[Mutant]], results: dict[str, str], *, complete: bool) -> int:
    """Print the balance of every source; return 1 where a mutant or, of all operators, an entry is left over."""
    equivalents = _equivalents()
    faults = []
    for source in sources:
        ids = [mutant.id for mutant in made[source]]
        survived = {name for name in ids if results[name] == "survived"}
        listed = {name for name in equivalents if name.startswith(f"{source.path} ")}
        sys.stdout.write(
            f"{source.path}: {len(ids)} mutants, {len(ids) - len(survived)} killed, "
            f"{len(survived & listed)} equivalent, {len(survived - listed)} survived\n"
        )
        faults += [f"survived: {name}" for name in sorted(survived - listed)]
        faults += [f"listed as equivalent, but killed: {name}" for name in sorted(listed & set(ids) - survived)]
        if complete:
            faults += [f"listed as equivalent, but no mutant: {name}" for name in sorted(listed - set(ids))]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
