"""Adapter: what one framework knows about finding and reading its targets. Importing one imports no framework."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks.theirs import first_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.spelling import Spelling


class Adapter(ABC):
    """One framework; the module ``adapter`` of its folder defines an instance, ``ADAPTER``.

    Attributes:
        name: Name of the framework and of its folder.
        packages: Top-level packages that its targets name in their code, the one to import first.
        beside: Whether code of other frameworks names them as well, so that beside one of those they decide nothing.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    beside: ClassVar[bool] = False

    @abstractmethod
    def framework(self) -> Framework:
        """Return the framework's operations, importing it."""

    @abstractmethod
    def spelling(self) -> Spelling:
        """Return how its operations are written as source text, importing nothing of it."""

    def library(self) -> ModuleType:
        """Import the framework.

        Raises:
            ModuleNotFoundError: If it is not installed.
        """
        return import_module(self.packages[0])

    def version(self) -> str:
        """Return the framework's version."""
        return str(self.library().__version__)

    def layer_types(self) -> tuple[type, ...]:
        """Return the base classes of its layers, which are called through their method ``forward``; none by default."""
        return ()

    def is_layer(self, obj: object) -> bool:
        """Return whether an instance is a layer of this framework."""
        return isinstance(obj, self.layer_types())

    def has_modes(self, cls: type) -> bool:
        """Return whether layers of this class are switched by train() and eval()."""
        return callable(getattr(cls, "train", None)) and callable(getattr(cls, "eval", None))

    def called(self, cls: Any) -> Any:
        """Return the method that a call of the class's instances ends in, as a function of self."""
        return cls.forward if issubclass(cls, self.layer_types()) else cls.__call__

    def forward_parameters(self, cls: type) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of the class's call, without self."""
        return dict(list(inspect.signature(self.called(cls)).parameters.items())[1:])

    def function_parameters(self, obj: Any) -> Mapping[str, inspect.Parameter]:
        """Return a function's parameters."""
        return inspect.signature(obj).parameters

    def device_name(self, name: str) -> str:
        """Return the framework's own name of a device."""
        return name

    def devices(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the dtypes of each device, by the framework's own name of it.

        Raises:
            UsageError: If a device does not exist here, or if nothing can be computed on it.
        """
        framework, found = self.framework(), {}
        for name in names:
            own = self.device_name(name)
            try:
                one = framework.ones((1,), "float32", own)
            except Exception as error:  # AttributeError for a name that means nothing
                reason = "" if isinstance(error, AttributeError) else first_line(error)
                raise UsageError(
                    f"The device {name!r} is not available to {self.name} {self.version()}: "
                    + (reason or "it knows no device of that name")
                ) from error
            try:
                framework.numpy(framework.add(one, one))
            except Exception as error:
                raise UsageError(
                    f"Nothing can be computed on the device {name!r} of {self.name}: {first_line(error)}"
                ) from error
            found[own] = framework.dtypes(own)
        return found
