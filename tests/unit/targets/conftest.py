from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from droppath_audit.targets.loader import Loaded, load
from tests.unit.targets.conventions import CONVENTIONS, FILE, Convention

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file() -> Path:
    return FILE


@pytest.fixture(params=CONVENTIONS, ids=lambda convention: convention.spec)
def convention(request: pytest.FixtureRequest) -> Convention:
    return request.param


load_once = cache(load)  # a target is the same each time; its layers are made anew


@pytest.fixture
def loaded(convention: Convention) -> Loaded:
    return load_once(convention.text)
