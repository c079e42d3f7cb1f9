"""Cases: the points of the matrix at which a check runs. Each kind of case knows what it has."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from droppath_audit.core.configuration import Configuration
from droppath_audit.core.dialect import CANONICAL, Dialect
from droppath_audit.core.effort import EFFORTS, Effort
from droppath_audit.core.recording import BlockFacts

EAGER = "eager"
COMPILED = "compile"
"""Beginning of the names of those variants that compile."""
SEVERAL = 64  # samples of a call of which something can be said


def on_the_cpu(device: str) -> bool:
    """Return whether a device, by its name, is the CPU."""
    return device.partition(":")[0] == "cpu"


@dataclass(frozen=True)
class Case:
    """A device: for checks that walk over dtypes and probabilities themselves.

    Attributes:
        device: Device name, such as ``cpu`` or ``cuda:0``.
        variant: How the target is executed; ``eager`` is the default and then absent from ids.
        dialect: What the target declares.
        effort: How small a discrepancy is looked for.
        blocks: What a recording holds for this case; empty for a target that is run.
        sample: Elements of the smallest sample that the target takes; more than 1 only where the SPEC fixes the shape.
        declared: Elements of the SPEC's sample, where the target takes smaller ones as well; otherwise 0.
    """

    device: str = "cpu"
    _: KW_ONLY
    variant: str = EAGER
    dialect: Dialect = CANONICAL
    effort: Effort = EFFORTS["standard"]
    blocks: tuple[BlockFacts, ...] = ()
    sample: int = 1
    declared: int = 0

    @property
    def compiled(self) -> bool:
        """Whether the target is compiled, by whoever audits it."""
        return self.variant.startswith(COMPILED)

    @property
    def coordinates(self) -> dict[str, str | float]:
        """What narrows the case down beyond its device: ``dtype``, ``drop_prob``."""
        return {}

    @property
    def detail(self) -> str:
        """What was drawn for the case and is no part of its id, in words."""
        return ""

    @property
    def per_call(self) -> bool:
        """Whether a whole call is one decision."""
        return self.dialect.granularity == "batch"

    @property
    def decisions(self) -> int:
        """Mask decisions that a recording holds for this case."""
        return sum(block.decisions for block in self.blocks)

    @property
    def largest(self) -> int:
        """Elements of the largest sample that is looked at, where the SPEC fixes the shape; otherwise 1."""
        return max(self.sample, self.declared)

    @property
    def affords(self) -> int | None:
        """Decisions that a trial may count; None for any number, where samples are small."""
        if self.sample == 1:
            return None
        return max(1, self.effort.counted // (1 if self.dialect.granularity == "element" else self.sample))

    def within(self, calls: int, batch: int, *, share: float = 1.0, examined: bool = False) -> tuple[int, int]:
        """Return as many calls and samples a call as large samples allow; what is asked for, where they are small.

        The batch shrinks first, down to ``SEVERAL`` samples, since what is looked for is mostly between calls or
        in a whole of some; then there are fewer calls.

        Args:
            calls: Calls wanted.
            batch: Samples of a call wanted.
            share: Of what the trial may draw.
            examined: Whether values are looked at one by one, rather than decisions counted.
        """
        if self.sample == 1:
            return calls, batch
        elements = self.effort.examined if examined else self.effort.counted
        samples = max(1, int(share * elements) // self.sample)
        batch = min(batch, max(min(batch, SEVERAL, samples), samples // calls))
        return min(calls, max(1, samples // batch)), batch

    @property
    def slug(self) -> str:
        """The case as it stands in a trial's id, such as ``cpu-bfloat16-p0.1``."""
        parts = [self.device]
        parts += [f"p{_shortest(value)}" if isinstance(value, float) else value for value in self.coordinates.values()]
        return "-".join(parts if self.variant == EAGER else [*parts, self.variant])

    def describe(self) -> str:
        """Return the case for a reader, such as ``cpu, bfloat16, drop_prob 0.1``."""
        parts = [self.device]
        parts += [
            f"drop_prob {_shortest(value)}" if isinstance(value, float) else value
            for value in self.coordinates.values()
        ]
        return ", ".join(parts if self.variant == EAGER else [*parts, self.variant])

    def to_json(self) -> dict[str, Any]:
        """Return device, dtype, drop_prob and variant, as they stand in the JSON report."""
        return {"device": self.device, "dtype": None, "drop_prob": None, **self.coordinates, "variant": self.variant}


@dataclass(frozen=True)
class DtypeCase(Case):
    """A device and a dtype: for checks that fix drop_prob or walk over several.

    Attributes:
        dtype: Name of the dtype of x.
    """

    dtype: str = "float32"

    @property
    def coordinates(self) -> dict[str, str | float]:
        """The dtype."""
        return {"dtype": self.dtype}


@dataclass(frozen=True)
class Cell(DtypeCase):
    """A device, a dtype and a drop probability.

    Attributes:
        drop_prob: p, in [0, 1].
    """

    drop_prob: float = 0.5

    @property
    def keep_prob(self) -> float:
        """The keep probability 1 - p, rounded to a float."""
        return 1.0 - self.drop_prob

    @property
    def coordinates(self) -> dict[str, str | float]:
        """The dtype and the drop probability."""
        return {"dtype": self.dtype, "drop_prob": self.drop_prob}


@dataclass(frozen=True)
class ConfigurationCase(Case):
    """One row of a covering array; what was drawn for it is no part of its id.

    Attributes:
        number: Of the row; its id, whatever the row holds under this seed.
        configuration: What was drawn for it.
    """

    number: int = 0
    configuration: Configuration = field(default_factory=Configuration)

    @property
    def slug(self) -> str:
        """The device and the number of the row, such as ``cpu-c07``."""
        return f"{self.device}-c{self.number:02}"

    @property
    def detail(self) -> str:
        """The configuration."""
        return self.configuration.describe()

    def describe(self) -> str:
        """Return the configuration for a reader."""
        return f"{self.device}, {self.detail}"

    def to_json(self) -> dict[str, Any]:
        """Return the device, as it stands in the JSON report, and the configuration in words."""
        return {**super().to_json(), "configuration": self.detail}


@dataclass(frozen=True)
class ConstantCase(Case):
    """A number in the target's own code.

    Attributes:
        constant: The number.
        configurations: In which it is tried; none where the code holds no number to try.
    """

    constant: float = 0.0
    configurations: tuple[Configuration, ...] = ()

    @property
    def told(self) -> str:
        """The number as it is usually written."""
        if not self.configurations:
            return "none"
        return str(int(self.constant)) if self.constant.is_integer() else _shortest(self.constant)

    @property
    def slug(self) -> str:
        """The device and the number, such as ``cpu-65536``."""
        return f"{self.device}-{self.told}"

    def describe(self) -> str:
        """Return the number for a reader."""
        if not self.configurations:
            return f"{self.device}, no number in the code"
        return f"{self.device}, around {self.told}, which stands in the code"

    def to_json(self) -> dict[str, Any]:
        """Return the device, as it stands in the JSON report, and the number."""
        return {**super().to_json(), "constant": self.constant}


@dataclass(frozen=True)
class AspectCase(Case):
    """One of several things that a check asks of a target.

    Attributes:
        aspect: Its name, such as ``same-twice``.
    """

    aspect: str = ""

    @property
    def slug(self) -> str:
        """The device and the aspect, such as ``cpu-same-twice``."""
        return f"{self.device}-{self.aspect}"

    def describe(self) -> str:
        """Return the aspect for a reader."""
        return self.aspect.replace("-", " ")

    def to_json(self) -> dict[str, Any]:
        """Return the device, as it stands in the JSON report, and the aspect."""
        return {**super().to_json(), "aspect": self.aspect}


@dataclass(frozen=True)
class RowsCase(Case):
    """All rows of a covering array, for a check that goes through them together.

    Attributes:
        rows: What was drawn for each.
    """

    rows: tuple[Configuration, ...] = ()


AnyCase = Case | DtypeCase | Cell | ConfigurationCase | ConstantCase | AspectCase | RowsCase


def _shortest(number: float) -> str:
    """Return the shortest usual text that reads back as this number."""
    return min((text for text in (f"{number:g}", repr(number)) if float(text) == number), key=len)
