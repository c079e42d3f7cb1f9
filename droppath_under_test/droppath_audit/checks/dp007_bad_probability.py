"""DP007 bad-probability: a drop_prob that is no probability is refused, with its value in the message.

What it checks
    -0.1, 1.5, NaN, the text 'half' and None are given as the probability (of a keep_prob: 1.1, -0.5, NaN, 'half',
    None). The constructor or the first training call must raise ValueError or TypeError, and the message must show
    the value.
Why it matters
    A schedule that is off by one produces -0.1 or 1.5, an empty field in a configuration None. Accepted in silence they
    drop nothing, everything, or flip signs, and training goes on.
How to fix
    Validate in the constructor: if not 0.0 <= drop_prob <= 1.0, raise ValueError with the value. NaN fails that
    comparison as well.
Seen in
    Every layer of the floor(keep_prob + rand) family, which takes -0.1, 1.5 and NaN without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.verdict import Verdict
from droppath_audit.probes.inputs import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target

# By the text that stands in evidence and snippets.
VALUES: dict[str, Any] = {"-0.1": -0.1, "1.5": 1.5, "nan": float("nan"), "'half'": "half", "None": None}


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield the one case: arguments know no dtype."""
    yield Case(device, "float64", effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Construct and call the target with each value."""
    assert case.dtype is not None  # noqa: S101
    shape = (4, *features(target, case.dtype, case.device))
    x = target.framework.ones(shape, case.dtype, case.device)
    outcomes = {}
    for text, value in VALUES.items():
        try:
            target.make(value)(x, training=True)
            outcomes[text] = ["", ""]
        except TargetRaised as error:
            outcomes[text] = [error.kind, error.text]
    return {"outcomes": outcomes, "shape": list(shape)}


def _shown(text: str) -> tuple[str, ...]:
    """Return what of a value must stand in the message; a keep_prob shows 1 minus it."""
    if text in ("-0.1", "1.5"):
        return text, repr(1.0 - float(text))
    return (text.strip("'").lower(),)


def _complaint(text: str, kind: str, message: str) -> str:
    """Return what is wrong with the reaction to one value, or an empty text."""
    if not kind:
        return f"{text} is accepted"
    if kind not in ("ValueError", "TypeError"):
        return f"{text} gives {kind}"
    if not any(value in message.lower() for value in _shown(text)):
        return f"{text} gives {kind} without the value"
    return ""


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single value that is not refused in the right words."""
    complaints = [_complaint(text, kind, message) for text, (kind, message) in evidence["outcomes"].items()]
    if any(complaints):
        return Verdict.failed("; ".join(complaint for complaint in complaints if complaint))
    return Verdict.passed(f"{len(complaints)} of {len(complaints)} values are refused")


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return a script that gives the target the first value that went wrong."""
    assert case.dtype is not None  # noqa: S101
    text = next(text for text, (kind, message) in evidence["outcomes"].items() if _complaint(text, kind, message))
    setup = code.setup()
    body = code.run(VALUES[text], tuple(evidence["shape"]), case.dtype, case.device)[len(setup) :]
    return "\n".join([
        "from math import nan",
        *setup,
        "try:",
        *(f"    {line}" for line in body),
        "except (ValueError, TypeError) as error:",
        "    print(error)",
        f"    assert any(value in str(error).lower() for value in {_shown(text)!r})",
        "except Exception as error:",
        "    raise AssertionError('neither ValueError nor TypeError') from error",
        "else:",
        f"    raise AssertionError({f'{text} is accepted'!r})",
    ])  # fmt: skip


CHECK = Check(
    doc=__doc__,
    level=Level.SHOULD,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="it must be asked for a drop_prob that is none; a recording cannot be driven",
    mutants=("accepts_any_probability", "refuses_without_a_word"),
)
