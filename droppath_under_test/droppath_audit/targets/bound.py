"""A bound target: one implementation, driven through its binding in its framework."""

from __future__ import annotations

import copy
import pickle
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.base import Framework
from droppath_audit.targets.binding import Slot
from droppath_audit.targets.branch import Branch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.targets.binding import Binding

_PLAIN_CALL = (Slot("x"),)

_OUR_FRAMES = str(Path(__file__).parent.parent)
_OWN_TARGETS = tuple(str(Path(_OUR_FRAMES, folder)) for folder in ("mutants", "samples", "sound"))


class Bindable(Framework, Protocol):
    """What binding needs of a framework beyond what checks need."""

    def zeros_like(self, x: Tensor) -> Tensor:
        """Return zeros of x's shape, dtype and device, outside any graph."""

    def tracked(self, x: Tensor) -> bool:
        """Return whether a gradient of x is asked for."""

    def rows(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return these samples of x, in this order, still in x's graph."""

    def set_mode(self, layer: Any, training: bool) -> None:
        """Call the layer's train() or eval(), unless it is in that mode already."""

    def container(self, layer: Any) -> Any | None:
        """Return a container in a container with the layer in it; None for what no container of layers takes."""

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the names of what the layer writes into a checkpoint."""

    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert the layer to a dtype and device, where it stands.

        Raises:
            NotApplicable: If it is of a kind that has no such conversion.
        """

    def branch(self, function: Callable[[Tensor], Tensor]) -> Any:
        """Return ``function`` as a layer, for constructors that take the branch."""

    def can_fork(self) -> bool:
        """Return whether a fork of this process could compute: an accelerator in use would not survive it."""


def reraise(error: BaseException) -> NoReturn:
    """Raise what the target raised as TargetRaised, with the frames that are not this package's driving code."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OUR_FRAMES) or frame.filename.startswith(_OWN_TARGETS)
    ]
    text = "".join(traceback.format_list(frames))
    lines = str(error).strip().splitlines()
    raise TargetRaised(type(error).__name__, lines[0] if lines else "", text) from error


@contextmanager
def theirs() -> Iterator[None]:
    """Raise as TargetRaised whatever the target's code raises inside."""
    try:
        yield
    except (KeyboardInterrupt, NotApplicable, TargetRaised):
        raise
    except BaseException as error:
        reraise(error)


def _target_does(action: Callable[..., Any], *arguments: Any) -> Any:
    """Return what code of the target returns; what it raises is TargetRaised."""
    with theirs():
        return action(*arguments)


def _pickled(instance: Any) -> Any:
    if "<locals>" in type(instance).__qualname__:
        raise NotApplicable("a class defined inside a function cannot be pickled")
    return pickle.loads(pickle.dumps(instance))  # noqa: S301 - it was written a moment ago


_COPIES: dict[str, Callable[[Any], Any]] = {"deepcopy": copy.deepcopy, "pickle": _pickled}


class BoundTarget:
    """A target of any framework.

    Args:
        obj: The class, instance, function or factory.
        binding: How it is driven.
        framework: Operations on its tensors.
    """

    def __init__(self, obj: Any, binding: Binding, framework: Bindable) -> None:
        self.obj = obj
        self.binding = binding
        self.framework = framework
        self.dialect = binding.dialect
        self.fixed_shape = binding.input
        self.evaluates = binding.evaluates

    def make(self, drop_prob: float) -> BoundLayer:
        """Return a fresh instance for this drop_prob.

        Raises:
            TargetRaised: Whatever its constructor raises.
        """
        return BoundLayer(self, drop_prob)


class BoundLayer:
    """One instance of a bound target; see ``core.target.Layer``."""

    def __init__(self, target: BoundTarget, drop_prob: float) -> None:
        self._target = target
        self._framework = target.framework
        self._binding = target.binding
        self._drop_prob = drop_prob
        self._branch = Branch(target.framework, target.dialect)
        self._instances: dict[bool, Callable[..., Any]] = {}
        self._container: Any = None
        self._runs_branch = target.binding.runs_branch
        self._only_x = self._binding.call == _PLAIN_CALL and self._binding.output is None
        # A constructor that refuses the probability must be seen here, not at the first call.
        self._instance(True)

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return what the layer makes of the branch output ``x``; a residual form is given a shortcut of zeros."""
        if self._only_x:
            function = self._instance(training)
            try:
                return function(x)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                reraise(error)
        shortcut = self._framework.zeros_like(x) if self._binding.dialect.form == "residual" else None
        return self._call(x, shortcut, training)

    def with_shortcut(self, x: Tensor, shortcut: Tensor, *, training: bool) -> Tensor:
        """Return the output of a residual form for the branch output ``x`` and a shortcut of the same shape."""
        return self._call(x, shortcut, training)

    def nest(self) -> bool:
        """Put this layer two containers deep and switch its mode at the outer one; False where that has no meaning."""
        binding = self._binding
        if binding.kind not in ("class", "instance") or binding.mode_at not in ("method", "init"):
            return False
        instance = self._instance(True)
        self._container = self._framework.container(instance)
        if self._container is None:
            return False
        self._instances = {True: instance, False: instance}
        return True

    def copied(self, how: str) -> BoundLayer:
        """Return a copy of this layer, made by ``deepcopy`` or ``pickle``.

        Raises:
            NotApplicable: If there is no object to copy, or none that could be.
        """
        if self._binding.init_branch is not None:
            raise NotApplicable("the layer holds the branch that the audit gave it")
        duplicate = copy.copy(self)
        duplicate._instances = {slot: _target_does(_COPIES[how], self._object(slot)) for slot in self._instances}
        return duplicate

    def set_drop_prob(self, drop_prob: float) -> None:
        """Assign to the attribute that is named as the probability argument.

        Raises:
            NotApplicable: If there is no such attribute.
        """
        probability, argument = self._binding.probability, self._binding.argument(self._drop_prob)
        for slot in self._instances:
            instance = self._object(slot)
            if probability is None or getattr(instance, probability.name, None) != argument:
                raise NotApplicable("the probability is not kept under the argument's name")
            _target_does(setattr, instance, probability.name, self._binding.argument(drop_prob))
        self._drop_prob = drop_prob

    def convert(self, dtype: str, device: str) -> None:
        """Convert the layer, where it stands, to a dtype and device.

        Raises:
            NotApplicable: If there is no layer to convert, or the framework has no such conversion.
        """
        for slot in self._instances:
            _target_does(self._framework.convert, self._object(slot), dtype, device)

    def stored(self) -> tuple[str, ...]:
        """Return the names of what the layer would write into a checkpoint."""
        return _target_does(self._framework.stored, self._object(True))  # type: ignore[no-any-return]

    def text(self) -> str:
        """Return the layer's repr."""
        return _target_does(repr, self._object(True))  # type: ignore[no-any-return]

    def _object(self, slot: bool) -> Any:
        if self._binding.kind not in ("class", "instance"):
            raise NotApplicable(f"a {self._binding.kind} is no layer of its own")
        return self._instances[slot]

    def _call(self, x: Tensor, shortcut: Tensor, training: bool) -> Tensor:
        self._branch.output = x
        try:
            if self._runs_branch:
                self._branch.note(lambda numbered: self._call_once(x, numbered, training))
            return self._call_once(x, shortcut, training)
        finally:
            self._branch.output = None

    def _call_once(self, x: Tensor, shortcut: Tensor, training: bool) -> Tensor:
        function = self._instance(training)
        arguments, keywords = [], {}
        for slot in self._binding.call:
            value = self._value(slot, x, shortcut, training)
            if slot.keyword is None:
                arguments.append(value)
            else:
                keywords[slot.keyword] = value
        try:
            output = function(*arguments, **keywords)
            if isinstance(self._binding.output, int):
                output = output[self._binding.output]
            elif self._binding.output == "mask":
                output = x * output
        except (KeyboardInterrupt, NotApplicable):
            raise
        except BaseException as error:
            reraise(error)
        return output

    def _value(self, slot: Slot, x: Tensor, shortcut: Tensor, training: bool) -> Any:
        if slot.role == "constant":
            return slot.value
        if slot.role == "list":
            return [self._role(role, x, shortcut, training) for role in slot.value]
        return self._role(slot.role, x, shortcut, training)

    def _role(self, role: str, x: Tensor, shortcut: Tensor, training: bool) -> Any:
        if role == "x":
            return x
        if role == "r":
            return shortcut
        if role == "p":
            return self._binding.argument(self._drop_prob)
        if role == "training":
            return self._binding.flag(training)
        if role == "f":
            return self._branch
        raise NotApplicable(f"{self._framework.name} has no random keys to pass")

    def _instance(self, training: bool) -> Callable[..., Any]:
        """Return the callable for this mode, constructing it on first use."""
        binding = self._binding
        if not training and not binding.evaluates:
            raise NotApplicable("the target has no evaluation mode (training=always)")
        # Only a mode given to the constructor needs two instances.
        slot = training if binding.mode_at == "init" else True
        if slot not in self._instances:
            try:
                self._instances[slot] = self._construct(training)
            except (KeyboardInterrupt, NotApplicable):
                raise
            except BaseException as error:
                reraise(error)
        function = self._instances[slot]
        if binding.kind in ("class", "instance"):
            try:
                self._framework.set_mode(self._container or function, training)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                reraise(error)
        return function

    def _construct(self, training: bool) -> Callable[..., Any]:
        binding, obj = self._binding, self._target.obj
        argument = binding.argument(self._drop_prob)
        if binding.kind == "function":
            return obj  # type: ignore[no-any-return]
        if binding.kind == "factory":
            return obj(argument)  # type: ignore[no-any-return]
        assert binding.probability is not None  # noqa: S101 - only a factory has none
        if binding.kind == "instance":
            duplicate = copy.deepcopy(obj)
            if binding.probability_at == "attribute":
                setattr(duplicate, binding.probability.name, argument)
            return duplicate  # type: ignore[no-any-return]
        keywords = dict(binding.init)
        if binding.probability_at == "init":
            keywords[binding.probability.name] = argument
        if binding.mode is not None and binding.mode_at == "init":
            keywords[binding.mode.name] = binding.flag(training)
        if binding.init_branch is not None:
            keywords[binding.init_branch] = self._framework.branch(self._branch)
        positional = [keywords.pop(name) for name in binding.init_positional]
        return obj(*binding.init_args, *positional, **keywords)  # type: ignore[no-any-return]
