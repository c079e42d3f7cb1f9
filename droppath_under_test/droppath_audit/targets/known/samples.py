"""The samples of this package: layers as tutorials and papers print them."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import (
    ALL,
    DIVIDED_FIRST,
    DROP_CONNECT,
    FLOOR_STYLE,
    FLOORED_EITHER,
    LOW,
    NO_SHORTCUT,
    SILENT_REPR,
    UNCHECKED,
)

SYSTEMS = (
    Known(
        name="floor-style",
        spec="droppath_audit.samples.floor_style:DropPath",
        title="the floor-style class of many tutorials",
        broken=(*FLOOR_STYLE, SILENT_REPR),
        either=FLOORED_EITHER,
    ),
    Known(
        name="element-dropout",
        spec="droppath_audit.samples.floor_style:dropout?granularity=element",
        title="the element-wise dropout beside it",
        dialect=Dialect(granularity="element"),
        broken=(
            UNCHECKED,
            *DIVIDED_FIRST,
            Broken("DP005", LOW, "the mask is float32 whatever x is, and widens the product"),
            Broken("DP304", LOW, "small tensors as well"),
            Broken("DP601", f"{ALL} complex64 complex128", "the smallest failing call has drop_prob = 1"),
            Broken("DP701", "float32", "the mask is made on the CPU, wherever x is"),
        ),
    ),
    Known(
        name="drop-connect",
        spec="droppath_audit.samples.drop_connect:drop_connect",
        title="drop_connect with its four-dimensional mask",
        broken=DROP_CONNECT,
        either=FLOORED_EITHER,
    ),
    Known(
        name="residual-drop",
        spec="droppath_audit.samples.residual_drop:ResidualDrop?granularity=batch&scaling=eval&form=residual",
        title="the unit of Huang et al. 2016",
        dialect=Dialect(granularity="batch", scaling="eval", form="residual"),
        broken=(UNCHECKED, SILENT_REPR, NO_SHORTCUT),
    ),
)
