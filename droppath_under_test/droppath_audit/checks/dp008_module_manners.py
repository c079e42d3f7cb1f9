"""DP008 module-manners: a layer can be copied and pickled, stores nothing, shows its probability and obeys a new one.

What it checks
    A deep copy and a pickled copy still drop, and still do not in evaluation; the state_dict is empty; the repr shows
    the probability; and after an assignment to the attribute of the argument's name the layer drops everything at 1
    and nothing at 0. What a layer has no attribute for is not asked of it; functions and factories are no layers.
Why it matters
    Moving averages copy models, launchers pickle them, checkpoints are loaded into models built by other code, and
    schedules change drop_prob during training. Each of these fails quietly or far from its cause.
How to fix
    Keep drop_prob as a plain attribute and compute from it in forward; no lambdas, buffers, generators or values
    derived from it in the constructor; show it in extra_repr.
Seen in
    Layers that compute keep_prob in their constructor: it stays what it was when drop_prob changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.core.facts import Facts
    from droppath_audit.frameworks.base import Layer, Target

DECISIONS = 64
DROP_PROB = 0.375  # which is exact, and as a keep_prob 0.625


def applicable(facts: Facts, case: Case) -> str:  # noqa: ARG001
    """Functions and factories have none of this."""
    return f"a {facts.kind} is no layer of its own" if facts.kind in ("function", "factory") else ""


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case: manners know no dtype."""
    yield Case(device, "float64", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Try each, and note what went wrong."""
    assert case.dtype is not None  # noqa: S101
    per_call = case.dialect.granularity == "batch"
    shape = (1 if per_call else DECISIONS, *features(target, case.dtype, case.device))
    x = target.framework.ones(shape, case.dtype, case.device)
    calls = DECISIONS if per_call else 1

    def zeros(layer: Layer, *, training: bool) -> tuple[bool, bool]:
        outputs = np.stack([target.framework.numpy(layer(x, training=training)) for _ in range(calls)])
        dropped = (outputs == 0) | np.isnan(outputs)  # NaN at keep_prob = 0 breaks DP301; the change was heard
        return bool(np.any(dropped)), bool(np.all(dropped))

    def copied(how: str) -> str:
        layer = target.make(DROP_PROB).copied(how)
        if not zeros(layer, training=True)[0]:
            return "the copy drops nothing in training"
        return "the copy drops in evaluation" if target.evaluates and zeros(layer, training=False)[0] else ""

    def changed(drop_prob: float) -> str:
        layer = target.make(DROP_PROB)
        layer.set_drop_prob(drop_prob)
        some, every = zeros(layer, training=True)
        return "" if (every if drop_prob == 1.0 else not some) else "it has no effect"

    def shown() -> str:
        text = target.make(DROP_PROB).text()
        return (
            "" if repr(DROP_PROB) in text or repr(1.0 - DROP_PROB) in text else f"it is {' '.join(text.split())[:80]}"
        )

    tried: dict[str, Callable[[], str]] = {
        "deepcopy": lambda: copied("deepcopy"),
        "pickle": lambda: copied("pickle"),
        "state_dict": lambda: ", ".join(target.make(DROP_PROB).stored()),
        "repr": shown,
        "drop_prob = 0": lambda: changed(0.0),
        "drop_prob = 1": lambda: changed(1.0),
    }
    if case.dialect.keep_prob_zero == "raises":
        del tried["drop_prob = 1"]
    outcomes = {}
    for name, attempt in tried.items():
        try:
            outcomes[name] = attempt()
        except TargetRaised as error:
            outcomes[name] = str(error)
        except NotApplicable:
            continue
    return {"outcomes": outcomes, "shape": list(shape)}


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single thing that went wrong."""
    outcomes = evidence["outcomes"]
    complaints = [f"{name}: {complaint}" for name, complaint in outcomes.items() if complaint]
    if complaints:
        return Verdict.failed("; ".join(complaints))
    return Verdict.passed(", ".join(outcomes))


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script for the first thing that went wrong."""
    assert case.dtype is not None  # noqa: S101
    name = next(name for name, complaint in evidence["outcomes"].items() if complaint)
    repeats = 1 if evidence["shape"][0] == DECISIONS else DECISIONS
    argument = 1.0 - DROP_PROB if code.keep else DROP_PROB
    outputs = f"ys = [{code.output(DROP_PROB)} for _ in range({repeats})]"
    still_drops = [outputs, "assert any((y == 0).any() for y in ys)"]
    if "evaluation" in evidence["outcomes"][name]:
        still_drops = [*code.switch(DROP_PROB, training=False), outputs, "assert not any((y == 0).any() for y in ys)"]
    ending = {
        "deepcopy": ["import copy", "layer = copy.deepcopy(layer)", *still_drops],
        "pickle": [
            "import pickle",
            "try:",
            "    layer = pickle.loads(pickle.dumps(layer))",
            "except Exception as error:",
            "    raise AssertionError('cannot be pickled') from error",
            *still_drops,
        ],
        "state_dict": ["print(layer.state_dict())", "assert not layer.state_dict()"],
        "repr": [
            "print(layer)",
            f"assert {repr(DROP_PROB)!r} in repr(layer) or {repr(1.0 - DROP_PROB)!r} in repr(layer)",
        ],
    }
    if name in ending:
        lines = ending[name]
    else:
        drop_prob = float(name[-1])
        lines = [
            f"names = [name for name, value in vars(layer).items() if value == {argument!r}]",
            "for name in names:",
            f"    setattr(layer, name, {1.0 - drop_prob if code.keep else drop_prob!r})",
            outputs,
            f"assert not any((y {'!=' if drop_prob else '=='} 0).any() for y in ys)",
        ]
    return "\n".join([
        *code.setup(),
        *code.construct(DROP_PROB),
        *code.input(tuple(evidence["shape"]), case.dtype, case.device),
        *lines,
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="the module itself must be looked at, copied and pickled; a recording cannot be driven",
    mutants=("HoldsALambda", "StoresItsProbability", "ShowsNothing", "ComputesKeepProbOnce"),
    applicable=applicable,
)
