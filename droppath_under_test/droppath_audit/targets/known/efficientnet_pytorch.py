"""EfficientNet-PyTorch: ``drop_connect``, written for images alone."""

from __future__ import annotations

from droppath_audit.core.known import Known
from droppath_audit.targets.known._causes import DROP_CONNECT, FLOORED_EITHER

SYSTEMS = (
    Known(
        name="efficientnet-pytorch",
        spec="efficientnet_pytorch.utils:drop_connect",
        title="EfficientNet-PyTorch, drop_connect",
        environment="efficientnet",
        install=("pip install --no-deps efficientnet-pytorch==0.7.1",),
        broken=DROP_CONNECT,
        either=FLOORED_EITHER,
    ),
)
