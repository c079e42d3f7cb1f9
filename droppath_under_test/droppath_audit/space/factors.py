"""Factors of a configuration: their classes, what a constraint forbids, and values drawn from a class.

A class is a kind of value on which code may branch; the value itself is drawn afresh for every audit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.configuration import (
    COPIED,
    FLOAT,
    FRESH,
    HALVES,
    INTEGER,
    NESTED,
    NEW,
    NO_SURROUNDING,
    OFTEN,
    ONCE,
    OTHERWISE,
    PICKLED,
    RETYPED,
    SCALAR,
    SWITCHED,
    Configuration,
)
from droppath_audit.core.facts import Facts
from droppath_audit.core.grid import DTYPES
from droppath_audit.frameworks.capabilities import Surroundings, has, names_of
from droppath_audit.space.covering import covering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from droppath_audit.probes.live import LiveProbe

ASKED = (*DTYPES, "complex64")
MOST = 2**20 + 2**16  # elements of x
LARGE_SAMPLE = 2**18  # elements of a sample at most

# Sizes of each axis of a sample, from and to; its rank is one of x's less one.
SAMPLES: dict[str, tuple[tuple[int, int], ...]] = {
    "scalars": (),
    "vectors": ((1, 4096),),
    "tokens": ((1, 512), (1, 256)),
    "maps": ((1, 16), (2, 96), (2, 96)),
    "videos": ((1, 8), (2, 16), (2, 32), (2, 32)),
    "rank 6": ((1, 4), (1, 4), (2, 8), (2, 16), (2, 16)),
}
DECLARED = "declared"
BATCHES = {
    "1": (1, 1),
    "2": (2, 2),
    "3 to 9": (3, 9),
    "10 to 99": (10, 99),
    "100 to 999": (100, 999),
    "1000 to 2^16": (1000, 2**16),
    "above 2^16": (2**16 + 1, 2**17),
}
# Few are drawn between the last two: what code does in parts it does above a power of two that is no smaller.
ELEMENTS = {"up to 2^12": (1, 2**12), "up to 2^18": (2**12 + 1, 2**18), "above 2^20": (2**20 + 1, MOST)}
DROP_PROBS = {
    "0": (0.0, 0.0),
    "below 0.0005": (1e-5, 4.9e-4),
    "below 0.1": (5e-4, 0.1),
    "below 1/2": (0.1, 0.5),
    "above 1/2": (0.5, 0.9),
    "near 1": (0.9, 0.9995),
    "1": (1.0, 1.0),
}
TRIES = 50  # of sizes whose product lies in a class
AGES = (NEW, ONCE, OFTEN, OTHERWISE, RETYPED)
FUNCTIONS = ("function", "factory")


@dataclass(frozen=True)
class Factors:
    """The factors of one target.

    Attributes:
        classes: Names of factors, each with the names of its classes.
        fixed: Features that the SPEC fixes, if it does.
    """

    classes: dict[str, tuple[str, ...]]
    fixed: tuple[int, ...] | None = None

    def allowed(self, row: Mapping[str, str]) -> bool:
        """Return whether a row, or a part of one, can be drawn."""
        if row.get("tracked") == "tracked" and row.get("surrounding") == "inference_mode":
            return False  # in which nothing is tracked
        # At the ends, which have no tolerance, NumPy rounds what is compared with its single-precision numbers.
        at_an_end = row["drop_prob"] in ("0", "1") if "drop_prob" in row else None
        if at_an_end is not None and row.get("number") == (SCALAR if at_an_end else INTEGER):
            return False
        if row.get("layout") == "channels_last" and row.get("samples", "maps") not in ("maps", "videos", DECLARED):
            return False
        if row.get("layout") == "conjugated" and not row.get("dtype", "complex64").startswith("complex"):
            return False
        if row.get("layout") in ("transposed", "expanded") and row.get("samples") == "scalars":
            return False
        fewest, most = BATCHES[row["batch"]] if "batch" in row else (1, MOST)
        smallest, largest = self._sizes(row.get("samples"))
        low, high = ELEMENTS[row["elements"]] if "elements" in row else (1, MOST)
        return max(low, fewest * smallest) <= min(high, most * largest)

    def _sizes(self, samples: str | None) -> tuple[int, int]:
        """Return the elements of the smallest and of the largest sample of a class; of any where none is named."""
        if self.fixed is not None:
            return prod(self.fixed), prod(self.fixed)
        if samples is None:
            return 1, LARGE_SAMPLE
        axes = SAMPLES[samples]
        return prod(low for low, _ in axes), min(LARGE_SAMPLE, prod(high for _, high in axes))

    def drawn(self, row: Mapping[str, str], rng: np.random.Generator) -> Configuration:
        """Return a configuration with values from the classes of a row."""
        batch, features = self._shape(row, rng)
        low, high = DROP_PROBS[row["drop_prob"]]
        drop_prob = low if low == high else float(rng.uniform(low, high))
        return Configuration(
            features=features,
            batch=batch,
            layout=row["layout"],
            dtype=row["dtype"],
            drop_prob=float(np.float32(drop_prob)) if row["number"] == SCALAR else drop_prob,
            tracked=row["tracked"] == "tracked",
            surrounding=row["surrounding"],
            mode=row["mode"],
            age=row["age"],
            number=row["number"],
        )

    def _shape(self, row: Mapping[str, str], rng: np.random.Generator) -> tuple[int, tuple[int, ...]]:
        """Return samples and sizes of a sample that lie in their classes together."""
        (fewest, most), (low, high) = BATCHES[row["batch"]], ELEMENTS[row["elements"]]
        smallest, largest = self._sizes(row["samples"])
        # So many samples that some size of a sample brings the elements into their class.
        fewest, most = max(fewest, -(-low // largest)), min(most, high // smallest)
        if self.fixed is not None:
            return _between(fewest, most, rng), self.fixed
        axes = SAMPLES[row["samples"]]
        for _ in range(TRIES):
            batch = _between(fewest, most, rng)
            features = _sized(axes, max(smallest, -(-low // batch)), min(largest, high // batch), rng)
            if low <= batch * prod(features) <= high:
                return batch, features
        return min(most, max(fewest, -(-low // smallest))), tuple(size for size, _ in axes)


def _between(low: int, high: int, rng: np.random.Generator) -> int:
    """Return a whole number from low to high, evenly in its logarithm."""
    return min(high, max(low, round(float(low * (high / low) ** rng.random()))))


def _sized(axes: tuple[tuple[int, int], ...], least: int, most: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Return sizes of axes, each within its bounds, whose product is near a number between least and most."""
    sizes, wanted = [low for low, _ in axes], _between(least, most, rng)
    order = rng.permutation(len(axes))
    for number in order:
        rest, (low, high) = prod(sizes) // sizes[number], axes[number]
        top = max(low, min(high, wanted // rest))
        # The last axis makes up for what the others left.
        sizes[number] = top if number == order[-1] else _between(low, top, rng)
    for number in order:
        rest, (_, high) = prod(sizes) // sizes[number], axes[number]
        sizes[number] = max(sizes[number], min(high, -(-least // rest)))
    return tuple(sizes)


def factors_of(facts: Facts, dtypes: tuple[str, ...]) -> Factors:
    """Return the factors of a target: what its declared form and its framework allow.

    Args:
        facts: The target.
        dtypes: Dtypes of x that it takes there.
    """
    objects = facts.kind not in FUNCTIONS
    modes = [FRESH, *([SWITCHED] if facts.evaluates else [])]
    if objects and "Layers" in facts.capabilities:
        modes += [NESTED, COPIED, PICKLED]
    ends = ("1",) if facts.dialect.keep_prob_zero == "raises" or facts.refuses_keep_prob_zero else ()
    # NumPy widens half precision by its own numbers, by its own rule.
    numbers = (FLOAT, INTEGER) if facts.framework == "numpy" else (FLOAT, INTEGER, SCALAR)
    fixed = None if facts.fixed_shape is None else facts.fixed_shape[1:]
    samples = tuple(SAMPLES) if not facts.ranks else tuple(
        name for name, axes in SAMPLES.items() if len(axes) + 1 in facts.ranks
    )  # fmt: skip
    classes = {
        "samples": (DECLARED,) if fixed is not None else samples or tuple(SAMPLES),
        "batch": tuple(BATCHES),
        "elements": tuple(ELEMENTS),
        "layout": facts.layouts or ("contiguous",),
        "dtype": dtypes,
        "drop_prob": tuple(name for name in DROP_PROBS if name not in ends),
        "tracked": ("untracked", "tracked") if "Autograd" in facts.capabilities else ("untracked",),
        "surrounding": (NO_SURROUNDING, *facts.surroundings),
        "mode": tuple(modes),
        "age": AGES if set(HALVES) <= {*dtypes} else tuple(age for age in AGES if age != RETYPED),
        "number": numbers,
    }
    factors = Factors(classes, fixed)
    return Factors(
        {name: tuple(v for v in values if factors.allowed({name: v})) for name, values in classes.items()}, fixed
    )


def configurations(probe: LiveProbe[Any], *, pairs: bool) -> Iterator[Configuration]:
    """Yield configurations of all that a target is known to take, for a check that walks over them in one trial.

    Those that the target refuses are among them.

    Args:
        probe: Of the trial, which draws the values.
        pairs: Whether any two classes of any two factors meet; otherwise each class is tried to be there.

    The largest class of batches and that of elements, which take a tenth of a second a call, are left out, and x is
    not tracked.
    """
    framework, target, device = probe.framework, probe.target, probe.at.device
    surroundings = has(framework, Surroundings)
    facts = Facts(
        "", "class", "", "", "", target.dialect, framework.name, "", {},
        evaluates=target.evaluates,
        fixed_shape=target.fixed_shape,
        layouts=probe.layouts(),
        surroundings=() if surroundings is None else surroundings.surroundings,
        capabilities=names_of(framework),
    )  # fmt: skip
    there = framework.dtypes(device)
    factors = factors_of(facts, tuple(dtype for dtype in ASKED if dtype in there))
    less = {name: factors.classes[name][:number] for name, number in (("batch", 6), ("elements", 2))}
    factors = replace(factors, classes={**factors.classes, **less, "tracked": ("untracked",)})
    if pairs:
        rows, _ = covering(factors.classes, factors.allowed, probe.rng, strength=2, frugal=("elements",))
    else:
        rows = _each(factors, probe.rng)
    return (factors.drawn(row, probe.rng) for row in rows)


def _each(factors: Factors, rng: np.random.Generator) -> list[dict[str, str]]:
    """Return as many rows as the factor with the most classes has, each class in one of them where that is allowed."""
    rows = []
    orders = {name: rng.permutation(values).tolist() for name, values in factors.classes.items()}
    for number in range(max(map(len, orders.values()))):
        row = {name: str(values[number % len(values)]) for name, values in orders.items()}
        for _ in range(TRIES):
            if factors.allowed(row):
                rows.append(row)
                break
            name = str(rng.choice([*orders]))
            row[name] = str(rng.choice(orders[name]))
    return rows
