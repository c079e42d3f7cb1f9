"""MMCV: the floor-style class and function of OpenMMLab."""

from __future__ import annotations

from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import (
    ALL,
    DIVIDED_FIRST,
    FLOORED,
    FLOORED_EITHER,
    INTEGERS,
    NO_AXIS,
    SILENT_REPR,
    UNCHECKED,
)

INSTALL = ("pip install --no-deps mmcv-lite==2.2.0", "pip install mmengine==0.10.7")

SYSTEMS = (
    Known(
        name="mmcv",
        spec="mmcv.cnn.bricks:DropPath",
        title="MMCV, the class",
        environment="mmcv",
        install=INSTALL,
        broken=(
            UNCHECKED,
            SILENT_REPR,
            INTEGERS,
            NO_AXIS,
            *FLOORED,
            *DIVIDED_FIRST,
            Broken("DP601", ALL, "the smallest failing call has drop_prob = 1"),
        ),
        either=FLOORED_EITHER,
    ),
    Known(
        name="mmcv-function",
        spec="mmcv.cnn.bricks.drop:drop_path",
        title="MMCV, the function",
        environment="mmcv",
        install=INSTALL,
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
