"""How drop_prob is spread over the residual blocks of a network.

Blocks are numbered l = 0, ..., L-1 from the input. Every rule takes the largest drop_prob and the number of
blocks L and returns one drop_prob a block; `stagewise` takes the number of blocks of each stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["RULES", "constant", "efficientnet", "linear", "paper", "stagewise", "warmup"]


def linear(max_drop_prob: float, depth: int) -> list[float]:
    """Return max_drop_prob * l / (L-1): from 0 at the first block to the maximum at the last.

    The rule of timm and of most vision transformers. A single block gets 0, the end of the ramp that timm's
    ``linspace`` gives it.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1] or ``depth`` is less than 1.
    """
    _validate(max_drop_prob, depth)
    return [max_drop_prob * (block / max(depth - 1, 1)) for block in range(depth)]


def efficientnet(max_drop_prob: float, depth: int) -> list[float]:
    """Return max_drop_prob * l / L: from 0, never reaching the maximum.

    The rule of the EfficientNet family in every library.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1] or ``depth`` is less than 1.
    """
    _validate(max_drop_prob, depth)
    return [max_drop_prob * (block / depth) for block in range(depth)]


def paper(max_drop_prob: float, depth: int) -> list[float]:
    """Return max_drop_prob * (l+1) / L: the first block drops already, the last at the maximum.

    Huang et al. 2016 (arXiv:1603.09382), eq. 4, keep_l = 1 - (l/L) (1 - keep_L), which numbers blocks from 1.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1] or ``depth`` is less than 1.
    """
    _validate(max_drop_prob, depth)
    return [max_drop_prob * ((block + 1) / depth) for block in range(depth)]


def constant(max_drop_prob: float, depth: int) -> list[float]:
    """Return max_drop_prob for every block.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1] or ``depth`` is less than 1.
    """
    _validate(max_drop_prob, depth)
    return [max_drop_prob] * depth


def stagewise(max_drop_prob: float, depths: Sequence[int]) -> list[float]:
    """Return one drop_prob a stage, rising linearly from 0 at the first stage to the maximum at the last.

    Args:
        max_drop_prob: The largest drop_prob.
        depths: Number of blocks of each stage.

    Returns:
        One drop_prob a block, of all stages in a row. A single stage gets 0, as in `linear`.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1], ``depths`` is empty or holds less than 1.
    """
    for depth in depths:
        _validate(max_drop_prob, depth)
    by_stage = linear(max_drop_prob, len(depths))
    return [drop_prob for drop_prob, depth in zip(by_stage, depths, strict=True) for _ in range(depth)]


def warmup(step: int, warmup_steps: int, max_drop_prob: float) -> float:
    """Return the drop_prob of a training step: rising linearly from 0, the maximum from ``warmup_steps`` on.

    Args:
        step: Number of the step, from 0.
        warmup_steps: Length of the ramp; 0 for none.
        max_drop_prob: The drop_prob after the ramp.

    Raises:
        ValueError: If ``max_drop_prob`` lies outside [0, 1], or ``step`` or ``warmup_steps`` is negative.
    """
    if step < 0 or warmup_steps < 0:
        raise ValueError(f"step and warmup_steps must not be negative, got {step!r} and {warmup_steps!r}")
    _validate_drop_prob(max_drop_prob)
    return max_drop_prob if step >= warmup_steps else max_drop_prob * (step / warmup_steps)


RULES: dict[str, Callable[[float, int], list[float]]] = {
    "linear": linear,
    "efficientnet": efficientnet,
    "paper": paper,
    "constant": constant,
}


def _validate(max_drop_prob: float, depth: int) -> None:
    _validate_drop_prob(max_drop_prob)
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth!r}")


def _validate_drop_prob(max_drop_prob: float) -> None:
    if not 0.0 <= max_drop_prob <= 1.0:
        raise ValueError(f"max_drop_prob must lie in [0, 1], got {max_drop_prob!r}")
