"""The script of a target that is run."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from math import isinf, prod
from typing import TYPE_CHECKING

from droppath_audit.core.case import EAGER
from droppath_audit.core.recording import RECORDED
from droppath_audit.core.refusals import CLEAR
from droppath_audit.scripts.calling import Calling
from droppath_audit.scripts.script import BATCH, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from droppath_audit.core.case import Case
    from droppath_audit.core.invocation import Invocation
    from droppath_audit.core.recording import BlockFacts
    from droppath_audit.frameworks.spelling import Spelling

AGAIN = 100  # times that a longer script does what the short one does once
REACHES = "'the graph does not reach x'"


class LiveScript(Script):
    """Builds the layer, binds ``x`` (and ``shortcut``), calls.

    Args:
        at: Where the check ran.
        invocation: How the target is constructed and called.
        spelling: How its framework is written.
        smallest: Features of the smallest sample that it takes.
        declared: Features that the SPEC fixes, if it does.

    Attributes:
        spell: How the framework is written.
        smallest: Features of the smallest sample.
        declared: Features that the SPEC fixes; those of the smallest sample where it fixes none.
        first_seed: What the framework is seeded with before anything else.
    """

    def __init__(
        self,
        at: Case,
        invocation: Invocation,
        spelling: Spelling,
        smallest: tuple[int, ...] = (1,),
        declared: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__(at, (*spelling.imports, *invocation.imports, *invocation.arrangement.lines()))
        self.spell, self.smallest, self.first_seed = spelling, smallest, 0
        self.declared, self._fixed = smallest if declared is None else declared, declared
        self.invocation = invocation
        self._dtype = str(at.coordinates.get("dtype", "float32"))
        variant = EAGER if at.device == RECORDED else at.variant
        self._calling = Calling(invocation, spelling, at.device, self._dtype, variant)
        self._built = 0  # lines until the one layer stands; 0 where there is none
        self._seeds = set[int]()  # that lines name
        self._again = True  # whether what follows can be done with it again

    def longer(self) -> tuple[str, ...]:
        """Return the script with all of it repeated from further seeds, and with its calls repeated on one layer."""
        once, rest = self._lines[: self._built], self._lines[self._built :]
        further = list(self._lines)
        for number in self._seeds:
            before, after = (self.spell.seed(text) for text in (str(number), f"start + {number}"))
            further = [line.replace(before, after) for line in further]
        seeds = [f"for start in range({AGAIN}):", *_indented([self.spell.seed("start"), *further])]
        same = [*self._opening(), *once, f"for _ in range({AGAIN}):", *_indented(rest)]
        found = [seeds, same] if self._built and self._again else [seeds]
        return tuple("\n".join([*self._imports, *lines]) for lines in found)

    def spend(self) -> None:
        """Note that the layer is not afterwards what it was, so that nothing can be repeated on it."""
        self._again = False

    def _opening(self) -> Sequence[str]:
        return (self.spell.seed(str(self.first_seed)),)

    @property
    def dropped(self) -> str:
        """0: the shortcut of a script is zeros."""
        return "0"

    def shape(self, batch: int) -> tuple[int, ...]:
        """Return the shape of a batch of the smallest samples."""
        return (batch, *self.smallest)

    def declared_shape(self, batch: int, features: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a batch of the samples that the SPEC fixes, of these features where it fixes none."""
        return (batch, *(self._fixed or features))

    def decisions_in(self, calls: int, batch: int, drop_prob: float | None = None) -> int:
        """Return the decisions of so many calls with so many of the smallest samples."""
        each = {"sample": batch, "batch": 1, "element": batch * prod(self.smallest)}
        return calls * each[self.at.dialect.granularity]

    def masks(self, *, numbers: bool = False) -> list[str]:
        """Return lines that bind ``kept`` to the masks; where elements are decided alone, the first of each sample."""
        alone = self.at.dialect.granularity == "element" and prod(self.smallest) > 1
        return [
            *(["kept = (ys != 0).reshape(*ys.shape[:2], -1)[:, :, 0]"] if alone else self.kept()),
            *["numbers = np.arange(len(kept))"] * numbers,
        ]

    def seed(self, seed: int | str) -> str:
        """Return the line that seeds the framework."""
        if isinstance(seed, int):
            self._seeds.add(seed)
        return self.spell.seed(str(seed))

    def in_one_piece(self) -> None:
        """Let the layers that are built from here on raise where a part of them would not run in the variant."""
        self._calling.whole = True

    def layer(self, drop_prob: object, *, training: bool = True) -> None:
        """Build ``layer`` and put it into its mode."""
        building = self._calling.construction(drop_prob, training=training)
        switching = self._calling.switching(drop_prob, training=training, built=True)
        if self._built or self._indent:
            self.spend()
        elif building:
            self._built = len(self._lines) + len(building) - len(switching)
        self.add(*building)

    def switch(self, drop_prob: object, *, training: bool) -> None:
        """Change the mode of ``layer``."""
        if self.invocation.mode_at == "init":
            self.spend()
        self.add(*self._calling.switching(drop_prob, training=training))

    def copied(self, name: str, how: str) -> str:
        """Return the expression for a copy of a layer, made by ``deepcopy`` or ``pickle``."""
        if how == "deepcopy":
            self.imports("import copy")
            return f"copy.deepcopy({name})"
        self.imports("import pickle")
        if any("runpy" in line for line in self.invocation.imports):
            # Where pickle looks for the class of a layer from a file, which is no module that it could import.
            self.imports("from types import SimpleNamespace")
            self.add(f"sys.modules.setdefault(type({name}).__module__, SimpleNamespace(**globals()))")
        return f"pickle.loads(pickle.dumps({name}))"

    def assign(self, drop_prob: object) -> None:
        """Set the attribute of ``layer`` that holds the probability."""
        self.spend()
        self.add(self._calling.assignment(drop_prob))

    def ones(self, shape: tuple[int, ...], dtype: str = "", *, device: str = "") -> None:
        """Bind ``x`` to ones, by default on the case's device."""
        there = device or self.at.device
        self._bind(self.spell.ones(repr(shape), dtype or self._dtype, repr(there)), shape, dtype, device=there)

    def random(self, shape: tuple[int, ...], dtype: str = "", *, layout: str = "contiguous") -> None:
        """Bind ``x`` to normal values, with strides as ``layout`` names them."""
        self._bind(self.spell.random(repr(shape), dtype or self._dtype, repr(self.at.device)), shape, dtype, layout)

    def literal(
        self, values: Iterable[complex], shape: tuple[int, ...], *, dtype: str = "", layout: str = "contiguous"
    ) -> None:
        """Bind ``x`` to these values, with strides as ``layout`` names them."""
        self.imports("from math import inf, nan")
        text = f"[{', '.join(_number(value) for value in values)}]"
        x = self.spell.literal(text, repr(shape), dtype or self._dtype, repr(self.at.device))
        self._bind(x, shape, dtype, layout)

    def from_array(self, values: str, shape: tuple[int, ...], dtype: str = "") -> None:
        """Bind ``x`` to the values of an array of NumPy, which is an expression."""
        x = self.spell.literal(f"{values}.ravel().tolist()", repr(shape), dtype or self._dtype, repr(self.at.device))
        self._bind(x, shape, dtype)

    def several(self, drop_prob: float, shape: tuple[int, ...]) -> None:
        """Fail where tensors of one output that were given as the same ``x`` differ."""
        self.layer(drop_prob)
        self.random(shape)
        self.add(
            f"outputs = {self._calling.whole_call(drop_prob, training=True)}",
            "outputs = list(outputs.values()) if hasattr(outputs, 'values') else list(outputs)",
            f"first, *others = [{self.spell.array('y')} for y in outputs]",
            "assert all((first == other).all() for other in others)",
        )

    def shortcut_keeps_its_gradient(self, drop_prob: float, shape: tuple[int, ...], calls: int) -> None:
        """Fail where one of so many calls leaves the shortcut without the gradient that comes in."""
        self.layer(drop_prob)
        ones = self.spell.ones(repr(shape), self._dtype, repr(self.at.device))
        self.add(f"x = 0 * {ones}")
        with self.under(f"for _ in range({calls}):"):
            self.add(f"shortcut = {ones}", self.spell.track("shortcut"))
            self.run(drop_prob)
            self.add(f"assert {self.spell.tracked('y')}, 'the graph does not reach the shortcut'")
            self.backward()
            self.add(f"assert ({self.spell.array(self.spell.gradient('shortcut'))} == 1).all()")

    def _bind(
        self, x: str, shape: tuple[int, ...], dtype: str, layout: str = "contiguous", *, device: str = ""
    ) -> None:
        self.add(f"x = {x}")
        if layout != "contiguous":
            self.add(f"x = {self.spell.layout('x', layout)}")
        if self.invocation.takes_shortcut:
            ones = self.spell.ones(repr(shape), dtype or self._dtype, repr(device or self.at.device))
            self.add(f"shortcut = 0 * {ones}")

    def call(self, drop_prob: object, *, training: bool = True) -> str:
        """Return the expression for the output of ``layer`` on ``x``."""
        return self._calling.call(drop_prob, training=training)

    def run(self, drop_prob: object, *, training: bool = True) -> None:
        """Bind ``y`` to the output."""
        self.add(f"y = {self.call(drop_prob, training=training)}")

    def fake(self, device: str) -> None:
        """Bind ``fake``, a context in which ``device`` can be had though it is not here."""
        lines = self.spell.fake(repr(device))
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        self.imports(*imports)
        self.add(*lines[len(imports) :])

    def count_branch(self) -> None:
        """Bind ``runs`` to a list of how many samples each run of the branch was given; before the layer is built."""
        with self.under("def counted(branch):"):
            with self.under("def run(*given):"):
                self.add("runs.append(len(given[0]))", "return branch(*given)")
            self.add("return run")
        self.add("runs = []")
        self._calling.around = "counted"

    def hold_key(self) -> None:
        """Bind ``key`` to a fresh key, which the calls that follow are given; nothing where they take none."""
        if "key" in self.invocation.roles:
            self.add(f"key = {self.spell.key(repr(self.at.device))}")
            self._calling.key = "key"

    def next_numbers(self, name: str, *lines: str, seed: int = 20_261) -> None:
        """Bind ``name`` to random numbers that the framework draws after a seed (none that a layer sets) and lines."""
        numbers = self.spell.random("(4,)", self._dtype, repr(self.at.device))
        self.add(self.seed(seed), *lines, f"{name} = {self.array(numbers)}")

    def array(self, tensor: str, dtype: str = "") -> str:
        """Return the expression for a tensor's values as an array of float64 (complex128), of x's dtype by default."""
        return self.spell.array(tensor, dtype or self._dtype)

    def plain(self, drop_prob: object, shape: tuple[int, ...], *, training: bool = True) -> None:
        """Build the layer, bind ``x`` to ones and ``y`` to the output: the usual beginning."""
        self.layer(drop_prob, training=training)
        self.ones(shape)
        self.run(drop_prob, training=training)

    def track(self) -> None:
        """Ask for the gradient of ``x``."""
        self.add(self.spell.track("x"))

    def backward(self, cotangent: float = 1.0, dtype: str = "") -> None:
        """Run the backward pass from the sum of ``y``; fails where ``y`` is no part of a graph.

        Args:
            cotangent: What each element is multiplied by before; of complex ones real and imaginary part are 1.
            dtype: Of ``y``; by default that of the case.
        """
        complex_ = (dtype or self._dtype).startswith("complex")
        summed = "y" if cotangent == 1.0 else f"({cotangent!r} * y)"
        self.add(
            f"assert {self.spell.tracked('y')}, 'the output is not part of a graph'",
            self.spell.backward(self.spell.real("((1 - 1j) * y)") if complex_ else summed),
        )

    def differentiate(self, drop_prob: object, *between: str, training: bool = True) -> None:
        """Bind ``y``, and ``gradient`` to the gradient of its sum as an array; fails where the graph does not reach x.

        Args:
            drop_prob: p.
            *between: Lines between the forward and the backward pass.
            training: The mode.
        """
        self.track()
        self.run(drop_prob, training=training)
        self.add(*between)
        self.backward()
        self.read_gradient()

    def read_gradient(self, dtype: str = "") -> None:
        """Bind ``gradient`` to what a backward pass left of ``x``; fails where it left nothing.

        Args:
            dtype: Of ``x``; by default that of the case.
        """
        self.add(
            f"assert {self.spell.gradient('x')} is not None, {REACHES}",
            f"gradient = {self.array(self.spell.gradient('x'), dtype)}",
        )

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
        """Build the layer and call it so many times on one x.

        Raises:
            ValueError: If gradients of several calls are asked for.
        """
        if gradients and calls > 1:
            raise ValueError("the gradients of several calls on one x add up")
        found = self.at.coordinates.get("drop_prob")
        p = found if drop_prob is None else drop_prob
        self.layer(p)
        bind = self.random if random else self.ones
        bind(shape or self.shape(BATCH))
        if xs:
            self.add(f"xs = {self.array('x')}.copy()[None]")
        if calls > 1:
            with self.under(f"for _ in range({calls}):"):
                self._once(p, body, gradients=gradients)
        else:
            self._once(p, body, gradients=gradients)

    def _once(self, drop_prob: object, body: tuple[str, ...], *, gradients: bool) -> None:
        if gradients:
            self.differentiate(drop_prob)
            self.add(f"ys, gradients = {self.array('y')}[None], gradient[None]")
        else:
            self.add(f"ys = {self.array(self.call(drop_prob))}[None]  # calls, batch, features")
        self.add(*body)

    @contextmanager
    def must_not_raise(self, what: str) -> Iterator[None]:
        """Let the script fail with this text where the lines inside raise."""
        with self.under("try:"):
            yield
        with self.under("except Exception as error:"):
            self.add(f"raise AssertionError({what!r}) from error")

    def refused_clearly(self) -> None:
        """Add, after ``try``, the handler that fails where what is raised is no clear refusal."""
        self.add(
            "except Exception as error:",
            "    print(repr(error))",
            f"    assert type(error).__name__ in {CLEAR!r} and str(error)",
        )

    def same_info(self) -> None:
        """Add lines that fail where ``y`` has another shape, dtype or device than ``x``."""
        x, y = self.spell.info("x"), self.spell.info("y")
        self.add(f"print({x}, '->', {y})", f"assert {x} == {y}")

    def same_dtype(self, drop_prob: float, batch: int = 4) -> None:
        """Write a script that fails where an output in training has another dtype, shape or device than x."""
        self.plain(drop_prob, self.shape(batch))
        self.same_info()

    def several_values(self, drop_prob: float, decisions: int) -> None:
        """Write a script that fails where kept ones have more than one value."""
        self.values(drop_prob, decisions)
        self.add("assert len(values) <= 1")

    def values(self, drop_prob: float, decisions: int) -> None:
        """Bind ``values`` to the values of so many kept decisions where x is 1."""
        batch = 1 if self.at.per_call else BATCH
        calls = max(4, -(-decisions // batch))
        self.add("values = set()")
        self.each(
            "values |= set(np.unique(ys).tolist()) - {0.0}",
            drop_prob=drop_prob, shape=self.shape(batch), calls=calls,
        )  # fmt: skip
        self.add("print('kept values for x = 1:', values)")

    def kept_between(self, drop_prob: float, x: float, low: float, high: float, calls: int = 1) -> None:
        """Write a script that fails where what is kept of x lies outside an interval."""
        if isinf(low) or isinf(high):
            self.imports("from math import inf")
        self.layer(drop_prob)
        shape = self.shape(1 if self.at.per_call else BATCH)
        self.from_array(f"np.full({shape!r}, {x!r})", shape)
        with self.under(f"for _ in range({calls}):") if calls > 1 else nullcontext():
            self.add(
                f"ys = {self.array(self.call(drop_prob))}",
                f"print('from', {x!r}, 'come', np.unique(ys)[:8], 'promised: 0 and', ({low!r}, {high!r}))",
                f"assert ((ys == 0) | ({low!r} <= ys) & (ys <= {high!r})).all()",
            )


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _number(value: complex) -> str:
    """Return a number as source text; ``repr`` of a complex one loses the sign of a zero."""
    return f"complex({value.real!r}, {value.imag!r})" if isinstance(value, complex) else repr(value)
