"""The largest rate that a SPEC asks for, by the names that libraries give to it."""

from __future__ import annotations

import pytest

from droppath_audit.models.building import asked
from droppath_audit.models.spec import parse_model

NAMED = {
    "arg.drop_path_rate=0.2": 0.2,
    "arg.stochastic_depth_prob=0.2": 0.2,
    "arg.drop_path=0.2": 0.2,
    "arg.drop_connect_rate=0.2": 0.2,
    "arg.survival_prob=0.8": None,
    "arg.stochastic_depth_prob=0.2&max=0.1": 0.1,
    'arg.config={"drop_path_rate":0.2,"hidden_dropout_prob":0.4}': 0.2,
    "arg.drop_rate=0.2": None,
    "arg.depth=2": None,
    "arg.drop_path=true": None,
}


@pytest.mark.parametrize("items", NAMED)
def test_a_rate_of_paths_is_known_by_its_name(items: str) -> None:
    assert asked(parse_model(f"package:build?{items}")) == NAMED[items]
