"""Frameworks: one folder each, found by being here.

The module ``adapter`` in it defines ``ADAPTER`` (see ``Adapter``). The first whose ``claims`` says yes drives the target; the
one with the highest ``order`` is asked last.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol, cast

from droppath_audit.core.errors import UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Parameter

    from droppath_audit.core.code import Code
    from droppath_audit.targets.binding import Binding
    from droppath_audit.targets.bound import Bindable


class Adapter(Protocol):
    """What one framework knows about loading its targets. Importing an adapter does not import the framework."""

    name: str
    order: int

    def claims(self, obj: Any) -> bool:
        """Return whether the object belongs to this framework."""

    def framework(self) -> Bindable:
        """Return the framework's operations, importing it."""

    def version(self) -> str:
        """Return the framework's version."""

    def is_layer(self, obj: Any) -> bool:
        """Return whether an instance is a layer of this framework."""

    def has_modes(self, cls: type) -> bool:
        """Return whether layers of this class are switched by train() and eval()."""

    def forward_parameters(self, cls: type) -> Mapping[str, Parameter]:
        """Return the parameters of the class's call, without self."""

    def function_parameters(self, obj: Any) -> Mapping[str, Parameter]:
        """Return a function's parameters."""

    def devices(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the dtypes of each device.

        Raises:
            UsageError: If a device does not exist here.
        """

    def code(self, binding: Binding, import_line: str) -> Code:
        """Return the templates for snippets."""


@cache
def adapters() -> tuple[Adapter, ...]:
    """Return every adapter in this folder, in the order in which they are asked."""
    modules = [import_module(f"{__name__}.{found.name}.adapter") for found in iter_modules(__path__) if found.ispkg]
    return tuple(sorted((cast("Adapter", module.ADAPTER) for module in modules), key=lambda a: a.order))


def adapter_for(obj: Any, framework: str = "") -> Adapter:
    """Return the adapter that drives this object: that of the named framework, or the first that claims it.

    Raises:
        UsageError: If there is no framework of that name.
    """
    if not framework:
        return next(adapter for adapter in adapters() if adapter.claims(obj))
    known = {adapter.name: adapter for adapter in adapters()}
    if framework not in known:
        raise UsageError(
            f"framework={framework} is not known; framework is one of {', '.join(sorted(known))}."
            + nearest(framework, known)
        )
    return known[framework]
