from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def bernoulli_divergence(x: float, y: float) -> float:
    """Return the divergence of Bernoulli(y) from Bernoulli(x), from logarithms to 50 digits."""
    with localcontext() as context:
        context.prec = 50
        return float(sum(a * (a / b).ln() for a, b in ((Decimal(x), Decimal(y)), (1 - Decimal(x), 1 - Decimal(y)))))


@pytest.fixture
def relative_entropy() -> Callable[[float, float], float]:
    """The divergence of two Bernoulli laws, computed apart from the package's own."""
    return bernoulli_divergence
