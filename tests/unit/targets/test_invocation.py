"""An invocation alone is enough to construct, switch and call every target that the loader can drive."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from droppath_audit.core import wire
from droppath_audit.core.invocation import Argument, Invocation
from droppath_audit.targets.loader import load, load_object

SHAPE = (8, 4)


class Driver:
    """What a script does with an invocation, without writing one."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation, names = invocation, {}
        path = list(sys.path)
        exec("\n".join(invocation.imports), names)  # noqa: S102 - the lines are there to be run
        sys.path[:] = path
        self.target = names[invocation.name]
        exec("\n".join(invocation.arrangement.lines()), names)  # noqa: S102 - likewise
        self.given, self.back = names.get("given"), names.get("back")

    def __call__(self, x, drop_prob, *, training=True):
        invocation, probability = self.invocation, self.invocation.argument(drop_prob)
        branch = torch.nn.Module()
        branch.forward = lambda shortcut: x if invocation.residual else shortcut
        samples, x = x, self.given(x) if self.given else x
        values = {
            "x": x,
            "r": torch.zeros_like(x),
            "p": probability,
            "training": invocation.flag(training),
            "f": branch.train(training) if invocation.mode_at == "branch" else branch.forward,
            "b": torch.arange(len(x)),
            "branch": branch,
        }
        layer = self.target
        if invocation.kind == "class":
            layer = layer(*positional(invocation.init, values), **named(invocation.init, values))
        elif invocation.kind == "factory":
            layer = layer(probability)
        elif invocation.attribute:
            setattr(layer, invocation.attribute, probability)
        if invocation.mode_at == "method":
            layer.train() if training else layer.eval()
        y = layer(*positional(invocation.call, values), **named(invocation.call, values))
        y = x * y if invocation.output == "mask" else y if invocation.output is None else y[invocation.output]
        return self.back(y, samples) if self.back else y


def value_of(argument: Argument, values):
    if argument.role == "list":
        return [values[role] for role in argument.roles]
    return eval(argument.text, {}) if argument.role == "constant" else values[argument.role]  # noqa: S307


def positional(arguments, values):
    return [value_of(argument, values) for argument in arguments if not argument.keyword]


def named(arguments, values):
    return {argument.keyword: value_of(argument, values) for argument in arguments if argument.keyword}


@pytest.fixture
def x(loaded):
    sizes = SHAPE if loaded.facts.fixed_shape is None else (8, *loaded.facts.fixed_shape[1:])
    return torch.rand(sizes, generator=torch.Generator().manual_seed(1)) + 1


@pytest.fixture
def driver(loaded):
    with torch.random.fork_rng(devices=()):
        yield Driver(loaded.facts.invocation)


def test_it_passes_the_probability_with_its_meaning(loaded, driver, x):
    assert torch.equal(driver(x, 0.0), x)
    if loaded.facts.dialect.keep_prob_zero == "zeros":
        assert torch.count_nonzero(driver(x, 1.0)) == 0
    assert driver(x, 0.5).shape == x.shape


def test_it_passes_the_mode_with_its_meaning(loaded, driver, x):
    if loaded.facts.evaluates:
        scale = 0.125 if loaded.facts.dialect.scaling == "eval" else 1.0
        assert torch.equal(driver(x, 0.875, training=False), scale * x)


def test_it_says_what_the_call_takes(loaded):
    invocation = loaded.facts.invocation
    assert invocation.residual == (loaded.facts.dialect.form == "residual")
    assert not (invocation.takes_shortcut and not invocation.residual)
    assert loaded.target.keyed == ("key" in invocation.roles)


def test_it_survives_the_wire(loaded):
    invocation = loaded.facts.invocation
    assert wire.load(Invocation, wire.dump(invocation)) == invocation


def test_positional_arguments_come_first_and_constants_are_written_out(file):
    invocation = load(f"{file}:WithWidth?args=64&init.depth=deep").facts.invocation
    assert invocation.init == (
        Argument("constant", text="64"),
        Argument("p", invocation.init[1].keyword),
        Argument("constant", "depth", "'deep'"),
    )


def test_the_lines_of_a_file_run_where_the_spec_was_given_and_find_the_files_beside_it(tmp_path, monkeypatch):
    (tmp_path / "beside_it.py").write_text("def keep(x):\n    return x\n")
    (tmp_path / "layer.py").write_text(
        "from beside_it import keep\ndef drop_path(x, drop_prob, training):\n    return keep(x)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    lines = load("layer.py:drop_path").facts.invocation.imports
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text("\n".join([*lines, "print(drop_path(8, 0.5, True))"]))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "8"


def test_the_lines_of_a_module_import_the_name_and_nothing_of_this_package():
    invocation = load("torch.nn.functional:dropout?granularity=element").facts.invocation
    assert invocation.imports == ("from torch.nn.functional import dropout",)


def test_a_name_inside_a_class_gets_a_name_of_its_own(file):
    invocation = load(f"{file}:Namespace.Inner").facts.invocation
    assert invocation.name == "Namespace_Inner"
    assert invocation.imports[-1] == "Namespace_Inner = Namespace.Inner"


def test_an_object_that_cannot_be_imported_is_named_in_a_comment():
    def local_layer(x, drop_prob, training):
        return x

    invocation = load_object(local_layer, {"scaling": "none"}).facts.invocation
    assert invocation.name == "local_layer"
    assert invocation.imports[0].startswith("# local_layer is the object that was audited, test_an_object_that")
