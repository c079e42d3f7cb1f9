"""A target's own code: what is followed, what is not, and the numbers in it."""

from __future__ import annotations

import functools
import inspect
import sys
from types import ModuleType

import pytest
import torch

from droppath_audit.targets.loader import load
from droppath_audit.targets.own_code import arguments, numbers, on_by_default, own_functions

CHUNK = 2**20
SIZES = {"small": 321, "large": 4321, 55: "keys"}
ELSEWHERE = ModuleType("elsewhere")
exec("def far(x):\n    return x * 999_983\n", vars(ELSEWHERE))  # noqa: S102 - a module of another package


def helper(x, most=777):
    return x[:most]


def names_a_few(x, drop_prob, training):
    if x.numel() > CHUNK or x.shape[0] << 3 > 1 << 17:
        return helper(x) * -0.125
    return [part * SIZES["small"] for part in x if (lambda y: y.numel() == 19)(part)]


class Base(torch.nn.Module):
    def chunk(self):
        return 48


class Layer(Base):
    limit = 4096

    def forward(self, x):
        return names_a_few(x, 0.3, True) if x.shape[0] < self.limit else self.rest(x)

    @staticmethod
    def rest(x):
        return ELSEWHERE.far(x)

    @property
    def rate(self):
        return 0.0625


def wrapped(function):
    @functools.wraps(function)
    def inner(*given):
        return function(*given)

    return inner


def test_names_are_followed_within_the_package_and_its_folder_alone():
    names = {function.__name__ for function in own_functions(Layer)}
    assert names == {"forward", "rest", "rate", "chunk", "names_a_few", "helper"}


@pytest.mark.parametrize(
    "made", [Layer, Layer(), functools.partial(Layer), torch.compile(Layer(), backend="eager"), Layer().forward]
)
def test_whatever_holds_a_function_is_looked_behind(made):
    assert {"names_a_few", "helper"} <= {function.__name__ for function in own_functions(made)}


def test_a_wrapped_function_is_that_function():
    assert own_functions(wrapped(helper)) == (helper,)


def test_numbers_are_those_of_code_constants_defaults_tables_and_classes():
    found = numbers(own_functions(Layer))
    assert {2**20, 2**17, 3, 777, 0.125, 321, 4321, 55, 19, 4096, 48, 0.3, 0.0625} <= {abs(number) for number in found}
    assert 999_983 not in found
    assert len(found) == len(set(found))


def test_what_has_no_code_has_no_numbers():
    assert own_functions(len) == ()
    assert numbers(own_functions(torch.relu)) == ()


def test_a_framework_is_not_followed_beyond_the_module():
    assert {function.__module__ for function in own_functions(torch.nn.Dropout)} == {"torch.nn.modules.dropout"}


def test_a_package_is_followed_from_module_to_module(tmp_path, monkeypatch):
    package = tmp_path / "parcel_of_two"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from . import two\ndef layer(x, p, training):\n    return two.other(x)\n")
    (package / "two.py").write_text("def other(x):\n    return x[:1234]\n")
    monkeypatch.syspath_prepend(tmp_path)
    from parcel_of_two.one import layer

    assert 1234 in numbers(own_functions(layer))
    for name in [name for name in sys.modules if name.startswith("parcel_of_two")]:
        del sys.modules[name]


def test_what_is_installed_below_the_folder_of_a_file_is_not_its_own(tmp_path, monkeypatch):
    """A project holds the environment in which it runs."""
    inside = tmp_path / "environment" / "site-packages"
    inside.mkdir(parents=True)
    (inside / "installed_below.py").write_text("def far(x):\n    return x\n")
    (tmp_path / "in_a_project.py").write_text("from installed_below import far\n\ndef layer(x):\n    return far(x)\n")
    monkeypatch.syspath_prepend(str(inside))
    monkeypatch.syspath_prepend(str(tmp_path))
    from in_a_project import layer

    assert [function.__name__ for function in own_functions(layer)] == ["layer"]
    for name in ("in_a_project", "installed_below"):
        del sys.modules[name]


class Holder(torch.nn.Module):
    def drop_path(self, x, drop_prob: float = 0.0, training: bool = False):
        if drop_prob == 0.0 or not training:
            return x
        mask = torch.rand(x.shape[0], *[1] * (x.ndim - 1)) >= drop_prob
        return torch.where(mask, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)


def test_what_stands_in_for_a_target_is_looked_behind():
    target = load(f"{__file__}:Holder.drop_path").target
    assert target.obj.__name__ == "make"
    assert "Holder.drop_path" in {function.__qualname__ for function in target.own_code().functions}


def test_arguments_are_those_of_constructor_and_call_with_their_defaults():
    class Told:
        def __init__(self, rate, mode="row"):
            pass

        def __call__(self, x, beside=None, *more, flag=True, **others):
            pass

    given, called = arguments(Told)
    assert given == {
        "rate": inspect.Parameter.empty,
        "mode": "row",
        "x": inspect.Parameter.empty,
        "beside": None,
        "flag": True,
        "more": inspect.Parameter.empty,
        "others": inspect.Parameter.empty,
    }
    assert called == ("x", "beside", "flag")
    assert arguments(wrapped(helper)) == ({"x": inspect.Parameter.empty, "most": 777}, ("x", "most"))
    assert arguments(len) == ({}, ())


def test_a_switch_that_is_on_by_default_is_an_item():
    def to_the_gpu(x, p, use_cuda=True, gpus=2):
        return x

    class Moves:
        def __init__(self, p, on_gpu=True, cuda=False):
            pass

        def forward(self, x):
            return x

    assert on_by_default(to_the_gpu, {"cuda", "gpus"}) == "arg.use_cuda"
    assert on_by_default(Moves, {"cuda", "gpu"}) == "init.on_gpu"
    assert on_by_default(to_the_gpu, {"gpus"}) == ""  # a number of them is no switch
    assert on_by_default(to_the_gpu, {"tpu"}) == ""
