"""How a target is written down in its own language: templates from which reports make standalone snippets."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

ROUNDING = {"bfloat16": 2.0**-6, "float16": 2.0**-9}
"""Relative error that two roundings may leave in the low-precision dtypes."""


def rounding(dtype: str) -> float:
    """Return the relative error that a snippet allows for rounding."""
    return ROUNDING.get(dtype, 2e-6)


@dataclass(frozen=True)
class Code:
    """Source text of a target's set-up, construction and call, as plain data.

    Placeholders: ``{p}`` the probability argument as the target understands it, ``{training}`` True or False as the
    target's mode argument wants it, ``{shape}``, ``{dtype}``, ``{device}``, ``{seed}``.

    Attributes:
        imports: Lines that import the framework and the target.
        keep: Whether the probability argument is a keep_prob.
        inverted: Whether the mode argument means evaluation (``deterministic``, ``is_test``).
        make: Lines that bind ``layer``; empty for functions.
        mode: Line that sets the mode of ``layer``; empty where the call says it.
        call: Expression that returns the output for ``x`` (and ``shortcut`` in residual forms).
        nest: Line that puts ``layer`` two containers deep; empty where there are none.
        nest_mode: Line that sets the mode of the outer one.
        surroundings: Context expressions that must not change what happens, by the framework's name for them.
        seed: Line that seeds the framework.
        ones: Expression for a tensor of ones.
        random: Expression for a tensor of normal values.
        tensor: Expression for a tensor of given values, with ``{values}``.
        layouts: Lines that give ``x`` other strides, by the framework's name for them.
        track: Line that asks for the gradient of ``x``.
        version: Expression for how often a tensor was written to, with ``{tensor}``; 0 where nothing counts it.
        tracked: Expression for whether ``y`` is part of a graph.
        backward: Line that runs the backward pass from the sum of ``y``; the gradient is then ``x.grad``.
        second: Lines that bind ``first``, the gradient of ``x`` for a cotangent of ones that is itself tracked, and
            ``second``, the derivatives of its sum by x and by that cotangent; empty where the framework has none.
        checkpoints: Expressions that run ``{call}`` under activation checkpointing, by the framework's name for them.
        assign: Line that sets the attribute with the probability; empty where there is none.
        convert: Line that converts ``layer`` to ``{dtype}`` and ``{device}``; empty where there is no such thing.
        feed: Lines that bind ``feed``, a context in which draws have the values ``{values}`` (their own where that is
            None), and in which ``feed.drawn`` lists how many numbers each draw had; empty where there is no tape.
        features: Features of the smallest sample that the target takes, for which a shape (B, 1) stands.
        recording: For a recording, whose ``imports`` define ``read(name)``, what the number in a name such as ``x.0``
            counts: ``blocks`` or ``calls``. Empty for a target that is run.
    """

    imports: tuple[str, ...] = ()
    keep: bool = False
    inverted: bool = False
    make: str = ""
    mode: str = ""
    nest: str = ""
    nest_mode: str = ""
    surroundings: dict[str, str] = field(default_factory=dict)
    call: str = "layer(x)"
    seed: str = ""
    ones: str = ""
    random: str = ""
    tensor: str = ""
    layouts: dict[str, str] = field(default_factory=dict)
    track: str = ""
    version: str = "0"
    tracked: str = ""
    backward: str = ""
    second: str = ""
    checkpoints: dict[str, str] = field(default_factory=dict)
    assign: str = ""
    convert: str = ""
    feed: str = ""
    features: tuple[int, ...] = (1,)
    recording: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the templates as a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Code:
        """Return the templates that ``to_json`` wrote."""
        return cls(**{**data, "imports": tuple(data["imports"]), "features": tuple(data["features"])})

    def _fill(self, template: str, drop_prob: float, training: bool) -> str:
        probability = 1.0 - drop_prob if self.keep and isinstance(drop_prob, float) else drop_prob
        flag = training != self.inverted
        return template.replace("{p}", repr(probability)).replace("{training}", repr(flag))

    def setup(self, seed: int = 0) -> list[str]:
        """Return the lines up to, and with, the seed."""
        return [*self.imports, *([self.seed.replace("{seed}", str(seed))] if self.seed else [])]

    def construct(self, drop_prob: float, *, training: bool = True) -> list[str]:
        """Return the lines that build ``layer`` and put it into its mode."""
        lines = self._fill(self.make, drop_prob, training).splitlines()
        if self.mode:
            lines.append(self._fill(self.mode, drop_prob, training))
        return lines

    def switch(self, drop_prob: float, *, training: bool, nested: bool = False) -> list[str]:
        """Return the lines that change the mode: of the outer container, of ``layer``, or by building it anew."""
        if nested:
            return [self._fill(self.nest_mode, drop_prob, training)]
        if "{training}" in self.make:
            return self.construct(drop_prob, training=training)
        return [self._fill(self.mode, drop_prob, training)] if self.mode else []

    def output(self, drop_prob: float, *, training: bool = True) -> str:
        """Return the expression for the output of ``layer`` on ``x``."""
        return self._fill(self.call, drop_prob, training)

    def input(self, shape: tuple[int, ...], dtype: str, device: str, *, random: bool = False) -> list[str]:
        """Return the lines that bind ``x`` (and ``shortcut``, zeros, where the call takes one)."""
        return self._bind_x(self.random if random else self.ones, shape, dtype, device)

    def literal(self, values: list[complex], shape: tuple[int, ...], dtype: str, device: str, layout: str) -> list[str]:
        """Return the lines that bind ``x`` to these values, with strides as ``layout`` names them."""
        text = f"[{', '.join(_literal(value) for value in values)}]"
        lines = self._bind_x(self.tensor.replace("{values}", text), shape, dtype, device)
        strides = self.layouts.get(layout, "")
        return [lines[0], *([strides] if strides else []), *lines[1:]]

    def first_elements(self, tensor: str, batch: int) -> str:
        """Return the expression for the first element of each of ``batch`` samples."""
        return f"{tensor}.reshape(({batch}, -1))[:, 0]"

    @property
    def elements(self) -> int:
        """Elements of a sample of the smallest shape."""
        return prod(self.features)

    def _bind_x(self, template: str, shape: tuple[int, ...], dtype: str, device: str) -> list[str]:
        shape = (shape[0], *self.features) if shape[1:] == (1,) else shape

        def filled(text: str) -> str:
            return text.replace("{shape}", repr(shape)).replace("{dtype}", dtype).replace("{device}", repr(device))

        return [
            f"x = {filled(template)}",
            *([f"shortcut = 0 * {filled(self.ones)}"] if self.takes_shortcut else []),
        ]

    @property
    def takes_shortcut(self) -> bool:
        """Whether the call takes a ``shortcut``."""
        return re.search(r"\bshortcut\b", self.call) is not None

    @property
    def must_be_tracked(self) -> str:
        """The line that fails where ``y`` is not part of a graph."""
        return f"assert {self.tracked}, 'the output is not part of a graph'"

    def differentiate(self, drop_prob: float) -> list[str]:
        """Return the lines that bind ``y`` and ``x.grad``; they fail where the graph does not reach x."""
        return [
            self.track,
            f"y = {self.output(drop_prob)}",
            self.must_be_tracked,
            self.backward,
            "assert x.grad is not None, 'the graph does not reach x'",
        ]

    def checkpointed(self, drop_prob: float, how: str) -> str:
        """Return the expression for the output of ``layer`` on ``x`` under activation checkpointing."""
        return self.checkpoints[how].replace("{call}", self.output(drop_prob))

    def assigned(self, drop_prob: float) -> str:
        """Return the line that sets the attribute with the probability."""
        return self._fill(self.assign, drop_prob, training=True)

    def converted(self, dtype: str, device: str) -> str:
        """Return the line that converts ``layer``."""
        return self.convert.replace("{dtype}", dtype).replace("{device}", repr(device))

    def run(
        self,
        drop_prob: float,
        shape: tuple[int, ...],
        dtype: str,
        device: str,
        *,
        training: bool = True,
        random: bool = False,
        seed: int = 0,
    ) -> list[str]:
        """Return the lines from the imports to ``y``, the usual beginning of a snippet."""
        return [
            *self.setup(seed),
            *self.construct(drop_prob, training=training),
            *self.input(shape, dtype, device, random=random),
            f"y = {self.output(drop_prob, training=training)}",
        ]


def _literal(value: complex) -> str:
    """Return a number as source text; ``repr`` of a complex one loses the sign of a zero."""
    return f"complex({value.real!r}, {value.imag!r})" if isinstance(value, complex) else repr(value)
