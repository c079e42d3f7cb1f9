"""Compiled code: whether there is any, and forgetting it."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager, suppress
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Compiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Beyond these numbers of recompilations torch runs everything eagerly, and says so in a log alone.
LIMITS = ("recompile_limit", "accumulated_recompile_limit", "cache_size_limit", "accumulated_cache_size_limit")
ENOUGH = 2**20


class TorchCompiling(Compiling):
    """See ``capabilities.Compiling``; the compiler is not imported where nobody has."""

    misread = ("negated",)  # inductor multiplies the memory of such a tensor and forgets its sign

    @property
    def compiler_loaded(self) -> bool:
        """Whether the compiler was imported."""
        return self._dynamo() is not None

    def prepare(self) -> None:
        """Compile something, which builds the compiler's tables of patterns."""
        import torch._dynamo

        with self.compiled_anew(), suppress(Exception):  # without a C++ compiler; what is slow then is not this
            torch.compile(torch.neg)(torch.ones(1, device="cpu"))

    def when_imported(self, tell: Callable[[], None]) -> None:
        """Watch imports of the compiler's front."""
        sys.meta_path.insert(0, _Watch(tell))

    @contextmanager
    def compiled_anew(self) -> Iterator[None]:
        """Forget what was compiled, and let no number of recompilations end in eager code."""
        dynamo = self._dynamo()
        if dynamo is None:
            yield
            return
        dynamo.reset()
        dynamo.utils.counters.clear()
        with ExitStack() as stack:
            for name in LIMITS:
                if hasattr(dynamo.config, name):
                    stack.enter_context(dynamo.config.patch({name: ENOUGH}))
            functorch = sys.modules.get("torch._functorch.config")
            if functorch is not None and hasattr(functorch, "donated_buffer"):
                # Finite differences and second derivatives go backward through one graph more than once.
                stack.enter_context(functorch.patch({"donated_buffer": False}))
            if functorch is not None and hasattr(functorch, "enable_autograd_cache"):
                # What it finds for symbolic shapes may be another layer's: a mask of bernoulli_ with its probability.
                stack.enter_context(functorch.patch({"enable_autograd_cache": False}))
            inductor = sys.modules.get("torch._inductor.config")
            if inductor is not None:
                # No threads that wait for other processes: a process that has them cannot be forked.
                stack.enter_context(inductor.patch({"compile_threads": 1}))
            yield

    @contextmanager
    def eagerly(self) -> Iterator[None]:
        """Run the original of whatever was compiled."""
        if not self.compiler_loaded:
            yield
            return
        import torch

        with torch.compiler.set_stance("force_eager"):
            yield

    def tried(self) -> bool:
        """Return whether a frame was to be compiled; of a full graph only what it captured is counted."""
        return self._counted("frames", "total") > 0 or self._counted("stats", "calls_captured") > 0

    def failed(self) -> bool:
        """Return whether operations were captured, and no graph of them became code."""
        return self._counted("stats", "calls_captured") > 0 and not self._counted("stats", "unique_graphs")

    def _counted(self, group: str, name: str) -> int:
        dynamo = self._dynamo()
        return 0 if dynamo is None else int(dynamo.utils.counters[group][name])

    @staticmethod
    def _dynamo() -> Any:
        # While it is being imported it has no utils yet.
        found = sys.modules.get("torch._dynamo")
        return found if hasattr(found, "utils") else None


class _Watch(MetaPathFinder):
    """Finds nothing, and tells of the first look for the compiler."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        if fullname == "torch._dynamo" and self in sys.meta_path:
            sys.meta_path.remove(self)
            self._tell()
