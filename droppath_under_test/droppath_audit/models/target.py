"""A model that is audited: loaded once, watched in every trial."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import CANONICAL
from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import MODEL, Facts
from droppath_audit.frameworks import adapter_for
from droppath_audit.frameworks.capabilities import has, names_of
from droppath_audit.frameworks.networks import Networks
from droppath_audit.models.building import asked, building, built, guessed, input_maker
from droppath_audit.models.sites import found, told
from droppath_audit.models.spec import parse_model
from droppath_audit.targets.importing import find
from droppath_audit.targets.origin import package_of, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.networks import Network, Site, Submodule
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.models.building import Inputs
    from droppath_audit.models.sites import Held
    from droppath_audit.models.spec import ModelSpec


@dataclass
class ModelTarget:
    """A model, with what in it drops paths.

    Attributes:
        obj: What builds it.
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
    framework, networks = adapter.framework(), None
    networks = has(framework, Networks)
    if networks is None:
        raise UsageError(f"{adapter.name} {Networks.lacking}.")
    there = adapter.devices(devices)
    framework.seed(0)  # random weights, the same ones every time
    model = built(source, spec)
    if not networks.is_network(model):
        kind = type(model).__name__
        raise UsageError(
            f"{spec.target.name} gives an object of type {kind}, and no module of {adapter.name}. A model is named by "
            "its class, by a function that builds it, or as a module in hand."
        )
    waking = networks.wake(model)
    network = networks.network(model, next(iter(there)))
    sites, held = found(network, spec.layer)
    largest = asked(spec)
    if not sites and not largest:
        raise UsageError(
            f"Nothing in {spec.target.name} ({type(model).__name__}, {len(network.parts())} modules) drops paths: no "
            "module or function that it calls is called like that. If there is, name it by --layer REGEX; if the model "
            "builds none at a rate of zero, ask for one, as in '?arg.drop_path_rate=0.2'."
        )
    network.watch(sites)
    inputs, notes, unknown = input_maker(spec, framework, next(iter(there))), [], ""
    said = "" if spec.shape is None else ",".join(["B", *map(str, spec.shape)])
    if inputs is None:
        inputs, said, unknown = guessed(network, framework, next(iter(there)))
        notes = [f"input={said}, the smallest of those tried that it takes"] if said else []
    if waking:
        notes.append(
            "parameters that are zero, biases apart, were given random values: a branch of zeros tells nothing"
        )
    facts = Facts(
        spec=spec.text,
        kind=MODEL,
        origin=source_of(type(model)),
        package=package_of(type(model)),
        arguments=told(held, sites),
        called="",
        notes=tuple(notes),
        dialect=CANONICAL,
        framework=adapter.name,
        framework_version=adapter.version(),
        devices=there,
        capabilities=names_of(framework),
        invocation=replace(building(source, spec, said), waking=waking),
        import_seconds=time.perf_counter() - started,
        environment={"python": platform.python_version(), "platform": platform.platform()},
    )
    target = ModelTarget(source.obj, framework, spec, network, network.parts(), sites, held, inputs, unknown, largest)
    return target, facts
