"""Being a rank: a process group of torch, of processes on this machine."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from droppath_audit.frameworks.manners import Ranking

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = timedelta(seconds=10)  # of an operation in which another rank takes no part


class TorchRanks(Ranking):
    """Ranks of ``torch.distributed`` over gloo, the backend that needs no accelerator."""

    @contextmanager
    def as_rank(self, rank: int, size: int, meeting: str) -> Iterator[None]:
        """Make this process a rank, for what it runs inside."""
        import torch.distributed as dist

        if not dist.is_available() or not dist.is_gloo_available():
            raise OSError("this build of torch has no gloo")
        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the name of this machine need not resolve
        # What a launcher says, for a target that reads it.
        for name, value in (("RANK", rank), ("WORLD_SIZE", size), ("LOCAL_RANK", rank), ("LOCAL_WORLD_SIZE", size)):
            os.environ[name] = str(value)
        store = dist.FileStore(meeting, size)  # type: ignore[attr-defined]  # documented, not listed
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=TIMEOUT)
        try:
            dist.barrier()  # whoever left before another has met it would be missed there
            yield
            with suppress(RuntimeError):  # one that raised does not come
                dist.barrier()
        finally:
            dist.destroy_process_group()
