"""MMCV: the floor-style class and function of OpenMMLab."""

from __future__ import annotations

from droppath_audit.core.known import Known
from droppath_audit.targets.known._causes import FLOOR_STYLE, FLOORED_EITHER, SILENT_REPR

INSTALL = ("pip install --no-deps mmcv-lite==2.2.0", "pip install mmengine==0.10.7")

SYSTEMS = (
    Known(
        name="mmcv",
        spec="mmcv.cnn.bricks:DropPath",
        title="MMCV, the class",
        environment="mmcv",
        install=INSTALL,
        broken=(*FLOOR_STYLE, SILENT_REPR),
        either=FLOORED_EITHER,
    ),
    Known(
        name="mmcv-function",
        spec="mmcv.cnn.bricks.drop:drop_path",
        title="MMCV, the function",
        environment="mmcv",
        install=INSTALL,
        broken=FLOOR_STYLE,
        either=FLOORED_EITHER,
    ),
)
