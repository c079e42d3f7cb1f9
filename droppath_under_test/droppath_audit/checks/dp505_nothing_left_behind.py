"""DP505 nothing-left-behind: a call leaves the process and its input as they were, and no memory behind.

What it checks
    Around the import of the target, constructors, calls in training and evaluation, and backward passes, at drop_prob
    0, 0.3 and 1, on small and larger batches of tracked and untracked x, the state that a process shares is compared:
    default dtype and device, threads, deterministic mode, gradient mode and other modes, autocast, hooks, backends,
    the arithmetic of floats, functions of the framework, NumPy and Python that were replaced, environment, working
    directory, standard streams, signals, limits, warnings filters, threads and processes that still run. x is asked
    for no gradient, given no hook and no attribute. An untracked x gives an untracked output (SHOULD). So it is looked
    in a covering array of configurations, too: ranks, sizes, batches, strides, dtypes, contexts, modes and pasts, any
    two of which meet (at quick effort each of them is there). In float32, longer and longer runs of calls measure
    whether memory or open files grow (SHOULD).
Why it matters
    What a layer leaves behind changes code that has never heard of it: every tensor made later is double, every model
    of the process runs deterministically, the next relative path is not found. Memory that grows ends a run of days.
How to fix
    Use contexts (``with torch.no_grad():``) and arguments (``dtype=x.dtype``) in place of global switches. Patch
    nothing, end what was started, and keep no tensor that has a graph.
Seen in
    Layers that set the default dtype so as to draw in x's dtype.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.configuration import Configuration
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Autograd, Compiling, GlobalSettings, has
from droppath_audit.frameworks.guarded import unguarded
from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.frameworks.settings import Change, told
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.growth import FILES, Growth, growth_of, traced
from droppath_audit.probes.live import LiveProbe
from droppath_audit.scripts import leaving
from droppath_audit.space.configured import Configured, handed, has_graph, plainest
from droppath_audit.space.factors import configurations
from droppath_audit.space.showing import placed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer
    from droppath_audit.scripts import LiveScript

DROP_PROBS = (0.0, 0.3, 1.0)
BATCHES = (4, 1024)
SHARE = 0.3  # of the time, for configurations
AGED = 0.3  # the drop_prob of the layer that grows old
MOST = 6  # changes that a verdict tells


@dataclass(frozen=True)
class When:
    """What was done.

    Attributes:
        step: ``import``, ``constructor``, ``call``, ``backward`` or ``shapes``: calls that look for a shape which the
            target takes.
        drop_prob: p.
        training: The mode.
        tracked: Whether a gradient of x was asked for.
        batch: Samples of x.
        calls: How many calls had been made with it by then.
        at: The configuration of the call, where it is none of those that are always made.
    """

    step: str
    drop_prob: float = AGED
    training: bool = True
    tracked: bool = False
    batch: int = BATCHES[0]
    calls: int = 1
    at: Configuration | None = None

    def __str__(self) -> str:
        if self.at is not None:
            what = "a backward pass" if self.step == "backward" else "a call"
            return f"{what} in {'training' if self.training else 'evaluation'} with {self.at.describe()}"
        p = f"at drop_prob {self.drop_prob:g}"
        if self.step == "import":
            return "the import of the target"
        if self.step == "constructor":
            return f"the constructor {p}"
        if self.step == "shapes":
            return "the first calls on several shapes"
        x = f"{p} on {self.batch} samples{' that are tracked' if self.tracked else ''}"
        if self.step == "backward":
            return f"a backward pass {p} of {self.batch} samples"
        mode = "in training" if self.training else "in evaluation"
        return f"a call {mode} {x}" if self.calls == 1 else f"{self.calls} calls {mode} {x}"


@dataclass(frozen=True)
class Left:
    """Something that was left behind, and after what it was first seen."""

    text: str
    expression: str
    imports: tuple[str, ...]
    when: When


@dataclass(frozen=True)
class Seen:
    """What is left behind.

    Attributes:
        left: What is not as it was.
        looks: How often was looked.
        grown: What grows with calls.
        aged: Calls of that measurement.
        differentiated: Whether x was tracked in some of them.
        tracked: When the output of an untracked x was tracked; None where it never was.
    """

    left: tuple[Left, ...]
    looks: int
    grown: tuple[Growth, ...]
    aged: int
    differentiated: bool
    tracked: When | None


class NothingLeftBehind(Check[Seen, DtypeCase]):
    where = Dtypes()
    driven = "its process must be watched while it runs"
    lengthy = True
    mutants = (
        "draws_in_the_default_dtype",
        "wraps_rand",
        "moves_to_a_folder",
        "silences_warnings",
        "tracks_its_input",
        "tracks_its_output",
        "KeepsEveryMask",
        "KeepsEveryGraph",
        "DrawsInTheBackground",
        "widens_the_default_for_odd_maps",
        "tracks_tokens_of_large_batches",
        "tracks_what_strided_calls_return",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Look after every step, and measure memory over longer and longer runs."""
        bare = unguarded(probe.target)
        # A guard puts back what is looked for here. Where there is none, the probe knows its shapes from here on.
        watch = _Watch(probe if bare is probe.target else LiveProbe(bare, probe.at, probe.rng))
        for change in bare.left_at_import if probe.at.dtype == "float32" else ():
            watch.note(change, When("import"))
        for drop_prob in probe.accepted(*DROP_PROBS):
            watch.lives(drop_prob, BATCHES[:1] if watch.compiled else BATCHES)
        if probe.at.dtype == "float32" and not (watch.left or watch.compiled):
            watch.surroundings()
        grown, aged = watch.ages() if probe.at.dtype == "float32" else ((), 0)
        return Seen(tuple(watch.left), watch.looks, grown, aged, watch.differentiates, watch.tracked)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail where anything is not as it was; where memory grows or an output is tracked, with less weight."""
        observed = [f"after {left.when}, {left.text}" for left in seen.left[:MOST]]
        if len(seen.left) > MOST:
            observed.append(f"{len(seen.left) - MOST} further changes")
        observed += [_grown(growth) for growth in seen.grown]
        if seen.tracked is not None:
            observed.append(f"after {seen.tracked}, the output is tracked although x is not")
        if observed:
            lesser = "memory does not grow, and an untracked x gives an untracked output"
            promised = "all is as it was" if seen.left else lesser
            return Verdict.failed("; ".join(observed), promised=promised, level=None if seen.left else Level.SHOULD)
        aged = f", and no memory that grew in {seen.aged} calls" if seen.aged else ""
        return Verdict.passed(f"nothing left behind in {seen.looks} looks{aged}")

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Compare what changed before and after the step, measure the growth, or ask whether the output is tracked."""
        if seen.left:
            first = seen.left[0]
            script.imports(*first.imports)
            if first.when.step == "import":
                leaving.imported(script, first.expression, first.imports)
            elif first.when.at is not None:
                with placed(script, first.when.at, training=first.when.training):
                    leaving.around(script, first.expression, handed(first.when.at), first.when)
            else:
                leaving.compared(script, first.expression, first.when)
        elif seen.grown:
            leaving.grows(script, seen.grown[0].what, AGED, BATCHES[0], tracked=seen.differentiated)
        elif seen.tracked is not None and seen.tracked.at is not None:
            with placed(script, seen.tracked.at, training=seen.tracked.training):
                script.run(handed(seen.tracked.at), training=seen.tracked.training)
                script.add(f"assert not {script.spell.tracked('y')}, 'the output is tracked'")
        elif seen.tracked is not None:
            script.plain(seen.tracked.drop_prob, script.shape(seen.tracked.batch), training=seen.tracked.training)
            script.add(f"assert not {script.spell.tracked('y')}, 'the output is tracked'")


def _grown(growth: Growth) -> str:
    where = f", most of it from {growth.where}" if growth.where else ""
    unit = "" if growth.what == FILES else " bytes"
    return f"{growth.what} grew by {growth.each:.3g}{unit} a call in each run, {growth.calls} calls in all{where}"


class _Watch:
    """Takes steps, and looks after each of them."""

    def __init__(self, probe: LiveProbe[DtypeCase]) -> None:
        self._probe, self._framework = probe, probe.framework
        self._settings, self._autograd = has(probe.framework, GlobalSettings), has(probe.framework, Autograd)
        self.left: list[Left] = []
        self.looks = 0
        self.tracked: When | None = None
        self._state = ProcessState.taken(self._framework)
        probe.features()
        self._look(When("shapes"))

    @property
    def differentiates(self) -> bool:
        """Whether gradients are asked for."""
        return self._autograd is not None

    @property
    def compiled(self) -> bool:
        """Whether code is compiled, anew for every shape: seconds."""
        compiling = has(self._framework, Compiling)
        return compiling is not None and compiling.tried()

    def lives(self, drop_prob: float, batches: tuple[int, ...]) -> None:
        """Construct a layer and call it in every way, on batches of each size."""
        layer = self._made(drop_prob)
        if layer is None:
            return
        for training in self._probe.modes:
            for batch in batches:
                self._called(layer, When("call", drop_prob, training, batch=batch))
                if self._autograd is not None and training:
                    self._differentiated(layer, When("call", drop_prob, training, tracked=True, batch=batch))

    def surroundings(self) -> None:
        """Call in configurations in which any two classes of any two factors meet, until something is left behind."""
        probe, time = self._probe, self._probe.clock.part(SHARE)
        for at in configurations(probe, pairs=probe.at.effort.pick(False, True, True)):
            if self.left or time.over():
                break
            self._configured(at)
        for number, left in enumerate(self.left):
            again = partial(self._left_in, left.expression)
            self.left[number] = replace(left, when=plainest(left.when, again))
        if self.tracked is not None:
            self.tracked = plainest(self.tracked, self._tracked_in)

    def _left_in(self, expression: str, at: Configuration) -> When | None:
        return self._configured(at).get(expression)

    def _tracked_in(self, at: Configuration) -> When | None:
        before, self.tracked = self.tracked, None
        self._configured(at)
        found, self.tracked = self.tracked, before
        return found

    def _configured(self, at: Configuration) -> dict[str, When]:
        """Call in a configuration, and return after what something was left behind, by its expression."""
        found: dict[str, When] = {}
        try:
            configured = Configured(self._probe.target, self._probe.at.device, at, self._probe.rng)
        except (NotApplicable, TargetRaised):
            return found
        finally:
            self._undo()  # what the calls before have left belongs to other configurations
        x, usual = configured.x, When("call", at.drop_prob, batch=at.batch, at=at)
        for training in self._probe.modes:
            when, before, y = replace(usual, training=training), self._carried(x), None
            with suppress(NotApplicable, TargetRaised):
                y = configured.call(training=training)
            for change in (*self._look(when), *self._compare(before, x, when)):
                found.setdefault(change.expression, when)
            if y is not None and self.tracked is None and self._is_tracked(y) and not self._is_tracked(x):
                self.tracked = when
        tracked = replace(at, tracked=True)
        if has_graph(self._probe.target, tracked):
            with suppress(NotApplicable, TargetRaised), configured.context():
                gradient_of(self._probe.target, configured.layer, x, x)
            when = replace(usual, step="backward", tracked=True, at=tracked)
            for change in self._look(when):
                found.setdefault(change.expression, when)
        return found

    def ages(self) -> tuple[tuple[Growth, ...], int]:
        """Return what grows while a layer is called and called again, and after how many calls."""
        layer, settings, device = self._made(AGED), self._settings, self._probe.at.device
        if layer is None:
            return (), 0
        x = self._probe.ones(self._probe.shape(BATCHES[0]))
        effort, made, looks = self._probe.at.effort, 0, self.looks

        def run(calls: int) -> None:
            nonlocal made
            for number in range(calls):
                if number % 4 == 1 and self._autograd is not None:
                    self._autograd.gradient(layer, x, x)
                else:
                    layer(x, training=number % 4 != 3 or not self._probe.target.evaluates)
            made += calls
            self._look(When("call", AGED, calls=made))

        allocated = (lambda: settings.allocated(device)) if settings is not None else (lambda: 0)
        with traced():
            self._state = ProcessState.taken(self._framework)  # in which memory is traced
            try:
                return growth_of(run, allocated, effort.pick(512, 1024, 4096), effort.seconds / 3)
            except TargetRaised:
                return (), made  # other checks judge what raises
            finally:
                self.looks = looks  # how many runs memory needs is chance

    def _made(self, drop_prob: float) -> Layer | None:
        try:
            layer = self._probe.make(drop_prob)
        except TargetRaised:
            layer = None
        self._look(When("constructor", drop_prob))
        return layer

    def _called(self, layer: Layer, when: When) -> None:
        x = self._probe.ones(self._probe.shape(when.batch))
        before = self._carried(x)
        try:
            y = layer(x, training=when.training)
        except (NotApplicable, TargetRaised):
            y = None
        self._look(when)
        self._compare(before, x, when)
        if self.tracked is None and y is not None and self._is_tracked(y) and not self._is_tracked(x):
            self.tracked = when

    def _differentiated(self, layer: Layer, when: When) -> None:
        assert self._autograd is not None  # noqa: S101 - asked before

        def called(x: Tensor, *, training: bool) -> Tensor:
            before = self._carried(x)
            try:
                return layer(x, training=training)
            finally:
                self._look(when)
                self._compare(before, x, when)

        x = self._probe.ones(self._probe.shape(when.batch))
        with suppress(NotApplicable, TargetRaised):  # other checks judge what raises
            self._autograd.gradient(called, x, x)  # type: ignore[arg-type]
        self._look(When("backward", when.drop_prob, batch=when.batch))

    def _is_tracked(self, tensor: Tensor) -> bool:
        try:
            return self._autograd is not None and self._autograd.tracked(tensor)
        except (AttributeError, TypeError):
            return False  # no tensor: see DP005

    def _carried(self, x: Tensor) -> Mapping[str, Any]:
        return {} if self._settings is None else self._settings.carried(x)

    def _compare(self, before: Mapping[str, Any], x: Tensor, when: When) -> tuple[Change, ...]:
        now, found = self._carried(x), []
        for expression in before:
            if before[expression] != now[expression]:
                text = f"{expression} was {told(before[expression])} and is {told(now[expression])}"
                found.append(Change(text, expression))
                self.note(found[-1], when)
        return tuple(found)

    def _undo(self) -> None:
        if self._state.changes():
            self._state.restore()
            self._state = ProcessState.taken(self._framework)

    def _look(self, when: When) -> tuple[Change, ...]:
        self.looks += 1
        changes = self._state.changes()
        for change in changes:
            self.note(change, when)
        if changes:
            self._state.restore()
        if self._state.put_back_after_imports() or changes:
            # So that the next step is judged by what it does itself, and that what cannot be put back is told once.
            self._state = ProcessState.taken(self._framework)
        return changes

    def note(self, change: Change, when: When) -> None:
        """Note a change, unless the same was seen before."""
        if all(left.expression != change.expression for left in self.left):
            self.left.append(Left(change.text, change.expression, change.imports, when))
