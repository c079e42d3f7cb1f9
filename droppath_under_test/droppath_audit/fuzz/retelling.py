"""Retelling a life of layers as a script."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from droppath_audit.fuzz.lives import BETWEEN, FIRST_DTYPE, Step
from droppath_audit.fuzz.oracle import values_of
from droppath_audit.fuzz.showing import broken_promise
from droppath_audit.fuzz.strategies import Example

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.scripts import LiveScript


def words(step: Step) -> str:
    """Return a step in words, such as ``0.assign(0.3)``."""
    detail = {
        "construct": f"({step.argument!r})",
        "assign": f"({step.argument!r})",
        "convert": f"({step.argument})",
        "forward": f"({step.argument} times)",
        "backward": "(after other forwards)" if step.argument else "()",
    }.get(step.action, "()")
    return f"{step.layer}.{step.action}{detail}"


@dataclass(frozen=True)
class _State:
    """What a layer of the script must be, and the mode that it was last told."""

    drop_prob: float
    training: bool = True
    dtype: str = FIRST_DTYPE
    told: bool = True


class Retelling:
    """Writes a life into a script.

    Args:
        script: The script.
        shape: Shape of x.
    """

    def __init__(self, script: LiveScript, shape: tuple[int, ...]) -> None:
        self._script, self._shape = script, shape
        self._states: list[_State] = []
        self._values: list[complex] = []  # of the last x
        self._has_layer = script.invocation.has_layer

    def tell(self, steps: Sequence[Step], number: int, kind: str, *, fresh: bool = False) -> None:
        """Add the life, and lines that fail where layer ``number`` then breaks a promise of this kind.

        Args:
            steps: The life.
            number: Which layer.
            kind: Of the promise.
            fresh: Whether it is to give what a fresh layer gives as well.
        """
        script, fresh = self._script, fresh or kind == "fresh"
        script.spend()
        script.add("layers = []")
        for position, step in enumerate(steps):
            script.add(f"# {words(step)}")
            last = position == len(steps) - 1
            self._act(step, ends=last and kind == "gradient")
            if last and kind == "gradient":
                break
            for index in range(len(self._states)):
                if last and index == number:
                    self._look(index, step.seed, kind, fresh=fresh)
                    break
                self._call(index, [script.seed(step.seed)] * 2)
        final = self._states[number]
        for one in dict.fromkeys(["fresh", kind] if fresh else [kind]):
            broken_promise(one, final.drop_prob, final.dtype, script, self._values)

    def _at(self, index: int) -> _State:
        """Take a layer into the hand, in its mode, which it is told only where it changes."""
        state = self._states[index]
        if self._has_layer:
            self._script.add(f"layer = layers[{index}]")
            if state.told != state.training:
                self._script.switch(state.drop_prob, training=state.training)
            self._states[index] = replace(state, told=state.training)
        return state

    def _call(self, index: int, before: list[str]) -> None:
        """Call a layer once after each of these lines."""
        state = self._at(index)
        self._script.ones(self._shape, state.dtype)
        call = self._script.call(state.drop_prob, training=state.training)
        self._script.add(*(line for seed in before for line in (seed, call)))

    def _literal(self, state: _State, seed: int) -> None:
        example = Example(self._shape, "contiguous", state.drop_prob, state.training, False, False, seed)
        self._values = values_of(example, state.dtype).reshape(-1).tolist()
        self._script.literal(self._values, self._shape, dtype=state.dtype)

    def _look(self, index: int, seed: int, kind: str, *, fresh: bool) -> None:
        """Bind ``x`` and ``y``, and ``z`` where a fresh layer is the measure."""
        script, state = self._script, self._at(index)
        p, training = state.drop_prob, state.training
        seeded, call = script.seed(seed), script.call(p, training=training)
        self._literal(state, seed)
        if kind == "written":
            script.add(f"before = {script.array('x', state.dtype)}.copy()")
        script.add(*([seeded, call] if fresh else []), seeded, f"y = {call}")
        if fresh:
            script.layer(p, training=training)
            script.add(seeded, f"z = {call}")

    def _act(self, step: Step, *, ends: bool) -> None:
        """Take one step, and change the states by it; ``ends``: it binds ``y`` and the gradient."""
        script, index, argument = self._script, step.layer, step.argument
        if step.action == "construct":
            self._states.append(_State(argument))
            if self._has_layer:
                script.layer(argument)
                script.add("layers.append(layer)")
            return
        if step.action in ("deepcopy", "pickle"):
            self._states.append(self._states[index])
            script.add(f"layers.append({script.copied(f'layers[{index}]', step.action)})")
            return
        state = self._states[index]
        if step.action in ("train", "eval"):
            self._states[index] = replace(state, training=step.action == "train")
        elif step.action == "forward":
            self._at(index)
            script.ones(self._shape, state.dtype)
            with script.under(f"for _ in range({argument}):"):
                script.add(script.call(state.drop_prob, training=state.training))
        elif step.action == "backward":
            self._at(index)
            if ends:
                self._literal(state, step.seed)
            else:
                script.ones(self._shape, state.dtype)
            between = (f"for _ in range({BETWEEN}):", f"    {script.call(state.drop_prob)}")
            script.differentiate(state.drop_prob, *(between if argument else ()))
        elif step.action == "assign":
            self._states[index] = replace(state, drop_prob=argument)
            script.add(f"layer = layers[{index}]")
            script.assign(argument)
        else:
            self._states[index] = replace(state, dtype=argument)
            convert = script.spell.convert("layer", argument, repr(script.at.device))
            script.add(f"layer = layers[{index}]", convert, f"layers[{index}] = layer")
