"""The oracle: what DropPath (stochastic depth) is, and what follows from its definition.

Everything the audit believes about a correct implementation is written here; nothing here knows the audit.

* ``drop_path``: the layer itself, in torch, in every dialect: a module and two functions.
* ``law``: distributions of mask and output, moments and legitimate roundings, in NumPy.
* ``schedule``: how drop_prob is spread over the blocks of a network, in plain Python.

``DropPath`` is exported here and loads torch when it is first used, so that ``droppath_reference.law`` and
``droppath_reference.schedule`` can be imported without it. The function ``drop_path`` is not exported: the
name belongs to the submodule, and which of the two it meant would depend on the order of imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from droppath_reference.drop_path import DropPath

__all__ = ["DropPath"]


def __getattr__(name: str) -> Any:
    """Load the torch layer on first use (PEP 562)."""
    if name != "DropPath":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from droppath_reference.drop_path import DropPath

    return DropPath
