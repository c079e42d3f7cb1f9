"""The SPEC of a model."""

from __future__ import annotations

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.models.spec import parse_model, with_items


def test_items_of_the_model_and_of_what_builds_it_stand_side_by_side():
    spec = parse_model('timm:create_model?args="vit"&arg.drop_path_rate=0.2&input=B,3,32,32&schedule=linear&max=0.3')
    assert spec.target.args == ("vit",)
    assert spec.target.arg == {"drop_path_rate": 0.2}
    assert (spec.shape, spec.schedule, spec.largest) == ((3, 32, 32), "linear", 0.3)


def test_items_that_are_given_apart_are_read_as_they_were_given():
    text = with_items("a.py:f", input="make.py:inputs", layer=r"^blocks\.\d+\.(a|b)$", schedule=None)
    spec = parse_model(text)
    assert (spec.factory, spec.layer, spec.schedule) == ("make.py:inputs", r"^blocks\.\d+\.(a|b)$", "")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ("schedule=linaer", "Did you mean 'linear'"),
        ("max=1.5", "number from 0 to 1"),
        ("max=high", "number from 0 to 1"),
        ("input=3,32,32", "B for the batch"),
        ("layer=(", "no regular expression"),
        ("max=0.1&max=0.2", "says max twice"),
    ],
)
def test_slips_are_answered(items, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        parse_model(f"a.py:f?{items}")
