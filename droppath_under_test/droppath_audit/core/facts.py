"""Facts: what the loader learned of a target, as plain data that can leave the worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.invocation import Building, Invocation, Reading, Scheduling
from droppath_audit.core.recording import BlockFacts

MODEL = "model"
"""The kind of target that a whole model is."""
SCHEDULE = "schedule"
"""The kind of target that a function of rates is."""

CHECKS_OF_X = ("DP009", "DP010", "DP205", "DP206", "DP302", "DP4*", "DP6*", "DP7*")
"""Checks that say nothing of a factory that drives a block: x is never given to that."""


@dataclass(frozen=True)
class Facts:
    """A loaded target, described.

    Attributes:
        spec: The SPEC as it was given, or a description of the object handed to ``audit``.
        stands_for: The SPEC that it names, where it is a known name.
        kind: ``class``, ``function``, ``instance``, ``factory``, ``recording``, ``model`` or ``schedule``.
        origin: ``file:line`` of its definition, or an empty text; of a factory that names the code under test, of that.
        factory: ``file:line`` of such a factory, or an empty text.
        package: Distribution and version it came from, such as ``timm 1.0.31``, or an empty text.
        arguments: How probability and mode are told, such as ``drop_prob · train()/eval()``.
        called: How it is constructed and called, by roles, such as ``DropPath(drop_prob=p)(x)``.
        notes: What the name of an argument suggested and nothing declared.
        dialect: What it declares.
        framework: Name of its framework.
        framework_version: Version of the framework.
        devices: Device name to the dtypes that exist there.
        evaluates: Whether the target has an evaluation mode.
        fixed_shape: Shape of inputs with -1 for the batch, where the SPEC fixes it.
        smallest: Features of the smallest sample that the target takes beside those of ``fixed_shape``: decisions are
            counted there. None where the SPEC fixes nothing, or nobody asked.
        dtypes: The only ones that the SPEC says it takes; empty where it says nothing.
        refused: Dtypes of which the target takes no shape, and what it raises.
        refuses_keep_prob_zero: Whether it refuses drop_prob = 1 and does not declare that.
        decides_per_call: Whether every call keeps or drops all samples, and that is not declared.
        hint: What to try first, where calls have shown that something else may be meant: other roles, or a mask.
        invocation: How scripts construct and call it, read it, build it or ask it.
        ranks: Ranks of x that are taken, where calls have shown that some are refused; empty for all.
        layouts: Strides that its framework has tensors of, by name; of compiled code, those that its compiler reads.
        surroundings: Contexts that its framework has, by name.
        capabilities: What its framework can do beyond the base, by the names of the classes in
            ``frameworks.capabilities``.
        variants: Ways to run the target that its framework has beside calling it, by the names that ask for them.
        numbers: In the target's own code, those nearest to it first.
        import_seconds: What importing the target took, its framework included.
        environment: Versions and platform, for the report.
        importable: Whether ``spec`` can be given to a command; False for local objects.
        recording: The blocks of a recording; None for a target that is run.
    """

    spec: str
    kind: str
    origin: str
    package: str
    arguments: str
    dialect: Dialect
    framework: str
    framework_version: str
    devices: dict[str, tuple[str, ...]]
    stands_for: str = ""
    factory: str = ""
    called: str = ""
    notes: tuple[str, ...] = ()
    evaluates: bool = True
    fixed_shape: tuple[int, ...] | None = None
    smallest: tuple[int, ...] | None = None
    dtypes: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    refuses_keep_prob_zero: bool = False
    decides_per_call: bool = False
    hint: str = ""
    invocation: Invocation | Reading | Building | Scheduling = field(default_factory=Invocation)
    ranks: tuple[int, ...] = ()
    layouts: tuple[str, ...] = ()
    surroundings: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    variants: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: tuple[float, ...] = ()
    import_seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    importable: bool = True
    recording: tuple[BlockFacts, ...] | None = None
