"""EfficientNet-PyTorch: ``drop_connect``, written for images alone."""

from __future__ import annotations

from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import (
    ALL,
    DIVIDED_FIRST,
    FLOORED,
    FLOORED_EITHER,
    INTEGERS,
    LOW,
    NO_AXIS,
    NO_SHORTCUT,
    UNCHECKED,
)

SYSTEMS = (
    Known(
        name="efficientnet-pytorch",
        spec="efficientnet_pytorch.utils:drop_connect",
        title="EfficientNet-PyTorch, drop_connect",
        environment="efficientnet",
        install=("pip install --no-deps efficientnet-pytorch==0.7.1",),
        broken=(
            UNCHECKED,
            INTEGERS,
            NO_AXIS,
            NO_SHORTCUT,
            Broken("DP002", LOW, "at drop_prob = 0 the mask is floor(1 + rand), which is 2 where rand rounds up to 1"),
            Broken("DP005", ALL, "the mask has rank 4, and x of any other rank is broadcast to it"),
            Broken("DP304", ALL, "small tensors of other ranks as well"),
            *(entry for entry in FLOORED if entry.check != "DP102"),
            Broken("DP102", LOW, "the frequency in bfloat16; and at drop_prob = 0 the mask is sometimes 2, in both"),
            *DIVIDED_FIRST,
            Broken("DP403", "bfloat16", "the derivative is that of a mask of 2, at drop_prob = 0"),
            Broken("DP601", ALL, "the smallest failing call has another rank than 4"),
        ),
        either=FLOORED_EITHER,
    ),
)
