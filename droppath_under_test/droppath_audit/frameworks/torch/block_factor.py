"""The factor by which a whole block multiplies its branch, sample by sample, as a factory of a layer that drops.

``droppath-audit propose`` puts the source of this module into the files that it writes, so it imports nothing of ours.
"""

from __future__ import annotations

import functools
import math
import random
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NEARLY = 1e-9  # a drop_prob at which all is kept, and 1 - NEARLY at which all is dropped, without a division by zero


class GivenPart(torch.nn.Module):
    """What a block is given as a part of its branch: it returns the sine of what it is given first.

    As a linear function it would hide that several of its kind are added one after the other.

    Args:
        beside: What it returns beside that, as attention returns weights.

    Attributes:
        silent: Whether it returns zeros.
    """

    silent = False

    def __init__(self, *beside: Any) -> None:
        super().__init__()
        self._beside = beside

    def forward(self, *given: Any, **named: Any) -> Any:
        """Return the sine of the first argument, alone or with what stands beside it."""
        first = next(iter((*given, *named.values())))
        first = torch.zeros_like(first) if self.silent else torch.sin(first)
        return (first, *self._beside) if self._beside else first


class GivenLayer(torch.nn.TransformerEncoderLayer):
    """What a stack is given as the layer that it repeats: it adds the sine of what it is given first.

    It has the parts of torch's own, of eight channels, which a stack reads sizes off.

    Attributes:
        silent: Whether it adds nothing.
    """

    silent = False
    size = d_model = embed_dim = hidden_size = dim = 8

    def __init__(self) -> None:
        super().__init__(8, 1, 8, 0.0)

    def forward(self, *given: Any, **named: Any) -> Any:
        """Return the first argument and its sine."""
        first = next(iter((*given, *named.values())))
        return first if self.silent else first + torch.sin(first)


def tensor_in(output: Any) -> torch.Tensor:
    """Return the first tensor of what a block returns.

    Raises:
        TypeError: If there is none.
    """
    while not isinstance(output, torch.Tensor):
        parts = list(output.values()) if isinstance(output, dict) else output
        if not isinstance(parts, (tuple, list)) or not parts:
            raise TypeError(f"the block returns no tensor: {type(output).__name__}")
        output = parts[0]
    return output


def factory_of(
    build: Callable[[float, bool], Any],
    run: Callable[[Any, torch.Tensor, float, bool], Any],
    features: Sequence[int],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    bare: Sequence[str] = (),
    silent: Sequence[str] = (),
    switched: Sequence[str] = (),
    simple: Mapping[str, Sequence[Any]] = {},
) -> Callable[[float], Callable[[torch.Tensor, bool], torch.Tensor]]:
    """Return ``make(drop_prob)``, whose layer multiplies each sample of x by the factor m that the block draws for it.

    The block is called on one fixed sample z, as often as x has samples. Where it returns ``y = a + m (b - a)``, with a
    for a dropped and b for a kept branch, m is by least squares ``<y - a, b - a> / <b - a, b - a>``.

    Args:
        build: Takes drop_prob and the mode, and returns the block.
        run: Takes the block, its input of shape (B, *features), drop_prob and the mode, and returns what it returns.
        features: Shape of a sample of the block's input.
        seed: Of its parameters, and of z.
        dtype: In which it computes; float64 tells factors apart to 1e-9, float32 to 1e-4.
        bare: Normalisations that are left out, as one after the addition, behind which no factor can be told.
        silent: Parts whose parameters are zero, so that what they add is nothing: of a block that drops several
            branches all but one.
        switched: Parts that follow the mode; all others stay in evaluation, so that norms and dropouts stand still.
        simple: Parts in whose place a ``GivenPart`` stands, which costs nothing, each with what it returns beside.
    """
    exact = 1e-9 if dtype == torch.float64 else 1e-4

    def built(drop_prob: float, training: bool) -> Any:
        """Return the block, with the same parameters whatever the rate and mode; no generator is left changed."""
        state, default = random.getstate(), torch.get_default_dtype()
        with torch.random.fork_rng(), torch.no_grad():
            torch.set_default_dtype(torch.float32)
            try:
                torch.manual_seed(seed)
                block = build(drop_prob, training).to(dtype)
            finally:
                torch.set_default_dtype(default)
                random.setstate(state)
            for name in bare:
                setattr(block, name, torch.nn.Identity())
            for name, beside in simple.items():
                setattr(block, name, GivenPart(*beside))
            for number, (name, parameter) in enumerate(block.named_parameters()):
                if any(f"{name}.".startswith(f"{part}.") for part in silent):
                    values = torch.zeros(parameter.shape)
                elif parameter.dim() > 1:
                    values = (3.0 / max(parameter[0].numel(), 1)) ** 0.5 * spread(parameter.shape, number)
                else:  # gains and biases; a gain of zero or 1e-6 would hide the branch
                    values = 1.0 + 0.5 * spread(parameter.shape, number)
                parameter.data = values.to(parameter)  # not what was drawn, written over
        for name, part in block.named_modules():
            if isinstance(part, (GivenPart, GivenLayer)):
                part.silent = any(f"{name}.".startswith(f"{other}.") for other in silent)
            follows = not name or any(f"{name}.".startswith(f"{other}.") for other in switched)
            part.training = training and follows
        return block

    def spread(shape: Sequence[int], number: int) -> torch.Tensor:
        """Return numbers all over -1 to 1 that no generator draws, in float64."""
        count = torch.arange(math.prod(shape), dtype=torch.float64)
        return torch.sin(1e4 * torch.sin(count + 100.0 * number + 1e4 * seed + 1.0)).reshape(shape)

    # Far above zero: a ReLU, GELU or SiLU after the addition then changes nothing.
    z = (75.0 + 25.0 * spread((1, *features), -1)).to(dtype)

    def returned(block: Any, drop_prob: float, training: bool, given: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            y = tensor_in(run(block, given.clone(), drop_prob, training))
        if len(y) != len(given):
            raise ValueError(f"the block returns {len(y)} samples of {len(given)}")
        return y.flatten(1)

    def output(block: Any, drop_prob: float, training: bool, batch: int) -> torch.Tensor:
        return returned(block, drop_prob, training, z.expand(batch, *features))

    def apart(one: torch.Tensor, other: torch.Tensor) -> bool:
        return bool((one - other).norm() > exact * (one.norm() + other.norm()))

    def on_a_line(y: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> bool:
        m = ((y - a) * (b - a)).sum() / ((b - a) ** 2).sum()
        return not apart(y, a + m * (b - a))

    def shown(cases: Sequence[tuple[float, bool]]) -> Iterator[torch.Tensor]:
        """Yield what the block returns in calls that it does not refuse, of shape (1, N)."""
        for drop_prob, training in cases:
            try:
                y = output(built(drop_prob, training), drop_prob, training, 8)
            except (ArithmeticError, ValueError, AssertionError):
                continue
            yield from (row for row in torch.split(y, 1) if bool(torch.isfinite(row).all()))

    @functools.cache
    def ends() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what comes back of a dropped and of a kept branch, and the elements that tell them apart."""
        block, other = built(0.0, False), 150.0 - z
        both = returned(block, 0.0, False, torch.cat([z, other]))
        if apart(both[1:], returned(block, 0.0, False, other)):
            raise ValueError("what the block returns of a sample is not of that sample alone")
        state = random.getstate()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            kept = [*shown([(0.0, False), (0.0, True), (0.5, False), (0.5, True)])]
            dropped = [*shown([(1.0 - NEARLY, True), (NEARLY, True), (0.5, True)])]
        random.setstate(state)
        given = z.flatten(1)
        like = [given] if kept and kept[0].shape == given.shape else []
        b = next((y for y in kept if all(apart(y, other) for other in like)), None)
        if b is None:
            raise ValueError("the block never returns anything but its input")
        # What was kept though hardly anything is to be is scaled by the reciprocal of as little: it is none dropped.
        moderate = [y for y in dropped if bool(y.norm() < 1e3 * b.norm())]
        others = [y for y in (*moderate, *like, torch.zeros_like(b)) if apart(y, b)]
        a = next((y for y in like if on_a_line(y, others[0], b)), others[0])
        rising = (b > a) & (a > 0.0)  # through a ReLU after the addition, these are as they were before it
        return a, b, rising if bool(rising.any()) else a != b

    def factors(y: torch.Tensor, drop_prob: float) -> torch.Tensor:
        a, b, told = ends()
        across = torch.where(told, b - a, 0.0)
        m = ((y - a) * across).sum(1) / (across**2).sum()
        left = (torch.where(told, y - a, 0.0) - m[:, None] * across).norm(dim=1)
        size = torch.where(told, a.abs() + b.abs(), 0.0).norm() + y.norm(dim=1)
        wrong = (left > exact * size).nonzero().flatten().tolist()
        if wrong:
            raise RuntimeError(
                f"sample {wrong[0]} is neither kept nor dropped as a whole, as where parts of a sample or several "
                "branches are dropped: the output is not that of a dropped branch plus a multiple of the branch"
            )
        keep_prob = 1.0 - drop_prob
        values = torch.tensor([0.0, 1.0, keep_prob, 1.0 / keep_prob if keep_prob else 0.0], dtype=m.dtype)
        least, nearest = (m[:, None] - values).abs().min(dim=1)  # which it is, but for rounding in the block
        return torch.where(least <= exact * values[nearest].clamp(min=1.0), values[nearest], m)

    def make(drop_prob: float) -> Callable[[torch.Tensor, bool], torch.Tensor]:
        blocks = {training: built(drop_prob, training) for training in (True, False)}
        ends()

        def call(x: torch.Tensor, training: bool) -> torch.Tensor:
            if not len(x):
                return x.clone()
            m = factors(output(blocks[training], drop_prob, training, len(x)), drop_prob)
            return x * m.to(x.device, x.dtype).reshape(-1, *(1 for _ in x.shape[1:]))

        return call

    return make
