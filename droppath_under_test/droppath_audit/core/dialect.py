"""The dialect: the legitimate variation of DropPath that a target declares."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from droppath_audit.core.errors import UsageError, nearest

CHOICES = {
    "granularity": ("sample", "batch", "element"),
    "scaling": ("inverted", "none", "eval"),
    "form": ("branch", "residual"),
    "keep_prob_zero": ("zeros", "raises"),
    "across": ("seeds", "pairs", "pairs-of-one-seed"),
}


@dataclass(frozen=True)
class Dialect:
    """What an implementation says it does; declared or read from its signature, never from its behaviour.

    Attributes:
        granularity: What one decision covers: a ``sample`` (axis 0), the whole ``batch``, or an ``element``.
        scaling: ``inverted`` divides by keep_prob in training; ``none`` never scales; ``eval`` multiplies by
            keep_prob in evaluation (Huang et al. 2016, arXiv:1603.09382, equation 5).
        form: ``branch`` maps x to y; ``residual`` maps (x, branch) to x + y.
        keep_prob_zero: ``zeros``, or ``raises`` for a target that refuses keep_prob = 0 with ValueError.
        across: What ranks of a training have in common: ``seeds`` alone; ``pairs``, where two ranks that follow each
            other decide alike though each has a seed of its own, and pairs independently (tensor-parallel pairs
            that are data-parallel to each other); ``pairs-of-one-seed``, where all have the same seed, and pairs
            decide independently nevertheless.

    Raises:
        UsageError: If a value is not one of the field's choices.
    """

    granularity: str = "sample"
    scaling: str = "inverted"
    form: str = "branch"
    keep_prob_zero: str = "zeros"
    across: str = "seeds"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value not in CHOICES[field.name]:
                allowed = ", ".join(CHOICES[field.name])
                raise UsageError(
                    f"{field.name}={value} is not known; {field.name} is one of {allowed}."
                    + nearest(str(value), CHOICES[field.name])
                )

    @property
    def skips_branch(self) -> bool:
        """Whether a dropped branch need not be run, to save its work, as in Huang et al. 2016 (section 3)."""
        return (self.granularity, self.form) == ("batch", "residual")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a plain dictionary."""
        return asdict(self)

    def describe(self) -> str:
        """Return the dialect as a few words, such as ``per sample · inverted``."""
        words = [f"per {self.granularity}", self.scaling if self.scaling != "none" else "unscaled"]
        if self.scaling == "eval":
            words[-1] = "scaled in evaluation"
        if self.form != "branch":
            words.append(self.form)
        if self.keep_prob_zero != "zeros":
            words.append("refuses keep_prob = 0")
        if self.across != "seeds":
            words.append(f"pairs of ranks alike{' from one seed' if self.across == 'pairs-of-one-seed' else ''}")
        return " · ".join(words)


CANONICAL = Dialect()
