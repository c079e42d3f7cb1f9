"""Whole models of torch: their modules, the functions that these call, and one watched forward pass."""

from __future__ import annotations

import inspect
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch

from droppath_audit.core.cause import Place
from droppath_audit.frameworks.networks import Caller, Network, Networks, Pass, Submodule
from droppath_audit.frameworks.theirs import theirs
from droppath_audit.frameworks.torch.forward_pass import ForwardPass, held, is_number, tensors_in
from droppath_audit.frameworks.torch.joinings import Joinings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from droppath_audit.frameworks.networks import Placement, Site

EMBEDDED = 16  # tokens of an input that is embedded
SIZES = (32, 64, 96, 128, 224, 256)  # of images, in pixels
TOKENS = 16
WOKEN = 0.02  # standard deviation of parameters that were zero, as weights of transformers have it
WAKING = (
    "for name, value in model.named_parameters():",
    "    if not name.endswith('bias') and not value.any():",
    f"        torch.nn.init.normal_(value, std={WOKEN})  # a branch of zeros tells nothing",
)
IMAGES = ("image_size", "img_size", "input_size")  # attributes that hold the size of an image
MOST_PIXELS = 4096  # of a side


class TorchNetworks(Networks):
    """Modules that hold others."""

    def is_network(self, obj: object) -> bool:
        """Return whether an object is a module."""
        return isinstance(obj, torch.nn.Module)

    def network(self, model: Any, device: str) -> TorchNetwork:
        """Return a model on a device."""
        with theirs():
            return TorchNetwork(model.to(device))

    def wake(self, model: Any) -> tuple[str, ...]:
        """Give random values to parameters of zero."""
        asleep = [value for name, value in model.named_parameters() if not name.endswith("bias") and _is_zero(value)]
        for value in asleep:
            torch.nn.init.normal_(value, std=WOKEN)
        return WAKING if asleep else ()


class TorchNetwork(Network):
    """A module with all that it holds.

    Args:
        model: The module.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._modules = dict(model.named_modules())
        self._modules |= dict(_unregistered(self._modules))
        self._names = {id(module): name for name, module in self._modules.items()}
        self._sites: dict[str, Site] = {}
        self._placements: Mapping[str, Placement] = {}
        self._hooked = False
        self._recording: ForwardPass | None = None

    def parts(self) -> tuple[Submodule, ...]:
        """Return its modules."""
        others: dict[int, list[str]] = {}
        for name, module in self._model.named_modules(remove_duplicate=False):
            others.setdefault(id(module), []).append(name)
        return tuple(
            Submodule(
                name,
                type(module).__name__,
                type(module).__module__,
                _numbers(module),
                own=type(module).__module__.partition(".")[0] != "torch",
                plain=not any(True for _ in module.children()) and not any(True for _ in module.parameters()),
                identity=isinstance(module, torch.nn.Identity),
                others=tuple(others.get(id(module), [name])[1:]),
                arguments=_arguments(module),
                place=_place(module),
            )
            for name, module in self._modules.items()
        )

    def callers(self, wanted: Callable[[str], bool]) -> tuple[Caller, ...]:
        """Return functions that the modules in which its classes are defined know by a name."""
        found: dict[int, Caller] = {}
        for names in _namespaces(self._modules.values()):
            for name, value in list(names.items()):
                if callable(value) and not inspect.isclass(value) and wanted(name) and _is_function(value):
                    found.setdefault(id(value), Caller(name, str(getattr(value, "__module__", "")), value))
        return tuple(found.values())

    def watch(self, sites: Sequence[Site]) -> None:
        """Hang hooks onto the sites that are modules, and onto all modules, to know which take part."""
        self._sites = {site.name: site for site in sites}
        if self._hooked:
            return
        self._hooked = True
        for name, module in self._modules.items():
            module.register_forward_pre_hook(self._entered(name), with_kwargs=True, prepend=True)
            module.register_forward_hook(self._left(name), with_kwargs=True)

    def place(self, placements: Mapping[str, Placement]) -> None:
        """Say where samples lie."""
        self._placements = placements

    def unplaced(self) -> set[str]:
        """Return the calls without an axis of samples."""
        return {key for key, at in self._placements.items() if at.axis is None}

    def forward(
        self,
        inputs: Any,
        *,
        training: bool,
        rates: Mapping[str, float] | None = None,
        outputs: bool = False,
        joinings: bool = False,
    ) -> Pass:
        """Run it once."""
        with ExitStack() as stack:
            with theirs():
                self._model.train(training)
            stack.enter_context(self._lent(rates or {}))
            follower = stack.enter_context(Joinings(tensors_in(inputs))) if joinings else None
            recording = self._recording = ForwardPass(
                self._sites, rates or {}, follower, digests=outputs, placements=self._placements
            )
            stack.callback(self._end)
            stack.enter_context(self._replaced(recording))
            stack.enter_context(torch.no_grad())
            with theirs():
                _call(self._model, inputs)
        found = () if follower is None else follower.found()
        return Pass(tuple(recording.passages), recording.called, tuple(recording.outputs), found)

    def _end(self) -> None:
        self._recording = None

    def rate(self, site: str) -> float | None:
        """Return the drop_prob that a module holds."""
        one, module = self._sites[site], self._modules.get(site)
        return None if module is None else held(module, one)

    def set_rate(self, site: str, drop_prob: float) -> bool:
        """Set the attribute of a module."""
        one, module = self._sites[site], self._modules.get(site)
        old = getattr(module, one.attribute, None) if module is not None else None
        if module is None or not is_number(old):
            return False
        value = 1.0 - drop_prob if one.keep else drop_prob
        with theirs():
            setattr(module, one.attribute, torch.full_like(old, value) if isinstance(old, torch.Tensor) else value)
        return True

    def setters(self, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the methods that take a rate."""
        found = []
        for name in dir(type(self._model)):
            method = getattr(type(self._model), name, None)
            if not name.startswith("_") and inspect.isfunction(method) and wanted(name):
                parameters = list(inspect.signature(method).parameters.values())[1:]
                needed = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
                if len(needed) == 1 and needed[0].kind in (needed[0].POSITIONAL_ONLY, needed[0].POSITIONAL_OR_KEYWORD):
                    found.append(name)
        return tuple(found)

    def call_setter(self, name: str, drop_prob: float) -> None:
        """Call a method that takes a rate."""
        with theirs():
            getattr(self._model, name)(drop_prob)

    def shape_hint(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return inputs by the first layer that says how many channels it takes, and by what the model says itself."""
        said = _said(self._model)
        for module in self._modules.values():
            if isinstance(module, torch.nn.Conv2d):
                images = [("float32", (module.in_channels, size, size)) for size in SIZES]
                return (*said, *images)
            if isinstance(module, torch.nn.Conv1d):
                return (*said, *(("float32", (module.in_channels, size)) for size in SIZES))
            if isinstance(module, torch.nn.Conv3d):
                return (*said, *(("float32", (module.in_channels, 8, size, size)) for size in SIZES))
            if isinstance(module, torch.nn.Embedding):
                return (*said, ("int64", (min(EMBEDDED, module.num_embeddings),)))
            if isinstance(module, torch.nn.Linear):
                size = module.in_features
                return (*said, ("float32", (size,)), ("float32", (TOKENS, size)), ("float32", (4, 4, size)))
        return said

    def _entered(self, name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
            if self._recording is not None:
                self._recording.entered(name, module, args, kwargs)

        return hook

    def _left(self, name: str) -> Callable[..., None]:
        def hook(_: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if self._recording is not None:
                self._recording.left(name, args, kwargs, output, self._names)

        return hook

    @contextmanager
    def _lent(self, rates: Mapping[str, float]) -> Iterator[None]:
        """Give modules other rates for a while."""
        before: list[tuple[torch.nn.Module, str, Any]] = []
        try:
            for name, rate in rates.items():
                module, site = self._modules.get(name), self._sites[name]
                if module is not None and is_number(getattr(module, site.attribute, None)):
                    before.append((module, site.attribute, getattr(module, site.attribute)))
                    self.set_rate(name, rate)
            yield
        finally:
            for module, attribute, value in before:
                setattr(module, attribute, value)

    @contextmanager
    def _replaced(self, recording: ForwardPass) -> Iterator[None]:
        """Put something that records in the place of functions, wherever code of the network looks them up."""
        before: list[tuple[dict[str, Any], str, Any]] = []
        wanted = {id(site.caller.function): site for site in self._sites.values() if site.caller is not None}
        try:
            for names in _namespaces(self._modules.values(), wanted.values()) if wanted else ():
                for name, value in list(names.items()):
                    if id(value) in wanted:
                        before.append((names, name, value))
                        names[name] = recording.function(wanted[id(value)], self._names)
            yield
        finally:
            for names, name, value in before:
                names[name] = value


def _call(model: torch.nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, (tuple, list)) else model(inputs)


def _unregistered(modules: Mapping[str, torch.nn.Module]) -> Iterator[tuple[str, torch.nn.Module]]:
    """Yield modules in plain lists, tuples and dictionaries of others, with what they hold; none of them is twice."""
    known = {id(module) for module in modules.values()}
    for name, module in modules.items():
        for attribute, value in vars(module).items():
            if attribute.startswith("_") or not isinstance(value, (dict, list, tuple)):
                continue
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                for inner, found in one.named_modules() if isinstance(one, torch.nn.Module) else ():
                    if id(found) not in known:
                        known.add(id(found))
                        yield ".".join(part for part in (name, f"{attribute}[{key!r}]", inner) if part), found


def _forward(module: torch.nn.Module) -> Any:
    """Return the function that a module is called through; None where it is a script."""
    found = getattr(type(module), "forward", None)
    return found if found is None else inspect.unwrap(found)


def _arguments(module: torch.nn.Module) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        return ()


def _place(module: torch.nn.Module) -> Place:
    code = getattr(_forward(module), "__code__", None)
    return Place() if code is None else Place(code.co_filename, code.co_firstlineno, f"{type(module).__name__}.forward")


def _numbers(module: torch.nn.Module) -> dict[str, float]:
    held = {**vars(module), **module._buffers, **module._parameters}
    for cls in type(module).__mro__:
        if cls.__module__.partition(".")[0] != "torch":
            for name in (name for name, value in vars(cls).items() if isinstance(value, property)):
                with suppress(Exception):  # the model's own code
                    held.setdefault(name, getattr(module, name))
    return {name: float(value) for name, value in held.items() if not name.startswith("__") and is_number(value)}


def _is_zero(value: torch.nn.Parameter) -> bool:
    if torch.nn.parameter.is_lazy(value) or value.is_meta or not value.is_floating_point():
        return False
    return value.numel() > 0 and not bool(value.any())


def _is_function(value: Any) -> bool:
    try:
        return bool(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return False


def _namespaces(modules: Any, sites: Any = ()) -> list[dict[str, Any]]:
    """Return the global names of the code of modules, and of the files that define functions."""
    found: dict[int, dict[str, Any]] = {}
    homes = {cls.__module__ for module in modules for cls in type(module).__mro__}
    homes |= {str(getattr(site.caller.function, "__module__", "")) for site in sites}
    for home in homes:
        if home.partition(".")[0] != "torch" and home in sys.modules:
            names = vars(sys.modules[home])
            found[id(names)] = names
    # What was loaded from a file by its path may have another module of its name, or none.
    for module in modules:
        own = getattr(_forward(module), "__globals__", {})
        if own and str(own.get("__name__", "")).partition(".")[0] != "torch":
            found[id(own)] = own
    return list(found.values())


def _said(model: torch.nn.Module) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the inputs that a model and its parts say that they take, by the names that libraries use."""
    found: dict[tuple[int, ...], None] = {}
    for name in ("pretrained_cfg", "default_cfg"):
        size = getattr(model, name, {}).get("input_size") if isinstance(getattr(model, name, None), dict) else None
        if isinstance(size, (tuple, list)) and len(size) > 1 and all(isinstance(one, int) for one in size):
            found[tuple(size)] = None
    config, modules = getattr(model, "config", None), list(model.modules())
    channels = next((module.in_channels for module in modules if isinstance(module, torch.nn.Conv2d)), 3)
    for one in (config, getattr(config, "vision_config", None), *modules):
        for name in IMAGES:
            size = getattr(one, name, None)
            size = (size, size) if isinstance(size, int) and not isinstance(size, bool) else size
            if isinstance(size, (tuple, list)) and len(size) == 2 and all(isinstance(each, int) for each in size):
                found[(channels, *size)] = None
    return tuple(("float32", shape) for shape in found if all(0 < size < MOST_PIXELS for size in shape))
