"""The samples of this package: layers as tutorials and papers print them."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Known

SYSTEMS = (
    Known(
        name="floor-style",
        spec="droppath_audit.samples.floor_style:DropPath",
        title="the floor-style class of many tutorials",
    ),
    Known(
        name="element-dropout",
        spec="droppath_audit.samples.floor_style:dropout?granularity=element",
        title="the element-wise dropout beside it",
        dialect=Dialect(granularity="element"),
    ),
    Known(
        name="drop-connect",
        spec="droppath_audit.samples.drop_connect:drop_connect",
        title="drop_connect with its four-dimensional mask",
    ),
    Known(
        name="residual-drop",
        spec="droppath_audit.samples.residual_drop:ResidualDrop?granularity=batch&scaling=eval&form=residual",
        title="the unit of Huang et al. 2016",
        dialect=Dialect(granularity="batch", scaling="eval", form="residual"),
    ),
)
