"""What is a look-alike and what is none, in many styles; a name that says nothing hides none that drops samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.scanning.conftest import Found

HEAD = "import random\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"


def layer(name: str, body: str, init: str = "self.drop_rate = drop_rate", arguments: str = "drop_rate=0.0") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        f"{HEAD}\nclass {name}(nn.Module):\n    def __init__(self, {arguments}):\n        super().__init__()\n"
        f"        {init}\n\n    def forward(self, x):\n{lines}\n"
    )


# Bodies of a layer that drops samples, whatever it is called.
SAMPLES = {
    "floor": (
        "keep = 1 - self.drop_rate\n"
        "noise = torch.rand((x.shape[0],) + (1,) * (x.ndim - 1)) + keep\n"
        "return x / keep * noise.floor()"
    ),
    "bernoulli in place": (
        "mask = x.new_empty(x.size(0), 1, 1, 1).bernoulli_(1 - self.drop_rate)\n"
        "x = x.div(1 - self.drop_rate)\n"
        "x.mul_(mask)\n"
        "return x"
    ),
    "compared": "size = [len(x)] + [1] * (x.dim() - 1)\nreturn x * (torch.rand(size) >= self.drop_rate)",
    "bernoulli of a full tensor": (
        "p = torch.full((x.shape[0], 1, 1), 1 - self.drop_rate)\nreturn torch.mul(torch.bernoulli(p), x)"
    ),
    "dropout of ones": (
        "ones = torch.ones(x.shape[0], 1, device=x.device)\nreturn x * F.dropout(ones, self.drop_rate, self.training)"
    ),
    "selected": (
        "coins = torch.rand(x.shape[0], 1) < self.drop_rate\nreturn torch.where(coins, torch.zeros_like(x), x)"
    ),
    "masked": "gone = torch.rand(x.size(0), 1, 1) < self.drop_rate\nreturn x.masked_fill(gone, 0.0)",
    "assigned": "gone = torch.rand(x.size(0)) < self.drop_rate\nx = x.clone()\nx[gone] = 0\nreturn x",
    "like a slice": "m = torch.rand_like(x[:, 0, 0]) > self.drop_rate\nreturn x * m[:, None, None]",
    "a distribution": (
        "law = torch.distributions.Bernoulli(1 - self.drop_rate)\nreturn x * law.sample((x.shape[0], 1, 1))"
    ),
    "numpy": "m = np.random.binomial(1, 1 - self.drop_rate, size=(x.shape[0], 1))\nreturn x * torch.from_numpy(m)",
    "one coin": "if self.training and random.random() < self.drop_rate:\n    return torch.zeros_like(x)\nreturn x",
}


@pytest.mark.parametrize("style", SAMPLES)
def test_a_layer_that_drops_samples_is_found_by_what_it_does(found: Found, style: str) -> None:
    (alike,) = found(layer("Quiet", SAMPLES[style]))
    assert (alike.name, alike.by, alike.parts) == ("Quiet", "what it does", ())


@pytest.mark.parametrize("style", SAMPLES)
def test_and_by_its_name_as_well_where_it_has_one(found: Found, style: str) -> None:
    (alike,) = found(layer("StochasticDepth", SAMPLES[style]))
    assert alike.by == "its name and what it does"


# What no look-alike does, though it draws and multiplies.
OTHERS = {
    "dropout of elements": "keep = 1 - self.drop_rate\nreturn x * (torch.rand_like(x) < keep) / keep",
    "dropout of elements, by shape": "return x * (torch.rand(x.shape) > self.drop_rate)",
    "torch's dropout": "return F.dropout(x, self.drop_rate, self.training)",
    "dropout of channels": "return x * torch.rand(x.shape[0], x.shape[1], 1, 1).ge(self.drop_rate)",
    "locked dropout": "m = x.new_empty(1, x.size(1), x.size(2)).bernoulli_(1 - self.drop_rate)\nreturn x * m",
    "a shared axis": (
        "shape = list(x.shape)\nshape[1] = 1\nreturn x * x.new_empty(shape).bernoulli_(1 - self.drop_rate)"
    ),
    "noise": "return x + self.drop_rate * torch.randn_like(x)",
    "an embedding instead": (
        "gone = torch.rand(x.shape[0], 1) < self.drop_rate\nreturn torch.where(gone, self.null, x)"
    ),
    "layers skipped in a loop": (
        "for inner in self.layers:\n"
        "    if self.training and torch.rand(1) < self.drop_rate:\n"
        "        continue\n"
        "    x = inner(x)\n"
        "return x"
    ),
    "drawn and never used": "torch.rand(x.shape[0], 1)\nreturn x * (1 - self.drop_rate)",
    "tokens chosen": "kept = torch.randperm(x.shape[1])[: int(x.shape[1] * (1 - self.drop_rate))]\nreturn x[:, kept]",
}


@pytest.mark.parametrize("style", OTHERS)
def test_what_drops_something_else_is_not_found(found: Found, style: str) -> None:
    assert found(layer("Quiet", OTHERS[style])) == []


def test_an_augmentation_that_tosses_a_coin_is_not_found(found: Found) -> None:
    body = "if torch.rand(1) < self.p:\n    return x.flip(-1)\nreturn x"
    assert found(layer("Flip", body, "self.p = p", "p=0.5")) == []


def test_a_rate_of_flipping_for_each_sample_is_none_of_dropping_unless_a_mode_is_asked_for(found: Found) -> None:
    body = "return x * (torch.rand(x.shape[0], 1) < self.p)"
    assert found(layer("Dim", body, "self.p = p", "p=0.5")) == []
    asked = f"if not self.training:\n    return x\n{body}"
    assert [alike.name for alike in found(layer("Dim", asked, "self.p = p", "p=0.5"))] == ["Dim"]


def test_a_layer_that_is_called_so_is_found_though_it_drops_elements_or_the_whole_batch(found: Found) -> None:
    for body in ("return x * (torch.rand_like(x) > self.p)", "return x * torch.bernoulli(torch.tensor(self.p))"):
        assert [alike.by for alike in found(layer("DropPath", body, "self.p = p", "p"))] == ["its name"]


FUNCTION = """
import torch
from torch import nn

def drop_path(x, drop_prob, training):
    if not training:
        return x
    return x * torch.rand(x.shape[0], 1).ge(drop_prob)
"""


def test_a_function_belongs_to_the_class_that_only_calls_it(found: Found) -> None:
    calls = "    def forward(self, x):\n        return drop_path(x, self.drop_prob, self.training)\n"
    (alike,) = found(f"{FUNCTION}\nclass DropPath(nn.Module):\n{calls}")
    assert (alike.name, alike.parts) == ("DropPath", ("drop_path",))
    (quiet,) = found(f"{FUNCTION}\nclass Quiet(nn.Module):\n{calls}")
    assert (quiet.name, quiet.parts) == ("Quiet", ("drop_path",))


def test_a_block_that_uses_it_is_none(found: Found) -> None:
    uses = "x + drop_path(self.attention(x), self.drop_prob, self.training)"
    block = f"class Block(nn.Module):\n    def forward(self, x):\n        return {uses}\n"
    assert [alike.name for alike in found(f"{FUNCTION}\n{block}")] == ["drop_path"]


def test_a_method_that_uses_it_is_none(found: Found) -> None:
    method = "    def residual(self, x, y, rate):\n        return x + drop_path(y, rate, self.training)\n"
    assert [alike.name for alike in found(f"{FUNCTION}\nclass Block(nn.Module):\n{method}")] == ["drop_path"]


def test_a_block_that_uses_the_class_of_another_file_is_none(found: Found) -> None:
    text = """
        import torch
        from timm.layers import DropPath

        class Block(torch.nn.Module):
            def __init__(self, dim, drop_path=0.0):
                super().__init__()
                self.attention = torch.nn.Linear(dim, dim)
                self.scale = torch.nn.Parameter(torch.rand(dim, 1))
                self.drop_path = DropPath(drop_path)

            def forward(self, x):
                return x + self.drop_path(self.scale * self.attention(x))
        """
    assert found(text) == []


def test_a_method_of_a_block_is_found_where_it_drops(found: Found) -> None:
    text = """
        import torch

        class Block(torch.nn.Module):
            def __init__(self, survival):
                super().__init__()
                self.survival = survival

            def skip_some(self, x):
                if not self.training:
                    return x
                return x / self.survival * (torch.rand(len(x), 1, 1, 1) < self.survival)

            def forward(self, x):
                return x + self.skip_some(self.conv(x))
        """
    assert [alike.name for alike in found(text)] == ["Block.skip_some"]


def test_a_class_over_the_function_of_another_file_is_found_by_its_name(found: Found) -> None:
    text = """
        from torch import nn
        from .drop import drop_path

        class DropPath(nn.Module):
            def forward(self, x):
                return drop_path(x, self.drop_prob, self.training)
        """
    assert [alike.by for alike in found(text)] == ["its name"]


@pytest.mark.parametrize(
    "text",
    [
        "class DropPath(Base):\n    pass\n",
        "def drop_path_rates(rate, depth):\n    return [rate * i / depth for i in range(depth)]\n",
        "def build_drop_path(rate):\n    return DropPath(rate) if rate else Identity()\n",
        "import torch\ndef test_drop_path():\n    x = torch.rand(4, 1)\n    assert drop_path(x, 0.5, True) * x\n",
        "# torch.rand(x.shape[0], 1) < drop_prob\ndef drop(x):\n    return x\n",
        "import torch\nclass SDRLoss:\n    def forward(self, x):\n        return x * torch.rand(3, 3)\n",
    ],
)
def test_names_rates_factories_and_tests_are_none(found: Found, text: str) -> None:
    assert found(text) == []


def test_what_is_defined_in_a_function_is_found_and_said_to_be_local(found: Found) -> None:
    (alike,) = found(
        f"def build():\n{chr(10).join('    ' + line for line in FUNCTION.splitlines())}\n    return drop_path\n"
    )
    assert (alike.name, alike.local) == ("build.drop_path", True)


def test_frameworks_with_keys_and_modes_in_other_words(found: Found) -> None:
    jax = """
        import jax

        def thin(x, rate, key, deterministic):
            if deterministic:
                return x
            return x * jax.random.bernoulli(key, 1 - rate, (x.shape[0], 1, 1)) / (1 - rate)
        """
    paddle = """
        import paddle

        def thin(x, drop_prob, training):
            keep_prob = paddle.to_tensor(1 - drop_prob)
            mask = paddle.floor(keep_prob + paddle.rand([x.shape[0]] + [1] * (x.ndim - 1)))
            return x.divide(keep_prob) * mask
        """
    keras = """
        import tensorflow as tf

        class Thin(tf.keras.layers.Layer):
            def __init__(self, drop_rate):
                self.drop_rate = drop_rate

            def call(self, x, training=None):
                shape = (tf.shape(x)[0],) + (1,) * (len(x.shape) - 1)
                return x * tf.floor(1 - self.drop_rate + tf.random.uniform(shape, 0, 1)) if training else x
        """
    assert [alike.name for text in (jax, paddle, keras) for alike in found(text)] == ["thin", "thin", "Thin"]
