from __future__ import annotations

import zlib

import pytest
import torch


@pytest.fixture(autouse=True)
def _seed_from_the_name_of_the_test(request: pytest.FixtureRequest) -> None:
    torch.manual_seed(zlib.crc32(request.node.name.encode()))
