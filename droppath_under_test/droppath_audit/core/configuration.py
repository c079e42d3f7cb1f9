"""Configuration: everything about one call that code may branch on."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SURROUNDING = "plain"
NEW, ONCE, OFTEN, OTHERWISE = "new", "called before", "called 100 times", "called with another shape"
RETYPED = "called in another dtype"
HALVES = ("bfloat16", "float16")  # dtypes of that call: what it computed is of no use to a wider one
FLOAT, INTEGER, SCALAR = "a float", "an integer", "a NumPy float32"
FRESH, SWITCHED = "as constructed", "after evaluation"
NESTED, COPIED, PICKLED = "inside of a container", "as a deep copy", "as a pickled copy"


@dataclass(frozen=True)
class Configuration:
    """One call.

    Attributes:
        features: Sizes of a sample.
        batch: Samples.
        layout: Strides of x, by the framework's names.
        dtype: Of x.
        drop_prob: p.
        tracked: Whether a gradient of x is asked for.
        surrounding: The context in which the call is made, by the framework's names; ``plain`` for none.
        mode: How the layer came to train.
        age: What was done with the layer before.
        number: As what p is handed over.
        calls: How often the layer was called before, beside what its age says.
    """

    features: tuple[int, ...] = (4,)
    batch: int = 8
    layout: str = "contiguous"
    dtype: str = "float32"
    drop_prob: float = 0.5
    tracked: bool = False
    surrounding: str = NO_SURROUNDING
    mode: str = FRESH
    age: str = NEW
    number: str = FLOAT
    calls: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of x."""
        return (self.batch, *self.features)

    @property
    def elements(self) -> int:
        """Elements of x."""
        return prod(self.shape)

    def decisions(self, granularity: str) -> int:
        """Return the decisions of a call: one a sample, one an element, or one for the batch."""
        return {"element": self.elements, "batch": 1}.get(granularity, self.batch)

    @property
    def dtype_before(self) -> str:
        """Dtype of x in calls that were made before."""
        return self.dtype if self.age != RETYPED else next(dtype for dtype in HALVES if dtype != self.dtype)

    def describe(self) -> str:
        """Return it in words, what is as usual left out."""
        said = [f"x of shape {list(self.shape)}", self.dtype, f"drop_prob {self.drop_prob!r}"]
        if self.layout != "contiguous":
            said.append(self.layout)
        if self.tracked:
            said.append("tracked")
        if self.surrounding != NO_SURROUNDING:
            said.append(f"under {self.surrounding}")
        if self.mode != FRESH:
            said.append(self.mode)
        if self.age != NEW:
            said.append(self.age)
        if self.number != FLOAT:
            said.append(f"drop_prob as {self.number}")
        if self.calls:
            said.append(f"after {self.calls} calls")
        return ", ".join(said)

    def plainer(self) -> Iterator[Configuration]:
        """Yield configurations in which one thing is as usual that is not now."""
        # What the ends of drop_prob show nothing else shows, and an integer is one of these.
        usual = Configuration(drop_prob=0.5 if 0.0 < self.drop_prob < 1.0 else self.drop_prob)
        for each in fields(self):
            bound = each.name == "features" and self.layout != usual.layout  # not every rank has these strides
            left = each.name == "age" and self.age == RETYPED  # in the process, where it shows without that call, too
            if getattr(self, each.name) != getattr(usual, each.name) and not bound and not left:
                yield replace(self, **{each.name: getattr(usual, each.name)})
