from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.probes.calls import Calls
from droppath_audit.probes.fates import fates
from droppath_reference.law import kept_interval, round_to

DTYPES = ("float64", "float32", "float16", "bfloat16")
ULPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def sorted_as(dtype: str, scaling: str, y: float) -> str:
    """Return what one output counts as, for x = 1 at drop_prob 0.1."""
    shape = (1, 1, 1)
    bits = {"float16": 0x3C00, "bfloat16": 0x3F80}
    calls = Calls(
        shape=(1, 1),
        dtype=dtype,
        drop_prob=0.1,
        granularity="sample",
        x=np.ones(shape),
        y=np.full(shape, y),
        base=np.zeros(shape),
        readable=np.ones(shape, np.bool_),
        bits=np.full(shape, bits[dtype], np.uint16) if dtype in bits else None,
    )
    found = fates([calls], Cell("cpu", dtype, 0.1, dialect=Dialect(scaling=scaling)))
    (name,) = [name for name in ("zero", "kept", "leaked", "misscaled") if getattr(found, name)]
    return name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scaling", ["none", "eval"])
def test_what_is_not_scaled_is_kept_bit_for_bit(dtype: str, scaling: str) -> None:
    """A layer that scales and takes the scale back is off by a rounding, for which there is no reason."""
    assert sorted_as(dtype, scaling, 1.0) == "kept"
    assert sorted_as(dtype, scaling, 1.0 + ULPS[dtype]) == "misscaled"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_scaled_value_is_kept_within_its_hull_and_not_beyond(dtype: str) -> None:
    low, high = (float(end) for end in kept_interval(1.0, 0.1, dtype))
    assert {sorted_as(dtype, "inverted", y) for y in (low, high)} == {"kept"}
    beyond = float(round_to(np.array(high * (1 + 4 * max(ULPS[dtype], ULPS["float32"]))), dtype))
    assert sorted_as(dtype, "inverted", beyond) == "misscaled"
