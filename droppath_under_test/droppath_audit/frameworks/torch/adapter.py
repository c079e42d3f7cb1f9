"""PyTorch: modules, functions, scripted functions, on every device that the installed torch has."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.adapter import Adapter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.frameworks.spelling import Spelling
    from droppath_audit.frameworks.torch.operations import TorchFramework


class TorchAdapter(Adapter):
    """Loads torch targets."""

    name = "torch"
    packages = ("torch",)

    def framework(self) -> TorchFramework:
        """Return the operations on torch tensors."""
        from droppath_audit.frameworks.torch.operations import TorchFramework

        return TorchFramework()

    def spelling(self) -> Spelling:
        """Return torch's operations as source text."""
        from droppath_audit.frameworks.torch.spelling import TorchSpelling

        return TorchSpelling()

    def layer_types(self) -> tuple[type, ...]:
        """Return the class of modules."""
        return (self.library().nn.Module,)

    def called(self, cls: Any) -> Any:
        """Return the method that a call ends in; of a scripted module the one that was scripted."""
        scripted = issubclass(cls, self.library().jit.ScriptModule) and vars(cls).get("_methods", {}).get("forward")
        return scripted.original_method if scripted else super().called(cls)

    def function_parameters(self, obj: Any) -> Mapping[str, inspect.Parameter]:
        """Return a function's parameters; those of a scripted function stand in its schema."""
        schema = getattr(obj, "schema", None)
        if schema is None:
            return super().function_parameters(obj)
        empty, keyword = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
        return {
            argument.name: inspect.Parameter(
                argument.name,
                keyword,
                default=argument.default_value if argument.has_default_value() else empty,
            )
            for argument in schema.arguments
        }


ADAPTER = TorchAdapter()
