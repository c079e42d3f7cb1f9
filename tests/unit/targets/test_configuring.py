"""Configuration objects: what is made of them, what is asked, and what is refused."""

from __future__ import annotations

import pytest
import torch

from droppath_audit.core.errors import UsageError
from droppath_audit.targets.loader import load, load_object, proposed


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


HANDED = """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.norm, self.drop = nn.LayerNorm(config.n_embd), nn.Dropout(config.path_drop_prob)

    def forward(self, x):
        return self.drop(self.norm(x))

def scaled(width, of):
    return width / of.temperature_size

class Block(nn.Module):
    def __init__(self, config, drop_path=0.0):
        super().__init__()
        self.cfg, self.drop_path = config, drop_path
        self.attn, self.norm, self.scale = Attention(config), nn.LayerNorm(config.n_embd), scaled(8, of=config)

    def forward(self, x):
        y = self.attn(self.norm(x)) * self.cfg.gamma
        if self.training and self.drop_path > 0.0:
            y = y * (torch.rand(len(y), 1, 1) >= self.drop_path) / (1.0 - self.drop_path)
        return x + y
"""


def test_fields_are_those_of_all_that_the_configuration_is_handed_to_and_the_rate_is_none_of_theirs(tmp_path):
    file = tmp_path / "block.py"
    file.write_text(HANDED)
    facts = load(f"{file}:Block").facts
    (note,) = [one for one in facts.notes if one.startswith("config has ")]
    assert {*note.removeprefix("config has ").removesuffix(" at likely values").split(", ")} == {
        "n_embd=8", "n_head=8", "path_drop_prob=0.0", "temperature_size=8", "gamma=1.0",
    }  # fmt: skip
    assert facts.called == "Block(drop_path=p)(x)"


def test_a_factory_of_a_configured_block_is_about_the_class_that_somebody_wrote(tmp_path):
    file = tmp_path / "block.py"
    file.write_text(HANDED)
    assert "make.own_code = Block.__mro__[1]" in proposed(f"{file}:Block", runs=lambda _: False).text
