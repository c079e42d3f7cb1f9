"""One call of a site in a forward pass of a torch model, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.frameworks.networks import DROPPED, KEPT, UNTOLD, Passage, Placement, key_of
from droppath_audit.frameworks.torch.fates import factor, fates

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from droppath_audit.core.cause import Place
    from droppath_audit.frameworks.networks import Site


@dataclass(frozen=True)
class Told:
    """What a call of a site was given.

    Attributes:
        drop_prob: What it was to drop at.
        training: Whether it was told to train.
        branch: What may be dropped; None where it was given no tensor.
        shortcut: What it is added to, where the site adds.
        before: The branch's values before the call, which may overwrite them; None where nobody asked.
        base: The shortcut's.
        ancestors: Values that the branch was computed from, as the follower of the pass tells them.
        value: The branch's own.
        odd: What it was told as a probability that is none.
    """

    drop_prob: float | None
    training: bool | None
    branch: torch.Tensor | None
    shortcut: torch.Tensor | None
    before: torch.Tensor | None = None
    base: torch.Tensor | None = None
    ancestors: int = 0
    value: int = 0
    odd: str = ""


def passage(
    site: Site,
    owner: str,
    call: int,
    place: Place,
    told: Told,
    output: torch.Tensor,
    placements: Mapping[str, Placement],
) -> Passage:
    """Return a call with the fates of its samples; without, where its values before the call were not kept."""
    at = placements.get(key_of(site.name, owner, call), Placement())
    x, given = told.before, (site.name, owner, call, place, told.drop_prob, told.training)
    shape = () if told.branch is None else tuple(told.branch.shape)
    if x is None or x.shape != output.shape or (told.base is not None and told.base.shape != x.shape):
        return Passage(*given, np.empty(0, np.int8), 0, 0, float("nan"), unchanged=False, shape=shape, odd=told.odd)
    base = None if told.base is None else _by_sample(told.base, at)
    x, output = _by_sample(x, at), _by_sample(output, at)
    if site.reading == "wrapper":
        same = (x == output).reshape(len(x), -1).all(1)
        told_of = np.where(same.cpu().numpy(), DROPPED, KEPT).astype(np.int8)
        return Passage(*given, told_of, 0, 0, float("nan"), unchanged=bool(same.all()), shape=shape, odd=told.odd)
    found = fates(x, output, base)
    kept, dropped, tells = (one.cpu().numpy() for one in found)
    codes = np.where(kept, KEPT, np.where(dropped, DROPPED, UNTOLD)).astype(np.int8)
    whole = x if base is None else base + x
    return Passage(
        *given,
        codes,
        partly=int((tells & ~kept & ~dropped).sum()),
        silent=int((~tells).sum()),
        factor=factor(x, output, found.kept, base),
        unchanged=whole.dtype == output.dtype and bool(((whole == output) | (whole.isnan() & output.isnan())).all()),
        shape=shape,
        odd=told.odd,
    )


def _by_sample(tensor: torch.Tensor, at: Placement) -> torch.Tensor:
    """Return a tensor with its samples along axis 0, each with all of its rows."""
    moved = tensor.movedim(at.axis, 0) if at.axis else tensor
    whole = at.rows > 1 and not len(moved) % at.rows
    return moved.reshape(len(moved) // at.rows, -1) if whole else moved
