"""transformers: one floor-style class in 44 copies, of which Swin's stands for all."""

from __future__ import annotations

from droppath_audit.core.known import Known
from droppath_audit.targets.known._causes import FLOOR_STYLE, FLOORED_EITHER

SYSTEMS = (
    Known(
        name="transformers",
        spec="transformers.models.swin.modeling_swin:SwinDropPath",
        title="transformers, SwinDropPath for 44 copies of one class",
        environment="transformers",
        install=("pip install transformers==5.23.0",),
        imports=("droppath_audit.targets.torchvision_operators",),  # which transformers imports where it is installed
        broken=FLOOR_STYLE,
        either=FLOORED_EITHER,
    ),
)
