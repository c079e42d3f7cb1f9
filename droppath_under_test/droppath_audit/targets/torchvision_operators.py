"""Import torchvision where its compiled operators do not load, as beside a torch of another build.

``--import droppath_audit.targets.torchvision_operators`` before a target that imports torchvision. While it is
imported, torchvision registers shape rules for the operators of its compiled library, and fails where torch does not
know them. Their schemas are all that registration needs; no DropPath calls the operators themselves.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept_alive: list[torch.library.Library] = []  # a library's definitions go with the object


def load() -> None:
    """Import torchvision where it is installed, declaring its operators first if that is what it lacks.

    Raises:
        RuntimeError: If importing it fails for another reason.
    """
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in SCHEMAS:
            library.define(schema)  # type: ignore[no-untyped-call]
        _kept_alive.append(library)
        importlib.import_module("torchvision")


load()
