"""DP602 any-life: whatever is done to a layer, it then behaves as a fresh one with the same drop_prob does.

What it checks
    A state machine of Hypothesis constructs layers, switches their mode, calls them once or many times, runs backward
    passes (also after another forward pass of the same layer), changes drop_prob, converts to float64, float32,
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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.core.case import Case
from droppath_audit.core.check import Check, Level
from droppath_audit.core.errors import NotApplicable
from droppath_audit.core.verdict import Verdict
from droppath_audit.fuzz.lives import FIRST_DTYPE, Life, Step, World, landmarks, machine, shortest
from droppath_audit.fuzz.oracle import values_of
from droppath_audit.fuzz.strategies import Example, alone
from droppath_audit.probes.inputs import features
from droppath_audit.scripts.snippets import broken_promise

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from droppath_audit.core.check import Evidence, Stopping
    from droppath_audit.core.code import Code
    from droppath_audit.core.effort import Effort
    from droppath_audit.frameworks.base import Target
    from droppath_audit.fuzz.oracle import Violation

    Broken = tuple[list[Step], int, list[Violation]]

BATCH, SEVERAL = 16, 2  # SEVERAL samples where a call is one decision
STEPS = 15


def cases(device: str, effort: Effort) -> Iterator[Case]:
    """Yield one case: a life passes through drop_probs, modes and dtypes of its own."""
    yield Case(device, effort=effort)


def collect(target: Target, case: Case, rng: np.random.Generator, stopping: Stopping | None) -> Evidence:  # noqa: ARG001
    """Look for a life that ends wrong, among landmarks first and Hypothesis's then, and shorten it."""
    shape = (
        SEVERAL if case.dialect.granularity == "batch" else BATCH,
        *features(target, FIRST_DTYPE, case.device),
    )
    world = World(target, case.device, shape)
    if not any(world.sound(p, FIRST_DTYPE, training=True) for p in (0.5, 0.3)):
        raise NotApplicable("a fresh layer breaks its promises already (see DP601)")
    world.probe()
    steps, number, found = _landmark(world) or _generated(world, case, rng) or ([], 0, [])
    if steps:
        # Not by Hypothesis, which deletes from its own choices, and for minutes.
        life = Life(world)
        for step in shortest(world, steps):
            seen = life.do(step)
            if seen[1]:
                steps, (number, found) = life.history, seen
                break
    return {
        "lives": world.lives,
        "abilities": list(world.abilities),
        "lacks": world.lacks,
        "repeatable": world.repeatable(),
        "shape": list(shape),
        "steps": [[step.action, step.layer, step.argument, step.seed] for step in steps],
        "number": number,
        "found": [list(violation) for violation in found],
    }


def _landmark(world: World) -> Broken | None:
    for landmark in landmarks(world):
        life = Life(world)
        for step in landmark:
            number, found = life.do(step)
            if found:
                return life.history, number, found
    return None


def _generated(world: World, case: Case, rng: np.random.Generator) -> Broken | None:
    import hypothesis
    from hypothesis.stateful import run_state_machine_as_test

    broken: list[Broken] = []
    settings = hypothesis.settings(
        max_examples=case.effort.pick(8, 20, 300),
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
        phases=(hypothesis.Phase.generate,),
    )
    lives = hypothesis.seed(int(rng.integers(2**63)))(
        machine(world, lambda life, number, found: broken.append((list(life.history), number, found)))
    )
    # Flaky: a target with a generator of its own need not fail twice; what was seen was seen.
    with alone(), suppress(AssertionError, hypothesis.errors.Flaky):
        run_state_machine_as_test(lives, settings=settings)
    return broken[0] if broken else None


def judge(evidence: Evidence, case: Case, alpha: float) -> Verdict:  # noqa: ARG001
    """Fail on a single life after which a layer is not what it must be."""
    if not evidence["found"]:
        left_out = ", ".join(f"no {action}: {reason}" for action, reason in evidence["lacks"].items())
        return Verdict.passed(f"{evidence['lives']} lives" + (f" ({left_out})" if left_out else ""))
    steps = ", ".join(_words(Step(*step)) for step in evidence["steps"])
    return Verdict.failed(
        f"{evidence['found'][0][1]} (layer {evidence['number']}); shortest life: {steps}",
        promised="what a fresh layer does",
    )


def _words(step: Step) -> str:
    detail = {
        "construct": f"({step.argument!r})",
        "assign": f"({step.argument!r})",
        "convert": f"({step.argument})",
        "forward": f"({step.argument} times)",
        "backward": "(after another forward)" if step.argument else "()",
    }.get(step.action, "()")
    return f"{step.layer}.{step.action}{detail}"


@dataclass(frozen=True)
class _State:
    """What a layer of the snippet must be, and the mode that it was last told."""

    drop_prob: float
    training: bool = True
    dtype: str = FIRST_DTYPE
    told: bool = True


def snippet(case: Case, evidence: Evidence, code: Code) -> str:
    """Return the shortest failing life as a script; all layers are called after every step, as they were then."""
    shape, number, kind = tuple(evidence["shape"]), evidence["number"], evidence["found"][0][0]
    if evidence["repeatable"] and kind in ("values", "zeros", "identity", "evaluation", "group"):
        kind = "fresh"  # which is exact, where a tolerance would hide what a conversion has rounded
    steps = [Step(*step) for step in evidence["steps"]]
    lines = ["from math import inf, nan", "import copy, pickle", *code.setup(), "layers = []"]
    states: list[_State] = []
    for step in steps:
        lines.append(f"# {_words(step)}")
        last = step is steps[-1]
        lines += _act(step, states, shape, case, code, ends=last and kind == "gradient")
        if last and kind == "gradient":
            break
        for index in range(len(states)):
            if last and index == number:
                lines += _look(index, states, step.seed, kind, shape, case, code)
                break
            lines += _call(index, states, shape, case, code, 2 * [code.setup(step.seed)[-1]])
    final = states[number]
    return "\n".join([*lines, *broken_promise(kind, final.drop_prob, replace(case, dtype=final.dtype), code)])


def _at(index: int, states: list[_State], code: Code) -> list[str]:
    """Return the lines that take a layer into the hand, in its mode; which it is told only where it changes."""
    if not code.make:
        return []
    state = states[index]
    states[index] = replace(state, told=state.training)
    switch = code.switch(state.drop_prob, training=state.training) if state.told != state.training else []
    return [f"layer = layers[{index}]", *switch]


def _call(
    index: int, states: list[_State], shape: tuple[int, ...], case: Case, code: Code, seeds: list[str]
) -> list[str]:
    """Return the lines that call a layer once after each of these, which seed."""
    state = states[index]
    call = code.output(state.drop_prob, training=state.training)
    lines = [*_at(index, states, code), *code.input(shape, state.dtype, case.device)]
    return [*lines, *(line for seed in seeds for line in (seed, call))]


def _literal(state: _State, seed: int, shape: tuple[int, ...], case: Case, code: Code) -> list[str]:
    example = Example(shape, "contiguous", state.drop_prob, state.training, False, False, seed)
    values = values_of(example, state.dtype).reshape(-1).tolist()
    return code.literal(values, shape, state.dtype, case.device, "contiguous")


def _look(
    index: int, states: list[_State], seed: int, kind: str, shape: tuple[int, ...], case: Case, code: Code
) -> list[str]:
    """Return the lines that bind ``x`` and ``y``, and ``z`` where a fresh layer is the measure."""
    state = states[index]
    p, training = state.drop_prob, state.training
    seeded, call = code.setup(seed)[-1], code.output(p, training=training)
    lines = [*_at(index, states, code), *_literal(state, seed, shape, case, code)]
    if kind != "fresh":
        return [*lines, *(["before = x.tolist()"] if kind == "written" else []), seeded, f"y = {call}"]
    return [*lines, seeded, call, seeded, f"y = {call}", *code.construct(p, training=training), seeded, f"z = {call}"]


def _act(step: Step, states: list[_State], shape: tuple[int, ...], case: Case, code: Code, *, ends: bool) -> list[str]:
    """Return the lines of one step, and change the states by it; ``ends``: it binds ``y`` and the gradient."""
    index, argument = step.layer, step.argument
    if step.action == "construct":
        states.append(_State(argument))
        return [*code.construct(argument), "layers.append(layer)"] if code.make else []
    if step.action in ("deepcopy", "pickle"):
        states.append(states[index])
        copy = f"copy.deepcopy(layers[{index}])"
        return [
            f"layers.append({copy if step.action == 'deepcopy' else f'pickle.loads(pickle.dumps(layers[{index}]))'})"
        ]
    state = states[index]
    if step.action in ("train", "eval"):
        states[index] = replace(state, training=step.action == "train")
        return []
    if step.action == "forward":
        calls = _call(index, states, shape, case, code, [""])
        return [*calls[:-2], f"for _ in range({argument}):", f"    {calls[-1]}"]
    if step.action == "backward":
        between = [code.output(state.drop_prob)] if argument else []
        tracked, bound, reaches, backward, has = code.differentiate(state.drop_prob)
        values = _literal(state, step.seed, shape, case, code) if ends else code.input(shape, state.dtype, case.device)
        return [*_at(index, states, code), *values, tracked, bound, reaches, *between, backward, has]
    if step.action == "assign":
        states[index] = replace(state, drop_prob=argument)
        return [f"layer = layers[{index}]", code.assigned(argument)]
    states[index] = replace(state, dtype=argument)
    return [f"layer = layers[{index}]", code.converted(argument, case.device), f"layers[{index}] = layer"]


CHECK = Check(
    doc=__doc__,
    level=Level.MUST,
    cases=cases,
    collect=collect,
    judge=judge,
    snippet=snippet,
    not_recorded="the layer must be moved, copied and reloaded between calls; a recording cannot be driven",
    mutants=(
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
    ),
)
