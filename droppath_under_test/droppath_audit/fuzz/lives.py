"""Lives of a layer: what is done to it step by step, and what it must then still do, as a Hypothesis state machine.

The oracle of a step is the law, and a fresh layer: whatever was done to a layer, it must behave as one that was made
a moment ago with the same drop_prob. What a fresh layer itself gets wrong belongs to other checks and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import DTYPES
from droppath_audit.frameworks.capabilities import Autograd, has
from droppath_audit.fuzz.oracle import Violation, values_of, violations
from droppath_audit.fuzz.strategies import Example
from droppath_audit.probes.wrapped import CalledBetween

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.stateful import RuleBasedStateMachine

    from droppath_audit.frameworks.target import Layer, Target

DROP_PROBS = (0.5, 0.3, 0.0, 1.0, 0.9)
FIRST_DTYPE = "float32"
MOST = 2  # layers that live at once
ALL_CALLS = (1, 2, 7, 40)
BETWEEN = 12  # calls between a forward and its backward pass, over which gradients are accumulated
MAKES = ("construct", "deepcopy", "pickle")


@dataclass(frozen=True)
class Step:
    """One thing done.

    Attributes:
        action: ``construct``, ``train``, ``eval``, ``forward``, ``backward``, ``assign``, ``convert``, ``deepcopy`` or
            ``pickle``.
        layer: The number of the layer it is done to, or copied from; of a constructed one its own.
        argument: drop_prob, dtype, number of calls, or whether other calls come between forward and backward.
        seed: Seed of what is looked at afterwards.
    """

    action: str
    layer: int
    argument: Any
    seed: int


@dataclass
class Living:
    """A layer with what it must be by now."""

    layer: Layer
    drop_prob: float
    training: bool = True
    dtype: str = FIRST_DTYPE
    converted: tuple[str, ...] = ()


@dataclass
class World:
    """A target with what is known of its fresh layers.

    Attributes:
        target: The target.
        device: Device of x.
        shape: Shape of x.
        abilities: The actions beyond calls that its layers can undergo.
        lacks: Why others cannot be tried, by action.
        dtypes: Those to which layers are converted: what the device computes in.
        lives: How many there were.
    """

    target: Target
    device: str
    shape: tuple[int, ...]
    abilities: tuple[str, ...] = ()
    lacks: dict[str, str] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    lives: int = 0
    _sound: dict[tuple[float, str, bool], bool] = field(default_factory=dict)
    _repeatable: bool | None = None

    def probe(self) -> None:
        """Find out by trying what can be done to a layer."""
        there = self.target.framework.dtypes(self.device)
        self.dtypes = tuple(dtype for dtype in DTYPES if dtype in there)
        attempts: dict[str, Callable[[Layer], object]] = {
            "deepcopy": lambda layer: layer.copied("deepcopy"),
            "pickle": lambda layer: layer.copied("pickle"),
            "assign": lambda layer: layer.set_drop_prob(DROP_PROBS[1]),
            "convert": lambda layer: layer.convert(FIRST_DTYPE, self.device),
        }
        for action, attempt in attempts.items():
            try:
                attempt(self.target.make(DROP_PROBS[0]))
            except NotApplicable as error:
                self.lacks[action] = str(error)
            except TargetRaised as error:
                self.lacks[action] = f"raised {error} (see DP008)"
        self.abilities = tuple(action for action in attempts if action not in self.lacks)
        if self.gradients:
            self.abilities += ("backward",)

    @property
    def gradients(self) -> bool:
        """Whether there are backward passes at all."""
        return has(self.target.framework, Autograd) is not None

    def example(self, living: Living, seed: int, *, gradient: bool = False) -> Example:
        """Return the call by which a layer is looked at."""
        return Example(self.shape, "contiguous", living.drop_prob, living.training, gradient, False, seed)

    def fresh(self, like: Living) -> Layer:
        """Return a new layer, converted as another one was: what a layer holds is rounded by each conversion."""
        layer = self.target.make(like.drop_prob)
        for dtype in like.converted:
            layer.convert(dtype, self.device)
        return layer

    def sound(self, drop_prob: float, dtype: str, *, training: bool) -> bool:
        """Return whether a fresh layer keeps its promises here; if not, that is another check's to report."""
        key = (drop_prob, dtype, training)
        if key not in self._sound:
            fresh = Living(self.target.make(drop_prob), drop_prob, training, dtype)
            try:
                found = violations(self.target, self.example(fresh, 1, gradient=self.gradients), dtype, self.device)
            except TargetRaised:
                self._sound[key] = False
            else:
                self._sound[key] = not found
        return self._sound[key]

    def repeatable(self) -> bool:
        """Return whether the framework's seed fixes the masks of fresh layers (see DP501)."""
        if self._repeatable is None:
            fresh = [Living(self.target.make(DROP_PROBS[0]), DROP_PROBS[0]) for _ in range(2)]
            self._repeatable = not any(self._differs(living, seed) for seed, living in enumerate(fresh))
        return self._repeatable

    def look(self, living: Living, seed: int) -> list[Violation]:
        """Call a layer, and return what it broke or in what it differs from a fresh one."""
        if not self.sound(living.drop_prob, living.dtype, training=living.training):
            return []
        found = violations(self.target, self.example(living, seed), living.dtype, self.device, living.layer)
        if not found and self.repeatable() and self._differs(living, seed):
            found = [Violation("fresh", "the output is not that of a fresh layer with the same seed")]
        return found

    def _differs(self, living: Living, seed: int) -> bool:
        framework, dtype = self.target.framework, living.dtype
        values = values_of(self.example(living, seed), dtype)
        outputs = []
        for layer in (living.layer, self.fresh(living)):
            framework.seed(seed)
            x = framework.tensor(values, dtype, self.device)
            outputs.append(framework.bits(layer(x, training=living.training)))
        return not np.array_equal(outputs[0], outputs[1])


class Life:
    """Layers of one target and their history.

    Args:
        world: The target.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        world.lives += 1
        self.living: list[Living] = []
        self.history: list[Step] = []

    def do(self, step: Step) -> tuple[int, list[Violation]]:
        """Do one thing, then look at every layer, and return which one broke something and what."""
        self.history.append(step)
        number = step.layer
        try:
            if found := self._act(step):
                return number, found
            for number, living in enumerate(self.living):
                if found := self.world.look(living, step.seed):
                    return number, found
        except TargetRaised as error:
            return number, [Violation("raised", f"raised {error}")]
        return number, []

    def _act(self, step: Step) -> list[Violation]:
        world, argument = self.world, step.argument
        if step.action == "construct":
            self.living.append(Living(world.target.make(argument), argument))
            return []
        living = self.living[step.layer]
        if step.action in ("train", "eval"):
            living.training = step.action == "train"
        elif step.action == "forward":
            x = world.target.framework.ones(world.shape, living.dtype, world.device)
            for _ in range(argument):
                living.layer(x, training=living.training)
        elif step.action == "backward":
            layer: Any = CalledBetween(living.layer, times=BETWEEN) if argument else living.layer
            example = world.example(living, step.seed, gradient=True)
            if world.sound(living.drop_prob, living.dtype, training=True):
                return violations(world.target, example, living.dtype, world.device, layer)
        elif step.action == "assign":
            living.layer.set_drop_prob(argument)
            living.drop_prob = argument
        elif step.action == "convert":
            living.layer.convert(argument, world.device)
            living.dtype, living.converted = argument, (*living.converted, argument)
        else:
            self.living.append(replace(living, layer=living.layer.copied(step.action)))
        return []


LANDMARKS: tuple[tuple[tuple[str, int, Any], ...], ...] = (
    (
        ("construct", 0, 0.5),
        ("forward", 0, 40),
        ("assign", 0, 0.3),
        ("deepcopy", 0, None),
        ("assign", 0, 0.9),
        ("assign", 1, 0.5),
    ),
    (("construct", 0, 0.5), ("assign", 0, 0.3), ("pickle", 0, None), ("assign", 1, 0.9), ("forward", 0, 2)),
    (
        ("construct", 0, 0.3),
        ("eval", 0, None),
        ("assign", 0, 0.9),
        ("train", 0, None),
        ("backward", 0, True),
        ("eval", 0, None),
        ("train", 0, None),
    ),
    (
        ("construct", 0, 0.3),
        ("convert", 0, "float16"),
        ("convert", 0, "float64"),
        ("convert", 0, "bfloat16"),
        ("convert", 0, "float32"),
    ),
    (("construct", 0, 0.5), ("construct", 1, 0.3), ("backward", 0, False), ("backward", 1, True), ("forward", 0, 40)),
)
"""Lives that are always tried first: a schedule on copies, a resumed run, an epoch, conversions, two layers."""


def landmarks(world: World) -> list[list[Step]]:
    """Return the lives that are always tried, without the actions that this target lacks."""
    able = {"construct", "forward", *world.abilities} | ({"train", "eval"} if world.target.evaluates else set())
    found = []
    for landmark in LANDMARKS:
        steps = [Step(*step, seed) for seed, step in enumerate(landmark)]
        for number in reversed(range(len(steps))):
            if steps[number].action not in able:
                steps = without(steps, number)
        found.append(steps)
    return found


def without(steps: list[Step], number: int) -> list[Step]:
    """Return a life without one of its steps; without what was done to a layer, too, that is then never made."""
    rest = [*steps[:number], *steps[number + 1 :]]
    if steps[number].action not in MAKES:
        return rest
    gone = sum(step.action in MAKES for step in steps[:number])
    # A copy's number is that of what it was copied from; those of the layers made later move up.
    kept = []
    for position, step in enumerate(rest):
        if position < number or step.layer < gone:
            kept.append(step)
        elif step.layer > gone:
            kept.append(replace(step, layer=step.layer - 1))
        elif step.action in MAKES:
            return steps  # a copy of what is gone
    return kept


def shortest(world: World, steps: list[Step]) -> list[Step]:
    """Return a life, got from this one by leaving steps out and making them simpler, that breaks a promise as well."""

    def breaks(candidate: list[Step]) -> bool:
        life = Life(world)
        return any(life.do(step)[1] for step in candidate)

    def simpler(step: Step, seed: int) -> list[Step]:
        order: dict[str, tuple[Any, ...]] = {"forward": ALL_CALLS, "backward": (False, True), "construct": DROP_PROBS}
        choices = order.get(step.action, (step.argument,))
        # Only those before it, so that this comes to an end.
        return [replace(step, seed=seed), *(replace(step, argument=a) for a in choices[: choices.index(step.argument)])]

    before: list[Step] = []
    while before != steps:
        before = steps
        for number in reversed(range(1, len(steps))):
            candidate = without(steps, number)
            if len(candidate) < len(steps) and breaks(candidate):
                steps = candidate
        for number in range(len(steps)):
            for step in simpler(steps[number], number):
                candidate = [*steps[:number], step, *steps[number + 1 :]]
                if step != steps[number] and breaks(candidate):
                    steps = candidate
    return steps


def machine(world: World, failed: Callable[[Life, int, list[Violation]], None]) -> type[RuleBasedStateMachine]:
    """Return the state machine of a target's lives; ``failed`` is told of each life that breaks a promise."""
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

    drop_probs = st.sampled_from([p for p in DROP_PROBS if p < 1.0 or world.target.dialect.keep_prob_zero != "raises"])
    numbers, seeds = st.integers(0, MOST - 1), st.integers(0, 2**32 - 1)

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.life = Life(world)

        def step(self, action: str, number: int, argument: Any, seed: int) -> None:
            # Of a layer that is yet to be constructed, the number is that of those before it.
            living = len(self.life.living)
            step = Step(action, living if action == "construct" else number % living, argument, seed)
            number, found = self.life.do(step)
            if found:
                failed(self.life, number, found)
                raise AssertionError(found[0].text)

        def living(self, number: int) -> Living:
            return self.life.living[number % len(self.life.living)]

        def room(self) -> bool:
            return len(self.life.living) < MOST

        @initialize(drop_prob=drop_probs, seed=seeds)
        def first(self, drop_prob: float, seed: int) -> None:
            self.step("construct", 0, drop_prob, seed)

        @precondition(room)
        @rule(drop_prob=drop_probs, seed=seeds)
        def construct(self, drop_prob: float, seed: int) -> None:
            self.step("construct", 0, drop_prob, seed)

        @precondition(lambda _: world.target.evaluates)
        @rule(number=numbers, seed=seeds)
        def switch(self, number: int, seed: int) -> None:
            self.step("eval" if self.living(number).training else "train", number, None, seed)

        @rule(number=numbers, calls=st.sampled_from(ALL_CALLS), seed=seeds)
        def forward(self, number: int, calls: int, seed: int) -> None:
            self.step("forward", number, calls, seed)

        @precondition(lambda _: world.gradients)
        @rule(number=numbers, between=st.booleans(), seed=seeds)
        def backward(self, number: int, between: bool, seed: int) -> None:
            if self.living(number).training:
                self.step("backward", number, between, seed)

        @precondition(lambda _: "assign" in world.abilities)
        @rule(number=numbers, drop_prob=drop_probs, seed=seeds)
        def assign(self, number: int, drop_prob: float, seed: int) -> None:
            self.step("assign", number, drop_prob, seed)

        @precondition(lambda _: "convert" in world.abilities)
        @rule(number=numbers, dtype=st.sampled_from(world.dtypes or (FIRST_DTYPE,)), seed=seeds)
        def convert(self, number: int, dtype: str, seed: int) -> None:
            self.step("convert", number, dtype, seed)

        @precondition(lambda self: self.room() and not {"deepcopy", "pickle"}.isdisjoint(world.abilities))
        @rule(number=numbers, how=st.sampled_from(("deepcopy", "pickle")), seed=seeds)
        def copy(self, number: int, how: str, seed: int) -> None:
            if how in world.abilities:
                self.step(how, number, None, seed)

    return Machine
