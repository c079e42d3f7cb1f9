"""NumPy: functions and callables on arrays, and factories of either."""

from droppath_audit.frameworks.adapter import Adapter
from droppath_audit.frameworks.base import Framework
from droppath_audit.frameworks.numpy.spelling import NumpySpelling


class NumpyAdapter(Adapter):
    """Loads targets on arrays."""

    name = "numpy"
    packages = ("numpy",)
    beside = True

    def framework(self) -> Framework:
        """Return the operations on arrays."""
        from droppath_audit.frameworks.numpy.operations import NumpyFramework

        return NumpyFramework()

    def spelling(self) -> NumpySpelling:
        """Return NumPy's operations as source text."""
        return NumpySpelling()


ADAPTER = NumpyAdapter()
