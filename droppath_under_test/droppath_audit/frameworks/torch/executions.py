"""Ways to run a target in torch: compiled, exported, scripted, traced by ``fx``, and mapped sample by sample."""

from __future__ import annotations

import warnings
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn
from torch.utils import _pytree
from torch.utils._python_dispatch import _disable_current_modes

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.executions import Executions
from droppath_audit.frameworks.theirs import first_line
from droppath_audit.frameworks.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

COMPILERS: Mapping[str, tuple[str, bool]] = {
    "compile": ("inductor", False),
    "compile-dynamic": ("inductor", True),
    "compile-aot": ("aot_eager", False),
    "compile-aot-dynamic": ("aot_eager", True),
}
"""Ways that compile: the backend, and whether shapes are symbols."""
NUMBERS = (bool, int, float, str, type(None))
MISMATCH = "Expected a value of type"  # of arguments that a scripted function takes for tensors, as it names no type


class TorchExecutions(Executions):
    """What torch can make of a call."""

    variants: ClassVar = {
        "compile": tuple(COMPILERS),
        "export": ("export",),
        "fx": ("fx",),
        "script": ("script",),
        "vmap": ("vmap",),
    }

    def way(self, name: str) -> Way:
        """Return the way of this name."""
        return _Compiled(*COMPILERS[name]) if name in COMPILERS else WAYS[name]()


class _Compiled(Way):
    """``torch.compile``, of the whole call where that can be, and otherwise with its breaks.

    Whole graphs are compiled even where nothing is left to compute. Without that the compiler passes over a function
    for good once a call of it had no operations, such as one in evaluation, and whatever is not compiled by then runs
    as it is written.

    Args:
        backend: Of the compiler.
        dynamic: Whether shapes are symbols.
    """

    compiles = True

    def __init__(self, backend: str, dynamic: bool) -> None:
        import torch._dynamo

        self._dynamo = torch._dynamo
        self._compile = torch._dynamo.lookup_backend(backend)
        self._dynamic, self._broken = dynamic, dict[str, None]()
        self._last: Hashable = None

    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Compile it once; what it does in another mode or with other arguments is then compiled as well."""
        return _in_halves(self._compiled, function) if self.twice else self._compiled(function)

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        whole, parts = (
            torch.compile(function, backend=self._backend, dynamic=self._dynamic, fullgraph=fullgraph)
            for fullgraph in (True, False)
        )

        def call(*arguments: Any, **keywords: Any) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the compiler's own, which would break a graph where they are errors
                return compiled(*arguments, **keywords)

        def compiled(*arguments: Any, **keywords: Any) -> Any:
            try:
                if not self._broken:
                    try:
                        return whole(*arguments, **keywords)
                    except self._dynamo.exc.BackendCompilerFailed:
                        raise
                    except self._dynamo.exc.TorchDynamoException as error:
                        self._broken.setdefault(_first(str(error)))
                key = _Given(function, arguments, keywords).key
                if key != self._last:  # see above
                    self._dynamo.reset()
                    self._last = key
                return parts(*arguments, **keywords)
            except self._dynamo.exc.TorchDynamoException as error:
                if type(getattr(error, "inner_exception", None)).__name__ == "InvalidCxxCompiler":
                    self.refuse(f"torch compiles nothing here: {first_line(error)}", error)
                self._broken.setdefault(_first(str(error)))
                raise NotApplicable(f"torch cannot compile it: {_first(str(error))}") from error

        return call

    def handed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Keep it from the compiler."""
        apart = torch.compiler.disable(lambda *given, **named: function(*given, **named))  # type: ignore[no-untyped-call]
        return cast("Callable[..., Any]", apart)

    def breaks(self) -> tuple[str, ...]:
        """Return the first line of each reason for a break in the graph."""
        # Where parts were compiled each break has a reason; what kept it from being whole may say less.
        found = dict.fromkeys(map(_first, self._dynamo.utils.counters["graph_break"]))
        return tuple(found or self._broken)

    def idle(self) -> str:
        """Tell code of which no part ran compiled from code that was compiled to nothing at all."""
        if self.ran or self.refused or not self._broken:
            return super().idle()
        return f"nothing of it ran compiled: {self.breaks()[0]}"

    def _backend(self, graph: Any, inputs: Sequence[Any], **options: Any) -> Callable[..., Any]:
        compiled = self._compile(graph, list(inputs), **options)

        def run(*arguments: Any) -> Any:
            self.ran += 1
            return compiled(*arguments)

        return run


def _in_halves(
    compiled: Callable[[Callable[..., Any]], Callable[..., Any]], function: Callable[..., Any]
) -> Callable[..., Any]:
    """Return what calls a function with each half of the samples, compiled as one, and joins what comes back."""

    def both(first: tuple[Any, Any], second: tuple[Any, Any]) -> tuple[Any, Any]:
        return function(*first[0], **first[1]), function(*second[0], **second[1])

    together = compiled(both)

    def call(*arguments: Any, **keywords: Any) -> Any:
        first, second = (
            _pytree.tree_map_only(torch.Tensor, partial(_half, number), (arguments, keywords)) for number in (0, 1)
        )
        return _pytree.tree_map(
            lambda one, other: torch.cat([one, other]) if isinstance(one, torch.Tensor) else one,
            *together(first, second),
        )

    return call


def _half(number: int, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.chunk(2)[number] if tensor.ndim and len(tensor) > 1 else tensor


class _Capturing(Way):
    """What is made before it runs.

    Attributes:
        verb: What torch does to make it.
    """

    frozen = True
    verb: ClassVar[str]

    @contextmanager
    def _capturing(self) -> Iterator[None]:
        """Refuse whatever is raised inside, where no tape sees what is drawn."""
        try:
            with warnings.catch_warnings(), _disable_current_modes():
                warnings.simplefilter("ignore")  # torch's own, of what is deprecated
                yield
        except NotApplicable as error:
            self.refuse(str(error), error)
        except Exception as error:
            self.refuse(f"torch cannot {self.verb} it: {type(error).__name__}: {_sentence(error)}", error)


class _Captured(_Capturing):
    """A program for each mode, shape and argument, captured at the first such call."""

    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Capture it anew for everything that a program holds."""
        programs: dict[Hashable, nn.Module] = {}

        def call(*arguments: Any, **keywords: Any) -> Any:
            given = _Given(function, arguments, keywords)
            key = () if self.once else given.key
            if key not in programs:
                with self._capturing():
                    programs[key] = self._program(given.module(), given.tensors)
            if self.once:
                with suppress(NotImplementedError):  # of exported programs, which have no mode
                    programs[key].train(given.module().training)
            output = programs[key](*given.tensors)
            self.ran += 1
            return output

        return call

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> nn.Module:
        raise NotImplementedError


class _Exported(_Captured):
    """``torch.export``."""

    verb = "export"

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> nn.Module:
        return torch.export.export(module, tuple(tensors), strict=False).module()


class _Traced(_Captured):
    """``torch.fx.symbolic_trace``."""

    verb = "trace"

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> nn.Module:
        program = torch.fx.symbolic_trace(module)
        program.train(module.training)  # for the layers of torch inside, which are called as they are
        return program


class _Scripted(_Capturing):
    """``torch.jit.script``; the script has a mode of its own."""

    verb = "script"

    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Script it at the first call."""
        made: list[Any] = []

        def call(*arguments: Any, **keywords: Any) -> Any:
            if not made:
                with self._capturing():
                    made.append(torch.jit.script(function))
            if isinstance(function, nn.Module):
                made[0].train(function.training)
            try:
                output = made[0](*arguments, **keywords)
            except RuntimeError as error:
                if MISMATCH not in str(error):
                    raise
                self.refuse(f"torch takes an argument without a type for a tensor: {_sentence(error)}", error)
            self.ran += 1
            return output

        return call


class _Mapped(Way):
    """``torch.func.vmap`` over the samples, each a batch of one; over a single entry where a call is one decision."""

    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Map it, with different randomness."""
        axis = 0 if per_call else 1

        def call(*arguments: Any, **keywords: Any) -> Any:
            given = _Given(function, arguments, keywords)
            if any(not tensor.ndim for tensor in given.tensors):
                raise NotApplicable("a tensor of rank 0 has no samples to map over")
            mapped = torch.func.vmap(given.run, randomness="different")
            try:
                output = mapped(*(tensor.unsqueeze(axis) for tensor in given.tensors))
            except (RuntimeError, NotImplementedError) as error:
                self.refuse(f"torch refuses vmap of it: {_sentence(error)}", error)
            self.ran += 1
            return _pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.squeeze(axis), output)

        return call


WAYS: Mapping[str, type[Way]] = {"export": _Exported, "fx": _Traced, "script": _Scripted, "vmap": _Mapped}


class _Given:
    """A call with its tensors apart from all other arguments, which are constants of a program."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        self._function = function
        self._leaves, self._tree = _pytree.tree_flatten((arguments, dict(keywords)))
        self.tensors = [leaf for leaf in self._leaves if isinstance(leaf, torch.Tensor)]

    @property
    def key(self) -> Hashable:
        """What a program holds: the mode, the tensors' kinds, and the constants."""
        return (
            getattr(self._function, "training", None),
            *(
                (tuple(leaf.shape), leaf.dtype, leaf.device, leaf.requires_grad)
                if isinstance(leaf, torch.Tensor)
                else (type(leaf), leaf if isinstance(leaf, NUMBERS) else id(leaf))
                for leaf in self._leaves
            ),
            torch.is_grad_enabled(),
        )

    def run(self, *tensors: torch.Tensor) -> Any:
        """Call with these tensors in place of those."""
        there = iter(tensors)
        leaves = [next(there) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        arguments, keywords = _pytree.tree_unflatten(leaves, self._tree)
        return self._function(*arguments, **keywords)

    def module(self) -> nn.Module:
        """Return the call as a module of its tensors, in the mode of the function."""
        kinds = {1: _OfOne, 2: _OfTwo}
        if len(self.tensors) not in kinds:
            raise NotApplicable(f"a call with {len(self.tensors)} tensors is not captured")
        return kinds[len(self.tensors)](self._function, self.run)


class _OfOne(nn.Module):
    def __init__(self, function: Callable[..., Any], run: Callable[..., Any]) -> None:
        super().__init__()
        self.function, self.run = function, run
        self.training = getattr(function, "training", True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(x)


class _OfTwo(_OfOne):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:  # type: ignore[override]
        return self.run(x, y)


def _first(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _sentence(error: BaseException) -> str:
    return first_line(error).partition(". ")[0]
