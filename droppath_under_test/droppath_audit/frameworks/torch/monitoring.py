"""Hooks that count, while a torch model is trained, what its layers that drop paths keep."""

from __future__ import annotations

import inspect
import warnings
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary, ref

import torch

from droppath_audit.core.errors import DropPathWarning, UsageError
from droppath_audit.frameworks.monitoring import MOST_RATES, Counting, Monitoring, Reading
from droppath_audit.frameworks.torch.counters import Counters, few
from droppath_audit.frameworks.torch.forward_pass import drop_prob, tensors_in
from droppath_audit.frameworks.torch.networks import TorchNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType

    from droppath_audit.frameworks.networks import Site

COMPILED = "runs in compiled code, where nothing is counted"
UNREAD = {
    "graph": "is recorded as a CUDA graph, whose replays are not seen",
    "other": "is called with tensors of a kind that is not read (of a transform, of a subclass, sparse, nested, of "
    "integers, or without values)",
    "shape": "returns another shape than its input's",
    "copy": "was copied, and the copy is not counted",
}
ALIVE: WeakValueDictionary[int, TorchCounting] = WeakValueDictionary()


class TorchMonitoring(Monitoring):
    """Counts in training, by hooks."""

    def watched(self, model: Any) -> TorchNetwork:
        """Return a model as it is."""
        if not isinstance(model, torch.nn.Module):
            raise UsageError(f"A model is a torch.nn.Module, not an object of type {type(model).__name__}.")
        return TorchNetwork(model)

    def counting(self, model: torch.nn.Module, sites: Sequence[Site]) -> TorchCounting:
        """Hang hooks onto the modules."""
        for name, module in model.named_modules():
            inside = [site.name for site in sites if f"{site.name}.".startswith(f"{name}." if name else "")]
            if inside and _is_compiled(module):
                raise UsageError(
                    f"{name or 'The model'} is compiled: {inside[0]} {COMPILED}. Monitor the model before "
                    "it is compiled, and run it uncompiled, for a while at least."
                )
        return TorchCounting(model, sites)

    def everywhere(self, reading: Reading, group: Any) -> tuple[Reading, ...]:
        """Gather the readings of a group."""
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            raise UsageError("There is no process group: torch.distributed is not initialised.")
        ranks = None if group == "world" else group
        found: list[Any] = [None] * torch.distributed.get_world_size(ranks)
        torch.distributed.all_gather_object(found, reading, ranks)
        return tuple(found)


class TorchCounting(Counting):
    """Counts of one model.

    Args:
        model: The model.
        sites: What is watched in it; functions are not.
    """

    def __init__(self, model: torch.nn.Module, sites: Sequence[Site]) -> None:
        self.counters, self._passes, self._unread, self._compiled = Counters(), 0, dict[str, set[str]](), set[str]()
        self._open = True
        modules = [site for site in sites if site.caller is None]
        self._names = [site.name for site in modules]
        self._functions = _called(model, sites)
        ALIVE[id(self)] = self
        self._handles = [model.register_forward_pre_hook(_Pass(self, model))]
        for number, site in enumerate(modules):
            module = model.get_submodule(site.name)
            watch = _Watch(self, number, site, module)
            # Before the call the last of all hooks, after it the first: what others change is no layer's doing.
            self._handles += [
                module.register_forward_pre_hook(_Before(watch), with_kwargs=True),
                module.register_forward_hook(_After(watch), prepend=True),
            ]

    def passed(self) -> None:
        """Note a call of the whole model."""
        self._passes += self._open

    def unread(self, site: str, why: str) -> None:
        """Note that a call could not be read."""
        self._unread.setdefault(why, set()).add(site)

    def compiled(self, number: int) -> None:
        """Note that a layer is being compiled, and warn of it once."""
        first = not self._compiled
        self._compiled.add(self._names[number])
        if first and self._open:
            message = f"{self._names[number]} {COMPILED}; SurvivalMonitor sees a model that is run uncompiled."
            warnings.warn(message, DropPathWarning, stacklevel=2)

    def read(self) -> Reading:
        """Return the counts."""
        counted = self.counters.read()
        called = {one.site for one in counted}
        said = [f"{_few(sorted(self._compiled))} {COMPILED}"] if self._compiled else []
        said += [f"{_few(sorted(names))} {UNREAD[why]}" for why, names in self._unread.items()]
        said += [
            f"{name}() is called by the model itself: calls of functions are not counted" for name in self._functions
        ]
        many = {one.site for one in counted if one.drop_prob is None and sum(one.site == x.site for x in counted) > 1}
        said += (
            [f"{_few(sorted(many))} had more than {MOST_RATES} rates; further ones are not told apart"] if many else []
        )
        known = called.union(self._compiled, *self._unread.values())
        silent = [name for name in self._names if name not in known]
        if silent:
            said.append(
                f"{_few(silent)} was never called in training since the monitor was attached, or its caller was "
                "compiled before, which runs no hooks"
            )
        return Reading(counted, self._passes, tuple(said))

    def close(self) -> None:
        """Remove the hooks."""
        self._open = False
        for handle in self._handles:
            handle.remove()


class _Given(NamedTuple):
    """What a layer is given: its rate, a few elements of every sample, and what its output is to be like."""

    drop_prob: float | None
    elements: torch.Tensor
    shape: torch.Size
    device: torch.device


class _Watch:
    """What the two hooks of a layer share.

    Args:
        counting: Where counts go.
        number: Of the layer.
        site: The layer.
        module: Itself.
    """

    def __init__(self, counting: TorchCounting, number: int, site: Site, module: torch.nn.Module) -> None:
        self.counting, self.number, self.site, self.module = counting, number, site, ref(module)
        self.counted_by = id(counting)
        self.given: dict[int, _Given | None] = {}  # by thread
        self._read: tuple[torch.Tensor, int, float | None] | None = None

    def rate(self, module: torch.nn.Module) -> float | None:
        """Return what a layer is to drop at; a tensor is read again only when it was written to or replaced."""
        if isinstance(module, torch.nn.Identity):
            return 0.0
        value = getattr(module, self.site.attribute, None) if self.site.attribute else None
        if not isinstance(value, torch.Tensor) or value.is_inference():
            return _probability(drop_prob(value, self.site))
        if self._read is None or self._read[0] is not value or self._read[1] != value._version:
            self._read = value, value._version, _probability(drop_prob(value, self.site))
        return self._read[2]


class _Hook:
    """A hook that a copy of the module, or what is pickled of it, does not have."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()


class _Pass(_Hook):
    """Counts calls of the whole model."""

    def __init__(self, counting: TorchCounting, model: torch.nn.Module) -> None:
        self._counting = counting
        self._model = ref(model)

    def __call__(self, model: torch.nn.Module, _: Any) -> None:
        if not torch.compiler.is_compiling() and model.training and not _recomputing() and self._model() is model:
            self._counting.passed()


class _Before(_Hook):
    """Takes a few elements of what a layer is given."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def __call__(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        watch = self._watch
        if torch.compiler.is_compiling():
            _met_by_the_compiler(watch.counted_by, watch.number)
            return
        watch.given[get_ident()] = None
        if not module.training or _recomputing():
            return
        if watch.module() is not module:
            watch.counting.unread(watch.site.name, "copy")
            return
        x = args[0] if args and isinstance(args[0], torch.Tensor) else next(iter(tensors_in((args, kwargs))), None)
        if x is None or not x.ndim or not x.numel():
            return
        why = _unreadable(x)
        if why:
            watch.counting.unread(watch.site.name, why)
            return
        watch.given[get_ident()] = _Given(watch.rate(module), few(x), x.shape, x.device)


class _After(_Hook):
    """Takes the same elements of what it returns."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch

    def __call__(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if torch.compiler.is_compiling():
            return
        watch = self._watch
        given = watch.given.pop(get_ident(), None)
        if given is None:
            return
        y = output if isinstance(output, torch.Tensor) else next(iter(tensors_in(output)), None)
        if y is None or y.shape != given.shape:
            watch.counting.unread(watch.site.name, "shape")
        elif y.device != given.device or _unreadable(y):
            watch.counting.unread(watch.site.name, "other")
        else:
            watch.counting.counters.add(watch.site.name, given.drop_prob, watch.site.reading, given.elements, few(y))


def _compiler_met(counting: int, number: int) -> int:
    found = ALIVE.get(counting)
    if found is not None:
        found.compiled(number)
    return 0


_met_by_the_compiler = _compiler_met
# What torch.compiler.assume_constant_result sets, which loads the whole compiler for it: the function is run when the
# code around it is compiled, and leaves nothing in that code.
_met_by_the_compiler._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _nothing() -> Any:
    return passes_by


def passes_by(*_: Any) -> None:
    """Do nothing, as the hook of a copy."""


def _recomputing() -> bool:
    """Return whether a backward pass is running: a checkpoint that was counted is computed again."""
    return bool(torch._C._current_graph_task_id() != -1)


def _unreadable(x: torch.Tensor) -> str:
    """Return why the elements of a tensor cannot be taken, as a key of ``UNREAD``."""
    if x.is_cuda and torch.cuda.is_current_stream_capturing():
        return "graph"
    plain = type(x) in (torch.Tensor, torch.nn.Parameter) and x.layout is torch.strided and not x.is_nested
    number = (x.is_floating_point() or x.is_complex()) and x.dtype.itemsize > 1
    return (
        "" if plain and number and not x.is_meta and not torch._C._functorch.is_functorch_wrapped_tensor(x) else "other"
    )


def _probability(value: float | None) -> float | None:
    return value if value is not None and 0.0 <= value <= 1.0 else None


def _is_compiled(module: torch.nn.Module) -> bool:
    wrapped = any(
        cls.__name__ == "OptimizedModule" and cls.__module__.startswith("torch.") for cls in type(module).__mro__
    )
    return wrapped or module._compiled_call_impl is not None or isinstance(module, torch.jit.ScriptModule)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _called(model: torch.nn.Module, sites: Sequence[Site]) -> list[str]:
    """Return the functions that drop paths and that a module names which is no site itself."""
    own = {site.name for site in sites}
    classes = {type(module) for name, module in model.named_modules() if name not in own}
    named = {name for cls in classes for name in _names_in(cls)}
    return [site.caller.name for site in sites if site.caller is not None and site.caller.name in named]


def _names_in(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != "torch":
            for value in vars(base).values():
                code = getattr(inspect.unwrap(value), "__code__", None) if callable(value) else None
                if code is not None:
                    yield from _names_of(code)


def _names_of(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _names_of(constant)
