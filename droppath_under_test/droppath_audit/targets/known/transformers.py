"""transformers: one floor-style class in 44 copies, of which Swin's stands for all."""

from __future__ import annotations

from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import (
    ALL,
    DIVIDED_FIRST,
    FLOORED,
    FLOORED_EITHER,
    INTEGERS,
    NO_AXIS,
    UNCHECKED,
)

SYSTEMS = (
    Known(
        name="transformers",
        spec="transformers.models.swin.modeling_swin:SwinDropPath",
        title="transformers, SwinDropPath for 44 copies of one class",
        environment="transformers",
        install=("pip install transformers==5.23.0",),
        imports=("droppath_audit.targets.torchvision_operators",),  # which transformers imports where it is installed
        broken=(
            UNCHECKED,
            INTEGERS,
            NO_AXIS,
            *FLOORED,
            *DIVIDED_FIRST,
            Broken("DP601", ALL, "the smallest failing call has drop_prob = 1"),
        ),
        either=FLOORED_EITHER,
    ),
)
