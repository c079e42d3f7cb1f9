"""Import torchvision where its compiled operators do not load, as beside a torch of another build.

``--import droppath_audit.targets.torchvision_operators`` before a target that needs torchvision. While it is imported,
torchvision registers shape rules for the operators of its compiled library, and fails where torch does not know them.
Their schemas are all that registration needs; no DropPath calls the operators themselves.
"""

from __future__ import annotations

import importlib
import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept_alive: list[torch.library.Library] = []  # a library's definitions go with the object


def load() -> None:
    """Import torchvision, declaring its operators first if that is what it lacks.

    Raises:
        ImportError: If torchvision is not installed.
        RuntimeError: If importing it fails for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        _kept_alive.append(library)
        importlib.import_module("torchvision")


load()
