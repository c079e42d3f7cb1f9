"""What frameworks with ``Executions`` owe; their compilers are asked in ``tests/catalogue``."""

from __future__ import annotations

import pytest

from droppath_audit.core.case import COMPILED
from droppath_audit.frameworks.executions import Executions

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@pytest.fixture
def executions(place):
    return place.need(Executions)


def others(executions):
    return [way for ways in executions.variants.values() for way in ways if not way.startswith(COMPILED)]


def test_names_stand_for_ways_of_their_own(executions):
    ways = [way for ways in executions.variants.values() for way in ways]
    assert len(ways) == len(set(ways)) > 1
    assert all(executions.way(way).compiles == way.startswith(COMPILED) for way in ways)


def test_a_call_gives_in_every_way_what_it_gives(place, executions):
    x, p = place.tensor([[1.0, 2.0], [3.0, -4.0]]), 0.25
    layer = place.names["torch"].nn.ReLU() if "torch" in place.names else None
    if layer is None:
        pytest.skip("no layer of the framework is known here")
    for name in others(executions):
        way = executions.way(name)
        run = way.wrapped(layer, per_call=False)
        assert place.values(run(x)) == [[1.0, 2.0], [3.0, 0.0]], (name, p)
        assert way.ran == 1
        assert not way.idle()


def test_what_is_refused_is_said_and_is_idle(place, executions):
    from droppath_audit.core.errors import NotApplicable

    def refused(x, other):
        raise ValueError("not this")

    for name in ("export", "fx"):
        way = executions.way(name)
        with pytest.raises(NotApplicable, match="not this"):
            way.wrapped(refused, per_call=False)(place.tensor([1.0]), 3)
        assert "not this" in way.idle()


def test_a_program_is_captured_for_each_mode(place, executions):
    layer = place.names["torch"].nn.Dropout(0.5)
    x = place.tensor([[1.0] * 64])
    for name in ("export", "script"):
        run = executions.way(name).wrapped(layer, per_call=False)
        for training in (True, False, True):
            layer.train(training)
            kept = place.values(run(x))[0]
            assert (set(kept) == {1.0}) is not training, name


def test_scripts_run_it_so(place, executions):
    layer = place.names["torch"].nn.Dropout(0.5).eval()
    x = place.tensor([[1.0, 2.0]])
    for name in others(executions):
        lines = place.spelling.running(name, "layer")
        assert place.values(place.run(lines, layer=layer)["run"](x)) == [[1.0, 2.0]], name
