"""The engine: runs a plan on a collector, judges what comes back, and yields events.

It knows no command line, no pytest and no writer.
"""

from __future__ import annotations

import shlex
import time
import traceback
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from droppath_audit.checks import check as check_of
from droppath_audit.core.case import EAGER
from droppath_audit.core.events import AuditFinished, AuditStarted, Event, ScriptsStarted, TrialFinished
from droppath_audit.core.facts import MODEL, SCHEDULE
from droppath_audit.core.grid import INTERIOR
from droppath_audit.core.quoting import with_text
from droppath_audit.core.recording import RECORDED
from droppath_audit.core.report import Report
from droppath_audit.core.repository import commit_of
from droppath_audit.core.result import BAD, Result
from droppath_audit.core.verdict import Verdict
from droppath_audit.core.version import __version__
from droppath_audit.run.expecting import expected, written
from droppath_audit.run.explaining import gathered
from droppath_audit.run.hints import agreed
from droppath_audit.run.plan import Settings, make
from droppath_audit.run.showing import not_run
from droppath_audit.run.waiving import waived
from droppath_audit.scripts import LiveScript, script_for
from droppath_audit.stats.budget import DEFAULT_BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from droppath_audit.core.collected import Collected, Collector
    from droppath_audit.core.facts import Facts
    from droppath_audit.core.interruption import Interruption
    from droppath_audit.core.trial import Trial
    from droppath_audit.core.waiver import Waiver
    from droppath_audit.run.explaining import Explaining
    from droppath_audit.run.journal import Journal
    from droppath_audit.run.showing import Showing
    from droppath_audit.scripts.script import Draft

IN_PROCESS = "an audit in this process runs no scripts"
IN_HAND = "the target is an object in hand, which a script cannot import"


def run(
    collector: Collector,
    settings: Settings,
    *,
    imports: tuple[str, ...] = (),
    journal: Journal | None = None,
    interruption: Interruption | None = None,
    showing: Showing | None = None,
    explaining: Explaining | None = None,
    waivers: Sequence[Waiver] = (),
) -> Iterator[Event]:
    """Audit a loaded target.

    Args:
        collector: Runs trials on the target.
        settings: Effort, seed, budget and selection.
        imports: Modules that were imported before the target; they go into reproducing commands.
        journal: Where answers are kept as they come; those that it holds are taken over.
        interruption: Why the collector ends early, where it does.
        showing: Runs the scripts that the report will print; without it none is run.
        waivers: What is known to be broken, and does not fail the audit.
        explaining: Finds the lines that findings come from; without it they stand at the target's definition.

    Yields:
        AuditStarted, then TrialFinished for every planned trial, in order, ScriptsStarted where there are any to run,
        then AuditFinished. After an interruption trials are missing, and the report is marked as incomplete.

    Raises:
        UsageError: If the target cannot be loaded or the selection matches nothing.
    """
    facts = collector.facts
    started, began = time.perf_counter(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    trials = make(facts, settings)
    yield AuditStarted(facts, trials)
    outcomes = collector.collect(
        [trial for trial in trials if not trial.reason],
        known=journal.answers if journal is not None else None,
        note=journal.append if journal is not None else None,
    )
    results, incomplete = [], ""
    for trial in trials:
        if trial.reason:
            result = Result(trial, Verdict.not_applicable(trial.reason))
        else:
            try:
                outcome = next(outcomes, None)
            except KeyboardInterrupt:
                outcome, incomplete = None, "interrupted by SIGINT"
            if outcome is None:
                incomplete = (interruption.reason if interruption is not None else "") or incomplete or "ended early"
                break
            result = judge(trial, outcome[1], facts, settings, imports)
        results.append(result)
        yield TrialFinished(result)
    if showing is None:
        results = not_run(results, IN_PROCESS if facts.importable else IN_HAND)
    elif incomplete:
        results = not_run(results, "the audit ended early")
    elif any(result.snippet for result in results):
        yield ScriptsStarted()
        results = showing.shown(results, strict=settings.strict)
    told = agreed(results, facts)
    if explaining is None or incomplete:
        causes = gathered(told, facts, {})
    else:
        causes = explaining.causes(told, facts)
    causes = written(causes, facts)
    final, known = waived(told, causes, waivers, facts.spec)
    report = Report(
        facts=facts,
        version=__version__,
        seed=settings.seed,
        budget=settings.budget,
        effort=settings.effort,
        strict=settings.strict,
        results=final,
        incomplete=incomplete,
        planned=len(trials),
        seconds=time.perf_counter() - started,
        started=began,
        commit=commit_of(facts.origin.rpartition(":")[0]),
        documentation={one.trial.check: check_of(one.trial.check).documentation for one in told if one.bad},
        causes=causes,
        waivers=known,
        expected="" if incomplete else expected(facts, told, settings.effort),
    )
    yield AuditFinished(report)


def judge(
    trial: Trial, collected: Collected, facts: Facts, settings: Settings, imports: tuple[str, ...] = ()
) -> Result:
    """Return the result of one trial: its verdict and, where a promise is broken, everything needed to act on it."""
    check = check_of(trial.check)
    script: Draft | None = None
    trace, place = collected.traceback, None
    if collected.not_applicable:
        verdict = Verdict.not_applicable(collected.not_applicable)
    elif collected.inconclusive:
        verdict = Verdict.inconclusive(collected.inconclusive)
    elif collected.evidence is None:
        verdict = Verdict.error(collected.error)
    else:
        try:
            seen = check.load(collected.evidence)
            sequential = check.stopping(trial.case, trial.alpha) is not None
            verdict = check.judge(seen, trial.case, trial.alpha)
            verdict = collected.qualified(verdict, trial.design, sequential=sequential)
            if verdict.outcome in BAD:
                script = script_for(facts, trial.case, collected.smallest)
                check.show(seen, trial.case, script)
                place = check.place(seen, trial.case)
        except Exception as error:
            # Evidence that nobody foresaw must cost one verdict, not the report.
            verdict = Verdict.error(f"the evidence could not be judged: {type(error).__name__}: {error}")
            script, trace = None, traceback.format_exc()
    result = Result(
        trial,
        verdict,
        evidence=collected.evidence or {},
        promised=verdict.promised or check.documentation.promise,
        traceback=trace,
        place=None if place is None else with_text(place),
        seconds=collected.seconds,
        note=collected.note,
        stopped_by_time=collected.stopped_by_time,
    )
    if verdict.outcome not in BAD:
        return result
    scripts = [script] if script is not None else _bare_scripts(trial, facts)
    longer = [text for one in scripts for text in one.longer()]
    return replace(
        result,
        why=check.documentation.why,
        fix=check.documentation.fix,
        reproduce=reproduce(trial, facts, settings, imports),
        snippet=scripts[0].text() if scripts else "",
        longer=(*(one.text() for one in scripts[1:]), *longer),
    )


def reproduce(trial: Trial, facts: Facts, settings: Settings, imports: tuple[str, ...] = ()) -> str:
    """Return the command that runs this trial alone, with the verdict it had here."""
    if not facts.importable:
        asked = "" if trial.case.variant == EAGER else f", variants=({name_of(trial.case.variant, facts)!r},)"
        asked += ", benchmark=True" if check_of(trial.check).benchmark else ""
        return f"audit(…, only=({trial.id!r},), seed={settings.seed}, effort={settings.effort!r}{asked})"
    words = [
        "droppath-audit",
        *([facts.kind] if facts.kind in (MODEL, SCHEDULE) else []),
        facts.spec,
        "--only",
        trial.id,
        "--seed",
        str(settings.seed),
    ]
    if settings.effort != "standard":
        words += ["--effort", settings.effort]
    if settings.strict:
        words += ["--strict"]
    if settings.budget != DEFAULT_BUDGET:
        words += ["--budget", repr(settings.budget)]
    if trial.case.variant != EAGER and trial.case.device != RECORDED:
        words += ["--variants", name_of(trial.case.variant, facts)]
    if check_of(trial.check).benchmark:
        words += ["--benchmark"]
    if trial.case.device not in ("cpu", RECORDED):
        words += ["--device", trial.case.device]
    for module in imports:
        words += ["--import", module]
    return shlex.join(words)


def name_of(way: str, facts: Facts) -> str:
    """Return the variant that a way belongs to, as a user asks for it."""
    return next((name for name, ways in facts.variants.items() if way in ways), way)


def _bare_scripts(trial: Trial, facts: Facts) -> list[Draft]:
    """Return calls at the trial's case, for a target that raised or died before there was evidence.

    The first calls it. Where that shows nothing, the next calls it at every drop_prob, the ends included, another
    differentiates, with a further call between, and the last evaluates.
    """
    features = (4,) if facts.fixed_shape is None else facts.smallest or facts.fixed_shape[1:]
    first = trial.case.coordinates.get("drop_prob", 0.5)
    ends = (0.0, 1.0) if facts.dialect.keep_prob_zero != "raises" else (0.0,)
    found: list[Draft] = []
    for rates, training, tracked in (
        ((first,), True, False),
        ((*INTERIOR, *ends), True, False),
        ((first,), True, True),
        ((first,), False, False),
    ):
        script = script_for(facts, trial.case, features)
        if not isinstance(script, LiveScript) or (tracked and "Autograd" not in facts.capabilities):
            continue
        for p in rates:
            if tracked:
                script.layer(p)
                script.ones(script.shape(8))
                script.differentiate(p, script.call(p))
            else:
                script.plain(p, script.shape(8), training=training)
        found.append(script)
    return found
