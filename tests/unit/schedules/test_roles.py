"""What the arguments of a schedule mean, and what is asked where that is not clear."""

from __future__ import annotations

import itertools
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.run.loading import load

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = itertools.count()


def called(folder: Path, text: str, items: str = "") -> str:
    """Return how a schedule of this text is called, and what it gives."""
    file = folder / f"schedule_{next(_NUMBERS)}.py"
    file.write_text(text, encoding="utf-8")
    name = re.search(r"^(?:def|class) (\w+)|^(\w+) =", text, re.MULTILINE)
    assert name is not None
    _, facts = load("schedule", f"{file}:{name[1] or name[2]}{items}")
    return f"{facts.called} -> {facts.arguments.rpartition('gives ')[2].partition(' ')[0]}"  # type: ignore[union-attr]


READ = {
    # The usual names.
    "def f(depth, rate): ...": "f(depth=L, rate=drop_prob) -> drop",
    "def f(drop_path_rate, depths): ...": "f(drop_path_rate=drop_prob, depths=[L1, L2, …]) -> drop",
    "def f(L, p): ...": "f(L=L, p=drop_prob) -> drop",
    "def f(p_L, L): ...": "f(p_L=drop_prob, L=L) -> drop",
    "def f(num_layers, final_survival_prob): ...": "f(num_layers=L, final_survival_prob=keep_prob) -> keep",
    "def f(n_blocks, keep): ...": "f(n_blocks=L, keep=keep_prob) -> keep",
    "def f(dpr, n): ...": "f(dpr=drop_prob, n=L) -> drop",
    "def f(stochastic_depth, num_blocks): ...": "f(stochastic_depth=drop_prob, num_blocks=L) -> drop",
    "def f(max_drop_connect, total): ...": "f(max_drop_connect=drop_prob, total=L) -> drop",
    "def f(death_rate, nb_blocks): ...": "f(death_rate=drop_prob, nb_blocks=L) -> drop",
    "def f(layers_per_stage, drop_prob): ...": "f(layers_per_stage=[L1, L2, …], drop_prob=drop_prob) -> drop",
    "def f(enc_depth, nothing=1, rate=0.1): ...": "f(enc_depth=L, rate=drop_prob) -> drop",
    "def f(nblocks, rate): ...": "f(nblocks=L, rate=drop_prob) -> drop",
    "def f(rate, block_nums): ...": "f(rate=drop_prob, block_nums=[L1, L2, …]) -> drop",
    # What is left alone, and what wins.
    "def f(rate, depth, mode='linear', start_layer=1): ...": "f(rate=drop_prob, depth=L) -> drop",
    "def f(drop_path_rate, depth, drop_rate=0.0): ...": "f(drop_path_rate=drop_prob, depth=L) -> drop",
    "def f(num_stages=4, depth=12, rate=0.1): ...": "f(depth=L, rate=drop_prob) -> drop",
    "def f(start, stop, num): ...": "f(start=0.0, stop=drop_prob, num=L) -> drop",
    "def f(first_keep, last_keep, depth): ...": "f(first_keep=1.0, last_keep=keep_prob, depth=L) -> keep",
    "def f(min_rate=0.0, max_rate=0.1, depth=12): ...": "f(max_rate=drop_prob, depth=L) -> drop",
    # How depths are told: annotations, defaults, bodies.
    "def f(rate, depths: int): ...": "f(rate=drop_prob, depths=L) -> drop",
    "def f(rate, depth: 'list[int]'): ...": "f(rate=drop_prob, depth=[L1, L2, …]) -> drop",
    "def f(rate, depths: 'int | list[int]'): ...": "f(rate=drop_prob, depths=L or [L1, L2, …]) -> drop",
    "import typing as t\ndef f(rate, depths: t.Union[int, t.List[int]]): ...":
        "f(rate=drop_prob, depths=L or [L1, L2, …]) -> drop",
    "def f(rate, depths=12): ...": "f(rate=drop_prob, depths=L) -> drop",
    "def f(rate, blocks=(2, 2, 6, 2)): ...": "f(rate=drop_prob, blocks=[L1, L2, …]) -> drop",
    "def f(rate, layers):\n    return [rate * l / layers for l in range(layers)]":
        "f(rate=drop_prob, layers=L) -> drop",
    "def f(rate, layers):\n    return [rate] * sum(layers)": "f(rate=drop_prob, layers=[L1, L2, …]) -> drop",
    "def f(rate, layers):\n    return [rate for n in layers for _ in range(n)]":
        "f(rate=drop_prob, layers=[L1, L2, …]) -> drop",
    "def f(rate, depth):\n    n = depth if isinstance(depth, int) else sum(depth)\n    return [rate] * n":
        "f(rate=drop_prob, depth=L or [L1, L2, …]) -> drop",
    # One block.
    "def f(rate, layer_idx, num_layers): ...": "f(rate=drop_prob, layer_idx=l, num_layers=L) -> drop",
    "def f(l, L, p): ...": "f(l=l, L=L, p=drop_prob) -> drop",
    # What is returned, by the name of the function.
    "def survival_rates(depth, drop_rate): ...": "survival_rates(depth=L, drop_rate=drop_prob) -> keep",
    "def drop_path_rates(depth, keep_prob): ...": "drop_path_rates(depth=L, keep_prob=keep_prob) -> drop",
    "def drop_path_keep_probs(depth, p): ...": "drop_path_keep_probs(depth=L, p=drop_prob) -> keep",
    # Other things than functions.
    "class C:\n    def __init__(self, rate): ...\n    def __call__(self, depth): ...":
        "C(rate=drop_prob)(depth=L) -> drop",
    "class C:\n    def __init__(self, rate, depth): ...\n    def __iter__(self): ...":
        "C(rate=drop_prob, depth=L) -> drop",
    "from torch import nn\nclass C(nn.Module):\n    def __init__(self, rate): ...\n    def forward(self, depth): ...":
        "C(rate=drop_prob)(depth=L) -> drop",
    "f = lambda p, L: [p] * L": "f(p=drop_prob, L=L) -> drop",
    "def f(rate, depth, /): ...": "f(drop_prob, L) -> drop",
    "def f(*, rate, depth): ...": "f(rate=drop_prob, depth=L) -> drop",
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_arguments_are_read_by_their_words(text: str, tmp_path: Path) -> None:
    assert called(tmp_path, text) == READ[text]


DECLARED = {
    ("def f(a, b): ...", "?prob=a:keep&depth=b"): "f(a=keep_prob, b=L) -> keep",
    ("def f(a, b): ...", "?prob=b:drop&depth=a:stages&gives=keep"): "f(a=[L1, L2, …], b=drop_prob) -> keep",
    ("def f(rate, depth, mode): ...", "?arg.mode=x"): "f(rate=drop_prob, depth=L, mode='x') -> drop",
    ("def f(rate, depth, **more): ...", '?arg.more={"a":1}'): "f(rate=drop_prob, depth=L, more={'a': 1}) -> drop",
    ("def f(n, k, rate): ...", "?depth=n&index=k:1"): "f(n=L, k=l, rate=drop_prob) -> drop",
    ("class C:\n    def __init__(self, kind, rate): ...\n    def __call__(self, depth): ...", "?init.kind=1"):
        "C(kind=1, rate=drop_prob)(depth=L) -> drop",
    ("class C:\n    def __init__(self, kind, rate): ...\n    def __call__(self, depth): ...", "?args=1"):
        "C(1, rate=drop_prob)(depth=L) -> drop",
}  # fmt: skip


@pytest.mark.parametrize(("text", "items"), DECLARED)
def test_what_is_declared_goes_before_what_is_read(text: str, items: str, tmp_path: Path) -> None:
    assert called(tmp_path, text, items) == DECLARED[text, items]


METHODS = """
class Schedule:
    def __init__(self, drop_path_rate=0.1, depth=12):
        self.rate, self.depth = drop_path_rate, depth
    def rates(self):
        return [self.rate] * self.depth
    def of_block(self, index):
        return self.rate
    @staticmethod
    def apart(rate, depth):
        return [rate] * depth
    @classmethod
    def of_class(cls, rate, depth):
        return [rate] * depth
"""


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("rates", "Schedule(drop_path_rate=drop_prob, depth=L).rates()"),
        ("of_block", "Schedule(drop_path_rate=drop_prob, depth=L).of_block(index=l)"),
        ("apart", "Schedule_apart(rate=drop_prob, depth=L)"),
        ("of_class", "Schedule_of_class(rate=drop_prob, depth=L)"),
    ],
)
def test_methods_are_called_on_an_object_that_is_made(method: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / f"methods_{method}.py"
    file.write_text(METHODS, encoding="utf-8")
    target, facts = load("schedule", f"{file}:Schedule.{method}")  # type: ignore[misc]
    assert facts.called == told
    assert list(target.call(0.25, 3)) == [0.25] * 3  # type: ignore[union-attr]


OPEN = {
    "def f(a, b): ...": "prob=a:drop&depth=b",
    "def f(drop_prob, keep_prob, depth): ...": "prob=drop_prob:drop&arg.keep_prob=1.0",
    "def f(drop_rate, drop_path_rate, depth): ...": "arg.drop_rate=0.0",
    "def f(rate, encoder_layers, decoder_layers): ...": "depth=encoder_layers&arg.decoder_layers=1",
    "def f(layers, rate): ...": "depth=layers:total",
    "def f(rate, depth, kind):\n    if kind == 'linear': ...": "arg.kind=linear",
    "import typing as t\ndef f(rate, depth, kind: t.Literal['uniform', 'linear']): ...": "arg.kind=uniform",
    "def f(a, b, mode):\n    assert mode in ('x', 'y')": "prob=a:drop&depth=b&arg.mode=x",
    "class C:\n    def __init__(self, dim, rate): ...\n    def __call__(self, depth): ...": "init.dim=8",
}


@pytest.mark.parametrize("text", OPEN)
def test_one_message_asks_for_all_that_is_open_with_a_command_that_works(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        called(tmp_path, text)
    words = shlex.split(caught.value.command)
    assert words[:2] == ["droppath-audit", "schedule"]
    assert words[2].partition("?")[2] == OPEN[text]
    assert caught.value.message.endswith(caught.value.command)
    assert load("schedule", words[2])


REFUSED = {
    ("def f(rate): ...", ""): "takes no number of blocks",
    ("def f(depth): ...", ""): "takes no rate",
    ("def f(): ...", ""): "takes no arguments",
    ("class C:\n    def __init__(self, rate, depth): ...", ""): "name the method that gives rates",
    ("def f(rate, depth): ...", "?depth=dept"): "Did you mean 'depth'",
    ("def f(rate, depth): ...", "?arg.rates=1"): "Did you mean 'rate'",
    ("def f(rate, depth): ...", "?arg.rate=1"): "leave out rate=",
    ("def f(rate, depth): ...", "?arg.depth=1"): "leave out depth=",
    ("def f(rate, depth): ...", "?prob=rate:drop&arg.rate=1"): "leave out rate=",
    ("def f(rate, depth): ...", "?init.rate=1"): "is a function",
    ("def f(rate, depth): ...", "?depth=depth:some"): "depth=NAME:total",
    ("def f(rate, depth): ...", "?index=1"): "index=NAME",
    ("def f(rate, depth): ...", "?gives=rates"): "drop or keep",
    ("def f(rate, depth): ...", "?schedule=linar"): "Did you mean 'linear'",
    ("def f(rate, depth): ...", "?schedule=stagewise"): "depth=depth:stages",
    ("def f(rate, depth): ...", "?schedule=linear&schedule=paper"): "says schedule twice",
}


@pytest.mark.parametrize(("text", "items"), REFUSED)
def test_what_cannot_be_is_refused_with_what_would_be(text: str, items: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(REFUSED[text, items])):
        called(tmp_path, text, items)
