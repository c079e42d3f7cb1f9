"""Ways to run a target in torch: compiled, exported, scripted, traced by ``fx``, and mapped sample by sample."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch.utils import _pytree
from torch.utils._python_dispatch import _disable_current_modes

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.executions import Executions, Way
from droppath_audit.frameworks.theirs import first_line

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
    """``torch.compile``, which counts how often graphs were run.

    Args:
        backend: Of the compiler.
        dynamic: Whether shapes are symbols.
    """

    compiles = True

    def __init__(self, backend: str, dynamic: bool) -> None:
        import torch._dynamo

        self._dynamo = torch._dynamo
        self._compile = torch._dynamo.lookup_backend(backend)
        self._dynamic, self._calls = dynamic, 0

    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Compile it once; what it does in another mode or with other arguments is then compiled as well."""
        run = torch.compile(function, backend=self._backend, dynamic=self._dynamic)

        def call(*arguments: Any, **keywords: Any) -> Any:
            self._calls += 1
            try:
                return run(*arguments, **keywords)
            except self._dynamo.exc.BackendCompilerFailed as error:
                inner = error.inner_exception
                if type(inner).__name__ != "InvalidCxxCompiler":
                    raise
                self.refuse(f"torch compiles nothing here: {first_line(inner)}", error)

        return call

    def breaks(self) -> tuple[str, ...]:
        """Return the first line of each reason for a break in the graph."""
        return tuple(sorted(reason.strip().splitlines()[0] for reason in self._dynamo.utils.counters["graph_break"]))

    def idle(self) -> str:
        """Tell code of which nothing was captured from code that was compiled to nothing at all."""
        frames, captured = (self._dynamo.utils.counters[name] for name in ("frames", "stats"))
        if not self._calls or self.ran or self.refused:
            return super().idle()
        if captured["calls_captured"] or not frames["ok"] or self.breaks():
            return f"nothing of it ran compiled{''.join(f': {reason}' for reason in self.breaks()[:1])}"
        return ""

    def _backend(self, graph: Any, inputs: Sequence[Any], **options: Any) -> Callable[..., Any]:
        compiled = self._compile(graph, inputs, **options)

        def run(*arguments: Any) -> Any:
            self.ran += 1
            return compiled(*arguments)

        return run


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
        programs: dict[Hashable, Callable[..., Any]] = {}

        def call(*arguments: Any, **keywords: Any) -> Any:
            given = _Given(function, arguments, keywords)
            if given.key not in programs:
                with self._capturing():
                    programs[given.key] = self._program(given.module(), given.tensors)
            output = programs[given.key](*given.tensors)
            self.ran += 1
            return output

        return call

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> Callable[..., Any]:
        raise NotImplementedError


class _Exported(_Captured):
    """``torch.export``."""

    verb = "export"

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> Callable[..., Any]:
        return torch.export.export(module, tuple(tensors), strict=False).module()


class _Traced(_Captured):
    """``torch.fx.symbolic_trace``."""

    verb = "trace"

    def _program(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> Callable[..., Any]:
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


def _sentence(error: BaseException) -> str:
    return first_line(error).partition(". ")[0]
