"""Trials and facts arrive as they were sent: the worker has planned nothing, and the parent has loaded nothing."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

import pytest

from droppath_audit.core import wire
from droppath_audit.core.case import Case, Cell, DtypeCase
from droppath_audit.core.check import Design
from droppath_audit.core.chunk import Chunk
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.effort import EFFORTS, Effort
from droppath_audit.core.facts import Facts
from droppath_audit.core.invocation import Argument, Invocation, Reading
from droppath_audit.core.level import Level
from droppath_audit.core.recording import RECORDED, BlockFacts
from droppath_audit.core.trial import Trial
from droppath_audit.run.limits import Limits

# Of a name that everyone knows, with seconds that are its own.
PATIENT = Effort("standard", resolution=0.03, call_resolution=0.3, seconds=1234.5)
DIALECT = Dialect("batch", "eval", "residual", "raises")
BLOCK = BlockFacts(3, 7, (4, 5), "float32", "float64", 0.1, True, "a.b", 2, True, True, 4, 28, 7)
DESIGN = Design(0.25, "keep probability", 1_000)

CELL = Cell("cuda:1", "float16", 0.1, variant="compiled", dialect=DIALECT, effort=PATIENT, sample=3, declared=12)
CHUNK = Chunk(number=3, seeds=(1, 2), resolution=0.1, beta=0.2, capped=False, kept=4, decisions=5, size=6)

TRIALS = {
    "statistical": Trial(
        "DP123", "name", Level.SHOULD, CELL, root_seed=5, alpha=1e-9, design=DESIGN, reason="why not", chunk=CHUNK
    ),
    "deterministic": Trial("DP123", "name", Level.MUST, Case(effort=EFFORTS["thorough"])),
    "recorded": Trial("DP123", "name", Level.INFO, DtypeCase(RECORDED, "float64", effort=PATIENT, blocks=(BLOCK,) * 2)),
}


def across(trial: Trial) -> Trial:
    """Return the trial as it arrives in a worker."""
    return wire.load(Trial, json.loads(json.dumps(wire.dump(trial), allow_nan=False)))


@pytest.mark.parametrize("trial", TRIALS.values(), ids=TRIALS)
def test_a_trial_arrives_as_it_was_planned_and_with_its_limit(trial: Trial) -> None:
    arrived = across(trial)
    assert arrived == trial
    assert (arrived.id, arrived.entropy, Limits().of(arrived)) == (trial.id, trial.entropy, Limits().of(trial))


FACTS = {
    "driven": Facts(
        "a:b", "class", "a.py:1", "c 1.0", "drop_prob", DIALECT, "torch", "2.0", {"cpu": ("float32",)},
        fixed_shape=(-1, 4), smallest=(1,),
        invocation=Invocation(("import a",), "class", init=(Argument("p", "drop_prob"),), output=1, residual=True),
        capabilities=("Autograd", "Taped"), import_seconds=0.5, environment={"python": "3.11"}, importable=False,
    ),
    "recorded": Facts(
        "calls.npz", "recording", "", "", "", DIALECT, "", "", {RECORDED: ("float32",)},
        invocation=Reading(("def read(name): ...",), by_call=True), recording=(BLOCK,) * 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("facts", FACTS.values(), ids=FACTS)
def test_facts_arrive_as_the_worker_found_them(facts: Facts) -> None:
    assert wire.load(Facts, json.loads(json.dumps(wire.dump(facts), allow_nan=False))) == facts


@pytest.mark.parametrize("kind", [Trial, Cell])
def test_no_field_is_left_at_its_default_by_what_is_sent(kind: type) -> None:
    """A new field that nobody sends would otherwise arrive as planned, by being at its default on both sides."""
    senders = [trial.case for trial in TRIALS.values()] if kind is Cell else [TRIALS["statistical"]]
    for field in fields(kind):
        if field.default is not MISSING:
            assert any(getattr(sender, field.name, field.default) != field.default for sender in senders), field.name
