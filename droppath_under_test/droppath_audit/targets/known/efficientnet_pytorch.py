"""EfficientNet-PyTorch: ``drop_connect``, written for images alone."""

from __future__ import annotations

from droppath_audit.core.known import Known

SYSTEMS = (
    Known(
        name="efficientnet-pytorch",
        spec="efficientnet_pytorch.utils:drop_connect",
        title="EfficientNet-PyTorch, drop_connect",
        environment="efficientnet",
        install=("pip install --no-deps efficientnet-pytorch==0.7.1",),
    ),
)
