"""DP602 any-life: whatever is done to a layer, it then behaves as a fresh one with the same drop_prob does.

What it checks
    A state machine of Hypothesis constructs layers, switches their mode, calls them once or many times, runs backward
    passes (also after other forward passes of the same layer), changes drop_prob, converts to float64, float32,
    float16 and bfloat16, makes deep and pickled copies, and seeds. After every step every layer that lives, the copies
    and the copied included, must keep the law of its drop_prob, mode and dtype, and give bit for bit what a fresh
    layer gives with the same seed (where that fixes the masks of a fresh one). A failing life is cut to its
    shortest. What a fresh layer itself gets wrong is left to other checks. A function or a factory has the rules of
    its calls alone, and a layer those for which it has an attribute or a method.
Why it matters
    Training warms drop_prob up, evaluates in between, averages copies, resumes from pickles and converts to half
    precision. A layer that is right when it is new can be wrong by then, in one run out of many.
How to fix
    Keep drop_prob as the only state, as a plain attribute, and compute everything from it in each forward pass.
Seen in
    Layers that compute keep_prob in their constructor; ones that keep a mask, a dtype or a counter between calls.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.grid import Once
from droppath_audit.core.verdict import Verdict
from droppath_audit.fuzz.lives import FIRST_DTYPE, Life, Step, World, landmarks, machine, shortest
from droppath_audit.fuzz.oracle import Violation
from droppath_audit.fuzz.retelling import Retelling, words
from droppath_audit.fuzz.strategies import alone

if TYPE_CHECKING:
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

    Broken = tuple[list[Step], int, list[Violation]]

BATCH, SEVERAL = 16, 2  # SEVERAL samples where a call is one decision
LARGEST = 4096  # elements of x; a life has many calls
STEPS = 15
EXACT = ("values", "zeros", "identity", "evaluation", "group")


@dataclass(frozen=True)
class Seen:
    """How many lives there were, what could not be done in them, and the shortest that ends wrong.

    Attributes:
        lives: Their number.
        abilities: Actions that the layers can undergo.
        lacks: Why others cannot be tried, by action.
        repeatable: Whether the framework's seed fixes the masks of fresh layers.
        shape: Shape of x.
        steps: The shortest life that ends wrong; empty where none does.
        number: Which of its layers is wrong then.
        found: In what.
    """

    lives: int
    abilities: tuple[str, ...]
    lacks: dict[str, str]
    repeatable: bool
    shape: tuple[int, ...]
    steps: tuple[Step, ...]
    number: int
    found: tuple[Violation, ...]


class AnyLife(Check[Seen, Case]):
    where = Once()  # a life passes through drop_probs, modes and dtypes of its own
    driven = "the layer must be moved, copied and reloaded between calls"
    lengthy = True
    together = "Hypothesis"
    broad = True
    mutants = (
        "ComputesKeepProbOnce",
        "StoresItsProbability",
        "ModeOfFirstCall",
        "frozen_after_first_call",
        "DropsInTurns",
        "DrawsOneCallAhead",
        "KeepsTheMaskOfAPhase",
        "SharesItsConfiguration",
        "ForgetsItsProbability",
        "WidensOnceConverted",
        "StopsAfterABackward",
        "FadesAfterManyCalls",
        "IgnoresChangesInEvaluation",
        "RoundsInItsFirstDtype",
        "ReusesItsMask",
        "CopiesByConstructing",
        "RoundsItsProbability",
        "SeedsACopyOfItsOwn",
    )

    def collect(self, probe: LiveProbe[Case]) -> Seen:
        """Look for a life that ends wrong, among landmarks first and Hypothesis's then, and shorten it."""
        features = probe.features(dtype=FIRST_DTYPE)
        few = probe.at.per_call or BATCH * prod(features) > LARGEST
        shape = (SEVERAL if few else BATCH, *features)
        world = World(probe.target, probe.at.device, shape)
        if not any(world.sound(p, FIRST_DTYPE, training=True) for p in (0.5, 0.3)):
            raise NotApplicable("a fresh layer breaks its promises already (see DP601)")
        world.probe()
        steps, number, found = _landmark(world) or _generated(world, probe) or ([], 0, [])
        if steps:
            # Not by Hypothesis, which deletes from its own choices, and for minutes.
            life = Life(world)
            for step in shortest(world, steps):
                seen = life.do(step)
                if seen[1]:
                    steps, (number, found) = life.history, seen
                    break
        return Seen(
            world.lives, world.abilities, world.lacks, world.repeatable(), shape, tuple(steps), number, tuple(found)
        )

    def judge(self, seen: Seen, at: Case, alpha: float) -> Verdict:
        """Fail on a single life after which a layer is not what it must be."""
        if not seen.found:
            left_out = ", ".join(f"no {action}: {reason}" for action, reason in seen.lacks.items())
            return Verdict.passed(f"{seen.lives} lives" + (f" ({left_out})" if left_out else ""))
        return Verdict.failed(
            f"{seen.found[0].text} (layer {seen.number}); shortest life: {', '.join(map(words, seen.steps))}",
            promised="what a fresh layer does",
        )

    def show(self, seen: Seen, at: Case, script: LiveScript) -> None:
        """Live the shortest failing life again; all layers are called after every step, as they were then."""
        kind = seen.found[0].kind
        # A fresh layer is an exact measure, where a tolerance would hide what a conversion has rounded.
        fresh = seen.repeatable and kind in EXACT
        Retelling(script, seen.shape).tell(seen.steps, seen.number, kind, fresh=fresh)


def _landmark(world: World) -> Broken | None:
    for landmark in landmarks(world):
        life = Life(world)
        for step in landmark:
            number, found = life.do(step)
            if found:
                return life.history, number, found
    return None


def _generated(world: World, probe: LiveProbe[Case]) -> Broken | None:
    import hypothesis
    from hypothesis.stateful import run_state_machine_as_test

    broken: list[Broken] = []
    settings = hypothesis.settings(
        max_examples=probe.at.effort.pick(8, 20, 300),
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate,),
    )
    lives = hypothesis.seed(int(probe.rng.integers(2**63)))(
        machine(world, lambda life, number, found: broken.append((list(life.history), number, found)))
    )
    # Flaky: a target with a generator of its own need not fail twice; what was seen was seen.
    with alone(), suppress(AssertionError, hypothesis.errors.Flaky):
        run_state_machine_as_test(lives, settings=settings)
    return broken[0] if broken else None
