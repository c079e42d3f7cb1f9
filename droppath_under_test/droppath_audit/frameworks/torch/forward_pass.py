"""One forward pass of a torch model, as hooks and stand-ins of functions see it."""

from __future__ import annotations

import hashlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from droppath_audit.core.cause import Place
from droppath_audit.frameworks.theirs import is_ours
from droppath_audit.frameworks.torch.passages import Told, passage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from droppath_audit.frameworks.networks import Passage, Placement, Site
    from droppath_audit.frameworks.torch.joinings import Joinings

_THEIRS = str(Path(torch.__file__).parent)


class ForwardPass:
    """What is seen in one forward pass."""

    def __init__(
        self,
        sites: Mapping[str, Site],
        rates: Mapping[str, float],
        follower: Joinings | None,
        *,
        digests: bool,
        placements: Mapping[str, Placement],
    ) -> None:
        self._placements = placements
        self._sites, self._rates, self._follower, self._digests = sites, rates, follower, digests
        self._inside = 0  # sites that are running
        self._given = Told(None, None, None, None)
        self._calls: dict[tuple[str, str], int] = {}
        self.passages: list[Passage] = []
        self.called: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self.outputs: list[tuple[str, str]] = []

    def entered(self, name: str, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        """Note that a module was called."""
        self.called.setdefault(name, ((), ()))
        site = self._sites.get(name)
        if site is None:
            return
        if not self._inside:
            tensors = _arguments(module.forward, args, kwargs, site)
            rate, odd = held(module, site), ""
            if site.argument:
                value = _bound(module.forward, args, kwargs).get(site.argument)
                told = drop_prob(value, site)
                rate, odd = rate if told is None else told, _odd(site.argument, value)
            self._given = self._told(rate, module.training, *tensors, odd=odd)
        self._inside += 1

    def left(self, name: str, args: Any, kwargs: Any, output: Any, names: Any) -> None:
        """Note what a module returned."""
        ins, outs = tensors_in((args, kwargs)), tensors_in(output)
        if ins and outs:
            self.called[name] = (tuple(ins[0].shape), tuple(outs[0].shape))
        if self._digests:
            self.outputs.append((name, _digest(outs)))
        if name in self._sites:
            self._inside -= 1
            if not self._inside:
                self._note(self._sites[name], self._given, outs, names)

    def function(self, site: Site, names: Any) -> Callable[..., Any]:
        """Return what stands in for a function."""
        assert site.caller is not None  # noqa: S101 - only such sites are replaced
        function = site.caller.function

        def recorded(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            value = bound.arguments.get(site.attribute)
            if site.name in self._rates and is_number(value):
                asked = self._rates[site.name]
                bound.arguments[site.attribute] = 1.0 - asked if site.keep else asked
                args, kwargs = bound.args, bound.kwargs
            rate, mode = drop_prob(bound.arguments.get(site.attribute), site), bound.arguments.get(site.mode)
            training = None if mode is None else bool(mode) != site.inverted
            odd = _odd(site.attribute, value)
            given = self._told(rate, training, *_arguments(function, args, kwargs, site), odd=odd)
            self._inside += 1
            try:
                output = function(*args, **kwargs)
            finally:
                self._inside -= 1
            self._note(site, given, tensors_in(output), names)
            return output

        return recorded

    def _told(
        self,
        drop_prob: float | None,
        training: bool | None,
        branch: torch.Tensor | None,
        shortcut: torch.Tensor | None,
        *,
        odd: str = "",
    ) -> Told:
        """Return what a call is given, with its values, which it may overwrite; what is followed is not looked at."""
        before, base = (None if one is None or self._follower else one.detach().clone() for one in (branch, shortcut))
        if self._follower is None:
            return Told(drop_prob, training, branch, shortcut, before, base, odd=odd)
        seen = self._follower.ancestors(branch), self._follower.value(branch)
        return Told(drop_prob, training, branch, shortcut, None, None, *seen, odd)

    def _note(self, site: Site, given: Told, outputs: Sequence[torch.Tensor], names: Any) -> None:
        if given.branch is None or not outputs or not given.branch.ndim:
            return
        place, owner = _calling(names)
        number = self._calls[site.name, owner] = self._calls.get((site.name, owner), -1) + 1
        found = passage(site, owner, number, place, given, outputs[0], self._placements)
        self.passages.append(found)
        if self._follower is not None:
            self._follower.passed(found.key, place, given, outputs[0], added=site.reading != "branch")


def _odd(name: str, value: Any) -> str:
    """Return what is said of an argument that is no number where a probability is; nothing of one that is left out."""
    return f"{name} is given {value!r}" if isinstance(value, (bool, str)) else ""


def _bound(function: Any, args: Any, kwargs: Any) -> Mapping[str, Any]:
    """Return arguments by name, as far as they are given; none where they do not fit."""
    try:
        return inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return {}


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Return the tensors in a value, in order."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _digest(tensors: Sequence[torch.Tensor]) -> str:
    found = hashlib.sha1(usedforsecurity=False)
    for one in tensors:
        flat = one.detach().cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return found.hexdigest()


def _arguments(function: Any, args: Any, kwargs: Any, site: Site) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the tensor that may be dropped, and the shortcut where the site is given one."""
    tensors = tensors_in((args, kwargs))
    first = tensors[0] if tensors else None
    if not site.shortcut and not site.branch:
        return first, None
    given = _bound(function, args, kwargs)
    if not given:
        return first, None
    found = [given.get(name) for name in (site.branch, site.shortcut)]
    branch, shortcut = (one if isinstance(one, torch.Tensor) else None for one in found)
    return (first if branch is None and not site.branch else branch), shortcut


def _calling(names: Mapping[int, str]) -> tuple[Place, str]:
    """Return the innermost line that is neither torch's nor ours, and the module whose method it stands in."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_THEIRS) and not is_ours(file):
            owner = names.get(id(frame.f_locals.get("self")), "")
            name = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
            return Place(file, frame.f_lineno, name), owner
        if frame.f_back is None:
            break
        frame = frame.f_back
    return Place(), ""


def is_number(value: Any) -> bool:
    """Return whether a value is one number, and not a truth value."""
    if isinstance(value, torch.Tensor):
        return value.numel() == 1 and not value.is_complex() and value.dtype is not torch.bool and not value.is_meta
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def held(module: torch.nn.Module, site: Site) -> float | None:
    """Return the drop_prob that a module holds; None where it holds none."""
    if isinstance(module, torch.nn.Identity):
        return 0.0
    return drop_prob(getattr(module, site.attribute, None) if site.attribute else None, site)


def drop_prob(value: Any, site: Site) -> float | None:
    """Return the drop_prob that an argument or attribute of a site means; None for what is no number."""
    if not is_number(value):
        return None
    return 1.0 - float(value) if site.keep else float(value)
