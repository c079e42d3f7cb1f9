"""Which framework a target is taken for: read from its code, by one rule for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import pytest

from droppath_audit import frameworks
from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks import adapter_for, adapters, spelling_of
from droppath_audit.frameworks.claims import packages_of


def package(name):
    """Return a top-level package of this name, with a function, a class and a layer."""
    home = type(sys)(name)
    exec("def floor(x):\n    return x\nclass Tensor:\n    pass\nclass Layer:\n    pass", vars(home))  # noqa: S102
    return home


ALPHA, BETA = package("alpha"), package("beta")
PACKAGES = {"alpha", "beta"}


def function(source, home="target", **names):
    """Return the first thing that the source defines in a module of that name."""
    scope = {"__name__": home, **names}
    before = set(scope)
    exec(source, scope)  # noqa: S102
    return next(value for name, value in scope.items() if name not in before and name != "__builtins__")


SILENT = "def silent(x, drop_prob, training):\n    return x"


def named(obj):
    return packages_of(obj, PACKAGES)


class TestPackages:
    def test_a_name_in_the_code_decides(self):
        assert named(function("def f(x):\n    return alpha.floor(x)", alpha=ALPHA, beta=BETA)) == {"alpha"}
        assert named(function("def f(x):\n    return alpha.floor(beta.floor(x))", alpha=ALPHA, beta=BETA)) == PACKAGES

    def test_so_does_one_inside_a_function_inside_it(self):
        assert named(function("def f(p):\n    return lambda x: alpha.floor(x)", alpha=ALPHA, beta=BETA)) == {"alpha"}

    def test_a_class_is_what_its_bases_and_methods_name(self):
        derived = function("class F(alpha.Layer):\n    pass", alpha=ALPHA)
        plain = function("class F:\n    def __call__(self, x):\n        return alpha.floor(x)", alpha=ALPHA, beta=BETA)
        for cls in (derived, plain):
            assert named(cls) == named(cls()) == named(partial(cls)) == named(partial(partial(cls))) == {"alpha"}
        assert named(plain().__call__) == {"alpha"}
        assert named(ALPHA.floor) == named(ALPHA.Layer) == named(ALPHA.Layer()) == {"alpha"}

    def test_functions_of_the_same_package_are_followed(self):
        helper = function("def helper(x):\n    return alpha.floor(x)", alpha=ALPHA)
        assert named(function("def f(x):\n    return helper(x)", helper=helper, beta=BETA)) == {"alpha"}
        elsewhere = function("def helper(x):\n    return alpha.floor(x)", home="elsewhere", alpha=ALPHA)
        assert named(function("def f(x):\n    return helper(x)", helper=elsewhere)) == set()

    def test_so_are_closures_and_what_is_wrapped(self):
        def enclosing(layer):
            return lambda x: layer(x)

        assert named(enclosing(ALPHA.Layer())) == {"alpha"}
        wrapper = function("def wrapper(x):\n    return x")
        wrapper.__wrapped__ = function("def f(x):\n    return alpha.floor(x)", alpha=ALPHA)
        assert named(wrapper) == {"alpha"}

    def test_code_that_names_nothing_goes_by_its_module(self):
        assert named(function(SILENT)) == set()
        assert named(function(SILENT, alpha=ALPHA)) == {"alpha"}
        assert named(function(SILENT, alpha=ALPHA, beta=BETA)) == PACKAGES

    def test_a_package_whose_name_begins_alike_is_another(self):
        assert named(function("def f(x):\n    return alphas.floor(x)", alphas=package("alphas"))) == set()

    def test_functions_that_call_each_other_come_to_an_end(self):
        first = function("def first(x):\n    return second(x)")
        first.__globals__["second"] = function("def second(x):\n    return first(x)", first=first)
        assert named(first) == set()

    def test_a_stand_in_that_fails_when_it_is_looked_at_says_nothing(self):
        class Lazy:
            def __getattr__(self, name):
                raise RuntimeError("not here")

        assert named(function("def f(x):\n    return lazy(x)", lazy=Lazy(), alpha=ALPHA)) == {"alpha"}


class Stub:
    def __init__(self, name, packages, beside=False):
        self.name, self.packages, self.beside = name, packages, beside


@pytest.fixture
def stubs(monkeypatch):
    """Four frameworks: two of tensors, the default one, and one that the others use on the side."""
    found = {name: Stub(name, (name,)) for name in ("alpha", "beta", "torch")}
    found["side"] = Stub("side", ("side", "sides"), beside=True)
    monkeypatch.setattr(frameworks, "adapters", lambda: tuple(found.values()))
    return found


class TestRule:
    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            ({"alpha"}, "alpha"),
            ({"beta"}, "beta"),
            ({"alpha", "beta"}, "torch"),
            ({"alpha", "side"}, "alpha"),
            ({"torch", "side"}, "torch"),
            ({"side"}, "side"),
            ({"sides"}, "side"),
            (set(), "torch"),
        ],
    )
    @pytest.mark.parametrize("source", ["def f(x):\n    return {}", "def f(x):\n    return 1"], ids=["code", "globals"])
    def test_of_what_is_named(self, stubs, names, expected, source):
        target = function(source.format(" + ".join(sorted(names)) or 1), **{name: package(name) for name in names})
        assert adapter_for(target).name == expected

    def test_what_others_use_on_the_side_decides_only_where_no_other_is_named_anywhere(self, stubs):
        side, alpha = package("side"), package("alpha")
        assert adapter_for(function("def f(x):\n    return side.floor(x)", side=side, alpha=alpha)).name == "alpha"
        helper = function("def helper(x):\n    return alpha.floor(x)", alpha=alpha)
        assert adapter_for(function("def f(x):\n    return side.floor(helper(x))", side=side, helper=helper)).name == (
            "alpha"
        )

    def test_the_word_of_the_spec_wins(self, stubs):
        assert adapter_for(function("def f(x):\n    return alpha", alpha=ALPHA), "beta").name == "beta"
        with pytest.raises(
            UsageError, match=r"^framework=bata is not known; framework is one of .*Did you mean 'beta'"
        ):
            adapter_for(print, "bata")


def test_every_framework_has_a_name_packages_of_its_own_and_a_spelling():
    names = [adapter.name for adapter in adapters()]
    assert names == sorted(set(names))
    packages = [package for adapter in adapters() for package in adapter.packages]
    assert len(packages) == len(set(packages))
    for name in names:
        assert spelling_of(name).imports[0] == "import numpy as np"


def test_nothing_is_imported_to_find_out_or_to_spell():
    code = (
        "import sys\n"
        "from droppath_audit.frameworks import adapter_for, adapters, spelling_of\n"
        "before = {'numpy'} & set(sys.modules)\n"
        "packages = {package for adapter in adapters() for package in adapter.packages}\n"
        "assert {'paddle', 'torch'} <= packages, packages\n"
        "assert adapter_for(print).name == 'torch'\n"
        "for adapter in adapters(): spelling_of(adapter.name).seed('0')\n"
        "assert not (packages - {'numpy'}) & set(sys.modules)\n"
        "assert not before"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
