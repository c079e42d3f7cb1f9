"""DP007 bad-probability: a drop_prob that is no probability is refused, with its value in the message.

What it checks
    -0.1, 1.5, NaN, the text 'half' and None are given as the probability (of a keep_prob: 1.1, -0.5, NaN, 'half',
    None). The constructor or the first training call must raise ValueError or TypeError, and the message must show
    the value. A constructor with a default of its own must refuse it as it is called, or make a layer that trains.
Why it matters
    A schedule that is off by one produces -0.1 or 1.5, an empty field in a configuration None. Accepted in silence they
    drop nothing, everything, or flip signs, and training goes on. A default that nobody has tried ends a run in its
    first step, far from where the argument was forgotten.
How to fix
    Validate in the constructor: if not 0.0 <= drop_prob <= 1.0, raise ValueError with the value. NaN fails that
    comparison as well. Give the argument no default, or 0.0.
Seen in
    Every layer of the floor(keep_prob + rand) family, which takes -0.1, 1.5 and NaN without a word.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, has

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

BATCH = 4
FORWARD, BACKWARD = "the first training step", "the first backward pass"

# By the text that stands in evidence and scripts.
VALUES: dict[str, Any] = {"-0.1": -0.1, "1.5": 1.5, "nan": float("nan"), "'half'": "half", "None": None}


@dataclass(frozen=True)
class Reaction:
    """What a value was answered with: the exception's kind and message, empty where there was none."""

    value: str
    kind: str
    message: str

    @property
    def shown(self) -> tuple[str, ...]:
        """What of the value must stand in the message; a keep_prob shows 1 minus it."""
        if self.value in ("-0.1", "1.5"):
            return self.value, repr(1.0 - float(self.value))
        return (self.value.strip("'").lower(),)

    @property
    def complaint(self) -> str:
        """What is wrong with it, or an empty text."""
        if not self.kind:
            return f"{self.value} is accepted"
        if self.kind not in ("ValueError", "TypeError"):
            return f"{self.value} gives {self.kind}"
        if not any(value in self.message.lower() for value in self.shown):
            return f"{self.value} gives {self.kind} without the value"
        return ""


@dataclass(frozen=True)
class Seen:
    """The reaction to every value.

    Attributes:
        reactions: Of the target.
        default: What its constructor takes where it is told nothing; empty where it must be told.
        untrained: Why a layer with that default does not train; empty where it does.
    """

    reactions: tuple[Reaction, ...]
    default: str = ""
    untrained: str = ""

    @property
    def complaints(self) -> list[str]:
        """What is wrong."""
        found = [reaction.complaint for reaction in self.reactions if reaction.complaint]
        return [*found, f"with its default, {self.default}, {self.untrained}"] if self.untrained else found


class BadProbability(Check[Seen, DtypeCase]):
    level = Level.SHOULD
    where = Dtypes(("float64",))  # arguments know no dtype
    driven = "it must be asked for a drop_prob that is none"
    wants_refusals = True
    mutants = ("accepts_any_probability", "refuses_without_a_word", "DefaultsToNone", "DefaultsToAnInteger")

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Construct and call the target with each value."""
        x = probe.ones(probe.shape(BATCH))
        reactions = []
        for text, value in VALUES.items():
            kind = message = ""
            try:
                probe.target.make(value)(x, training=True)
            except TargetRaised as error:
                kind, message = error.as_one_of("ValueError", "TypeError"), error.text
            reactions.append(Reaction(text, kind, message))
        return Seen(tuple(reactions), *map(repr, probe.target.default), **_trained(probe))

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on a single value that is not refused in the right words."""
        if seen.complaints:
            return Verdict.failed("; ".join(seen.complaints))
        default = f", and a layer with its default, {seen.default}, trains or is refused" if seen.default else ""
        return Verdict.passed(f"{len(seen.reactions)} of {len(seen.reactions)} values are refused{default}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Give the target the first value that went wrong."""
        script.imports("from math import nan")
        first = next((reaction for reaction in seen.reactions if reaction.complaint), None)
        if first is None:
            _show_default(seen, script)
            return
        with script.under("try:"):
            script.plain(VALUES[first.value], script.shape(BATCH))
        script.add(
            "except (ValueError, TypeError) as error:",
            "    print(error)",
            f"    assert any(value in str(error).lower() for value in {first.shown!r})",
            "except Exception as error:",
            "    raise AssertionError('neither ValueError nor TypeError') from error",
            "else:",
            f"    raise AssertionError({f'{first.value} is accepted'!r})",
        )


def _trained(probe: LiveProbe[DtypeCase]) -> dict[str, str]:
    """Return why a layer that was constructed without a probability does not make its first training step."""
    for default in probe.target.default:
        try:
            layer = probe.target.untold().make(default)
        except TargetRaised:
            continue  # refused as it is constructed
        x, step = probe.ones(probe.shape(BATCH)), FORWARD
        try:
            layer(x, training=True)
            step = BACKWARD
            if (autograd := has(probe.framework, Autograd)) is not None:
                autograd.gradient(layer, x, x)
        except TargetRaised as error:
            return {"untrained": f"{step} raises {error}"}
    return {}


def _show_default(seen: Seen, script: LiveScript) -> None:
    """Construct a layer with the default, and train."""
    default = ast.literal_eval(seen.default)
    with script.under("try:"):
        script.layer(default)
    script.add("except Exception as error:", "    print('refused:', error)")
    with script.under("else:"):
        script.ones(script.shape(BATCH))
        with script.must_not_raise("the first training step raises"):
            if seen.untrained.startswith(BACKWARD):
                script.track()
            script.run(default)
            if seen.untrained.startswith(BACKWARD):
                script.add(f"if {script.spell.tracked('y')}:", f"    {script.spell.backward('y')}")
