"""DINOv2: a random subset of fixed size, on which alone the branch is run."""

from __future__ import annotations

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import ALL, NO_SHORTCUT, UNCHECKED

SYSTEMS = (
    Known(
        name="dinov2",
        # The function unpacks (batch, tokens, channels) and has no mode: the block calls it in training alone.
        spec="dinov2.layers.block:drop_add_residual_stochastic_depth?form=residual&training=always&input=B,2,2",
        title="DINOv2, a random subset of the batch",
        environment="dinov2",
        dialect=Dialect(form="residual"),
        install=("pip install --no-deps dinov2==0.0.1.dev2",),
        broken=(
            UNCHECKED,
            NO_SHORTCUT,
            Broken("DP006", "float64", "the sum is made in a flattened copy, which is contiguous"),
            Broken("DP009", "", "integers are added up unscaled"),
            Broken("DP102", ALL, "at drop_prob = 1 one sample of a batch is kept"),
            Broken("DP105", "float32", "the number kept is fixed: int(B · keep_prob), at least 1"),
            Broken("DP106", "float32", "of two samples exactly one is kept, of more each lessens the others' chance"),
            Broken("DP110", "float32", "a batch of 1 is never dropped, and int() takes a part of a sample from others"),
            Broken("DP114", "", "every row in training meets the factor of its batch"),
            Broken("DP201", ALL, "the factor is B over the number kept, not 1/keep_prob"),
            Broken("DP205", "float16", "the factor B overflows float16, which raises"),
            Broken("DP206", ALL, "at drop_prob = 1 one sample is kept"),
            Broken("DP301", ALL, "at keep_prob = 0 one sample is kept, scaled by B"),
            Broken("DP302", ALL, "and so is its gradient"),
            Broken("DP303", ALL, "next to both ends as at the ends"),
            Broken("DP401", ALL, "the gradient has the factor of the batch"),
            Broken("DP403", ALL, "and so have its derivatives"),
            Broken("DP601", f"{ALL} complex32 complex64 complex128", "the factor, in a batch of 4"),
        ),
    ),
)
