"""What a script says is what the framework does: every spelling beside the operation that it spells."""

from __future__ import annotations

import numpy as np
import pytest

from droppath_audit.core.errors import NotApplicable
from droppath_audit.frameworks.capabilities import (
    Autograd,
    Checkpointing,
    Keys,
    Layers,
    Layouts,
    SecondOrder,
    Surroundings,
    Taped,
    WriteCounts,
)


@pytest.fixture
def spell(place):
    return place.spelling


def test_it_imports_itself_and_numpy(place, spell):
    assert spell.imports[0] == "import numpy as np"
    assert place.names["np"] is np
    assert type(place.tensor([1.0])).__module__.startswith(spell.own.rstrip(".")) or place.device != "cpu"


def test_tensors(place, spell):
    device = repr(place.device)
    for dtype in [dtype for dtype in place.framework.dtypes(place.device) if not dtype.startswith("float8")]:
        ones = place.spelled(spell.ones("(2, 3)", dtype, device))
        assert place.framework.info(ones) == place.framework.info(place.framework.ones((2, 3), dtype, place.device))
        assert np.all(place.framework.numpy(ones) == 1)
        literal = place.spelled(spell.literal("[1.0, 2.0, -0.5, 4.0]", "(2, 2)", dtype, device))
        assert place.values(literal) == [[1.0, 2.0], [-0.5, 4.0]]
        assert place.framework.info(literal).dtype == dtype
        normal = place.spelled(spell.random("(64,)", dtype, device))
        assert place.framework.info(normal).dtype == dtype
        assert len(set(place.values(normal))) > 32


def test_arrays(place, spell):
    for dtype in place.framework.dtypes(place.device):
        x = place.framework.tensor(np.array([[1.5, -0.0]]), dtype, place.device)
        for expression in (spell.array("x"), spell.array("x", dtype)):
            array = place.spelled(expression, x=x)
            assert array.dtype == place.framework.numpy(x).dtype
            assert array.tobytes() == place.framework.numpy(x).tobytes()


def test_seeds(place, spell):
    place.run(spell.seed("7"))
    first = place.values(place.draw())
    place.run(spell.seed("7"))
    assert place.values(place.draw()) == first
    place.framework.seed(7)
    assert place.values(place.draw()) == first


def test_information(place, spell):
    x, y = place.tensor([1.0, 2.0]), place.tensor([3.0, 4.0])
    assert place.spelled(f"{spell.info('x')} == {spell.info('y')}", x=x, y=y)
    for other in (place.tensor([[1.0, 2.0]]), place.tensor([1.0, 2.0], "complex64")):
        assert not place.spelled(f"{spell.info('x')} == {spell.info('y')}", x=x, y=other)


def test_keys(place, spell):
    keys, x = place.need(Keys), place.tensor([1.0])
    try:
        expected = type(keys.key(place.device))
    except NotApplicable as reason:
        pytest.skip(str(reason))
    assert isinstance(place.spelled(spell.key(repr(place.device)), x=x), expected)


def test_layers(place, spell):
    layers = place.need(Layers)
    x = place.tensor([1.0, 2.0])
    found = place.run(
        f"layer = {spell.empty_layer()}",
        "layer.forward = lambda value: value * 2",
        f"outer = {spell.container('layer')}",
        f"stored = {spell.stored('layer')}",
        spell.convert("layer", "float32", repr(place.device)),
        f"same = {spell.identity()}(x)",
        "layer.register_buffer('gain', x + 1)",
        spell.fill("layer", "'gain'", "3.0"),
        x=x,
    )
    assert layers.is_layer(found["outer"])
    assert place.values(found["outer"](x)) == [2.0, 4.0]
    assert found["stored"] == []
    assert place.values(found["layer"].gain) == [3.0, 3.0]
    assert place.values(found["same"]) == [1.0, 2.0]


def test_surroundings(place, spell):
    x = place.tensor([1.0, 2.0])
    for name in place.need(Surroundings).surroundings:
        try:
            with place.framework.surround(name, place.device):
                pass
        except NotApplicable:
            continue
        assert place.values(place.run(f"with {spell.surround(name)}:", "    y = x * x", x=x)["y"]) == [1.0, 4.0]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (4, 3), (6,), (1,), (), (0,), (3, 0), (0, 3)])
def test_layouts(place, spell, shape):
    layouts = place.need(Layouts)
    values = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)
    for layout in layouts.layouts:
        x = place.spelled(spell.layout("x", layout), x=place.tensor(values))
        made = layouts.laid_out(values, "float32", place.device, layout)
        assert tuple(place.spelled(spell.strides("x"), x=x)) == tuple(place.spelled(spell.strides("x"), x=made)), layout
        assert place.values(x) == place.values(made), layout


def test_write_counts(place, spell):
    counts = place.need(WriteCounts)
    found = place.run("x[0] = 5.0", f"version = {spell.version('x')}", x=place.tensor([1.0]))
    assert found["version"] == counts.version(found["x"]) > 0


def test_gradients(place, spell):
    place.need(Autograd)
    found = place.run(
        spell.track("x"),
        "y = x * x",
        f"before, tracked = {spell.gradient('x')}, ({spell.tracked('y')})",
        spell.backward("y"),
        f"gradient = {spell.array(spell.gradient('x'))}",
        f"values = {spell.array('y')}",
        x=place.tensor([[1.0], [3.0]]),
    )
    assert (found["before"], found["tracked"]) == (None, True)
    assert found["gradient"].tolist() == [[2.0], [6.0]]
    assert found["values"].tolist() == [[1.0], [9.0]]
    assert not place.spelled(f"({spell.tracked('x')})", x=place.tensor([1.0]))


def test_second_derivatives(place, spell):
    place.need(SecondOrder)
    found = place.run(spell.track("x"), "y = x * x", *spell.twice("x", "y"), x=place.tensor([[1.0], [3.0]]))
    assert place.values(found["by_x"]) == [[2.0], [2.0]]
    assert place.values(found["by_cotangent"]) == [[2.0], [6.0]]


def test_checkpoints(place, spell):
    for how in place.need(Checkpointing).checkpoints:
        found = place.run(
            spell.track("x"), f"y = {spell.checkpoint('x * x', how)}", spell.backward("y"), x=place.tensor([3.0])
        )
        assert place.values(place.spelled(spell.gradient("x"), x=found["x"])) == [6.0]


def test_feeds(place, spell):
    place.need(Taped)
    draw = spell.random("(4,)", "float32", repr(place.device))
    found = place.run(*spell.feed("np.array([0.25, 0.0, 1.0, 1 - 2.0**-40])"), "with feed:", f"    y = {draw}")
    assert place.values(found["y"]) == [0.25, 0.0, 1.0, 0.0]
    assert found["feed"].drawn == [4]
    place.framework.seed(3)
    expected = place.values(place.draw(4))
    place.framework.seed(3)
    found = place.run(*spell.feed("None"), "with feed:", f"    y = {draw}")
    assert (place.values(found["y"]), found["feed"].drawn) == (expected, [4])
