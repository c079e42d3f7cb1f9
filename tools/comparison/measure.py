"""Put every rule and every effort of this suite to every mutant and every sound layer, in one run.

A layer is measured in a fork of its own, all judges one after the other, so that what is compared ran next to each
other and no mutant can take the run down. Every judgement goes to a file at once; a run that was cut off goes on from
there, as long as the code it measured has not changed.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, cast

from tools import ROOT
from tools.rivals import rules
from tools.rivals.sound import SOUND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from droppath_audit.frameworks.target import Target
    from tools.rivals.rule import Rule

PACKAGES = (ROOT / "droppath_under_test", ROOT / "reference")
RIVALS = ROOT / "tools" / "rivals"
SECONDS = 1800  # time after which a judge is taken to hang, which rejects


@dataclass(frozen=True)
class Judgement:
    """What one judge said of one layer.

    Attributes:
        layer: Name of a mutant or of a sound layer.
        judge: Name of a rule, or ``quick``, ``standard`` or ``thorough``.
        seed: Seed of this judgement.
        rejected: ``MUST``, ``SHOULD`` or ``INFO``, the highest level of check that fails, or for a rule ``yes``; an
            empty text where the layer is accepted, ``-`` where the rule cannot be put to it.
        reason: What failed first.
        open: Trials that ended inconclusive.
        seconds: Wall time.
        cpu: Seconds of CPU time.
        digest: Of the code that was measured.
    """

    layer: str
    judge: str
    seed: int
    rejected: str
    reason: str
    open: int
    seconds: float
    cpu: float
    digest: str


@dataclass
class _Work:
    """A layer that is being measured, and the judges that it still has to face."""

    layer: str
    spec: str
    missing: list[tuple[str, int]]
    pipe: Any = None
    process: Any = None
    since: float = 0.0


def layers() -> dict[str, str]:
    """Return the SPEC of every sound layer and of every mutant, by name; sound layers first."""
    from droppath_audit.mutants import mutants

    sound = {f"sound: {name}": f"tools.rivals.sound:{name}" for name in SOUND}
    return {"sound: reference": "droppath_reference:DropPath", **sound, **mutants()}


def is_sound(layer: str) -> bool:
    """Return whether the name is that of a sound layer."""
    return layer.startswith("sound: ")


def digest(*paths: Path) -> str:
    """Return a digest of these Python files, and of those in these folders."""
    hashed = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashed.update(file.relative_to(path.parent).as_posix().encode())
            hashed.update(file.read_bytes())
    return hashed.hexdigest()[:16]


@cache
def _code(*, with_rules: bool) -> str:
    """Return the digest of what an effort's judgement depends on: the packages and the sound layers; or a rule's."""
    return digest(*PACKAGES, RIVALS if with_rules else RIVALS / "sound.py")


def tasks(efforts: Sequence[str], repeats: int) -> list[tuple[str, int]]:
    """Return the judges, as name and seed, that every layer faces: each rule at ``repeats`` seeds."""
    by_rules = [(rule.name, seed) for seed in range(repeats) for rule in rules()]
    return [*((effort, 0) for effort in efforts), *by_rules]


def read(file: Path) -> list[Judgement]:
    """Return the judgements in a file that the present code has earned."""
    if not file.exists():
        return []
    present = {_code(with_rules=False), _code(with_rules=True)}
    rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    earned = [Judgement(**row) for row in rows if row["digest"] in present]
    return list({(row.layer, row.judge, row.seed): row for row in earned}.values())


def measure(
    file: Path, efforts: Sequence[str], repeats: int, processes: int, most: Mapping[str, int] | None = None
) -> None:
    """Measure what a file lacks of every judge's judgement on every layer.

    Args:
        file: Where judgements are kept, one JSON object a line.
        efforts: Efforts of this suite to include, at one seed: an audit's own error rate needs no repetition. All
            layers face the first one and the rules before any faces the next, which they do in a random order, so
            that those which have faced it when a run is cut off are a fair sample of all.
        repeats: Seeds for each rule.
        processes: How many layers are measured at a time.
        most: By effort, how many layers face it, of all that there are unless told.
    """
    import torch

    torch.set_num_threads(1)  # a fork cannot use its parent's threads, and one thread is what rules and audits share
    for with_rules in (False, True):
        _code(with_rules=with_rules)  # taken now: what is edited while this runs gave none of its judgements
    file.parent.mkdir(parents=True, exist_ok=True)
    everyone = list(layers().items())
    turns = [(everyone, tasks(efforts[:1], repeats))]
    turns += [(_at_random(everyone)[: (most or {}).get(effort)], tasks((effort,), 0)) for effort in efforts[1:]]
    for who, faced in turns:
        while waiting := _waiting(file, faced, who):
            with file.open("a", encoding="utf-8") as out:
                for row in _run(waiting, processes):
                    out.write(json.dumps(asdict(row)) + "\n")
                    out.flush()


def complete(file: Path, efforts: Sequence[str], repeats: int) -> list[Judgement]:
    """Return the judgements on those layers that the first effort and every rule have judged.

    The other efforts, which take longer, need not have judged all of them.
    """
    rows = {(row.layer, row.judge, row.seed): row for row in read(file)}
    needed = tasks(efforts[:1], repeats)
    return [
        rows[(name, *task)]
        for name in layers()
        if all((name, *task) in rows for task in needed)
        for task in tasks(efforts, repeats)
        if (name, *task) in rows
    ]


def _at_random(everyone: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return layers in an order that is always the same: the reference, whose time is shown alone, then the rest."""
    rest = everyone[1:]
    random.Random(0).shuffle(rest)  # noqa: S311
    return [everyone[0], *rest]


def _waiting(file: Path, faced: list[tuple[str, int]], who: list[tuple[str, str]]) -> list[_Work]:
    known = {(row.layer, row.judge, row.seed) for row in read(file)}
    works = (_Work(name, spec, [task for task in faced if (name, *task) not in known]) for name, spec in who)
    return [work for work in works if work.missing]


def _run(waiting: list[_Work], processes: int) -> Iterator[Judgement]:
    """Yield judgements as they come; what is left of a layer whose process died is left to the caller."""
    context = multiprocessing.get_context("fork")
    queue: list[_Work] = list(reversed(waiting))
    live: list[_Work] = []
    while queue or live:
        while queue and len(live) < processes:
            work = queue.pop()
            work.pipe, there = context.Pipe(duplex=False)
            work.process = context.Process(target=_child, args=(work, there))
            work.process.start()
            work.since = time.monotonic()
            there.close()
            live.append(work)
            sys.stderr.write(f"{work.layer} ({len(queue)} wait)\n")
        wait([work.pipe for work in live], timeout=5.0)
        for work in list(live):
            hangs = time.monotonic() - work.since > SECONDS
            if not hangs and not work.pipe.poll():
                continue
            try:
                row = None if hangs else work.pipe.recv()
            except EOFError:
                row = None
            if row is None:
                work.process.kill()
                work.process.join()
                live.remove(work)
                if work.missing:  # the judge that was at work took the process down, or never came to an end
                    why = f"took more than {SECONDS} s" if hangs else f"ended with status {work.process.exitcode}"
                    yield _lost(work.layer, work.missing[0], why)
                continue
            work.missing.pop(0)
            work.since = time.monotonic()
            yield row


def _lost(name: str, task: tuple[str, int], reason: str) -> Judgement:
    judge, seed = task
    by_rule = judge not in ("quick", "standard", "thorough")
    return Judgement(name, judge, seed, "yes" if by_rule else "MUST", reason, 0, 0.0, 0.0, _code(with_rules=by_rule))


def _child(work: _Work, pipe: Connection[Judgement, Judgement]) -> None:
    for judge, seed in work.missing:
        pipe.send(judgement(work.layer, work.spec, judge, seed))
    pipe.close()


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def judgement(name: str, spec: str, judge: str, seed: int) -> Judgement:
    """Return what one judge says of one layer."""
    by_rule = {rule.name: rule for rule in rules()}
    started, cpu = time.perf_counter(), _cpu()
    rejected, reason, unanswered = (
        _ruled(by_rule[judge], spec, seed) if judge in by_rule else _audited(spec, judge, seed)
    )
    seconds, cpu = time.perf_counter() - started, _cpu() - cpu
    return Judgement(name, judge, seed, rejected, reason, unanswered, seconds, cpu, _code(with_rules=judge in by_rule))


def _ruled(rule: Rule, spec: str, seed: int) -> tuple[str, str, int]:
    from droppath_audit.targets.loader import load

    target = cast("Target", load(spec).target)  # a layer, never a recording
    if not rule.applies(target):
        return "-", "", 0
    reason = rule.rejection(target, seed)
    return "yes" if reason else "", reason, 0


def _audited(spec: str, effort: str, seed: int) -> tuple[str, str, int]:
    from droppath_audit import audit
    from droppath_audit.core.level import Level

    report = audit(spec, effort=effort, seed=seed)
    for level in Level:
        bad = [result for result in report.results if result.bad and result.level is level]
        if bad:
            return str(level), bad[0].trial.id, len(report.open)
    return "", "", len(report.open)


def by_judge(rows: Sequence[Judgement]) -> Iterator[tuple[str, list[Judgement]]]:
    """Yield every judge with its judgements, efforts first."""
    names = list(dict.fromkeys(row.judge for row in rows))
    efforts = [name for name in ("quick", "standard", "thorough") if name in names]
    for name in [*efforts, *(rule.name for rule in rules())]:
        yield name, [row for row in rows if row.judge == name]
