"""Statistical verification and fuzzing of DropPath (stochastic depth) implementations.

``audit`` examines one implementation and returns a report, ``audit_model`` does so with a whole model, ``conformance``
gives an implementation's trials as pytest items, which warn of a broken SHOULD with ``DropPathWarning``, and
``SurvivalMonitor`` counts what layers keep while a model is trained. Importing this package loads neither torch nor
numpy.
"""

# Nothing that is not loaded when Python starts: ``python -m droppath_audit`` runs this before a file in the working
# directory, such as typing.py, is kept from shadowing it.
from droppath_audit.core.version import __version__

__all__ = ["DropPathWarning", "SurvivalMonitor", "__version__", "audit", "audit_model", "conformance"]

TYPE_CHECKING = False  # as type checkers know it
if TYPE_CHECKING:
    from droppath_audit.api import audit, audit_model
    from droppath_audit.core.errors import DropPathWarning
    from droppath_audit.monitoring.monitor import SurvivalMonitor
    from droppath_audit.pytest_plugin import conformance

_HOME = {
    "DropPathWarning": "droppath_audit.core.errors",
    "SurvivalMonitor": "droppath_audit.monitoring.monitor",
    "audit": "droppath_audit.api",
    "audit_model": "droppath_audit.api",
    "conformance": "droppath_audit.pytest_plugin",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562), so that ``import droppath_audit`` stays cheap."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    loaded: object = getattr(import_module(_HOME[name]), name)
    return loaded


def __dir__() -> list[str]:
    return sorted(__all__)
