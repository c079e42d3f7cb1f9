"""torchvision: ``StochasticDepth``, which decides by row or for the batch."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Known
from droppath_audit.targets.known._causes import MULTIPLIED, NO_AXIS, SCALED_MASK, UNCHECKED

IMPORTS = ("droppath_audit.targets.torchvision_operators",)
INSTALL = ("pip install --no-deps torchvision==0.28.0", "pip install pillow")

SYSTEMS = (
    Known(
        name="torchvision",
        spec="torchvision.ops:StochasticDepth?init.mode=row",
        title="torchvision, by row",
        environment="torchvision",
        install=INSTALL,
        imports=IMPORTS,
        broken=(UNCHECKED, NO_AXIS, MULTIPLIED, SCALED_MASK),
    ),
    Known(
        name="torchvision-batch",
        spec="torchvision.ops:StochasticDepth?init.mode=batch",
        title="torchvision, for the whole batch",
        environment="torchvision",
        dialect=Dialect(granularity="batch"),
        install=INSTALL,
        imports=IMPORTS,
        broken=(UNCHECKED, MULTIPLIED),
    ),
)
