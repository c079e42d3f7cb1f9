"""DARTS: the rule that writes to its input. Its original runs on CUDA alone; archai carries it for every device."""

from __future__ import annotations

from droppath_audit.core.known import Known

SYSTEMS = (
    Known(
        name="darts",
        spec="archai.common.ml_utils:drop_path_",
        title="DARTS' in-place rule, as archai has it",
        environment="archai",
        install=("pip install --no-deps archai==1.0.0", "pip install statopt tensorwatch"),
    ),
)
