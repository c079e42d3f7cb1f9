"""Measure kills and false alarms and write ``docs/calibration.md``: ``tox -e calibration``.

Results go to a scratch file as they come, named by the code and the versions they belong to, so that an interrupted run
continues where it stopped and never with what another tree had found. No figure on the page has another source.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import droppath_audit
import droppath_reference
from droppath_audit.selftest.alarms import Kill, audited, kills, synthetic_audits
from droppath_audit.selftest.examination import REFERENCE, Subject, subjects
from droppath_audit.selftest.processes import Lost, answers, cores
from droppath_audit.selftest.uniformity import THRESHOLDS, RateTest, excesses, largest_excess
from droppath_audit.stats.exact import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "calibration.md"
SCRATCH = Path(__file__).parent.parent / "build" / "calibration"

BUDGET = 0.01  # of the synthetic audits
TWICE = 0.02  # a rate at which their number must be seen to exceed the budget
LEVEL = 1e-3  # size of all tests of p-values together
SHOWN = (0.5, 0.1, 0.01, 1e-3)  # thresholds with a column of their own
BUDGET_LEVEL = 0.01  # size of the test of the budget
CHUNK = 20  # synthetic audits a process
LIMIT = 600.0  # seconds a process
SHARE_OF_REFERENCE = 4  # one quick audit in so many is the reference's


class Scratch:
    """Answers by key, in a file of JSON lines.

    Args:
        folder: Where the file is; its name comes from the code and the versions of what computes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{fingerprint()}.jsonl"
        self.known: dict[str, Any] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else ():
            try:
                self.known.update(json.loads(line))
            except ValueError:
                continue  # the line at which an earlier run was interrupted

    def add(self, key: str, answer: Any) -> None:
        """Keep an answer, also for a later run."""
        self.known[key] = answer
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps({key: answer})}")  # begins anew after a line that was cut off


def versions() -> dict[str, str]:
    """Return the versions that figures depend on."""
    return {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy", "hypothesis")}


def fingerprint() -> str:
    """Return a digest of both packages' code and of the versions."""
    digest = hashlib.sha256(repr(sorted(versions().items())).encode())
    for package in (droppath_audit, droppath_reference):
        folder = Path(package.__file__).parent
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Part:
    """One of the measurements: runs what the scratch file lacks and shows how far it is.

    Args:
        title: Its name in the progress line.
        scratch: Where answers are kept.
        workers: Processes at a time.
    """

    def __init__(self, title: str, scratch: Scratch, workers: int) -> None:
        self._title, self._scratch, self._workers = title, scratch, workers
        self.lost: list[str] = []

    def run(self, function: Any, jobs: dict[str, Any], prepare: Any = None) -> dict[str, Any]:
        """Return the answer of every job by its key.

        Args:
            function: Makes an answer.
            jobs: By key.
            prepare: Applied to a job when it is about to run, with all answers that are known by then.
        """
        known = self._scratch.known
        missing = [key for key in jobs if key not in known]
        keys = iter(missing)
        running: dict[int, str] = {}

        def upcoming() -> Iterator[Any]:
            for key in keys:
                job = jobs[key] if prepare is None else prepare(jobs[key], known)
                running[id(job)] = key
                yield job

        started = time.monotonic()
        self._say(len(jobs) - len(missing), len(jobs), None)
        finished = answers(function, upcoming(), workers=self._workers, limit=LIMIT)
        for done, (job, answer) in enumerate(finished, start=1):
            key = running.pop(id(job))
            if isinstance(answer, Lost):
                self.lost.append(f"{key}: {answer.reason}")
            else:
                self._scratch.add(key, answer)
            left = (time.monotonic() - started) / done * (len(missing) - done)
            self._say(len(jobs) - len(missing) + done, len(jobs), left)
        sys.stderr.write("\n")
        for line in self.lost:
            sys.stderr.write(f"lost  {line}\n")
        return {key: known[key] for key in jobs if key in known}

    def _say(self, done: int, number: int, left: float | None) -> None:
        if not sys.stderr.isatty() and done % max(1, number // 50) and done != number:
            return
        text = f"{self._title}: {done} of {number}" + ("" if left is None else f", about {left / 60:.1f} min left")
        sys.stderr.write(f"\r{text:<70}" if sys.stderr.isatty() else f"{text}\n")
        sys.stderr.flush()


def hinted(job: Kill, known: dict[str, Any]) -> Kill:
    """Return the job with the trials that killed its mutant under seeds before."""
    hints: dict[str, str] = {}
    for seed in range(job.seed):
        found = known.get(f"kills/{job.subject.name}/{seed}", {"kills": {}})["kills"]
        hints |= {check: trial for check, trial in found.items() if trial}
    return Kill(job.subject, job.seed, hints)


def measure(seeds: int, audits: int, synthetic: int, scratch: Scratch, workers: int) -> dict[str, Any]:
    """Return all answers: kills by mutant and seed, quick audits by SPEC, synthetic audits, and what was lost."""
    everyone = subjects()
    # Seed by seed, so that every later one knows which trial to try first.
    jobs: dict[str, Any] = {
        f"kills/{one.name}/{seed}": Kill(one, seed) for seed in range(seeds) for one in everyone if one.claims
    }
    part = Part("kills", scratch, workers)
    by_mutant: dict[str, list[dict[str, str]]] = {one.name: [] for one in everyone if one.claims}
    for key, answer in part.run(kills, jobs, hinted).items():
        by_mutant[key.split("/")[1]].append(answer["kills"])
    lost, seconds = part.lost, {"kills": sum(scratch.known[key]["seconds"] for key in jobs if key in scratch.known)}

    sound = [Subject("the reference", REFERENCE, sound=True), *(one for one in everyone if one.sound)]
    jobs = {}
    for number in range(audits):
        others = number - number // SHARE_OF_REFERENCE - 1
        one = sound[0 if number % SHARE_OF_REFERENCE == 0 else 1 + others % (len(sound) - 1)]
        jobs[f"audit/{one.name}/{number}"] = (one.spec, number)
    part = Part("quick audits", scratch, workers)
    by_variant: dict[str, list[dict[str, Any]]] = {one.name: [] for one in sound}
    for key, answer in part.run(audited, jobs).items():
        by_variant[key.split("/")[1]].append(answer)
    lost, seconds["audits"] = lost + part.lost, sum(a["seconds"] for found in by_variant.values() for a in found)

    chunks = [range(start, min(start + CHUNK, synthetic)) for start in range(0, synthetic, CHUNK)]
    part = Part("synthetic audits, by twenties", scratch, workers)
    found = part.run(
        partial(synthetic_audits, budget=BUDGET),
        {f"synthetic/{chunk.start}-{chunk.stop}": chunk for chunk in chunks},
    )
    drawn = [audit for answer in found.values() for audit in answer["audits"]]
    seconds["synthetic"] = sum(answer["seconds"] for answer in found.values())
    return {
        "seeds": seeds,
        "claims": {one.name: one.claims for one in everyone if one.claims},
        "kills": by_mutant,
        "audits": by_variant,
        "synthetic": drawn,
        "lost": lost + part.lost,
        "seconds": seconds,
    }


class Page:
    """The page, written while what it says is checked.

    Attributes:
        wrong: What is not as it should be, a line each; empty where all is well.
    """

    def __init__(self, measured: dict[str, Any]) -> None:
        self.wrong: list[str] = list(measured["lost"])
        used = ", ".join(f"{name} {version}" for name, version in versions().items())
        self.lines = [
            "# Calibration",
            "",
            "Written by `python docs/calibration.py`, which `tox -e calibration` runs: no figure here has another "
            f"source. droppath-audit {droppath_audit.__version__}, {used}. No verdict here depends on time: trials run "
            "without the time limits of an audit.",
        ]
        self._kills(measured)
        self._alarms(measured["audits"])
        self._p_values(measured)
        self._budget(measured["synthetic"])

    def _say(self, *lines: str) -> None:
        self.lines += ["", *lines]

    def _kills(self, measured: dict[str, Any]) -> None:
        seeds, claims = measured["seeds"], measured["claims"]
        number = sum(map(len, claims.values()))
        rows, kept = [], 0
        for name, checks in claims.items():
            found = {check: sum(bool(one[check]) for one in measured["kills"][name]) for check in checks}
            kept += sum(found.values())
            rows.append(f"| `{name}` | {', '.join(f'{check} {count}' for check, count in found.items())} |")
            self.wrong += [f"{name}: {c} kills it under {n} of {seeds} seeds" for c, n in found.items() if n != seeds]
        lowest = binomial_interval(seeds, seeds, 0.1)[0]
        self._say(
            f"## Kills under {seeds} root seeds",
            "",
            f"Every mutant, the checks that claim it, and under how many of the root seeds 0 to {seeds - 1} each of "
            f"them kills it, at effort standard: {kept} of {number * seeds} kills by {number} claims on {len(claims)} "
            f"mutants. All {seeds} of {seeds} bounds the rate of one claim from below by {lowest:.3f} (exact, 95 %).",
            "",
            "| mutant | kills by its claiming checks |",
            "|---|---|",
            *rows,
        )

    def _alarms(self, audits: dict[str, list[dict[str, Any]]]) -> None:
        number = sum(map(len, audits.values()))
        alarms = sum(bool(one["alarms"]) for found in audits.values() for one in found)
        for name, found in audits.items():
            self.wrong += [f"{name}: alarm {alarm}" for one in found for alarm in one["alarms"]]
            self.wrong += [f"{name}: {trial} is inconclusive" for one in found for trial in one["open"]]
        highest = binomial_interval(alarms, number, 0.1)[1] if number else 1.0
        self._say(
            "## False alarms",
            "",
            f"{number} audits of correct code at effort quick and the default budget, each with a root seed of its "
            f"own, 0 to {number - 1}: {alarms} raised an alarm (a broken MUST). The rate lies below {highest:.2g} "
            "(exact, 95 %).",
            "",
            "| implementation | audits | alarms | inconclusive |",
            "|---|---|---|---|",
            *(
                f"| {name if name == 'the reference' else f'`{name}`'} | {len(found)} | "
                f"{sum(bool(one['alarms']) for one in found)} | {sum(bool(one['open']) for one in found)} |"
                for name, found in audits.items()
            ),
        )

    def _p_values(self, measured: dict[str, Any]) -> None:
        groups = {"the reference": measured["audits"]["the reference"], "synthetic": measured["synthetic"]}
        collected: list[tuple[str, str, list[float]]] = []
        for name, audits in groups.items():
            by_check: dict[str, list[float]] = {}
            for audit in audits:
                for check, values in audit["p"].items():
                    by_check.setdefault(check, []).extend(values)
            if by_check:
                collected.append((name, "all checks", [p for values in by_check.values() for p in values]))
                collected += [(name, check, values) for check, values in sorted(by_check.items())]
        tests = sum(1 + len(excesses(values)) for _, _, values in collected)
        level = LEVEL / max(1, tests)
        rows = []
        for name, check, values in collected:
            excess, bound = largest_excess(values)
            found = excesses(values)
            worst = min(found, key=lambda one: one.p_value)
            cells = [f"{one.count} of {one.allowed:.4g}" for one in found if one.threshold in SHOWN]
            rows.append(
                f"| {name} | {check} | {len(values)} | {' | '.join(cells)} | {worst.p_value:.2g} at "
                f"{worst.threshold:g} | {excess:.4f} | {bound:.2g} |"
            )
            if min(bound, worst.p_value) <= level:
                self.wrong.append(f"{name}: p-values of {check} are smaller than they may be")
        thresholds = [f"≤ {threshold:g}" for threshold in SHOWN]
        self._say(
            "## P-values of correct code",
            "",
            "A p-value of correct code may be larger than uniform (counts are discrete, and that of a certificate is "
            "the inverse of an e-value) and never smaller. For every statistical check: how many of its p-values lie "
            "at or below a threshold, of how many that may on average; the smallest of the exact binomial p-values of "
            f"such counts at {', '.join(f'{threshold:g}' for threshold in THRESHOLDS)}, and where it was found; the "
            "largest excess D⁺ of their distribution over the uniform one, and Massart's bound on "
            f"the probability of one as large. Size of all {tests} tests together: {LEVEL:g}, {level:.2g} each.",
            "",
            f"| audits of | check | p-values | {' | '.join(thresholds)} | smallest | D⁺ | bound |",
            f"|{'---|' * (6 + len(thresholds))}",
            *rows,
        )

    def _budget(self, audits: list[dict[str, Any]]) -> None:
        number = len(audits)
        if not number:
            return
        alarms = sum(bool(audit["alarms"]) for audit in audits)
        unanswered = sum(bool(audit["open"]) for audit in audits)
        trials = max(sum(map(len, audit["p"].values())) for audit in audits)
        split = BUDGET / trials
        tight = sum(
            bool(audit["alarms"]) or any(p <= split for values in audit["p"].values() for p in values)
            for audit in audits
        )
        test = RateTest(BUDGET, number, BUDGET_LEVEL)
        for count, what in ((alarms, "the shares of an audit"), (tight, f"shares of 1/{trials}")):
            if count >= test.critical:
                self.wrong.append(f"{count} of {number} synthetic audits alarm with {what} of a budget of {BUDGET:g}")
        self.wrong += [f"synthetic: {trial} is inconclusive" for audit in audits for trial in audit["open"]]
        self._say(
            "## The budget, end to end",
            "",
            f"{number} audits at effort quick with `--budget {BUDGET:g}` of a synthetic target, whose decisions are "
            "NumPy's and independent by construction; statistical checks alone, "
            f"{trials} trials with a p-value an audit at most; root seeds 0 to {number - 1}.",
            "",
            "| shares of the budget | audits | alarms | allowed on average |",
            "|---|---|---|---|",
            f"| those of an audit, budget/2^14 | {number} | {alarms} | {number * BUDGET:.4g} |",
            f"| budget/{trials}, the largest that as many trials could have | {number} | {tight} | "
            f"{number * BUDGET:.4g} |",
            "",
            f'"At most {BUDGET:g} of the audits alarm" would be rejected from {test.critical} alarms on (exact '
            f"binomial, size {BUDGET_LEVEL:g}); if {TWICE:g} of them did, with probability {test.power(TWICE):.3f}. "
            "The first row is what a user gets: the budget is divided by 2^14 whatever is selected, so that a trial "
            "alone judges as it does in the whole audit, and most of it is never spent. The second asks the same "
            f"p-values with nothing left over, where more than the budget could be seen. Inconclusive: {unanswered}.",
        )

    @property
    def text(self) -> str:
        """The page as text."""
        verdict = "Every figure is as it should be." if not self.wrong else "Not as it should be:"
        wrong = [f"- {line}" for line in self.wrong]
        return "\n".join([*self.lines[:3], "", verdict, *([""] if wrong else []), *wrong, *self.lines[3:]]) + "\n"


def positive(text: str) -> int:
    """Return a number of at least one.

    Raises:
        ValueError: If it is none.
    """
    if int(text) < 1:
        raise ValueError
    return int(text)


def main() -> int:
    """Measure, write the page, and return 1 where a figure is not as it should be."""
    parser = argparse.ArgumentParser(description="Measure kills and false alarms; write docs/calibration.md.")
    parser.add_argument("--seeds", type=positive, default=20, help="root seeds under which every mutant is killed")
    parser.add_argument(
        "--audits", type=positive, default=1000, help="quick audits of the reference and sound variants"
    )
    parser.add_argument("--synthetic", type=positive, default=2000, help="audits of the synthetic target")
    parser.add_argument("--jobs", type=positive, default=cores(), help="processes at a time")
    parser.add_argument("--scratch", type=Path, default=SCRATCH, help="folder for results of interrupted runs")
    parser.add_argument("--page", type=Path, default=PAGE, help="what to write")
    options = parser.parse_args()
    measured = measure(options.seeds, options.audits, options.synthetic, Scratch(options.scratch), options.jobs)
    page = Page(measured)
    options.page.write_text(page.text, encoding="utf-8")
    spent = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in measured["seconds"].items())
    sys.stderr.write(f"processor time: {spent}\n{options.page} is written\n")
    sys.stderr.writelines(f"wrong  {line}\n" for line in page.wrong)
    return int(bool(page.wrong))


if __name__ == "__main__":
    sys.exit(main())
