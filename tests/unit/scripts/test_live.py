"""Scripts of targets that are run: the target is constructed, told its mode and called as it wants to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.facts import Facts
from droppath_audit.core.invocation import Argument, Invocation, Reading
from droppath_audit.frameworks import spelling_of
from droppath_audit.scripts import LiveScript, RecordedScript, script_for

X, P, KEY = Argument("x"), Argument("p"), Argument("key", "rng")
LAYER = Invocation(("from m import L",), "class", "L", init=(P,), attribute="drop_prob")


def live(invocation: Invocation = LAYER, framework: str = "torch", **cell) -> LiveScript:
    return LiveScript(Cell(**{"drop_prob": 0.25, **cell}), invocation, spelling_of(framework))


def lines_of(script: LiveScript) -> list[str]:
    """Return what stands behind the imports and the seed."""
    lines = script.text().splitlines()
    return lines[1 + next(i for i, line in enumerate(lines) if "seed" in line) :]


def test_probability_and_mode_are_said_as_the_target_takes_them() -> None:
    turned = Invocation(
        ("from m import f",), name="f", call=(X, P, Argument("training", "test")), mode_at="call",
        keep=True, inverted=True,
    )  # fmt: skip
    script = live(turned, "numpy")
    script.plain(0.25, (2, 3))
    assert script.text().splitlines() == [
        "import numpy as np", "from m import f", "np.random.seed(0)", "x = np.ones((2, 3), np.float32)",
        "y = f(x, 0.75, test=False)",
    ]  # fmt: skip


def test_what_is_no_number_is_passed_as_it_is() -> None:
    script = live(Invocation(kind="class", name="L", init=(Argument("p", "keep"),), keep=True))
    script.layer(None)
    assert lines_of(script) == ["layer = L(keep=None)", "layer.train()"]


@pytest.mark.parametrize(
    ("invocation", "lines"),
    [
        (LAYER, ["layer = L(0.25)", "layer.train()", "layer.eval()"]),
        (
            Invocation(kind="class", name="L", init=(P, Argument("training", "on")), mode_at="init"),
            ["layer = L(0.25, on=True)", "layer = L(0.25, on=False)"],
        ),
        (Invocation(kind="instance", name="given", attribute="p"), [
            "layer = given", "layer.p = 0.25", "layer.train()", "layer.eval()",
        ]),
        (Invocation(kind="instance", name="given", attribute="p", call=(X, P)), [
            "layer = given", "layer.train()", "layer.eval()",
        ]),
        (Invocation(kind="factory", name="make", call=(X, Argument("training")), mode_at="factory"), [
            "layer = make(0.25)",
        ]),
        (Invocation(call=(X, P, Argument("training")), mode_at="call"), []),
    ],
    ids=["class", "mode at construction", "instance", "instance and probability in the call", "factory", "function"],
)  # fmt: skip
def test_a_layer_is_built_and_its_mode_is_switched(invocation: Invocation, lines: list[str]) -> None:
    script = live(invocation)
    script.layer(0.25)
    script.switch(0.25, training=False)
    assert lines_of(script) == lines


def test_outputs_are_picked_and_masks_applied() -> None:
    calls = {output: live(Invocation(name="f", output=output)).call(0.5) for output in (None, 1, "mask")}
    assert calls == {None: "f(x)", 1: "f(x)[1]", "mask": "(x * f(x))"}


def test_lists_and_constants_stand_where_the_call_has_them() -> None:
    listed = (Argument("list", roles=("r", "x")), Argument("constant", text="'row'"), Argument("constant", "n", "3"))
    assert live(Invocation(name="f", call=listed)).call(0.5) == "f([shortcut, x], 'row', n=3)"


def test_a_shortcut_is_bound_only_where_the_call_takes_one() -> None:
    takes = Invocation(name="f", call=(Argument("r"), X), residual=True)
    script, without = live(takes, "numpy"), live(Invocation(name="f"), "numpy")
    for each in (script, without):
        each.ones((2,))
    assert lines_of(script) == ["x = np.ones((2,), np.float32)", "shortcut = 0 * np.ones((2,), np.float32)"]
    assert lines_of(without) == ["x = np.ones((2,), np.float32)"]


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_literal_values_are_those_of_the_call_to_the_last_bit(framework: str) -> None:
    values = [complex(0.0, -0.5), complex(-0.0, 1.0), complex(math.inf, math.nan), -0.0, 5e-324]
    script = live(LAYER, framework)
    script.literal(values, (5,), dtype="complex128")
    names: dict[str, object] = {}
    exec("\n".join(line for line in script.text().splitlines() if "from m import" not in line), names)  # noqa: S102
    read = np.asarray(names["x"]).tolist()
    assert str([(v.real, v.imag) for v in read]) == str([(complex(v).real, complex(v).imag) for v in values])


def test_other_strides_are_given_to_x_and_not_to_its_shortcut() -> None:
    script = live(Invocation(name="f", call=(X, Argument("r")), residual=True), "numpy")
    script.literal([1.0, 2.0], (1, 2), layout="transposed")
    assert lines_of(script) == [
        "x = np.array([1.0, 2.0], np.float32).reshape((1, 2))", "x = x.copy(order='F')",
        "shortcut = 0 * np.ones((1, 2), np.float32)",
    ]  # fmt: skip


def masks_of(script: LiveScript, calls: int) -> list[list[bool]]:
    """Run a script with a layer that takes its randomness from a key; return the masks of further calls."""

    def keyed(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        return x * (torch.rand(len(x), 1, generator=rng) < 0.5)

    names: dict[str, object] = {"keyed": keyed}
    script.ones((64, 1))
    with torch.random.fork_rng(devices=()):
        exec(script.text(), names)  # noqa: S102
        return [(eval(script.call(0.5), names) != 0).tolist() for _ in range(calls)]  # noqa: S307


def test_every_call_is_given_a_fresh_key_unless_the_script_holds_one() -> None:
    fresh, held = (live(Invocation(name="keyed", call=(X, KEY))) for _ in range(2))
    held.hold_key()
    assert fresh.call(0.5) != held.call(0.5) == "keyed(x, rng=key)"
    masks = masks_of(fresh, 3)
    assert masks[0] != masks[1] != masks[2] != masks[0]
    assert masks_of(fresh, 3) == masks  # the seed fixes the keys
    without = live(Invocation(name="f"))
    without.hold_key()
    assert lines_of(without) == []


def fails(script: LiveScript, **names: object) -> bool:
    try:
        exec(script.text(), {"print": lambda *_: None, **names})  # noqa: S102
    except AssertionError:
        return True
    return False


def test_what_must_not_raise_fails_by_an_assertion() -> None:
    for body, expected in (("1 / 0", True), ("1 / 1", False)):
        script = live(Invocation(name="f"))
        with script.must_not_raise("a division raises"):
            script.add(body)
        assert fails(script) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [("raise ValueError('no')", False), ("raise ValueError", True), ("raise KeyError('no')", True), ("pass", False)],
)
def test_a_refusal_is_clear_or_fails(body: str, expected: bool) -> None:
    script = live(Invocation(name="f"))
    with script.under("try:"):
        script.add(body)
    script.refused_clearly()
    assert fails(script) is expected


@pytest.mark.parametrize(
    ("function", "gradient"),
    [
        (lambda x: 2 * x, 2.0),
        (lambda x: 2 * x.detach(), None),
        (lambda x: x.detach() + torch.ones(1, requires_grad=True), None),
    ],
    ids=["reached", "no graph", "a graph without x"],
)
def test_a_gradient_is_bound_or_the_script_fails(function: object, gradient: float | None) -> None:
    script = live(Invocation(name="f"))
    script.ones((3, 1))
    script.differentiate(0.5)
    script.add(f"assert (gradient == {gradient}).all()")
    assert fails(script, f=function) is (gradient is None)


@pytest.mark.parametrize(("calls", "gradients"), [(1, False), (3, False), (1, True)])
def test_calls_are_gone_through_with_and_without_gradients(calls: int, gradients: bool) -> None:
    script, seen = live(Invocation(name="f")), []
    body = "seen.append((xs, ys, gradients))" if gradients else "seen.append((xs, ys))"
    script.each(body, shape=(4, 2), calls=calls, xs=True, gradients=gradients)
    assert not fails(script, f=lambda x: 3 * x, seen=seen)
    assert len(seen) == calls
    for xs, ys, *rest in seen:
        assert (xs.shape, ys.shape, ys.dtype, (ys == 3 * xs).all()) == ((1, 4, 2), (1, 4, 2), np.float64, True)
        assert [(part.shape, (part == 3).all()) for part in rest] == [((1, 4, 2), True)] * gradients


def test_gradients_of_several_calls_would_add_up_and_are_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        live(Invocation(name="f")).each(calls=2, gradients=True)


@pytest.mark.parametrize(("granularity", "decisions"), [("sample", 30), ("batch", 3), ("element", 60)])
def test_decisions_are_foretold(granularity: str, decisions: int) -> None:
    cell = Cell(drop_prob=0.5, dialect=Dialect(granularity))
    script = LiveScript(cell, Invocation(name="f"), spelling_of("torch"), (2,))
    assert script.decisions_in(3, 10) == decisions
    seen: list[int] = []
    script.each(*script.kept(), "seen.append(kept.size)", shape=script.shape(10), calls=3)
    assert not fails(script, f=lambda x: x, seen=seen)
    assert sum(seen) == decisions


def test_a_target_that_widens_or_reshapes_fails() -> None:
    for function, expected in ((lambda x: x, False), (lambda x: x.double(), True), (lambda x: x[:, 0], True)):
        script = live(Invocation(name="f"))
        script.same_dtype(0.5)
        assert fails(script, f=function) is expected


def test_several_kept_values_fail() -> None:
    for value, expected in ((2.0, False), (2.5, True)):
        script = live(Invocation(name="f"))
        script.several_values(0.5, 100)

        def function(x: torch.Tensor, value: float = value) -> torch.Tensor:
            y = 2 * x * (torch.rand(len(x), 1) < 0.5)
            y[0] = value
            return y

        with torch.random.fork_rng(devices=()):
            assert fails(script, f=function) is expected


def test_a_script_is_live_or_recorded_as_its_target_is() -> None:
    facts = Facts("a:b", "class", "", "", "", Dialect(), "torch", "", {}, invocation=LAYER)
    script = script_for(facts, Cell(), (3, 4))
    assert isinstance(script, LiveScript)
    assert script.shape(2) == (2, 3, 4)
    facts = Facts("a", "recording", "", "", "", Dialect(), "recording", "", {}, invocation=Reading(("read = 1",), True))
    recorded = script_for(facts, Cell())
    assert isinstance(recorded, RecordedScript)
    assert recorded.text() == "read = 1"


def test_a_longer_script_begins_from_further_seeds_and_repeats_its_calls_on_one_layer() -> None:
    script = live()
    script.layer(0.25)
    script.ones((2,))
    script.add(script.seed(7))
    script.run(0.25)
    before = ["import numpy as np", "import torch", "from m import L"]
    calls = ["x = torch.ones((2,), dtype=torch.float32, device='cpu')", "torch.manual_seed(7)", "y = layer(x)"]
    seeds, same = (text.splitlines() for text in script.longer())
    assert seeds == [
        *before, "for start in range(100):", "    torch.manual_seed(start)", "    layer = L(0.25)", "    layer.train()",
        f"    {calls[0]}", "    torch.manual_seed(start + 7)", f"    {calls[2]}",
    ]  # fmt: skip
    assert same == [
        *before, "torch.manual_seed(0)", "layer = L(0.25)", "for _ in range(100):", "    layer.train()",
        *(f"    {line}" for line in calls),
    ]  # fmt: skip


@pytest.mark.parametrize("spent", [lambda s: s.assign(0.5), lambda s: s.layer(0.5), lambda s: s.spend()])
def test_nothing_is_repeated_on_a_layer_that_is_not_what_it_was(spent) -> None:
    script = live()
    script.layer(0.25)
    spent(script)
    assert len(script.longer()) == 1


def test_a_function_has_no_layer_to_repeat_calls_on_and_a_recording_nothing_to_repeat() -> None:
    script = live(Invocation(name="f"))
    script.layer(0.25)
    script.run(0.25)
    assert [text.splitlines()[2] for text in script.longer()] == ["for start in range(100):"]
    assert RecordedScript(Cell(), (), by_call=False).longer() == ()
