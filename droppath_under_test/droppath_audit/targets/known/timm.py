"""PyTorch Image Models: the mask is drawn by ``bernoulli_`` since 0.5, and was rounded down before."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Known
from droppath_audit.targets.known._causes import (
    FLOOR_STYLE,
    FLOORED_EITHER,
    MULTIPLIED,
    NO_AXIS,
    SCALED_MASK,
    SILENT_REPR,
    UNCHECKED,
)

IMPORTS = ("droppath_audit.targets.torchvision_operators",)
NEEDS = "pip install pillow pyyaml huggingface_hub safetensors"
INSTALL = ("pip install --no-deps timm==1.0.31 torchvision==0.28.0", NEEDS)

SYSTEMS = (
    Known(
        name="timm",
        spec="timm.layers:DropPath",
        title="PyTorch Image Models, the class",
        environment="timm",
        install=INSTALL,
        imports=IMPORTS,
        broken=(UNCHECKED, NO_AXIS, MULTIPLIED, SCALED_MASK),
    ),
    Known(
        name="timm-function",
        spec="timm.layers:drop_path",
        title="PyTorch Image Models, the function",
        environment="timm",
        install=INSTALL,
        imports=IMPORTS,
        broken=(UNCHECKED, NO_AXIS, MULTIPLIED, SCALED_MASK),
    ),
    Known(
        name="timm-unscaled",
        spec="timm.layers:DropPath?init.scale_by_keep=false",
        title="PyTorch Image Models, the class with scale_by_keep=False",
        environment="timm",
        dialect=Dialect(scaling="none"),
        install=INSTALL,
        imports=IMPORTS,
        broken=(UNCHECKED, NO_AXIS, MULTIPLIED),
    ),
    Known(
        name="timm-0.4",
        spec="timm.models.layers:DropPath",
        title="PyTorch Image Models up to 0.4, the old rule",
        environment="timm-0.4",
        install=("pip install --no-deps timm==0.4.12 torchvision==0.28.0", NEEDS),
        imports=IMPORTS,
        broken=(*FLOOR_STYLE, SILENT_REPR),
        either=FLOORED_EITHER,
    ),
)
