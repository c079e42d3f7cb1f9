"""A model that is audited: loaded once, watched in every trial."""

from __future__ import annotations

import copy
import platform
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.dialect import CANONICAL
from droppath_audit.core.errors import TargetRaised, UsageError
from droppath_audit.core.facts import MODEL, Facts
from droppath_audit.core.invocation import Building
from droppath_audit.frameworks import adapter_for
from droppath_audit.frameworks.capabilities import has, names_of
from droppath_audit.frameworks.networks import Networks, Placement
from droppath_audit.models.building import asked, building, built, guessed, input_maker, of_function, of_shape, passed
from droppath_audit.models.sites import found, told
from droppath_audit.models.spec import parse_model, with_items
from droppath_audit.targets.importing import find
from droppath_audit.targets.loader import framework_of
from droppath_audit.targets.origin import package_of, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from droppath_audit.frameworks.adapter import Adapter
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.networks import Network, Site, Submodule
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.models.building import Inputs
    from droppath_audit.models.sites import Held
    from droppath_audit.models.spec import ModelSpec


BATCHES = (4, 6)  # sizes by which the axis of samples is told; both even, for what pairs samples


@dataclass
class ModelTarget:
    """A model, with what in it drops paths.

    Attributes:
        obj: Its class.
        framework: Its own.
        spec: Its SPEC.
        network: The model, watched.
        parts: Its modules.
        sites: What is watched.
        held: Modules that drop paths, in the order of definition.
        inputs: What makes its inputs; None where nobody knows any.
        unknown: Why nobody does.
        largest: The largest drop_prob that was asked for; None where nobody said.
        left_at_import: What its import changed in the process, which was put back.
    """

    obj: Any
    framework: Framework
    spec: ModelSpec
    network: Network
    parts: tuple[Submodule, ...]
    sites: Sequence[Site]
    held: Sequence[Held]
    inputs: Inputs | None
    unknown: str
    largest: float | None
    left_at_import: tuple[Change, ...] = ()


def load(text: str, *, devices: tuple[str, ...] = ("cpu",), imports: tuple[str, ...] = ()) -> tuple[ModelTarget, Facts]:
    """Build the model that a SPEC describes.

    Args:
        text: The SPEC.
        devices: The device that it is moved to; one.
        imports: Modules to import first, in order.

    Raises:
        UsageError: If it cannot be built, if it is no model of a framework that is known, or if there is nothing in it
            that drops paths and no rate was asked for.
    """
    spec = parse_model(text)
    if len(devices) > 1:
        raise UsageError("A model is audited on one device at a time.")
    started = time.perf_counter()
    source = find(spec.target, imports)
    adapter = adapter_for(source.obj, spec.target.framework)
    framework = framework_of(adapter, spec.target)
    framework.seed(0)  # random weights, the same ones every time
    model = built(source, spec)
    there = adapter.devices(devices)
    inputs = input_maker(spec, framework, next(iter(there)))
    watched = _watched(model, spec, adapter, next(iter(there)), inputs, source.obj)
    facts = _facts(watched.target, model, adapter, there, watched.notes)
    if type(model).__module__.partition(".")[0] == adapter.packages[0]:  # a container, which says nothing
        facts = replace(facts, origin=source_of(source.obj), package=package_of(source.obj))
    how = replace(building(source, spec, watched.said), passed=watched.passed, waking=watched.waking)
    return watched.target, replace(facts, invocation=how, import_seconds=time.perf_counter() - started)


def in_hand(
    model: Any, inputs: Sequence[int] | Callable[[int], Any] | None, items: dict[str, str | None], *, device: str
) -> tuple[ModelTarget, Facts]:
    """Return a model that somebody holds, as a copy that can be audited.

    Args:
        model: The model.
        inputs: Features of its input, what makes its arguments, or None; see ``api.audit_model``.
        items: What is asked of it, as ``models.spec.items`` has it.
        device: The device that the copy is moved to.

    Raises:
        UsageError: As for `load`.
    """
    name = type(model).__name__
    spec = parse_model(with_items(f"object:{name}", **items))
    adapter = adapter_for(model)
    framework, there = framework_of(adapter, spec.target), adapter.devices((device,))
    made: Inputs | None = None
    if callable(inputs):
        made = of_function(inputs)
    elif inputs is not None:
        made = of_shape("float32", tuple(inputs), framework, next(iter(there)))
    watched = _watched(copy.deepcopy(model), spec, adapter, next(iter(there)), made)
    facts = _facts(watched.target, model, adapter, there, watched.notes)
    return watched.target, replace(facts, spec=f"<{name}>", importable=False)


@dataclass(frozen=True)
class _Watched:
    """A model that is watched.

    Attributes:
        target: The model.
        said: The features of its inputs, as they are said.
        passed: How they are given, as a script writes it.
        notes: What a reader should know.
        waking: Lines of a script that do to the model what was done to it.
    """

    target: ModelTarget
    said: str
    passed: str
    notes: tuple[str, ...]
    waking: tuple[str, ...]


def _watched(
    model: Any, spec: ModelSpec, adapter: Adapter, device: str, inputs: Inputs | None, obj: Any = None
) -> _Watched:
    """Return a model with what was found in it.

    Raises:
        UsageError: As for `load`.
    """
    framework = adapter.framework()
    networks = has(framework, Networks)
    if networks is None:
        raise UsageError(f"{adapter.name} {Networks.lacking}.")
    if not networks.is_network(model):
        kind = type(model).__name__
        raise UsageError(
            f"{spec.target.name} gives an object of type {kind}, and no module of {adapter.name}. A model is named by "
            "its class, by a function that builds it, or as a module in hand."
        )
    waking = networks.wake(model)
    network, unknown, how, notes = networks.network(model, device), "", "*", tuple[str, ...]()
    sites: Sequence[Site]
    sites, held = found(network, spec.layer)
    largest = asked(spec, obj)
    if not sites and not largest:
        raise UsageError(
            f"Nothing in {spec.target.name} ({type(model).__name__}, {len(network.parts())} modules) drops paths: no "
            "module or function that it calls is called like that. If there is, name it by --layer REGEX; if the model "
            "builds none at a rate of zero, ask for one, as in '?arg.drop_path_rate=0.2'."
        )
    if spec.layer and not any(re.search(spec.layer, f"{one.name}\n{one.kind}") for one in held):
        raise UsageError(f"No module is called, or is of a class that is called, as --layer {spec.layer} says.")
    network.watch(sites)
    said = "" if spec.shape is None else ",".join(["B", *map(str, spec.shape)])
    if inputs is None:
        inputs, said, unknown = guessed(network, framework, device)
        notes = (f"input={said}, the smallest of those tried that it takes",) if said else ()
    if waking:
        what = "parameters that are zero, biases apart, were given random values: a branch of zeros tells nothing"
        notes = (*notes, what)
    if inputs is not None:
        sites, how = _tried(network, sites, inputs), passed(inputs(1, np.random.default_rng(0)))
        if not sites and not largest:
            raise UsageError(f"{spec.target.name} holds no module that drops paths, and calls no function that does.")
    target = ModelTarget(type(model), framework, spec, network, network.parts(), sites, held, inputs, unknown, largest)
    return _Watched(target, said, how, notes, waking)


def _facts(
    target: ModelTarget, model: Any, adapter: Adapter, devices: dict[str, tuple[str, ...]], notes: tuple[str, ...]
) -> Facts:
    return Facts(
        spec=target.spec.text,
        kind=MODEL,
        origin=source_of(type(model)),
        package=package_of(type(model)),
        arguments=told(target.held, target.sites),
        called="",
        notes=notes,
        dialect=CANONICAL,
        framework=adapter.name,
        framework_version=adapter.version(),
        devices=devices,
        capabilities=names_of(target.framework),
        invocation=Building(),
        environment={"python": platform.python_version(), "platform": platform.platform()},
    )


def _tried(network: Network, sites: Sequence[Site], inputs: Inputs) -> Sequence[Site]:
    """Return the sites but for functions that are never called; say where samples lie, which two batches tell.

    Raises:
        UsageError: If the model does not take the inputs.
    """
    rng, shapes, seen = np.random.default_rng(0), dict[str, list[tuple[int, ...]]](), set[str]()
    for batch in BATCHES:
        try:
            passages = network.forward(inputs(batch, rng), training=True).passages
        except TargetRaised as error:
            if batch != BATCHES[0]:  # of a size that it does not take nothing is known
                break
            raise UsageError(
                f"The model raised on the input that it is to take: {error}.",
                error.traceback,
                advice=" Say what it takes: --input B,3,224,224, or --input FILE.py:function, which is given the size "
                "of a batch. Option -v shows where.",
            ) from error
        seen |= {one.site for one in passages}
        for one in passages:
            shapes.setdefault(one.key, []).append(one.shape)
    pairs = {key: pair for key, pair in shapes.items() if len(pair) == len(BATCHES) and len({*map(len, pair)}) == 1}
    network.place({key: _placement(*pair) for key, pair in pairs.items()})
    kept = [site for site in sites if site.caller is None or site.name in seen]
    network.watch(kept)
    return kept


def _placement(first: tuple[int, ...], second: tuple[int, ...]) -> Placement:
    """Return the axis that grows with the batch, and by how many rows a sample stands along it."""
    one, other = BATCHES
    grows = [
        axis
        for axis, sizes in enumerate(zip(first, second, strict=True))
        if sizes[0] * other == sizes[1] * one and not sizes[0] % one
    ]
    axis = next((axis for axis in grows if first[axis] == one), grows[0] if grows else None)
    return Placement(axis, 1 if axis is None else max(1, first[axis] // one))
