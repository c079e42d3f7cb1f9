"""Compiled code: whether a target is compiled, whether its compiled code ran, and forgetting it."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import Compiling

if TYPE_CHECKING:
    from collections.abc import Iterator

# Beyond these numbers of recompilations torch runs everything eagerly, and says so in a log alone.
LIMITS = ("recompile_limit", "accumulated_recompile_limit", "cache_size_limit", "accumulated_cache_size_limit")
ENOUGH = 2**20


class TorchCompiling(Compiling):
    """See ``capabilities.Compiling``; the compiler is not imported where nobody has."""

    def is_compiled(self, obj: Any) -> bool:
        """Return whether calling the object runs what ``torch.compile`` made."""
        if self._dynamo() is None:
            return False
        return hasattr(obj, "_torchdynamo_orig_callable") or getattr(obj, "_compiled_call_impl", None) is not None

    @property
    def compiler_loaded(self) -> bool:
        """Whether the compiler was imported."""
        return self._dynamo() is not None

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
            yield

    def fell_back(self) -> bool:
        """Return whether frames were to be compiled and none was."""
        dynamo = self._dynamo()
        frames = {} if dynamo is None else dynamo.utils.counters["frames"]
        return bool(frames.get("total")) and not frames.get("ok")

    @staticmethod
    def _dynamo() -> Any:
        # While it is being imported it has no utils yet.
        found = sys.modules.get("torch._dynamo")
        return found if hasattr(found, "utils") else None
