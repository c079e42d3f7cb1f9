"""The tape of torch: random draws recorded, and replaced, below autograd.

A dispatch mode sees what forward, backward, checkpointing, ``vmap`` and scripted code draw in this thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.tape import BERNOULLI, INTEGER, MOST_DRAWS, OTHER, UNIFORM, Draw
from droppath_audit.frameworks.torch import devices
from droppath_audit.frameworks.torch.drawing import draws, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import numpy.typing as npt

KINDS = {
    "rand": UNIFORM,
    "rand_like": UNIFORM,
    "uniform": UNIFORM,
    "uniform_": UNIFORM,
    "randint": INTEGER,
    "randint_like": INTEGER,
    "random": INTEGER,
    "random_": INTEGER,
    "bernoulli": BERNOULLI,
    "bernoulli_": BERNOULLI,
    "native_dropout": BERNOULLI,
}


class TorchTape:
    """See ``frameworks.tape``."""

    @contextmanager
    def record(self, *, values: bool = True) -> Iterator[list[Draw]]:
        """Yield the list to which every draw is added."""
        draws: list[Draw] = []

        def note(op: Any, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
            name = op.overloadpacket.__name__
            # Before the call: a tensor may be filled by its own probabilities.
            probability = _probability(name, arguments) if KINDS.get(name) == BERNOULLI else (None, "")
            result = call()
            draws.append(_draw(name, arguments, probability, _drawn(name, result), values=values))
            return result

        with _Draws(note):
            yield draws

    @contextmanager
    def replace(self, values: npt.NDArray[np.float64], *, in_turn: bool = False) -> Iterator[list[int]]:
        """Give every draw of their number these values, or each as many of them as it is large."""
        numbers: list[int] = []
        fed = torch.from_numpy(values)

        def feed(op: Any, arguments: dict[str, Any], call: Callable[[], Any]) -> Any:
            result = call()
            name = op.overloadpacket.__name__
            drawn = _drawn(name, result)
            first = sum(numbers) if in_turn else 0
            numbers.append(drawn.numel())
            if len(numbers) > MOST_DRAWS:
                raise NotApplicable("the target draws again until it has other numbers than those it is given")
            mine = fed[first : first + drawn.numel()] if in_turn else fed
            if drawn.numel() == mine.numel():
                drawn.copy_(mine.view(drawn.shape))
                if name == "native_dropout":
                    _apply_dropout(result, arguments)
            return result

        with _Draws(feed):
            yield numbers

    def redraw(self, draw: Draw, numbers: int, seed: int) -> npt.NDArray[np.float64]:
        """Make a draw again, from freshly seeded generators, which are restored."""
        devices.state(draw.device)  # what cannot be read could not be restored
        with devices.restored():
            devices.seed(seed)
            return _redrawn(draw, numbers).cpu().double().numpy()


def _redrawn(draw: Draw, numbers: int) -> torch.Tensor:
    dtype, device = getattr(torch, draw.dtype), draw.device
    if draw.op in ("rand", "rand_like"):
        return torch.rand(numbers, dtype=dtype, device=device)
    empty = torch.empty(numbers, dtype=dtype, device=device)
    if draw.kind == UNIFORM:
        return empty.uniform_(draw.low, draw.high)
    if draw.kind == INTEGER:
        return empty.random_(int(draw.low), int(draw.high))
    if draw.kind == BERNOULLI and draw.probability is not None:
        if draw.op == "native_dropout":
            return torch.native_dropout(torch.ones(numbers, device=device), 1.0 - draw.probability, True)[1]
        if draw.probability_dtype:
            wide = getattr(torch, draw.probability_dtype)
            return empty.bernoulli_(torch.full((numbers,), draw.probability, dtype=wide, device=device))
        return empty.bernoulli_(draw.probability)
    raise NotApplicable(f"{draw.op} cannot be drawn alone from a generator")


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands every call of a generator to a function of op, arguments by name, and the call itself."""

    def __init__(self, handle: Callable[[Any, dict[str, Any], Callable[[], Any]], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._handle = handle

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, as torch's own modes do: otherwise the first call imports its compiler, which takes 1 s."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not draws(func, args, kwargs):
            return func(*args, **kwargs)
        return self._handle(func, named(func, args, kwargs), lambda: func(*args, **kwargs))


def _drawn(name: str, result: Any) -> torch.Tensor:
    """Return the tensor of random numbers among what an op returned."""
    if name == "native_dropout":
        return result[1]  # type: ignore[no-any-return]
    tensors = [result] if isinstance(result, torch.Tensor) else [r for r in result if isinstance(r, torch.Tensor)]
    return tensors[0]


def _apply_dropout(result: Any, arguments: dict[str, Any]) -> None:
    output, mask = result
    keep_prob = 1.0 - arguments["p"]
    output.copy_(arguments["input"] * mask * (1.0 / keep_prob if keep_prob else 0.0))


def _draw(
    name: str, arguments: dict[str, Any], probability: tuple[float | None, str], drawn: torch.Tensor, *, values: bool
) -> Draw:
    kind = KINDS.get(name, OTHER)
    low: Any = 0.0
    high: Any = 1.0
    if kind == UNIFORM:
        low, high = arguments.get("from", 0.0), arguments.get("to", 1.0)
    elif kind == INTEGER:
        low = arguments.get("low", arguments.get("from", 0))
        high = arguments.get("high", arguments.get("to"))
        # Without an upper end the range is the dtype's.
        if not isinstance(low, int) or not isinstance(high, int):
            kind, low, high = OTHER, 0.0, 1.0
    return Draw(
        op=name,
        kind=kind,
        dtype=str(drawn.dtype).removeprefix("torch."),
        shape=tuple(drawn.shape),
        device=str(drawn.device),
        low=low,
        high=high,
        probability=probability[0],
        probability_dtype=probability[1],
        values=drawn.detach().cpu().double().numpy().copy() if values and not drawn.is_complex() else None,
    )


def _probability(name: str, arguments: dict[str, Any]) -> tuple[float | None, str]:
    """Return the probability of a one, None where elements differ, and the dtype of the tensor that held it."""
    if name == "native_dropout":
        return 1.0 - arguments["p"], ""
    source = arguments.get("p", arguments["self"])
    if not isinstance(source, torch.Tensor):
        return float(source), ""
    numbers = source.detach().double()
    if not numbers.numel():
        return None, str(source.dtype).removeprefix("torch.")
    low, high = float(numbers.min()), float(numbers.max())
    return low if low == high else None, str(source.dtype).removeprefix("torch.")
