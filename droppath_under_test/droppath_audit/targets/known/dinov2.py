"""DINOv2: a random subset of fixed size, on which alone the branch is run."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Known

SYSTEMS = (
    Known(
        name="dinov2",
        # The function unpacks (batch, tokens, channels) and has no mode: the block calls it in training alone.
        spec="dinov2.layers.block:drop_add_residual_stochastic_depth?form=residual&training=always&input=B,2,2",
        title="DINOv2, a random subset of the batch",
        environment="dinov2",
        dialect=Dialect(form="residual"),
        install=("pip install --no-deps dinov2==0.0.1.dev2",),
    ),
)
