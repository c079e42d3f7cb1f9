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
    "arg.survival_prob=0.8": pytest.approx(0.2),
    "arg.drop_rate=0.5&arg.drop_path_rate=0.2": 0.2,
    "arg.attn_drop_rate=0.5": None,
    "arg.stochastic_depth_prob=0.2&max=0.1": 0.1,
    'arg.config={"drop_path_rate":0.2,"hidden_dropout_prob":0.4}': 0.2,
    "arg.drop_rate=0.2": None,
    "arg.depth=2": None,
    "arg.drop_path=true": None,
}


@pytest.mark.parametrize("items", NAMED)
def test_a_rate_of_paths_is_known_by_its_name(items: str) -> None:
    assert asked(parse_model(f"package:build?{items}")) == NAMED[items]


def test_what_the_builder_takes_by_default_counts_where_it_is_given_nothing_else() -> None:
    def build(depth: int = 4, drop_path_rate: float = 0.3, dropout: float = 0.1) -> None: ...

    assert asked(parse_model("package:build"), build) == 0.3
    assert asked(parse_model("package:build?arg.drop_path_rate=0.1"), build) == 0.1
    assert asked(parse_model("package:build?args=4,0.2"), build) is None
