"""Blocks that drop by themselves: a factory of the factor that each sample's branch is multiplied by, found by trying.

Nothing says what a block has to be given. So likely values are tried, each by really building and calling the block,
and the first with which it runs are written down.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from droppath_audit.core.facts import CHECKS_OF_X
from droppath_audit.frameworks.blocks import Blocks
from droppath_audit.frameworks.capabilities import Layers, has
from droppath_audit.targets import words
from droppath_audit.targets.manners import set_mode
from droppath_audit.targets.own_code import OWN_CODE
from droppath_audit.targets.parameters import VARIADIC, required, value_of
from droppath_audit.targets.proposing import MARK, Proposal, declared_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from inspect import Parameter

    from droppath_audit.core.invocation import Argument
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.targets.binding import Binding
    from droppath_audit.targets.parameters import Sides

BATCH = 5  # which no size is, so that a batch taken for channels does not fit by chance
SIZE = 8
PARTS_OF_SIZE = ("2", "4")  # what a block makes 8 of, four or two times over
SECONDS = 30.0  # of trying
VALUES = 48  # ways to fill in what the constructor, or the call, must be given
SEEDS = 3
CALLS = 8  # at each rate, of five samples
RATES = (0.5, 0.25)
GIVEN = "GivenPart"
LAYER = "GivenLayer"
PARTS = (f"{GIVEN}()", f"{GIVEN}(None)")  # what stands for attention returns its weights too
HEADING = '''"""A factory for droppath-audit: ``make(drop_prob)`` returns ``f(x, training) -> x * m``, m of a block.

x is not given to the block. It is called on one fixed input, as often as x has samples, and m is the factor by which
it multiplied the branch of each sample: 0 where it dropped it. So the audit examines how the block decides: how often,
for each sample or for all, how it scales, in training and in evaluation, and its random numbers. It examines no
gradients, dtypes, shapes, devices or values of x in the block.{further}
"""'''
SILENT = """
The block drops more than one branch. What {names} adds is nothing here, so that one is seen alone; name another part
in ``silent`` to see the next."""
SIMPLE = """
Something that computes less stands in the place of {names}:
whether a branch is dropped does not depend on what it computes, and calls are many."""
BARE = """
It runs without {names}: behind a normalisation no factor could be told."""
UNSEEN = (
    f"# {MARK}: no sample was seen kept or dropped as a whole; other features, or parts in silent or bare, may show it"
)
ONE_POSITION = """
A sample is one vector, and a decision for each position of a sequence or map would not be told from one a sample."""
LIKELY_PARTS = {"attn", "attention", "ffn", "mlp", "forward", "mixer", "conv", "norm", "act", "ssm", "mamba"}


@dataclass(frozen=True)
class _Way:
    """One way to build and call a block, as source text, and whether samples were seen kept or dropped as a whole."""

    init: tuple[str, ...]
    call: tuple[str, ...] = ()
    features: tuple[int, ...] = ()
    seed: int = 0
    dtype: str = ""
    bare: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    switched: tuple[str, ...] = ()
    simple: tuple[tuple[str, tuple[None, ...]], ...] = ()
    shown: bool = True

    def made(self) -> str:
        fields = [
            f"seed={self.seed}" if self.seed else "",
            f"dtype={self.dtype}",
            f"bare={self.bare!r}" if self.bare else "",
            f"silent={self.silent!r}" if self.silent else "",
            f"switched={self.switched!r}" if self.switched else "",
            f"simple={dict(self.simple)!r}" if self.simple else "",
        ]
        return f"make = factory_of(build, run, {self.features}, {', '.join(field for field in fields if field)})"


class _Trial:
    """Builds and calls a block in likely ways.

    Args:
        obj: The class.
        binding: What was settled of it.
        sides: Its signatures.
        framework: Of the block.
        blocks: The same, as what makes factories.

    Attributes:
        name: Of the class, in the text.
    """

    def __init__(self, obj: Any, binding: Binding, sides: Sides, framework: Framework, blocks: Blocks) -> None:
        invocation = binding.invocation(())
        self.name, self._obj, self._framework, self._blocks = invocation.name, obj, framework, blocks
        self._layers, self._until = has(framework, Layers), time.monotonic() + SECONDS
        self._sizes = tuple(dict.fromkeys((*binding.sizes(), SIZE)))
        self._init = _slots(invocation.init, sides.init, binding, self._constructor_value, quiet=invocation.name)
        self._call = _slots(invocation.call, sides.call, binding, self._call_value)

    def found(self) -> _Way | None:
        """Return the first way in which the block shows its factors, or in which it runs at all; None where none.

        On one position alone a decision a position looks like one a sample, so that is taken where nothing else runs.
        """
        runs = idle = None
        for way in self._running():
            if runs is not None and _one_position(way) and not _one_position(runs):
                continue
            for finer in self._finer(way):
                if time.monotonic() > self._until:
                    return idle or runs or replace(way, shown=False)
                factors = self._factors(finer)
                # Of a block that was changed, some have to be dropped, and some kept: else what it dropped is lost.
                if len(factors) > 1:
                    return self._simpler(finer, factors)
                if factors and not (finer.silent or finer.bare):
                    idle = idle or finer
            if idle is not None:
                return idle
            runs = runs or replace(way, shown=False)
        return runs

    def source(self, way: _Way) -> str:
        """Return the definitions of ``build`` and ``run``."""
        return "\n".join(
            [
                "def build(drop_prob, training):",
                f"    return {self.name}(",
                *(f"        {line}," for line in way.init),
                "    )",
                "",
                "",
                "def run(block, z, drop_prob, training):",
                f"    return block({', '.join(way.call)})",
            ]
        )

    def _running(self) -> Iterator[_Way]:
        """Yield ways in which the block can be built and called, and returns something for each sample."""
        for init in islice(product(*self._init), VALUES):
            way, given = _Way(init), islice(product(*self._call), VALUES)
            with suppress(Exception):  # whatever it raises, it is not to be given this
                switched = self._named(self._built(way))
                for call, features in product(given, _features(self._sizes)):
                    if time.monotonic() > self._until:
                        return
                    for dtype in self._blocks.block_dtypes():
                        tried = replace(way, call=call, features=features, switched=switched, dtype=dtype)
                        if self._runs(tried):
                            yield tried
                            break

    def _runs(self, way: _Way) -> bool:
        with suppress(Exception):
            self._make(way)(0.0)(self._x(), False)
            return True
        return False

    def _finer(self, way: _Way) -> Iterator[_Way]:
        """Yield a way with other seeds, and then without norms, or with one of its parts silent, the last first."""
        for seed in range(SEEDS):
            yield replace(way, seed=seed)
        with suppress(Exception):
            block = self._built(way)
            own = self._blocks.own_parts(block)
            if set(own) - set(way.switched):  # one of them may drop, whatever it is called
                for seed in range(SEEDS):
                    yield replace(way, seed=seed, switched=own)
            inside = self._inside(block)
            held = self._layers.numbers(block) if self._layers is not None else ()
            norms = tuple(place for place, name in inside if "norm" in name.lower() and "." not in place)
            adding = {name.partition(".")[0] for name in held if "." in name}
            adding |= {place for place, name in inside if name in (GIVEN, LAYER)}
            parts = [place for place, _ in inside if place in adding]
            silent = [(), *((part,) for part in reversed(parts) if part not in norms)]
            yield from (replace(way, silent=one) for one in silent[1:])
            yield from (replace(way, bare=norms, silent=one) for one in silent if norms)

    def _simpler(self, way: _Way, factors: set[float]) -> _Way:
        """Return the way with something cheap in the place of parts that decide nothing, if the factors stay."""
        with suppress(Exception):
            names = self._names(way)
            block, run = names["build"](RATES[0], False), names["run"]
            set_mode(block, training=False)  # else a branch that is dropped runs none of its parts
            x = self._framework.ones((BATCH, *way.features), "float32", "cpu")
            parts = self._blocks.shape_keeping_parts(block, lambda: run(block, x, RATES[0], False))
            spared = {part.partition(".")[0] for part in (*way.switched, *way.bare)}
            other = replace(way, simple=tuple((name, beside) for name, beside in parts.items() if name not in spared))
            # Of a block that decides once a call, some calls show a part of the factors by chance.
            if other.simple and any(self._factors(other) == factors for _ in range(SEEDS)):
                return other
        return way

    def _built(self, way: _Way) -> Any:
        """Return a block that drops: many hold nothing that could, where the rate is zero."""
        build = self._names(way)["build"]
        with suppress(Exception):
            return build(RATES[0], True)
        return build(0.0, True)

    def _named(self, block: Any) -> tuple[str, ...]:
        """Return the names of the parts of a block whose classes are called like layers that drop paths."""
        return tuple(place for place, name in self._inside(block) if words.drops_paths(name))

    def _inside(self, block: Any) -> tuple[tuple[str, str], ...]:
        """Return the names of the parts of a block, each with that of its class."""
        return self._layers.parts(block) if self._layers is not None else ()

    def _factors(self, way: _Way) -> set[float]:
        """Return by what samples are multiplied; nothing where not each is kept or dropped as a whole in all calls."""
        with suppress(Exception):
            make, x, seen = self._make(way), self._x(), set[float]()
            for drop_prob in RATES:
                layer = make(drop_prob)
                layer(x, False)
                for _ in range(CALLS):
                    seen |= set(self._framework.numpy(layer(x, True)).ravel().tolist())
            return seen
        return set()

    def _x(self) -> Any:
        return self._framework.ones((BATCH, 1), "float32", "cpu")

    def _names(self, way: _Way) -> dict[str, Any]:
        names = {**self._blocks.block_names(), self.name: self._obj}
        exec(compile(self.source(way), f"<{self.name} as it is called>", "exec"), names)  # noqa: S102 - we wrote it
        return names

    def _make(self, way: _Way) -> Callable[[float], Callable[[Any, bool], Any]]:
        names = self._names(way)
        exec(compile(way.made(), "<make>", "exec"), names)  # noqa: S102 - we wrote it
        return names["make"]  # type: ignore[no-any-return]

    def _constructor_value(self, parameter: Parameter) -> tuple[str, ...]:
        likely = {"true": "True", "false": "False"}.get(value_of(parameter), value_of(parameter))
        if likely == str(SIZE):
            return (likely, *PARTS_OF_SIZE)
        if likely:
            return (likely,)
        if words.repeated(parameter.name):
            return (f"{LAYER}()", *PARTS)
        if words.function(parameter.name) or set(words.words(parameter.name)) & LIKELY_PARTS:
            return (*PARTS, str(SIZE), "None")
        return (str(SIZE), "1", *PARTS, "None")

    def _call_value(self, _: Parameter) -> tuple[str, ...]:
        beside = [text for size in self._sizes for text in self._blocks.given_beside(size)]
        return (*dict.fromkeys(beside), "1.0")  # what a rate or a branch is multiplied by


def block(obj: Any, binding: Binding, sides: Sides, imports: Sequence[str], framework: Framework) -> Proposal | None:
    """Return a factory of the factors of a block; None where the framework has none, or no way was found to run it.

    Args:
        obj: The class.
        binding: What was settled of it.
        sides: Its signatures.
        imports: Lines that import it.
        framework: Of the block.
    """
    blocks = has(framework, Blocks)
    if blocks is None or sides.kind != "class" or not sides.has_modes:
        return None
    trial = _Trial(obj, binding, sides, framework, blocks)
    way = trial.found()
    if way is None:
        return None
    further = SILENT.format(names=" and ".join(way.silent)) if way.silent else ""
    further += BARE.format(names=" and ".join(way.bare)) if way.bare else ""
    further += SIMPLE.format(names=" and ".join(name for name, _ in way.simple)) if way.simple else ""
    further += ONE_POSITION if _one_position(way) else ""
    text = [
        HEADING.format(further=further), "", "from __future__ import annotations", "",
        *blocks.block_imports(), *imports, "", "", trial.source(way), "", "",
        "# From here on nothing is of this block alone.", blocks.block_source(), "",
        *([] if way.shown else [UNSEEN]), way.made(),
        f"make.{OWN_CODE} = {_written(trial.name, obj)}  # lines and numbers that an audit looks at in the code",
    ]  # fmt: skip
    items = ("form=factory", *declared_of(binding), "dtypes=float32")
    return Proposal("\n".join(text) + "\n", items, skipped=CHECKS_OF_X)


def _written(name: str, obj: Any) -> str:
    """Return the source of the class that somebody wrote, which is a base of what stands in for it."""
    depth = next((n for n, cls in enumerate(obj.__mro__) if not cls.__qualname__.startswith("<locals>.")), 0)
    return f"{name}.__mro__[{depth}]" if depth else name


def _one_position(way: _Way) -> bool:
    """Return whether a sample is one vector, of channels alone."""
    return math.prod(way.features) == max(way.features)


def _features(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return shapes of a sample: maps and sequences with the channels first and last, of every number of axes."""
    several = (
        shape
        for n in sizes
        for shape in (
            (n, 2, 2), (2, n), (n, 4), (n,), (2, 2, n), (n, 2, 2, 2),
            (1, n), (n, n), (n, 8, 8), (n, n, n), (2, 2, 2, n),
        )
    )  # fmt: skip
    return list(dict.fromkeys(several))


def _slots(
    arguments: Sequence[Argument],
    parameters: Mapping[str, Parameter],
    binding: Binding,
    likely: Callable[[Parameter], tuple[str, ...]],
    *,
    quiet: str = "",
) -> list[tuple[str, ...]]:
    """Return for each argument the texts that may be given, those without a name first.

    Args:
        arguments: What was settled.
        parameters: Of the signature.
        binding: What was settled of the rest.
        likely: Returns values for one that must be given a value, and has none.
        quiet: Name of what is constructed, of which all that drops something else is to drop nothing; empty for a call.
    """
    unnamed = [_texts(argument, binding) for argument in arguments if not argument.keyword]
    named: dict[str, tuple[str, ...]] = {
        argument.keyword: _texts(argument, binding) for argument in arguments if argument.keyword
    }
    for name, parameter in list(parameters.items())[len(unnamed) :]:
        if name in named or parameter.kind in VARIADIC:
            continue
        said = words.probability(name, quiet) if quiet and words.numeric(parameter) else None
        if required(parameter):
            named[name] = likely(parameter)
        elif said is not None and isinstance(parameter.default, (int, float)):
            named[name] = ("0.0" if said[0] == "drop" else "1.0",)
    return [*unnamed, *(tuple(f"{name}={text}" for text in texts) for name, texts in named.items())]


def _texts(argument: Argument, binding: Binding) -> tuple[str, ...]:
    """Return values of an argument where ``z`` is the block's input."""
    if argument.role in ("branch", "f"):
        return PARTS
    keep = binding.probability is not None and binding.probability.meaning == "keep"
    inverted = binding.mode is not None and binding.mode.inverted
    texts = {
        "x": "z", "r": "0.0 * z", "p": "1.0 - drop_prob" if keep else "drop_prob",
        "training": "not training" if inverted else "training", "constant": argument.text,
    }  # fmt: skip
    if argument.role == "list":
        return (f"[{', '.join(texts.get(role, 'None') for role in argument.roles)}]",)
    return (texts.get(argument.role, "None"),)
