"""Leaving every generator as it was."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.frameworks.base import Framework


@contextmanager
def restored(framework: Framework) -> Iterator[None]:
    """Restore the global generators of Python and NumPy, and whatever the framework has, keys included, on leaving."""
    python, numpy = random.getstate(), np.random.get_state()
    with framework.scope():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
