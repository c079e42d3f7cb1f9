"""A script in the making: named parts, put together at the end.

A check writes its script once, in NumPy, for a target that is run and for a recording alike: ``each`` goes through
calls, and binds ``ys`` (and ``xs``) to arrays of float64 with the axes calls, batch, features. What only a target can
show is written with ``scripts.live.LiveScript``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.recording import BlockFacts

ROUNDING = {"bfloat16": 2.0**-6, "float16": 2.0**-9}
CHANCE = 1e-9  # of the limit of a test of groups, with correct code; a trial's share of the budget is smaller
BATCH = 65_536

AXES = {"sample": "*ys.shape[:2], -1", "batch": "len(ys), 1, -1", "element": "len(ys), -1, 1"}
"""What gives an array the axes calls, decisions and elements of a decision."""


def rounding(dtype: str) -> float:
    """Return the relative error that a script allows for two roundings."""
    return ROUNDING.get(dtype, 2e-6)


class Draft:
    """Imports, then the seed, then lines in order.

    Args:
        at: Where the check ran.
        imports: Lines that import what every script of this target needs.

    Attributes:
        at: Where the check ran.
    """

    def __init__(self, at: Case, imports: Sequence[str]) -> None:
        self.at = at
        self._imports = dict.fromkeys(imports)
        self._lines: list[str] = []
        self._indent = ""

    def imports(self, *lines: str) -> None:
        """Add imports to the first part."""
        self._imports |= dict.fromkeys(lines)

    def add(self, *lines: str) -> None:
        """Add lines where the script has come to."""
        self._lines += [f"{self._indent}{line}" for text in lines for line in text.splitlines()]

    @contextmanager
    def under(self, header: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what is added inside."""
        self.add(header)
        before, self._indent = self._indent, self._indent + "    "
        try:
            yield
        finally:
            self._indent = before

    def text(self) -> str:
        """Return the script."""
        return "\n".join([*self._imports, *self._opening(), *self._lines])

    def longer(self) -> tuple[str, ...]:
        """Return scripts that do the same again and again, for a fault that only some calls show; none of a file."""
        return ()

    def _opening(self) -> Sequence[str]:
        """Return what stands between imports and lines."""
        return ()


class Script(Draft, ABC):
    """What a check writes for a layer or a recording of one."""

    @property
    @abstractmethod
    def dropped(self) -> str:
        """What a dropped element of ``ys`` is, as an expression."""

    @abstractmethod
    def each(
        self,
        *body: str,
        drop_prob: float | None = None,
        shape: tuple[int, ...] = (),
        calls: int = 1,
        random: bool = False,
        xs: bool = False,
        blocks: Callable[[BlockFacts], bool] | None = None,
        gradients: bool = False,
    ) -> None:
        """Go through calls in training; the body stands in a loop over them.

        Args:
            *body: Lines that see ``ys`` and, where asked for, ``xs`` and ``gradients``.
            drop_prob: p; by default the cell's. Of a recording, the blocks with this p are gone through.
            shape: Shape of x, of a target that is run; by default 65,536 of its smallest samples.
            calls: How many calls of such a target; a recording has those that it has.
            random: Whether x is random there, rather than ones.
            xs: Whether to bind the inputs too.
            blocks: Which blocks of a recording are gone through; by default all that the case has.
            gradients: Whether to bind dy/dx for a cotangent of ones too.
        """

    def shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of a batch of the smallest samples; a recording has the shapes that it has."""
        return (batch,)

    @abstractmethod
    def same_dtype(self, drop_prob: float, batch: int = 4) -> None:
        """Write a script that fails where outputs in training have another dtype, shape or device than x."""

    @abstractmethod
    def decisions_in(self, calls: int, batch: int, drop_prob: float | None = None) -> int:
        """Return the decisions that ``each`` goes through when it is asked for so many calls and samples."""

    def kept(self, *, weigh: bool = False, group: Sequence[str] = ()) -> list[str]:
        """Return lines for a body that bind ``kept`` to its decisions, of shape (calls, decisions).

        Args:
            weigh: Whether to bind ``weight`` to the mean |x| of each decision as well; ``xs`` must be bound.
            group: Lines that bind ``group``, of the shape of ``kept``, to what else is to be known of each decision.
        """
        axes = AXES[self.at.dialect.granularity]
        lines = [f"kept = (ys != {self.dropped}).reshape({axes}).any(-1)"]
        if weigh:
            lines.append(f"weight = abs(np.broadcast_to(xs, ys.shape)).reshape({axes}).mean(-1)")
        return [*lines, *group]

    @abstractmethod
    def masks(self, *, numbers: bool = False) -> list[str]:
        """Return lines for a body that bind ``kept`` to the masks of its calls, of shape (calls, decisions).

        A call that cannot be read altogether is left out.

        Args:
            numbers: Whether to bind ``numbers`` to the indices of these calls in ``ys`` as well.
        """

    def share(self, drop_prob: float, decisions: int, deviations: float = 5.0) -> None:
        """Write a script that fails where the share of kept ones is off by more than some standard deviations.

        The number of calls is odd: of two calls that decide once for the whole batch, one may well keep and one drop.
        """
        batch = 1 if self.at.per_call else BATCH
        calls, keep_prob = max(3, -(-decisions // batch)) | 1, 1.0 - drop_prob
        n = max(1, self.decisions_in(calls, batch, drop_prob))
        width = deviations * (keep_prob * drop_prob / n) ** 0.5
        self.add("total = decisions = 0")
        self.each(
            *self.kept(), "total, decisions = total + kept.sum(), decisions + kept.size",
            drop_prob=drop_prob, shape=self.shape(batch), calls=calls,
        )  # fmt: skip
        self.add(
            f"print('kept', total / decisions, 'where', {keep_prob!r}, 'was asked for')",
            f"assert abs(total / decisions - {keep_prob!r}) <= {width:.2g}  # {deviations:g} standard deviations",
        )

    def kept_factor(self, drop_prob: float, factor: float, tolerance: float) -> None:
        """Write a script that fails where kept x are multiplied by another factor than promised, or by several.

        Args:
            drop_prob: p.
            factor: What is promised.
            tolerance: Relative error that rounding may leave.
        """
        smallest = "1e-30" if self.dropped == "0" else f"1e-30 + abs({self.dropped})"
        self.each(
            "xs = np.broadcast_to(xs, ys.shape)",
            f"where = (ys != {self.dropped}) & np.isfinite(xs) & (abs(xs) > {smallest})",
            f"ratios = (ys - {self.dropped})[where] / xs[where]",
            f"print('y/x of kept values:', np.unique(ratios)[:8], 'promised:', {factor!r})",
            f"assert (abs(ratios / {factor!r} - 1) <= {tolerance!r}).all()",
            drop_prob=drop_prob, xs=True,
        )  # fmt: skip

    def compare_groups(
        self,
        group: Sequence[str],
        groups: int,
        names: str,
        *,
        parts: Sequence[tuple[tuple[int, ...], int]] = (),
        drop_prob: float | None = None,
        xs: bool = False,
        blocks: Callable[[BlockFacts], bool] | None = None,
    ) -> None:
        """Write a script that fails where groups of decisions kept different shares.

        Args:
            group: Lines for a body that bind ``group`` to the number of each decision's group, -1 for none, of the
                shape of ``kept``.
            groups: Number of groups, none of which is empty.
            names: What the shares printed are of.
            parts: Shapes of x and calls of each, of a target that is run.
            drop_prob: p; by default the cell's.
            xs: Whether the lines need ``xs``.
            blocks: Which blocks of a recording are gone through; by default all that the case has.
        """
        body = [
            *self.kept(group=group),
            "kept, group = kept[group >= 0], group[group >= 0]",
            f"counts += [np.bincount(group, kept, {groups}), np.bincount(group, minlength={groups})]",
        ]
        self.add(f"counts = np.zeros((2, {groups}))")
        for shape, calls in self._parts(parts):
            self.each(*body, drop_prob=drop_prob, shape=shape, calls=calls, xs=xs, blocks=blocks)
        self.same_shares(groups, names)

    def same_shares(self, groups: int, names: str) -> None:
        """Add lines that fail where groups kept different shares; ``counts`` has the kept and the decisions of each."""
        from scipy.stats import chi2

        self.add(
            "kept, decisions = counts",
            f"print({f'kept of {names}:'!r}, kept / decisions)",
            "share = kept.sum() / decisions.sum()",
            "seen = np.array([kept, decisions - kept])",
            "expected = np.array([decisions * share, decisions * (1 - share)])",
            "deviance = 2 * (seen * np.log(np.maximum(seen, 1) / expected)).sum()  # the likelihood-ratio statistic G",
            f"assert deviance < {chi2.isf(CHANCE, groups - 1):.1f}  # one chance in 10^9",
        )

    def _parts(self, parts: Sequence[tuple[tuple[int, ...], int]]) -> Sequence[tuple[tuple[int, ...], int]]:
        """Return the parts that are gone through one after the other."""
        return parts

    def correlate(self, first: str, second: str, what: str) -> None:
        """Add lines that fail where two arrays of decisions, paired element by element, are correlated."""
        self.add(
            f"one, other = ({first}).ravel() * 1.0, ({second}).ravel() * 1.0",
            "correlation = np.corrcoef(one, other)[0, 1]",
            f"print({f'correlation of {what}:'!r}, correlation)",
            "assert abs(correlation) < 6.5 / len(one) ** 0.5  # one run in 10^10 of independent decisions",
        )

    def same_mask(self, y: str) -> None:
        """Add lines that fail where ``gradient`` has another mask than ``y``, an array of what x of ones became."""
        self.add(
            f"differ = ({y} == 0) != (gradient == 0)",
            "assert not differ.any(), 'the gradient belongs to another mask than the output'",
        )
