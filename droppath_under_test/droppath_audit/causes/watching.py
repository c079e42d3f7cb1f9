"""Watching: a script runs, and what happens in the target's own code is noted as a story.

Three observers see it together. A trace function sees which of its lines run, and which numbers its variables hold. A
profile function sees which functions of others it calls. The framework's witness, where it has one, sees every
operation. None of them knows what a DropPath is.
"""

from __future__ import annotations

import inspect
import sys
from collections import deque
from contextlib import contextmanager, nullcontext
from itertools import chain
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from droppath_audit.causes.story import MOST_FIRST, MOST_LAST, Call, Foreign, Number, Operation, Spot, Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType, FrameType, TracebackType

    from droppath_audit.frameworks.witness import Witness

MOST_NUMBERS, MOST_OPERATIONS, MOST_FOREIGN = 2000, 2000, 2000  # that are told of one call
MOST_BETWEEN = 6  # frames between a block and the function of a factory that calls it
MOST_LOOKS = 400  # at what the process shares, after lines of the target
_GRADIENTS, _AGAIN = ("autograd/graph.py", "autograd/__init__.py"), "utils/checkpoint.py"
"""Ends of the files whose functions stand between a script and what runs in a backward pass, or runs again there."""


class Enough(BaseException):
    """Ends a script: what was seen until now has to do."""


class Shared(Protocol):
    """Looks at what the whole process shares."""

    def begin(self) -> None:
        """Take it as it is now."""

    def changed(self) -> tuple[str, ...]:
        """Return what has changed since, as expressions."""


class Watching:
    """Watches one script.

    Args:
        owns: Whether code in a file is the target's own.
        roles: What the target's arguments are called, by role: ``p``, ``training``; and ``attribute``, that of the
            probability.
        script: File name of the script.
        keep: Whether the probability is that of keeping.
        inverted: Whether the mode argument means evaluation.
        second: Whether x is the second tensor that it is given, after the shortcut.
        witness: The framework's; None where it has none.
        shared: Looks at what the whole process shares; None where nobody wants to know.
        enough: Called once with what was seen until then, after the calls that are told of from the beginning; where it
            raises ``Enough`` the script ends.
        skipped: Of how many calls no more than the first are told of: all, where the script ends before it is known.
    """

    def __init__(
        self,
        owns: Callable[[str], bool],
        roles: Mapping[str, str],
        script: str,
        *,
        keep: bool = False,
        inverted: bool = False,
        second: bool = False,
        witness: Witness | None = None,
        shared: Shared | None = None,
        enough: Callable[[Story], None] | None = None,
        skipped: float = inf,
    ) -> None:
        self._owns, self._roles, self._script = owns, roles, script
        self._keep, self._inverted, self._second = keep, inverted, second
        self._witness, self._shared, self._enough = witness, shared, enough
        self._known: dict[CodeType, bool] = {}
        self._first: list[Call] = []
        self._last: deque[Call] = deque(maxlen=MOST_LAST)
        self._call: Call | None = None
        self._outermost: FrameType | None = None
        self._asked: dict[int, float] = {}
        self._looks = 0
        self._changed: tuple[str, ...] = ()
        self._total, self._skipped = 0, skipped
        self._x: object = None
        self._generators: tuple[Any, ...] | None = None
        self.story = Story()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Return a context in which it watches this thread."""
        seeing = nullcontext() if self._witness is None else self._witness.watching(self._inside, self._operation)
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        try:
            with seeing:
                yield
        finally:
            sys.settrace(None)
            sys.setprofile(None)
            unfinished = [] if self._call is None else [self._call]
            self.story.calls = [*self._first, *self._last, *unfinished]
            self.story.total = self._total

    def ended(self, error: BaseException) -> None:
        """Note the exception that ended the script, with the innermost line of the target's own code."""
        self.story.raised, self.story.said = type(error).__name__, str(error)[:1000]
        inner, spot = self._innermost(error.__traceback__)
        self.story.spot = None if inner == self._script else spot

    def _innermost(self, at: TracebackType | None) -> tuple[str, Spot | None]:
        """Return the innermost file of a traceback, and the innermost line of the target's own code in it."""
        inner, spot = "", None
        while at is not None:
            inner = at.tb_frame.f_code.co_filename
            if self._own(at.tb_frame.f_code):
                spot = _spot(at.tb_frame, at.tb_lineno)
            at = at.tb_next
        return inner, spot

    # What frames do

    def _own(self, code: CodeType) -> bool:
        found = self._known.get(code)
        if found is None:
            found = self._known[code] = self._owns(code.co_filename)
        return found

    def _trace(self, frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if event != "call" or frame.f_code.co_name == "<module>" or not self._own(frame.f_code):
            return None  # what an import runs is no call of a layer
        caller = self._calling(frame)
        if self._call is None:
            if caller is not None:
                return None  # a part of a call of which nothing more is told
            self._total += 1
            if MOST_FIRST < self._total <= self._skipped:
                return None
            self._enter(frame)
        elif caller is not None:
            for name, value in _floats(frame.f_locals):
                self._number(_spot(caller), value, name)
        return _Following(self, frame).follow

    def _calling(self, frame: FrameType) -> FrameType | None:
        """Return the nearest frame of the target's own code that leads to this one."""
        at = frame.f_back
        while at is not None and at is not self._outermost and not self._own(at.f_code):
            at = at.f_back
        return at if at is not None and self._own(at.f_code) else None

    def _enter(self, frame: FrameType) -> None:
        values, code = frame.f_locals, frame.f_code
        given = [values[name] for name in code.co_varnames[: _arguments(code)] if name in values]
        layer = given[0] if given and hasattr(given[0], "__dict__") and not callable(type(given[0])) else None
        layer = values.get("self", layer)
        call = Call(_spot(frame), constructs=code.co_name in ("__init__", "__new__", "__post_init__"))
        call.backward = code.co_name in ("backward", "vjp", "jvp") or _in_a_backward_pass(frame)
        call.drop_prob, call.training = self._probability(values, layer, call), self._mode(values, layer)
        call.block_drop_prob = _of_a_block(frame) if call.drop_prob is None and not call.constructs else None
        if self._witness is not None:
            call.graph = self._witness.records_graph()
            if not call.constructs:
                tensors = [one for value in given if value is not layer for one in self._witness.tensors(value)]
                which = tensors[1:2] if self._second and len(tensors) > 1 else tensors[:1]
                self._x = which[0] if which else None
                call.x = next(iter(self._witness.begin(which)), None)
                call.given = tuple(self._witness.describe(one) for one in tensors)
        if self._shared is not None and self._looks < MOST_LOOKS:
            self._looks += 1
            self._shared.begin()  # the script may have changed something since
            self._changed = ()
        self._call, self._outermost, self._generators = call, frame, _numpys(frame)

    def _probability(self, values: Mapping[str, Any], layer: object, call: Call) -> float | None:
        name, attribute = self._roles.get("p", ""), self._roles.get("attribute", "")
        value = values.get(name)
        if value is None and layer is not None:
            value = getattr(layer, attribute, None) if attribute else None
            value = self._asked.get(id(layer)) if value is None else value
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None
        drop_prob = 1.0 - number if self._keep else number
        if call.constructs:
            self._asked[id(layer)] = number
        return drop_prob

    def _mode(self, values: Mapping[str, Any], layer: object) -> bool | None:
        name = self._roles.get("training", "")
        if name and name in values:
            return bool(values[name]) != self._inverted
        mode = getattr(layer, "training", None)
        return mode if isinstance(mode, bool) else None

    def left(self, frame: FrameType, returned: object, last: tuple[Spot, ...]) -> None:
        """Note that a function of the target's own has returned, and the last lines of it that ran."""
        if self._call is not None and (frame is self._outermost or returned is self._x) and not self._call.last:
            self._call.last = last
        for value in returned if isinstance(returned, tuple) else (returned,):
            if isinstance(value, float):
                self._number(_spot(frame), float(value), "")
        if frame is not self._outermost or self._call is None:
            return
        call, self._call, self._outermost = self._call, None, None
        # What a context has changed and put back is nothing that is left.
        call.left = [(spot, kept) for spot, changed in call.left if (kept := self._remaining(changed))]
        if self._witness is not None:
            tensors = self._witness.tensors(returned)
            call.returned = self._witness.describe(tensors[0]) if tensors else None
            made = call.returned is None and not call.given and callable(returned)
            call.constructs |= made and returned is not frame.f_locals.get("self")  # as a factory does
            self._witness.end()
        self._x = None
        (self._first if len(self._first) < MOST_FIRST else self._last).append(call)
        if self._enough is not None and len(self._first) == MOST_FIRST:
            ask, self._enough = self._enough, None
            ask(Story([*self._first]))

    def _remaining(self, changed: tuple[str, ...]) -> tuple[str, ...]:
        now = () if self._shared is None else self._shared.changed()
        return tuple(one for one in changed if one in now)

    def raised(self, frame: FrameType, what: Any) -> None:
        """Note an exception that goes through a function of the target's own."""
        if frame is not self._outermost or self._call is None or issubclass(what[0], Enough):
            return
        kind, value, at = what
        self._call.raised = (kind.__name__, str(value)[:1000], self._innermost(at)[1] or _spot(frame))

    def ran(self, frame: FrameType, line: int, before: dict[str, float], *, ends: bool) -> None:
        """Note that a line of the target's own has run, and the numbers that it has assigned."""
        call = self._call
        if call is None:
            return
        spot = _spot(frame, line)
        if frame is self._outermost:
            call.raised = call.raised if ends else None
        for name, value in _floats(frame.f_locals):
            if before.get(name) != value:
                before[name] = value
                self._number(spot, value, name)
        states = _numpys(frame)
        if states != self._generators:
            if self._generators is not None and states is not None and self._generators[0] == states[0]:
                call.foreign.append(Foreign(spot, "random", "numpy.random"))
            self._generators = states
        if self._shared is not None and self._looks < MOST_LOOKS:
            self._looks += 1
            now = self._shared.changed()
            fresh = tuple(one for one in now if one not in self._changed)
            if fresh:
                call.left.append((spot, fresh))
            self._changed = now

    def _number(self, spot: Spot, value: float, name: str) -> None:
        if self._call is not None and len(self._call.numbers) < MOST_NUMBERS:
            self._call.numbers.append(Number(spot, value, name))

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        call = self._call
        if call is None or len(call.foreign) >= MOST_FOREIGN:
            return
        if event == "c_call" and self._own(frame.f_code):
            owner = getattr(argument, "__self__", None)
            kind = getattr(argument, "__module__", None) or "" if inspect.ismodule(owner) else _type_of(owner)
            call.foreign.append(Foreign(_spot(frame), getattr(argument, "__name__", ""), kind or ""))
            return
        caller = frame.f_back if event == "call" else None
        if caller is not None and self._own(caller.f_code) and not self._own(frame.f_code):
            module = str(frame.f_globals.get("__name__", ""))
            call.foreign.append(Foreign(_spot(caller), frame.f_code.co_name, module))

    # What the framework does

    def _inside(self) -> bool:
        return self._call is not None and len(self._call.operations) < MOST_OPERATIONS

    def _operation(self, operation: object, noted: dict[str, Any]) -> None:
        at: FrameType | None = sys._getframe(1)
        stack = []
        while at is not None:
            if self._own(at.f_code):
                stack.append(_spot(at))
                if at is self._outermost:
                    break
            elif at.f_code.co_filename == self._script and not stack and at.f_locals.get("op") is not operation:
                return  # the script's own, where it looks at what the target computes
            at = at.f_back
        if stack and self._call is not None:
            self._call.operations.append(Operation(stack=tuple(stack), **noted))


class _Following:
    """Follows one frame of the target's own code."""

    def __init__(self, watching: Watching, frame: FrameType) -> None:
        self._watching, self._line = watching, 0
        self._last: tuple[Spot, ...] = ()
        self._before = dict(_floats(frame.f_locals))

    def follow(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        """Note the line that was left, and what is returned."""
        if event in ("line", "return"):
            if self._line:
                self._watching.ran(frame, self._line, self._before, ends=event == "return")
                self._last = (_spot(frame, self._line), *self._last[:1])
            self._line = frame.f_lineno
        if event == "exception":
            self._watching.raised(frame, argument)
        if event == "return":
            self._watching.left(frame, argument, self._last)
        return self.follow


def _of_a_block(frame: FrameType) -> float | None:
    """Return the rate that the ``run`` of a block's factory was given; None where no such function called."""
    at = frame.f_back
    for _ in range(MOST_BETWEEN):
        if at is None:
            return None
        if at.f_code.co_name == "run" and {"block", "z"} <= at.f_locals.keys():
            return float(at.f_locals["drop_prob"])
        at = at.f_back
    return None


def _spot(frame: FrameType, line: int = 0) -> Spot:
    code = frame.f_code
    name = getattr(code, "co_qualname", "") or code.co_name  # from Python 3.11 on
    return Spot(code.co_filename, line or frame.f_lineno or code.co_firstlineno, name.replace("<locals>.", ""))


def _arguments(code: CodeType) -> int:
    several = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_argcount + code.co_kwonlyargcount + several


def _floats(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield the floating-point numbers among variables, and among the attributes of the layer."""
    layer = values.get("self")
    held = getattr(layer, "__dict__", {}) if layer is not None else {}
    for name, value in chain(values.items(), ((f"self.{name}", value) for name, value in list(held.items()))):
        if isinstance(value, float):
            yield name, float(value)


def _numpys(frame: FrameType) -> tuple[Any, ...] | None:
    """Return the generators of NumPy that code can reach, and their states: it calls them unseen by a profile."""
    numpy = sys.modules.get("numpy.random")
    if numpy is None:
        return None
    layer = getattr(frame.f_locals.get("self"), "__dict__", {})
    named = (frame.f_globals.get(name) for name in frame.f_code.co_names)
    kinds = (numpy.Generator, numpy.RandomState)
    held = (one for one in (*frame.f_locals.values(), *layer.values(), *named) if isinstance(one, kinds))
    found = [numpy.mtrand._rand, *held]
    return tuple(map(id, found)), [_state(one) for one in found]


def _state(generator: Any) -> Any:
    if not hasattr(generator, "bit_generator"):
        _, key, position, *_ = generator.get_state()
        return int(key[0]), position
    return str(generator.bit_generator.state)


def _type_of(owner: object) -> str:
    kind = type(owner)
    return f"{kind.__module__}.{kind.__qualname__}"


def _in_a_backward_pass(frame: FrameType) -> bool:
    at = frame.f_back
    while at is not None:
        file = at.f_code.co_filename.replace("\\", "/")
        if file.endswith(_AGAIN):
            return False
        if file.endswith(_GRADIENTS):
            return True
        at = at.f_back
    return False
