"""Whatever a target keeps in its process is seen, and a target that keeps nothing leaves no trace."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.run.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

MODULE = """
import collections, contextvars, dataclasses, functools, itertools, random
import numpy as np
import torch

calls, masks, last = [], {}, None
counter = {"deep": {"deeper": [0]}}
own = random.Random(0)
bits = np.random.default_rng(0)
generator = torch.Generator()
table = np.zeros(3)
queue = collections.deque(maxlen=2)

@functools.lru_cache
def keep_prob(p):
    return 1.0 - p

def closure():
    count = 0
    def step():
        nonlocal count
        count += 1
    return step

step = closure()

class Config:
    pass

config = Config()

@dataclasses.dataclass(slots=True)
class Slotted:
    step: int = 0

    def count(self):
        self.step += 1

slotted, counted = Slotted(), Slotted()
count = counted.count
number = itertools.count()
held = functools.partial(lambda rng: rng.random(), np.random.default_rng(0))
drawing = np.random.default_rng(0).random
marked = contextvars.ContextVar("marked", default=0)
endless = (draw for draw in itertools.count())
large = np.zeros(4096)
network = torch.nn.Linear(1, 1)

class Raising:
    def __getattr__(self, name):
        raise KeyError(name)

raising = Raising()
with torch.inference_mode():
    constant = torch.ones(1)

class Layer:
    drawn = 0
    def forward(self, x):
        return x
"""

LEAVES = {
    "a list": "calls.append(1)",
    "a dictionary": "masks['a'] = 1",
    "something deep inside": "counter['deep']['deeper'][0] += 1",
    "a rebound name": "globals().update(last=3)",
    "a generator of Python": "own.random()",
    "a generator of NumPy": "bits.random()",
    "a generator of torch": "torch.rand(1, generator=generator)",
    "an array": "table[1] = 1.0",
    "a queue": "queue.append(1)",
    "a cache": "keep_prob(0.5)",
    "a closure": "step()",
    "an attribute of an object": "setattr(config, 'warm', True)",
    "an attribute of the class": "Layer.drawn += 1",
    "a patched method": "Layer.forward = lambda self, x: 2 * x",
    "an attribute of a function": "setattr(closure, 'called', True)",
    "a default": "setattr(closure, '__defaults__', (1,))",
    "a slot": "slotted.count()",
    "what a bound method belongs to": "count()",
    "a count": "next(number)",
    "what is bound in a partial": "held()",
    "what a method in C belongs to": "drawing()",
    "a context variable": "marked.set(1)",
    "a generator function that was begun": "next(endless)",
    "a large array": "large[4000] = 1",
    "an attribute of a framework's layer": "setattr(network, 'step', 1)",
}


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    file = tmp_path / "keeps_things.py"
    file.write_text(MODULE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("keeps_things", file)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules["keeps_things"] = found
    spec.loader.exec_module(found)
    yield found
    del sys.modules["keeps_things"]


def traces(module: ModuleType, obj: Any = None) -> Traces:
    return Traces(module.Layer if obj is None else obj, {"torch", "numpy"})


@pytest.mark.parametrize("statement", LEAVES.values(), ids=LEAVES.keys())
def test_what_a_target_leaves_is_seen(module: ModuleType, statement: str) -> None:
    before = traces(module)
    assert not before.changed()
    exec(statement, vars(module))  # noqa: S102 - what the target's own code would do
    assert before.changed()


def test_a_call_that_keeps_nothing_leaves_no_trace(module: ModuleType) -> None:
    before = traces(module)
    module.Layer().forward(1)
    module.closure()
    assert not before.changed()


def test_an_instance_is_looked_at_with_all_that_it_holds(module: ModuleType) -> None:
    layer = module.Layer()
    layer.config = module.Config()
    before = traces(module, layer)
    layer.config.warm = True
    assert before.changed()


def test_what_belongs_to_a_framework_is_not_looked_at(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = traces(module)
    import torch

    monkeypatch.setattr(torch.nn.Module, "of_nobody", 1, raising=False)
    assert not before.changed()


def test_another_module_of_the_package_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "keeping"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "state.py").write_text("steps = []\ndef step():\n    steps.append(1)\n", encoding="utf-8")
    text = (
        "from keeping import state\nclass Layer:\n    def forward(self, x):\n        state.step()\n        return x\n"
    )
    (package / "layers.py").write_text(text, encoding="utf-8")
    (package / "named.py").write_text(
        text.replace("keeping import state", "keeping.state import step").replace("state.step", "step"),
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("layers", "named"):
        layer = importlib.import_module(f"keeping.{name}").Layer
        before = Traces(layer, {"torch", "numpy"})
        assert not before.changed()
        layer().forward(1)
        assert before.changed()
    for name in [name for name in sys.modules if name.startswith("keeping")]:
        del sys.modules[name]
