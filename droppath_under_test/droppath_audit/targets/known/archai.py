"""DARTS: the rule that writes to its input. Its original runs on CUDA alone; archai carries it for every device."""

from __future__ import annotations

from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import ALL, DIVIDED_FIRST, NO_AXIS, UNCHECKED

SYSTEMS = (
    Known(
        name="darts",
        spec="archai.common.ml_utils:drop_path_",
        title="DARTS' in-place rule, as archai has it",
        environment="archai",
        install=("pip install --no-deps archai==1.0.0", "pip install statopt tensorwatch"),
        broken=(
            UNCHECKED,
            NO_AXIS,
            *DIVIDED_FIRST,
            Broken("DP004", ALL, "x is divided and multiplied in place"),
            Broken("DP005", ALL, "the mask has rank 4, and x of another rank cannot hold the product"),
            Broken("DP404", "float32", "recomputing writes to an input that autograd holds, which raises"),
            Broken("DP504", "float32", "a tensor that is used again has been scaled by every call before"),
            Broken("DP601", f"{ALL} complex64 complex128", "the smallest failing call has another rank than 4"),
        ),
    ),
)
