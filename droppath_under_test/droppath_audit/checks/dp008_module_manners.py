"""DP008 module-manners: a layer can be copied and pickled, stores nothing, shows its probability and obeys a new one.

What it checks
    A deep copy and a pickled copy still drop, and still do not in evaluation; they are in the mode that the layer was
    in, and keep its hooks and an attribute that somebody gave it; and they can be made after a call on a tracked x.
    Forward hooks run. train() and eval() return the layer. The state_dict is empty, after a call too; the repr shows
    the probability; and after an assignment to the attribute of the argument's name the layer drops everything at 1
    and nothing at 0. What a layer has no attribute for is not asked of it; functions and factories are no layers, and
    of frameworks without hooks those are not asked for.
Why it matters
    Moving averages copy models, launchers pickle them, checkpoints are loaded into models built by other code, and
    schedules change drop_prob during training. ``model = model.eval()`` is how everybody writes it; profilers, pruning
    and sharding live in hooks; an average that trains is evaluated every epoch. Each of these fails quietly or far
    from its cause. What a call leaves in the state_dict is in the checkpoint of a trained model, and no new model knows
    of it.
How to fix
    Keep drop_prob as a plain attribute and compute from it in forward; no lambdas, buffers, generators or values
    derived from it in the constructor; show it in extra_repr. Leave ``__call__``, ``__deepcopy__`` and pickling to the
    framework, and return self from ``train``.
Seen in
    Layers that compute keep_prob in their constructor: it stays what it was when drop_prob changes.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, Layers, has

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DECISIONS = 64
DROP_PROB = 0.375  # which is exact, and as a keep_prob 0.625
SHOWN = (repr(DROP_PROB), repr(1.0 - DROP_PROB))
CHANGES = {0.0: "drop_prob = 0", 1.0: "drop_prob = 1"}
STILL_DROPS = "the copy drops in evaluation"
TRAINS, EVALUATES = "the copy of a layer in evaluation trains", "the copy of a layer in training drops nothing"
NO_HOOKS, NO_MARK = "the copy has lost its hooks", "the copy has lost an attribute that somebody gave the layer"
TRACKED = "after a call on a tracked x "  # of a copy, with what it raises
CHAINED, HOOKED = "train() and eval()", "hooks"


@dataclass(frozen=True)
class Operation:
    """What was tried, and what went wrong; nothing where the complaint is empty."""

    tried: str
    complaint: str


@dataclass(frozen=True)
class Seen:
    """What came of everything that could be tried."""

    outcomes: tuple[Operation, ...]


class ModuleManners(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float64",))  # manners know no dtype
    driven = "the module itself must be looked at, copied and pickled"
    mutants = (
        "HoldsALambda",
        "StoresItsProbability",
        "StoresItsLastMask",
        "KeepsItsLastOutput",
        "ShowsNothing",
        "ComputesKeepProbOnce",
        "TrainReturnsNothing",
        "CallsForwardItself",
        "CopiesInTraining",
        "CopiesInEvaluation",
        "CopiesWithoutHooks",
        "PicklesItsProbabilityAlone",
    )

    def applicable(self, facts: Facts, at: DtypeCase) -> str:
        """Functions and factories have none of this."""
        return f"a {facts.kind} is no layer of its own" if facts.kind in ("function", "factory") else ""

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Try each, and note what went wrong."""
        tried: dict[str, Callable[[], str]] = {
            "deepcopy": partial(_copied, probe, "deepcopy"),
            "pickle": partial(_copied, probe, "pickle"),
            "state_dict": partial(_stored, probe),
            "repr": partial(_shown, probe),
            CHAINED: partial(_chained, probe),
            HOOKED: partial(_hooked, probe),
        }
        tried |= {CHANGES[p]: partial(_changed, probe, p) for p in probe.accepted(*CHANGES)}
        outcomes = []
        for name, attempt in tried.items():
            try:
                outcomes.append(Operation(name, attempt()))
            except TargetRaised as error:
                outcomes.append(Operation(name, str(error)))
            except NotApplicable:
                continue
        return Seen(tuple(outcomes))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single thing that went wrong."""
        complaints = [f"{outcome.tried}: {outcome.complaint}" for outcome in seen.outcomes if outcome.complaint]
        if complaints:
            return Verdict.failed("; ".join(complaints))
        return Verdict.passed(", ".join(outcome.tried for outcome in seen.outcomes))

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Do the first thing that went wrong."""
        first = next(outcome for outcome in seen.outcomes if outcome.complaint)
        shape = script.shape(1 if at.per_call else DECISIONS)
        if first.tried in ("deepcopy", "pickle"):
            _show_copy(first, shape, at, script)
            return
        ys = f"ys = [{script.array(script.call(DROP_PROB))} for _ in range({DECISIONS if at.per_call else 1})]"
        script.layer(DROP_PROB)
        script.ones(shape)
        if first.tried == CHAINED:
            script.spend()
            script.add("assert layer.train() is layer and layer.train(False) is layer and layer.eval() is layer")
        elif first.tried == HOOKED:
            _hook(script)
            script.add(script.call(DROP_PROB), "assert len(ran) == 2, 'hooks did not run'")
        elif first.tried == "state_dict":
            script.add(
                script.call(DROP_PROB),
                f"print({script.spell.stored('layer')})",
                f"assert not {script.spell.stored('layer')}",
            )
        elif first.tried == "repr":
            script.add("print(layer)", f"assert any(number in repr(layer) for number in {SHOWN!r})")
        else:
            everything = first.tried == CHANGES[1.0]
            script.assign(float(everything))
            script.add(ys, f"assert all((y {'==' if everything else '!='} 0).all() for y in ys)")


def _zeros(probe: LiveProbe[DtypeCase], layer: Layer, *, training: bool) -> tuple[bool, bool]:
    """Return whether some, and whether all of the output is dropped."""
    x = probe.ones(probe.shape(1 if probe.at.per_call else DECISIONS))
    calls = DECISIONS if probe.at.per_call else 1
    outputs = np.stack([probe.framework.numpy(layer(x, training=training)) for _ in range(calls)])
    dropped = (outputs == 0) | np.isnan(outputs)  # NaN at keep_prob = 0 breaks DP301; the change was heard
    return bool(np.any(dropped)), bool(np.all(dropped))


def _copied(probe: LiveProbe[DtypeCase], how: str) -> str:
    layer = probe.make(DROP_PROB).copied(how)
    if not _zeros(probe, layer, training=True)[0]:
        return "the copy drops nothing in training"
    if probe.target.evaluates and _zeros(probe, layer, training=False)[0]:
        return STILL_DROPS
    with suppress(NotApplicable):
        if complaint := _in_its_mode(probe, how):
            return complaint
    with suppress(NotApplicable):
        return _with_all_that_it_was_given(probe, how)
    return ""


def _in_its_mode(probe: LiveProbe[DtypeCase], how: str) -> str:
    """Return what is wrong with the mode of a copy of a layer in evaluation, or in training."""
    for training in probe.modes if probe.target.evaluates else ():
        layer = probe.make(DROP_PROB)
        _zeros(probe, layer, training=training)
        if _zeros(probe, layer.copied(how).as_it_stands(), training=training)[0] is not training:
            return EVALUATES if training else TRAINS
    return ""


def _with_all_that_it_was_given(probe: LiveProbe[DtypeCase], how: str) -> str:
    layer = probe.make(DROP_PROB)
    manners = layer.manners()
    manners.mark()
    manners.hook()
    tracking = has(probe.framework, Autograd)
    x = probe.ones(probe.shape(DECISIONS))
    layer(x if tracking is None else tracking.tracking(x), training=True)
    runs = not manners.missed()
    try:
        copied = layer.copied(how)
    except TargetRaised as error:
        return f"{TRACKED}{error}"
    _zeros(probe, copied, training=True)
    if runs and copied.manners().missed():
        return NO_HOOKS
    return "" if copied.manners().marked() else NO_MARK


def _chained(probe: LiveProbe[DtypeCase]) -> str:
    methods = probe.make(DROP_PROB).manners().unchained()
    return f"{' and '.join(methods)} do not return the layer" if methods else ""


def _hooked(probe: LiveProbe[DtypeCase]) -> str:
    layer = probe.make(DROP_PROB)
    manners = layer.manners()
    manners.hook()
    _zeros(probe, layer, training=True)
    missed = manners.missed()
    return f"a {' and a '.join(missed)} did not run" if missed else ""


def _hook(script: LiveScript) -> None:
    """Have a function run around the calls of ``layer``, which ``ran`` counts."""
    script.spend()
    script.add("ran = []")
    with script.under("def hook(layer, *_):"):
        script.add("ran.append(1)")
    script.add(script.spell.hook("layer", "hook"))


def _show_copy(first: Operation, shape: tuple[int, ...], at: DtypeCase, script: LiveScript) -> None:
    """Copy the layer, and ask of the copy what it has lost."""
    evaluated = first.complaint in (STILL_DROPS, TRAINS)
    script.layer(DROP_PROB, training=first.complaint != TRAINS)
    script.ones(shape)
    if first.complaint == NO_HOOKS:
        _hook(script)
    elif first.complaint == NO_MARK:
        script.add("layer.mark = 1")
    elif first.complaint.startswith(TRACKED):
        script.track()
        script.add(script.call(DROP_PROB))
    script.imports("import copy", "import pickle")
    copy = "copy.deepcopy(layer)" if first.tried == "deepcopy" else "pickle.loads(pickle.dumps(layer))"
    with script.must_not_raise("it cannot be copied"):
        script.add(f"layer = {copy}")
    script.spend()
    call = script.call(DROP_PROB, training=not evaluated)
    if first.complaint == NO_HOOKS:
        script.add(call, "assert ran, 'the copy has lost its hooks'")
    elif first.complaint == NO_MARK:
        script.add("assert hasattr(layer, 'mark'), 'the copy has lost an attribute'")
    else:
        if first.complaint == STILL_DROPS:
            script.add(f"{script.call(DROP_PROB)}  # a call in training comes first")
            script.switch(DROP_PROB, training=False)
        script.add(
            f"ys = [{script.array(call)} for _ in range({DECISIONS if at.per_call else 1})]",
            f"assert {'not any' if evaluated else 'any'}((y == 0).any() for y in ys)",
        )


def _stored(probe: LiveProbe[DtypeCase]) -> str:
    probe.ask(Layers)
    layer = probe.make(DROP_PROB)
    _zeros(probe, layer, training=True)
    return ", ".join(layer.stored())


def _shown(probe: LiveProbe[DtypeCase]) -> str:
    text = probe.make(DROP_PROB).text()
    return "" if any(number in text for number in SHOWN) else f"it is {' '.join(text.split())[:80]}"


def _changed(probe: LiveProbe[DtypeCase], drop_prob: float) -> str:
    layer = probe.make(DROP_PROB)
    layer.set_drop_prob(drop_prob)
    some, every = _zeros(probe, layer, training=True)
    return "" if (every if drop_prob == 1.0 else not some) else "it has no effect"
