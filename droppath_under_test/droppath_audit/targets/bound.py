"""A bound target: one implementation, driven through its binding in its framework."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.case import EAGER
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.capabilities import Keys, Layers, ask, has
from droppath_audit.frameworks.executions import Executions
from droppath_audit.frameworks.own_code import OwnCode
from droppath_audit.frameworks.theirs import reraise, theirs
from droppath_audit.targets import words
from droppath_audit.targets.branch import Branch
from droppath_audit.targets.constructing import constructed, kept_as_given
from droppath_audit.targets.manners import COPIES, BoundManners, own_default, set_mode
from droppath_audit.targets.outputs import chosen, tensors_in
from droppath_audit.targets.own_code import arguments, numbers, own_functions
from droppath_audit.targets.running import Running

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.frameworks.way import Way
    from droppath_audit.targets.binding import Binding, Slot


def _target_does(action: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what code of the target returns; what it raises is TargetRaised."""
    with theirs():
        return action(*arguments, **keywords)


class BoundTarget:
    """A target of any framework.

    Args:
        obj: The class, instance, function or factory.
        binding: How it is driven.
        framework: Operations on its tensors.

    Attributes:
        left_at_import: What its import changed in the process, which was put back; empty where nobody watched.
        apart: Whether a call that was given several tensors has not treated them alike.
        way: How its calls run; None for as it is written.
    """

    def __init__(self, obj: Any, binding: Binding, framework: Framework) -> None:
        self.obj = obj
        self.binding = binding
        self.framework = framework
        self.dialect = binding.dialect
        self.fixed_shape = binding.input
        self.evaluates = binding.evaluates
        self.keyed = binding.keyed
        self.form_open = binding.form_open
        self.follows = binding.follows
        self.index = binding.index
        self.runs_branch = binding.runs_branch
        self.output = binding.output
        self.says_mask = binding.says_mask
        self.left_at_import: tuple[Change, ...] = ()
        self.apart = False
        self.way: Way | None = None
        self.sizes = binding.sizes()
        self.default = own_default(obj, binding)

    def declaring(self, **fields: str) -> BoundTarget:
        """Return the same target with other fields of its dialect."""
        binding = replace(self.binding, dialect=replace(self.dialect, **fields), form_open=False)
        return self._bound(binding.of_its_form())

    def prepared(self, **fields: Any) -> BoundTarget:
        """Return the same target with other fields of its binding: what calls have shown of it."""
        return self._bound(replace(self.binding, **fields))

    def at(self, index: int) -> BoundTarget:
        """Return the layer of this index in a stack."""
        return self._bound(self.binding.at(index))

    def _bound(self, binding: Binding) -> BoundTarget:
        other = BoundTarget(self.obj, binding, self.framework)
        other.left_at_import, other.way = self.left_at_import, self.way
        return other

    def executed(self, variant: str) -> BoundTarget:
        """Return the same target, whose calls run in a way of its framework, or as it is written."""
        if variant == EAGER and self.way is None:
            return self
        other = self._bound(self.binding)
        other.way = None if variant == EAGER else ask(self.framework, Executions).way(variant)
        if self.runs_branch and other.way is not None and not other.way.compiles:
            raise NotApplicable("the branch that the audit hands over cannot be captured with the layer")
        return other

    def can_be_given(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape (B, ...) can be arranged as it takes them, whatever it refuses."""
        return self.binding.arrangement.takes(shape)

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape can be given to it, and have no rank that calls have shown refused."""
        ranks = self.binding.ranks
        return self.can_be_given(shape) and (not ranks or len(shape) in ranks)

    def own_code(self) -> OwnCode:
        """Return what is known of its own code."""
        functions = own_functions(self.obj)
        return OwnCode(functions, self.binding.options(*arguments(self.obj)), numbers(functions))

    def is_probability(self, name: str) -> bool:
        """Return whether something that a layer stores is the probability, by its name."""
        declared = self.binding.probability.name if self.binding.probability is not None else ""
        return name == declared or words.probability(name.rpartition(".")[2], self.binding.name) is not None

    def untold(self) -> BoundTarget:
        """Return the same target, whose constructor is not told the probability."""
        return self.prepared(probability_at="default")

    def make(self, drop_prob: float) -> BoundLayer:
        """Return a fresh instance for this drop_prob.

        Raises:
            TargetRaised: Whatever its constructor raises.
        """
        return BoundLayer(self, drop_prob)


class BoundLayer:
    """One instance of a bound target; see ``frameworks.target``."""

    def __init__(self, target: BoundTarget, drop_prob: float) -> None:
        self._target, self._framework, self._binding = target, target.framework, target.binding
        self._drop_prob = drop_prob
        self._branch = Branch(
            target.framework, target.dialect, adds=target.binding.adds, several=target.binding.several
        )
        self._handed = self._branch if target.way is None else target.way.handed(self._branch)
        self._instances: dict[bool, Callable[..., Any]] = {}
        self._container: Any = None
        self._switches = True
        self._running = Running(target.way, per_call=target.dialect.granularity == "batch")
        self._followed: dict[int, tuple[str, str]] = {}
        binding, self._runs_branch = target.binding, target.binding.runs_branch
        self._only_x = binding.plain
        # A constructor that refuses the probability must be seen here, not at the first call.
        self._instance(True)

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return what the layer makes of the branch output ``x``; a residual form is given a shortcut of zeros."""
        if self._only_x:
            function = self._running.of(self._instance(training))
            try:
                return function(x)
            except (KeyboardInterrupt, NotApplicable):
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
        instance, layers = self._instance(True), has(self._framework, Layers)
        if layers is None or not layers.is_layer(instance):
            return False
        self._container = layers.container(instance)
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
        duplicate._followed, duplicate._running = {}, self._running.of_another()
        duplicate._instances = {slot: _target_does(COPIES[how], self._object(slot)) for slot in self._instances}
        return duplicate

    def as_it_stands(self) -> BoundLayer:
        """Return the same layer, whose calls find the mode that it is in, whatever they ask for.

        Raises:
            NotApplicable: If it has no mode.
        """
        if self._binding.mode_at != "method" or self._container is not None:
            raise NotApplicable("the layer has no mode of its own")
        found = copy.copy(self)
        found._switches = False
        return found

    def manners(self) -> BoundManners:
        """Return what others may do with the layer.

        Raises:
            NotApplicable: If there is no layer, or the framework has no hooks.
        """
        return BoundManners(self._object(True), self._framework, plain=self._only_x)

    def set_drop_prob(self, drop_prob: float) -> None:
        """Assign to the attribute that is named as the probability argument.

        Raises:
            NotApplicable: If there is no such attribute.
        """
        probability, argument = self._binding.probability, self._binding.argument(self._drop_prob)
        for slot in self._instances:
            instance = self._object(slot)
            held = getattr(instance, probability.name, None) if probability is not None else None
            if probability is None or not isinstance(held, (int, float)) or held != argument:
                raise NotApplicable("the probability is not kept, as a number, under the argument's name")
            if not kept_as_given(self._target.obj, self._binding, self._framework, self._handed, held):
                raise NotApplicable("what is kept under the argument's name is another number")
            _target_does(setattr, instance, probability.name, self._binding.argument(drop_prob))
        self._drop_prob = drop_prob
        self._running.capture_anew()

    def convert(self, dtype: str, device: str) -> None:
        """Convert the layer, where it stands, to a dtype and device.

        Raises:
            NotApplicable: If there is no layer to convert, or the framework has no such conversion.
        """
        layers = ask(self._framework, Layers)
        self._followed.clear()
        for slot in self._instances:
            instance = self._object(slot)
            if not layers.is_layer(instance):
                raise NotApplicable("what is no layer has no dtype to convert")
            _target_does(layers.convert, instance, dtype, device)
        self._running.capture_anew()

    def stored(self) -> tuple[str, ...]:
        """Return the names of what the layer would write into a checkpoint; none for what is no layer."""
        layers = self._layers(self._object(True))
        return () if layers is None else _target_does(layers.stored, self._object(True))

    def first_tensor(self, x: Tensor) -> int | str | None:
        """Return where the first tensor is in what a call in training returns; None where nothing is to be chosen."""
        if self._binding.output is not None or self._runs_branch:
            return None
        shortcut = self._framework.zeros_like(x) if self._binding.dialect.form == "residual" else None
        found = tensors_in(_target_does(self._call_whole, x, shortcut, True), type(x))
        return found[0][0] if found else None

    def numbers(self) -> tuple[str, ...]:
        """Return the names of the floating numbers that the layer stores; none for what is no layer."""
        if self._binding.kind not in ("class", "instance"):
            return ()
        layers = self._layers(self._instance(True))
        return () if layers is None else _target_does(layers.numbers, self._instance(True))

    def holds(self) -> tuple[str, ...]:
        """Return the layers inside whose classes are called like layers that drop paths, each with its place."""
        layers = self._layers(self._instance(True))
        parts = () if layers is None else _target_does(layers.parts, self._instance(True))
        return tuple(f"{place} ({name})" for place, name in parts if words.drops_paths(name))

    def computed(self) -> int:
        """Return for how many samples the branch that it was handed has been run so far."""
        return self._branch.computed

    def text(self) -> str:
        """Return the layer's repr."""
        return _target_does(repr, self._object(True))  # type: ignore[no-any-return]

    def _layers(self, instance: Any) -> Layers | None:
        """Return the operations on layers of a framework; None where there are none, or this is no layer."""
        layers = has(self._framework, Layers)
        return layers if layers is not None and layers.is_layer(instance) else None

    def _object(self, slot: bool) -> Any:
        if self._binding.kind not in ("class", "instance"):
            raise NotApplicable(f"a {self._binding.kind} is no layer of its own")
        return self._instances[slot]

    def _call(self, x: Tensor, shortcut: Tensor, training: bool) -> Tensor:
        self._branch.output, self._branch.training = x, training
        try:
            if self._runs_branch:
                self._branch.note(lambda numbered: self._call_once(x, numbered, training))
            return self._call_once(x, shortcut, training)
        finally:
            self._branch.output = None

    def _call_once(self, x: Tensor, shortcut: Tensor, training: bool) -> Tensor:
        arrangement, shape = self._binding.arrangement, tuple(x.shape)
        if self._binding.follows:
            self._follow(self._instance(training), x)
        if arrangement:
            x, shortcut = (
                None if tensor is None else arrangement.given(tensor, self._framework.rows) for tensor in (x, shortcut)
            )
        try:
            output = self._call_whole(x, shortcut, training)
            if self._binding.tensors > 1:
                self._compare(output, x)
            output = chosen(output, self._binding.output, x, self._framework)
            if arrangement:
                output = arrangement.back(output, shape)
        except (KeyboardInterrupt, NotApplicable, TargetRaised):
            raise
        except BaseException as error:
            reraise(error)
        return output

    def _call_whole(self, x: Tensor, shortcut: Tensor, training: bool) -> Any:
        """Return all that the target returns."""
        arguments, keywords = [], {}
        for slot in self._binding.call:
            value = self._value(slot, x, shortcut, training)
            if slot.keyword is None:
                arguments.append(value)
            else:
                keywords[slot.keyword] = value
        return self._running.of(self._instance(training))(*arguments, **keywords)

    def _compare(self, output: Any, x: Tensor) -> None:
        """Note whether tensors that were given as the same x come back as different ones."""
        found = [tensor for _, tensor in tensors_in(output, type(x)) if tuple(tensor.shape) == tuple(x.shape)]
        bits = [self._framework.bits(tensor) for tensor in found[: self._binding.tensors]]
        if any(not np.array_equal(bits[0], other) for other in bits[1:]):
            self._target.apart = True

    def _follow(self, instance: Any, x: Tensor) -> None:
        """Convert an instance to the dtype and device of x, where those can hold parameters at all."""
        info = self._framework.info(x)
        there = (info.dtype, info.device)
        if self._followed.get(id(instance)) != there and info.dtype.startswith(("float", "bfloat", "complex")):
            _target_does(ask(self._framework, Layers).convert, instance, *there)
            self._followed[id(instance)] = there
            self._running.capture_anew()

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
            return self._handed
        info = self._framework.info(x)
        if role == "b":
            if not info.shape:
                raise NotApplicable("an x of rank 0 has no rows to number")
            return self._framework.tensor(np.arange(info.shape[0]), "int64", info.device)
        return ask(self._framework, Keys).key(info.device)

    def _instance(self, training: bool) -> Callable[..., Any]:
        """Return the callable for this mode, constructing it on first use."""
        binding = self._binding
        if not training and not binding.evaluates:
            raise NotApplicable("the target has no evaluation mode (training=always)")
        # Only a mode given to the constructor needs two instances.
        slot = training if binding.mode_at == "init" else True
        if slot not in self._instances:
            try:
                self._instances[slot] = constructed(
                    self._target.obj, binding, self._framework, self._drop_prob, self._handed, training=training
                )
            except (KeyboardInterrupt, NotApplicable):
                raise
            except BaseException as error:
                reraise(error)
        function = self._instances[slot]
        if binding.kind in ("class", "instance") and self._switches:
            try:
                set_mode(self._container or function, training)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                reraise(error)
        return function
