"""Configuration objects: what is made of them, what is asked, and what is refused."""

from __future__ import annotations

import pytest
import torch

from droppath_audit.core.errors import UsageError
from droppath_audit.targets.loader import load, load_object


def message(text):
    with pytest.raises(UsageError) as caught:
        load(text)
    return caught.value.message


@pytest.mark.parametrize(
    ("spec", "note"),
    [
        ("ByDataclass", "settings is made of path_drop_rate with width=8"),
        ('ByDataclass?init.settings={"width":16}', "settings is made of path_drop_rate with width=16"),
        ("ByMapping", "config is made of keep_prob with depth=2"),
        ("ByAttributes", "args is made of drop_path with embed_dim=8"),
    ],
)
def test_the_header_says_what_a_configuration_is_made_of(file, spec, note):
    facts = load(f"{file}:{spec}").facts
    assert note in facts.notes
    assert facts.origin.startswith(f"{file}:")


def test_a_field_that_is_not_there_is_refused(file):
    assert message(f'{file}:ByDataclass?init.settings={{"depth":1}}') == (
        "settings of ByDataclass has no field 'depth'; it has width, path_drop_rate, name."
    )
    assert message(f"{file}:ByDataclass?prob=setting.path_drop_rate:drop").startswith(
        "ByDataclass has no argument setting"
    )


def test_a_field_of_no_known_name_is_asked_for_with_the_command(file):
    said = message(f"{file}:ByUnknownField")
    assert "nothing is called a probability; cfg has strength" in said
    assert f"droppath-audit '{file}:ByUnknownField?prob=cfg.strength:drop'" in said


def test_the_object_has_the_type_of_the_annotation_and_the_layer_its_own_class(file):
    target = load(f"{file}:ByDataclass").target
    assert target.obj.__mro__[1].__name__ == "ByDataclass"
    assert target.make(0.25)._instances[True].drop_prob == 0.25


def test_a_class_in_hand_is_configured_as_well():
    class ByConfig(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.drop_prob = config.drop_prob

        def forward(self, x):
            return x if self.drop_prob < 1.0 else 0 * x

    layer = load_object(ByConfig, {}).target.make(1.0)
    assert torch.count_nonzero(layer(torch.ones(4, 2), training=True)) == 0
