# ruff: noqa: E501 - a layer has a line or two
"""Each kind of mistake is found at its line, in layers that are no mutants, by the process that an audit starts."""

from __future__ import annotations

import inspect
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.causes import VAGUE, catalogue
from droppath_audit.run.apart import Apart
from droppath_audit.run.explaining import kinds_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEAD = "import math, os, random\nimport numpy as np\nimport torch\n\n"
FUNCTION = "def layer(x, drop_prob=0.0, training=False):\n    n, keep = x.shape[0], 1.0 - drop_prob\n"
OFF = "    if not training or drop_prob == 0.0:\n        return x\n"
TRAIN = "for _ in range(40):\n    y = layer(x, drop_prob=0.3, training=True)\nassert False, y\n"
ONES = "x = torch.ones((8, 4))\n"


def function(*lines: str, off: str = OFF) -> str:
    return FUNCTION + off + "".join(f"    {line}\n" for line in lines)


DRAW, RETURN = "u = torch.rand(n)", "return x * (u < keep).view((n,) + (1,) * (x.ndim - 1)) / keep"
MODULE = """class layer(torch.nn.Module):
    def __init__(self, drop_prob=0.3):
        super().__init__()
        self.drop_prob, self.noise, self.seen = drop_prob, None, []

    def forward(self, x):
        if not self.training:
            return x
        n, keep = x.shape[0], 1.0 - self.drop_prob
{}
"""
CALLED = ONES + "layer = layer(drop_prob=0.3)\nfor _ in range(40):\n    y = layer(x)\nassert False, y\n"
OWN = """class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, gradient):
        (mask,) = ctx.saved_tensors
        return gradient * mask * 2, None  # here


"""
MAKING = """class Branch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(4, 4)


"""


BLOCK = """class layer(torch.nn.Module):
    def __init__(self, survival=1.0):
        super().__init__()
        self.survival = survival

    def forward(self, x):
        if self.training and torch.rand(()) >= self.survival:
            return x
        return x + 0.5 * torch.sin(2.0 * x)
"""
RUN = """def run(block, z, drop_prob, training):
    return block(z)

block = layer(survival=0.7)
for _ in range(40):
    y = run(block, x, 0.3, True)
assert False, y
"""


def module(*lines: str) -> str:
    return MODULE.format("\n".join(f"        {line}" for line in lines))


# Kind, check, definition and script; the line that must be named is marked.
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a rate of its own": (
        "rate", "DP102", function("q = 1.0 - drop_prob**2  # here", DRAW, "u = u * 1", "return x * (u < q).view(-1, 1) / keep"),
        ONES + TRAIN,
    ),
    "a rate that a helper is told": (
        "rate", "DP102",
        "def drawn(n, p):\n    return torch.rand(n) < 1.0 - p\n\n\n"
        + function("mask = drawn(n, drop_prob / 3)  # here", "return x * mask.view(-1, 1) / keep"),
        ONES + TRAIN,
    ),
    "a rate that a block does not take": (
        "rate", "DP102", BLOCK.replace("= survival", "= 0.8  # here"), ONES + RUN,
    ),
    "a probability of bernoulli": (
        "rate", "DP103", function("mask = torch.full((n, 1), 0.65).bernoulli_(0.65)  # here", "return x * mask / keep"),
        ONES + TRAIN,
    ),
    "another probability of bernoulli_ in half precision": (
        "rate", "DP103",
        function("q = keep * 0.9  # here", "mask = x.new_empty((n, 1)).bernoulli_(q)", "return x * mask / keep"),
        "x = torch.ones((8, 4), dtype=torch.float16)\n" + TRAIN,
    ),
    "a probability of bernoulli that was rounded": (
        "resolution", "DP103",
        function("q = x.new_full((n, 1), keep)", "mask = torch.bernoulli(q)  # here", "return x * mask / keep"),
        "x = torch.ones((8, 4), dtype=torch.float16)\n" + TRAIN,
    ),
    "rounded after it was drawn": (
        "resolution", "DP103", function("u = torch.rand(n).to(torch.bfloat16)  # here", RETURN), ONES + TRAIN,
    ),
    "one number for a row and a column": (
        "number_of_draws", "DP104", function("u = torch.rand(x.shape)  # here", "return x * (u < keep) / keep"), ONES + TRAIN,
    ),
    "one number of a list of one": (
        "number_of_draws", "DP401",
        function("u = torch.rand(1)  # here", "return x / keep if u[0] < keep else x * 0.0"), ONES + TRAIN,
    ),
    "neighbours by an index": (
        "sharing", "DP106", function(DRAW, "u = u[torch.arange(n) // 2]  # here", RETURN), ONES + TRAIN,
    ),
    "a subset": (
        "subsets", "DP105", function("u = torch.randperm(n) / n  # here", RETURN), ONES + TRAIN,
    ),
    "a subset in order": (
        "subsets", "DP401",
        function("kept = torch.randperm(n)[: int(n * keep)].sort().values  # here",
                 "mask = torch.zeros(n, 1).index_fill_(0, kept, 1.0)", "return x * mask * n / len(kept)"),
        ONES + TRAIN,
    ),
    "numbers of another distribution": (
        "subsets", "DP102", function("u = torch.randn(n).abs()  # here", RETURN), ONES + TRAIN,
    ),
    "every seventh": (
        "overwriting", "DP109", function(DRAW, "u[::7] = 0.0  # here", RETURN), ONES + TRAIN,
    ),
    "seeds by the batch": (
        "seeding", "DP107", function("torch.manual_seed(n)  # here", DRAW, RETURN), ONES + TRAIN,
    ),
    "a generator of NumPy's": (
        "other_generator", "DP501",
        "RNG = np.random.default_rng(0)\n\n\n" + function("u = torch.from_numpy(RNG.random(n))  # here", RETURN), ONES + TRAIN,
    ),
    "Python's generator": (
        "other_generator", "DP404", function("u = torch.tensor([random.uniform(0, 1) for _ in x])  # here", RETURN), ONES + TRAIN,
    ),
    "kept for later": (
        "remembered", "DP107",
        module("if self.noise is None:", "    self.noise = torch.rand(n, 1)  # here", "return x * (self.noise < keep) / keep"),
        CALLED,
    ),
    "small batches come back": (
        "returning", "DP110", function("if n < 9:  # here", "    return x", DRAW, RETURN), ONES + TRAIN,
    ),
    "a helper that returns x": (
        "returning", "DP110",
        "def dropped(x, p):\n    if x.shape[0] < 9:  # here\n        return x\n    return x * (torch.rand(len(x), 1) >= p) / (1 - p)\n\n\n"
        + function("y = dropped(x, drop_prob)", "return y"),
        ONES + TRAIN,
    ),
    "a product that nobody takes": (
        "unused", "DP103", function("mask = x.new_empty((n, 1)).bernoulli_(keep)  # here", "x.div(keep).mul(mask)", "return x"), ONES + TRAIN,
    ),
    "dropout whose result nobody takes": (
        "unused", "DP102",
        module("mask = torch.ones(n, 1)", "torch.nn.functional.dropout(mask, self.drop_prob)  # here", "return x * mask"), CALLED,
    ),
    "a number that is true": (
        "unused", "DP104", function("if torch.empty(1).uniform_():  # here", "    return 0.0 * x", "return x / keep"), ONES + TRAIN,
    ),
    "written to x, which the next call is given": (
        "writing", "DP114", function(DRAW, "x /= keep  # here", "x *= (u < keep).view(-1, 1)", "return x"), ONES + TRAIN,
    ),
    "a mask of ones": (
        "ignoring", "DP112", function(DRAW, "mask = torch.ones(n, 1) > 0  # here", "return x.where(mask, 0 * x) / keep"),
        ONES + TRAIN,
    ),
    "drawn again where all are dropped": (
        "redrawing", "DP110",
        function(DRAW, "while not (u < keep).any():", "    u = torch.rand(n)  # here", RETURN),
        "x = torch.ones((2, 4))\n" + TRAIN,
    ),
    "the root of the factor": (
        "scaling", "DP201", function(DRAW, "by = keep**-0.5  # here", "return x * (u < keep).view(-1, 1) * by"), ONES + TRAIN,
    ),
    "no factor": (
        "scaling", "DP203", function(DRAW, "return x * (u < keep).view(-1, 1)  # here"), ONES + TRAIN,
    ),
    "divided by a tensor of ones": (
        "scaling", "DP201",
        function("by = torch.ones(n, 1)", "mask = torch.rand(n, 1) < keep", "y = torch.div(x, by)  # here", "return y * mask"), ONES + TRAIN,
    ),
    "a factor of nothing": (
        "not_finite", "DP301", function(DRAW, "y = x / keep  # here", "return y * (u < keep).view(-1, 1)"),
        ONES + "assert layer(x, drop_prob=1.0, training=True).isfinite().all()\n",
    ),
    "a quotient by a tensor of zero": (
        "not_finite", "DP301", function(DRAW, "q = torch.tensor(keep)  # here", "return x * (u < keep).view(-1, 1) / q"),
        ONES + "assert layer(x, drop_prob=1.0, training=True).isfinite().all()\n",
    ),
    "infinities times zero": (
        "not_finite", "DP206", function(DRAW, "mask = (u < keep).view(-1, 1)", "return x * mask / keep  # here"),
        "x = torch.full((64, 4), math.inf)\n" + TRAIN,
    ),
    "another dtype": (
        "departing", "DP005",
        function("mask = (torch.rand(n, 1) < keep).double()", "return x * mask / keep  # here"), ONES + TRAIN,
    ),
    "other strides": (
        "departing", "DP006", function(DRAW, "x = x.contiguous()  # here", RETURN), "x = torch.ones((4, 8)).t()\n" + TRAIN,
    ),
    "chunks that leave a remainder": (
        "number_of_draws", "DP102",
        function(
            "out = x.clone()", "for at in range(0, n - 2, 3):", "    u = torch.rand(3, 1)  # here",
            "    out[at : at + 3] = x[at : at + 3] * (u < keep) / keep", "return out",
        ),
        ONES + TRAIN,
    ),
    "chunks of which each is scaled once": (
        "meeting_x", "DP202",
        function(
            "out = []", "for part in x.split(2):", "    u = torch.rand(2, 1)",
            "    out.append(torch.where(u < keep, part / keep, 0.0))  # here", "return torch.cat(out)",
        ),
        ONES + TRAIN,
    ),
    "numbers one by one that are all of them": (
        "scaling", "DP303",
        function(
            "rows = []", "for row in x:", "    kept = torch.rand(()) < keep", "    rows.append(torch.where(kept, row, 0.0))",
            "return torch.stack(rows) / keep**2  # here",
        ),
        ONES + TRAIN,
    ),
    "zeros that nothing connects to x": (
        "detaching", "DP405",
        function(DRAW, "mask = u < keep", "if not mask.any():", "    return torch.zeros_like(x)  # here", "return x * mask.view(-1, 1) / keep"),
        "x = torch.ones((1, 4)).requires_grad_()\n" + TRAIN,
    ),
    "what a factory draws to make its weights": (
        "number_of_draws", "DP401",
        "def layer(drop_prob):\n    weights = torch.rand(8, 8)\n    weights[0] *= 2\n\n    def call(x):\n"
        "        u = torch.rand(1)  # here\n        return x * (u < 1.0 - drop_prob) / (1.0 - drop_prob)\n\n    return call\n",
        ONES + "call = layer(0.3)\nfor _ in range(40):\n    y = call(x)\nassert False, y\n",
    ),
    "strides of an expanded tensor are nobody's promise": (
        "rate", "DP114",
        function("if x.stride(0) == 0:", "    keep = keep * 0.5  # here", DRAW, RETURN), "x = torch.ones((1, 4)).expand(8, 4)\n" + TRAIN,
    ),
    "a permutation without gradients": (
        "subsets", "DP404",
        function(DRAW, "if not torch.is_grad_enabled():", "    u = (torch.randperm(n) + u) / n  # here", RETURN),
        ONES + "with torch.no_grad():\n    layer(x, drop_prob=0.3, training=True)\n" + TRAIN,
    ),
    "outside of the graph": (
        "detaching", "DP401",
        function(DRAW, "with torch.no_grad():", "    y = x * (u < keep).view(-1, 1) / keep  # here", "return y"),
        ONES + "x.requires_grad_()\n" + TRAIN,
    ),
    "a backward pass that doubles": (
        "backward", "DP401", OWN + function(DRAW, "return Own.apply(x, (u < keep).view(-1, 1) / keep)"),
        ONES + "x.requires_grad_()\nlayer(x, drop_prob=0.3, training=True).sum().backward()\nassert False\n",
    ),
    "in place": (
        "writing", "DP004", function(DRAW, "x /= keep  # here", "return x * (u < keep).view(-1, 1)"), ONES + TRAIN,
    ),
    "scales in evaluation, and works in place in training": (
        "changing", "DP001",
        function("if not training:", "    return x * keep  # here", DRAW, "x *= (u < keep).view(-1, 1)", "return x / keep", off=""),
        ONES + "layer(x, drop_prob=0.3, training=True)\nlayer(x, drop_prob=0.3, training=False)\nassert False\n",
    ),
    "draws in evaluation": (
        "unasked", "DP503", function("u = torch.rand(n)  # here", "if not training or drop_prob == 0.0:", "    return x", RETURN, off=""),
        ONES + "layer(x, drop_prob=0.3, training=False)\nassert False\n",
    ),
    "scales in evaluation": (
        "changing", "DP001", function("if not training:", "    return x * keep  # here", DRAW, RETURN, off=""),
        ONES + "layer(x, drop_prob=0.3, training=False)\nassert False\n",
    ),
    "leaves a variable behind": (
        "leaving", "DP505", function("os.environ['DROPS'] = '1'  # here", DRAW, RETURN), ONES + TRAIN,
    ),
    "asks for a gradient": (
        "tracking", "DP505", function(DRAW, "y = x * (u < keep).view(-1, 1)", "return y.requires_grad_()  # here"), ONES + TRAIN,
    ),
    "keeps a list": (
        "holding", "DP505", module("u = torch.rand(n)", "self.seen.append(u)  # here", "return x * (u < keep).view(-1, 1) / keep"),
        CALLED,
    ),
    "looks at x": (
        "looking", "DP111", function(DRAW, "large = x.sum(1) > 3  # here", "return x * ((u < keep) | large).view(-1, 1) / keep"),
        ONES + TRAIN,
    ),
    "takes the class off": (
        "unwrapping", "DP010", function("x = x.as_subclass(torch.Tensor)  # here", DRAW, RETURN), ONES + TRAIN,
    ),
    "raises": (
        "raising", "DP304", function(DRAW, "first = [row for row in x][0]  # here", RETURN), "x = torch.ones((0, 4))\n" + TRAIN,
    ),
    "raises in a script that goes on": (
        "raising", "DP705", function("assert x.ndim != 2  # here", DRAW, RETURN),
        ONES + "try:\n    layer(x, drop_prob=0.3, training=True)\nexcept Exception:\n    pass\nassert False\n",
    ),
    "nothing that is known": (
        "drawing", "DP105", function("u = torch.rand(n)  # here", RETURN), ONES + TRAIN,
    ),
    "nothing that is known, beside a layer that is made": (
        "drawing", "DP105", MAKING + function("Branch()", "u = torch.rand(n)  # here", RETURN), ONES + TRAIN,
    ),
    "nothing that is known of values": (
        "meeting_x", "DP202", function(DRAW, "mask = (u < keep).view(-1, 1)", "return x * mask / keep  # here"), ONES + TRAIN,
    ),
    "only after many calls": (
        "scaling", "DP604",
        module("self.seen = [*self.seen[-1:], len(self.seen)]", "self.calls = getattr(self, 'calls', 0) + 1",
               "u = torch.rand(n)", "late = 0.5 if self.calls > 300 else 1.0  # here",
               "return x * (u < keep).view(-1, 1) / keep * late"),
        CALLED.replace("40", "320"),
    ),
}  # fmt: skip


# Sound layers of differing style: nothing is wrong with any line.
SOUND = {
    "a comparison": function(DRAW, RETURN),
    "bernoulli": function("mask = x.new_empty((n, 1)).bernoulli_(keep)", "return x * mask.div_(keep)"),
    "the other way round": function("mask = torch.rand(n, 1) >= drop_prob", "return torch.where(mask, x / keep, 0.0)"),
    "the floor of a sum": function("mask = torch.floor(keep + torch.rand(n, 1))", "return x.div(keep) * mask"),
    "dropout of ones": function("return x * torch.nn.functional.dropout(torch.ones(n, 1), drop_prob)"),
    "a custom function": OWN.replace(" * 2, None  # here", ", None") + function(DRAW, "return Own.apply(x, (u < keep).view(-1, 1) / keep)"),
    "a buffer": module("self.noise = torch.empty(n, 1) if self.noise is None else self.noise", "self.noise.uniform_()", "return x * (self.noise < keep) / keep"),
}  # fmt: skip
# Numbers that reach what is returned, though not through tensors alone.
USED = {
    "Python decides": function("if torch.rand(1).item() < keep:", "    return x / keep", "return 0.0 * x"),
    "Python decides by a truth": function("keeps = torch.rand(1) < keep", "if keeps:", "    return x / keep", "return 0.0 * x"),
    "a list decides": function("kept = torch.bernoulli(torch.full((n,), keep)).tolist()", "return torch.stack([row * (one / keep) for row, one in zip(x, kept)])"),
    "one more number than it needs": function("torch.rand(1)", DRAW, RETURN),
}  # fmt: skip
SURE = [name for name in catalogue() if name not in VAGUE]
BACKWARD = "x.requires_grad_()\nfor _ in range(40):\n    layer(x, drop_prob=0.3, training=True).sum().backward()\n"


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what the process says of all of them, in one run."""
    folder = tmp_path_factory.mktemp("layers")
    scripts = []
    for number, (_, check, definition, script) in enumerate(FAULTS.values()):
        (folder / f"layers_{number}.py").write_text(HEAD + definition, encoding="utf-8")
        start = f"import math\nimport torch\nfrom layers_{number} import layer\ntorch.manual_seed(0)\n"
        scripts.append({"text": start + script, "kinds": list(kinds_of(check)), "asked": {"check": check}})
    return dict(zip(FAULTS, told(folder, scripts), strict=True))


def told(folder: Path, scripts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    apart, found = Apart("run.witnessing"), [dict[str, Any]() for _ in scripts]
    apart.send(
        scripts=scripts, framework="torch", path=[str(folder), *apart.path], origin=str(folder / "layers_0.py"), factory="",
        roles={"p": "drop_prob", "training": "training", "attribute": "drop_prob"},
        keep=False, inverted=False, second=False, seconds=20.0,
    )  # fmt: skip
    done, deadline = False, time.monotonic() + 240
    while not done and not apart.ended and time.monotonic() < deadline:
        for message in apart.available():
            done = done or bool(message.get("done"))
            if "number" in message:
                found[message["number"]] = message
        time.sleep(0.05)
    apart.close()
    assert done
    return found


@pytest.mark.parametrize("name", FAULTS)
def test_the_line_is_named_with_what_happens_there(name: str, explained: Mapping[str, dict[str, Any]]) -> None:
    kind, _, definition, _ = FAULTS[name]
    marked = [number for number, line in enumerate((HEAD + definition).split("\n"), start=1) if "# here" in line]
    found = explained[name]
    assert (found.get("kind"), [found.get("line")]) == (kind, marked), found
    assert found["sentence"]
    assert not re.search(r"\blift_fresh|\b_[a-z]", found["sentence"]), "a name that nobody has written"
    assert found["fix"].endswith((".", "1)."))
    assert [number for number, _ in found["around"]] == sorted(number for number, _ in found["around"])


def test_an_unconnected_output_is_named_by_what_makes_it(explained: Mapping[str, dict[str, Any]]) -> None:
    assert explained["zeros that nothing connects to x"]["sentence"].startswith("zeros_like makes the output")


@pytest.mark.parametrize(("mask", "kind"), [(False, "detaching"), (True, None)])
def test_a_mask_is_not_computed_from_x(tmp_path: Path, mask: bool, kind: str | None) -> None:
    (tmp_path / "layers_0.py").write_text(HEAD + function("return torch.bernoulli(torch.ones(x.shape[0], 1))"))
    asked = {"check": "DP405", "message": "the output does not require a gradient", "mask": mask}
    script = "import torch\nfrom layers_0 import layer\n" + ONES + "x.requires_grad_()\n" + TRAIN
    (found,) = told(tmp_path, [{"text": script, "kinds": ["detaching"], "asked": asked}])
    assert found.get("kind") == kind, found


TORCHS, PYTHONS = "if torch.rand(()) < drop_prob:", "if random.random() < drop_prob:"
AS_IT_IS, BY_MORE = "x = 2 became 2, a factor of 1", "x = 2 became 3, a factor of 1.5"
CAME_BACK = "x = -0.3 came back as it is, which is neither 0 nor a kept value, -0.6: x of shape [8, 4]"
OF_ITSELF = "6 of 6 kept elements have a wrong gradient, such as 0.49 for a cotangent of 0.49"
OF_ANOTHER = "6 of 6 kept elements have a wrong gradient, such as 0.49 for a cotangent of 0.493"


@pytest.mark.parametrize(
    ("condition", "kept", "seen", "blamed"),
    [
        (TORCHS, "return x + 0.0", AS_IT_IS, ("scaling", 5)),
        (TORCHS, "return x + 0.0", BY_MORE, ("drawing", 9)),
        (PYTHONS, "return x", AS_IT_IS, ("scaling", 5)),
        (TORCHS, "return x + 0.0", CAME_BACK, ("scaling", 5)),
        (TORCHS, "return x + 0.0", OF_ITSELF, ("scaling", 5)),
        (TORCHS, "return x + 0.0", OF_ANOTHER, ("drawing", 9)),
    ],
)
def test_where_no_mask_is_made_the_function_is_what_never_multiplies(
    tmp_path: Path, condition: str, kept: str, seen: str, blamed: tuple[str, int]
) -> None:
    lines = (condition, "    return torch.zeros_like(x)", kept)
    (tmp_path / "layers_0.py").write_text(HEAD + function(*lines), encoding="utf-8")
    script = "import torch\nfrom layers_0 import layer\n" + ONES + TRAIN
    asked = {"check": "DP201", "message": seen}
    (found,) = told(tmp_path, [{"text": script, "kinds": list(kinds_of("DP201")), "asked": asked}])
    assert (found.get("kind"), found.get("line")) == blamed, found


@pytest.mark.parametrize(
    ("seen", "rates", "line"),
    [(AS_IT_IS, (0.3,), 10), (AS_IT_IS, (1.0, 1.0 - 1e-9), None), (AS_IT_IS, (1.0, 0.3), 10), (BY_MORE, (0.3,), None)],
)
def test_a_block_that_never_scales_is_told_from_what_it_computes(
    tmp_path: Path, seen: str, rates: tuple[float, ...], line: int | None
) -> None:
    (tmp_path / "layers_0.py").write_text(HEAD + BLOCK, encoding="utf-8")
    run = RUN.replace(
        "    y = run(block, x, 0.3, True)\n", "".join(f"    y = run(block, x, {p}, True)\n" for p in rates)
    )
    text = "import torch\nfrom layers_0 import layer\n" + ONES + run
    kinds = list(kinds_of("DP201", seen, block=True))[:3]
    (found,) = told(tmp_path, [{"text": text, "kinds": kinds, "asked": {"check": "DP201", "message": seen}}])
    assert (found.get("kind"), found.get("line")) == ("scaling" if line else None, line), found
    assert "1.42857" in found.get("sentence", "1.42857")


@pytest.mark.parametrize(("seen", "kind"), [("raised ValueError: no", "raising"), ("192 of 192 are NaN", None)])
def test_what_raises_explains_nothing_that_no_exception_was_seen_in(
    tmp_path: Path, seen: str, kind: str | None
) -> None:
    (tmp_path / "layers_0.py").write_text(HEAD + function(DRAW, "raise ValueError('no')"), encoding="utf-8")
    script = "import torch\nfrom layers_0 import layer\n" + ONES + TRAIN
    (found,) = told(tmp_path, [{"text": script, "kinds": ["raising"], "asked": {"check": "DP302", "message": seen}}])
    assert found.get("kind") == kind, found


def test_of_a_tensor_of_another_shape_no_factor_is_known_and_form_and_dtype_are_two_mistakes(tmp_path: Path) -> None:
    layers = (
        ("y = x / torch.full((n, 1, 1), keep)", "return y * (torch.rand(n, 1, 1) < keep)"),
        ("return (x * (torch.rand(n, 1) < keep)).double()",),
    )
    scripts = []
    for number, lines in enumerate(layers):
        (tmp_path / f"layers_{number}.py").write_text(HEAD + function(*lines), encoding="utf-8")
        text = f"import torch\nfrom layers_{number} import layer\n" + ONES + TRAIN
        scripts += [{"text": text, "kinds": [kind], "asked": {"check": "DP005"}} for kind in ("scaling", "departing")]
    found = told(tmp_path, scripts)
    assert [one.get("kind") for one in found] == [None, "departing", "scaling", "departing"], found
    assert [found[at]["mistake"] for at in (1, 3)] == ["departing shape", "departing dtype"]


@pytest.mark.parametrize(("seen", "kind"), [("8 of 8 calls change strides", "departing"), ("kept 9 of 9", None)])
def test_other_strides_explain_nothing_but_strides(tmp_path: Path, seen: str, kind: str | None) -> None:
    lines = (DRAW, "x = x.contiguous()", RETURN)
    (tmp_path / "layers_0.py").write_text(HEAD + function(*lines), encoding="utf-8")
    script = "import torch\nfrom layers_0 import layer\nx = torch.ones((4, 8)).t()\n" + TRAIN
    asked = {"check": "DP114", "message": seen}
    (found,) = told(tmp_path, [{"text": script, "kinds": ["departing"], "asked": asked}])
    assert found.get("kind") == kind, found


def test_a_number_that_decides_by_way_of_python_is_used(tmp_path: Path) -> None:
    scripts = []
    for number, definition in enumerate(USED.values()):
        (tmp_path / f"layers_{number}.py").write_text(HEAD + definition, encoding="utf-8")
        text = f"import torch\nfrom layers_{number} import layer\n" + ONES + TRAIN
        scripts.append({"text": text, "kinds": ["unused"], "asked": {"check": "DP102"}})
    assert dict(zip(USED, told(tmp_path, scripts), strict=True)) == {name: {} for name in USED}


def test_a_sound_line_is_not_blamed(tmp_path: Path) -> None:
    scripts = []
    for number, definition in enumerate(SOUND.values()):
        (tmp_path / f"layers_{number}.py").write_text(HEAD + definition, encoding="utf-8")
        start = f"import torch\nfrom layers_{number} import layer\n" + ONES
        script = CALLED.replace("assert False, y\n", "") if "class layer" in definition else BACKWARD
        kinds = [kind for kind in SURE if kind != "backward"]  # which knows no more than where a gradient is made
        scripts.append({"text": start + script, "kinds": kinds, "asked": {"check": "DP601"}})
    assert dict(zip(SOUND, told(tmp_path, scripts), strict=True)) == {name: {} for name in SOUND}


LAW = {
    "rate": (DRAW, "q = keep + 0.1 * drop_prob  # law"),
    "resolution": ("u, q = torch.rand(n, dtype=torch.float16), keep  # law",),
    "number_of_draws": ("u, q = torch.rand(1).expand(n), keep  # law",),
    "sharing": (DRAW, "u, q = u.flip(0), keep  # law"),
    "overwriting": (DRAW, "q = keep", "u[0] = 0.0  # law"),
}
VALUES = {
    "scaling": ("y = x * (u < q).view(-1, 1)", "return y * 1.1 / keep  # values"),
    "departing": ("m = (u < q).view(-1, 1)", "return x.double() * m / keep  # values"),
    "writing": ("m = (u < q).view(-1, 1)", "x.div_(keep)  # values", "return x * m"),
    "not_finite": ("m = (u < q).view(-1, 1)", "return x / (1.0 - drop_prob) * m  # values"),
}
ASKED = {"scaling": "DP201", "departing": "DP005", "writing": "DP004", "not_finite": "DP301"}
PAIRS = [(law, values) for law in LAW for values in VALUES]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return what is said of layers with two faults, asked for the law and asked for the values."""
    folder, scripts = tmp_path_factory.mktemp("pairs"), []
    for number, (law, values) in enumerate(PAIRS):
        definition = function(*LAW[law], *VALUES[values])
        (folder / f"layers_{number}.py").write_text(HEAD + definition, encoding="utf-8")
        start = f"import torch\nfrom layers_{number} import layer\ntorch.manual_seed(0)\n" + ONES
        dropped = "assert layer(x, drop_prob=1.0, training=True).isfinite().all()\n"
        scripts += [
            {"text": start + TRAIN, "kinds": list(kinds_of("DP102")), "asked": {"check": "DP102"}},
            {
                "text": start + (dropped if values == "not_finite" else TRAIN),
                "kinds": list(kinds_of(ASKED[values])),
                "asked": {"check": ASKED[values]},
            },
        ]
    found = told(folder, scripts)
    return {pair: found[2 * number : 2 * number + 2] for number, pair in enumerate(PAIRS)}


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_of_two_faults_in_one_layer_each_keeps_its_line(
    pair: tuple[str, str], pairs: Mapping[tuple[str, str], list[dict[str, Any]]]
) -> None:
    lines = (HEAD + function(*LAW[pair[0]], *VALUES[pair[1]])).split("\n")
    marked = [
        next(at for at, line in enumerate(lines, start=1) if line.endswith(mark)) for mark in ("# law", "# values")
    ]
    assert [(one.get("kind"), one.get("line")) for one in pairs[pair]] == list(zip(pair, marked, strict=True))


def test_every_kind_is_tried_here() -> None:
    assert {kind for kind, *_ in FAULTS.values()} == set(catalogue())
    assert set(VAGUE) <= set(catalogue())


def test_a_kind_says_in_its_first_line_what_it_is() -> None:
    for name, kind in catalogue().items():
        first = (inspect.getdoc(kind) or "").splitlines()[0]
        assert first.endswith((".", "chance")) or ":" in first, name
