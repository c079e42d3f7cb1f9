from __future__ import annotations

import functools
import sys
from importlib.metadata import version

import pytest
import torch

from droppath_audit.core.errors import TargetRaised, UsageError
from droppath_audit.targets.loader import load, load_object


def drop_all(x, drop_prob, training):
    return x * 0 if training and drop_prob == 1 else x


class Layer(torch.nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop_all(x, self.drop_prob, self.training)


class Holder:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def layer(self, x, p, training):
        return drop_all(x, p, training)

    def __call__(self, x, training):
        return drop_all(x, self.drop_prob, training)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def refusal(text, **options):
    with pytest.raises(UsageError) as caught:
        load(text, **options)
    assert "\n" not in caught.value.message
    assert "Traceback" not in caught.value.message
    return caught.value


def drives(loaded):
    x = torch.ones(8, 4)
    always, never = loaded.target.make(1.0), loaded.target.make(0.0)
    assert torch.count_nonzero(always(x, training=True)) == 0
    assert torch.equal(always(x, training=False), x)
    assert torch.equal(never(x, training=True), x)
    return True


def test_the_working_directory_is_searched_last(folder):
    (folder / "my_layers.py").write_text("def layer(x, drop_prob, training):\n    return x\n")
    (folder / "colorsys.py").write_text("raise RuntimeError('this shadows the standard library')\n")
    assert load("my_layers:layer").facts.kind == "function"
    assert refusal("colorsys:nothing").message.startswith("colorsys has no 'nothing'.")


def test_modules_asked_for_are_imported_before_the_target(folder):
    (folder / "registers_first.py").write_text("import sys; sys.registered_first = True\n")
    (folder / "needs_registration.py").write_text("import sys; sys.registered_first\ndef f(x, p, training): pass\n")
    assert "AttributeError" in refusal("needs_registration:f").message
    try:
        assert load("needs_registration:f", imports=("registers_first",)).facts.kind == "function"
    finally:
        del sys.registered_first
    assert "to import for --import registers_furst." in refusal("m:f", imports=("registers_furst",)).message


def test_a_missing_module_is_answered_with_the_nearest_and_the_traceback_kept_for_later():
    error = refusal("torhc.nn:Dropout")
    assert error.message.startswith("There is no module 'torhc' to import for torhc.nn:Dropout. Is the package ")
    assert f"installed in this environment ({sys.executable}), or the working directory the right one?" in error.message
    assert "Did you mean 'torch'" in error.message
    assert error.detail.startswith("Traceback")
    assert "Did you mean 'functional'" in refusal("torch.nn.fuctional:dropout").message


def test_a_class_named_in_place_of_a_module_is_answered_with_the_colon_in_its_place():
    expected = "to import for torch.nn.Dropout:x. torch.nn has the name Dropout: write torch.nn:Dropout"
    assert refusal("torch.nn.Dropout:x").message.endswith(expected)


@pytest.mark.parametrize("spec", ["needs_another:f", "needs_another.py:f"])
def test_an_import_that_needs_another_missing_module_names_that_one(folder, spec):
    (folder / "needs_another.py").write_text("import no_such_package_anywhere\n")
    error = refusal(spec)
    assert error.message.endswith("failed: it needs the module 'no_such_package_anywhere', which is not installed.")
    assert "needs_another.py" in error.detail


@pytest.mark.parametrize("spec", ["raising:f", "raising.py:f"])
@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("raise RuntimeError('no GPU here.\\nat all')", "RuntimeError: no GPU here."),
        ("raise SystemExit(3)", "SystemExit: 3."),
        ("raise ModuleNotFoundError('install the extra')", "ModuleNotFoundError: install the extra."),
        ("raise ValueError", "ValueError: no message."),
        ("def broken(:", "SyntaxError: invalid syntax (raising.py, line 1)."),
    ],
)
def test_an_import_that_raises_is_reported_in_one_line_with_the_traceback_kept(folder, spec, statement, text):
    (folder / "raising.py").write_text(statement + "\n")
    error = refusal(spec)
    assert error.message.split(" ", 1)[1] == f"{spec.partition(':')[0]} failed with {text} Option -v shows where."
    assert error.detail.startswith("Traceback")
    assert "raising.py" in error.detail


def test_a_file_that_raised_is_not_left_among_the_modules(folder):
    (folder / "raising.py").write_text("raise ValueError\n")
    before = set(sys.modules)
    refusal("raising.py:f")
    assert set(sys.modules) == before


def test_a_missing_file_is_answered_with_the_nearest_beside_it(folder):
    (folder / "layers").mkdir()
    (folder / "layers" / "drop_path.py").write_text("")
    assert refusal("layers/droppath.py:f").message == (
        "There is no file layers/droppath.py. Did you mean 'drop_path.py'?"
    )
    assert refusal("nowhere/at_all.py:f").message == "There is no file nowhere/at_all.py."


def test_a_missing_name_is_answered_with_the_nearest_or_with_what_there_is(folder):
    (folder / "some.py").write_text(
        "from math import sqrt\nimport torch\nclass DropPath:\n    pass\ndef drop(x): pass\ndef _hidden(): pass\n"
    )
    assert refusal("some.py:Droppath").message.startswith("some.py has no 'Droppath'. Did you mean 'DropPath'")
    assert refusal("some.py:Anything").message == "some.py has no 'Anything'. It defines DropPath, drop."
    assert refusal("some:DropPath.Inner").message == "some has no 'DropPath.Inner'."


def test_a_module_that_fails_to_import_a_part_on_first_use_is_reported(folder):
    (folder / "lazy.py").write_text("def __getattr__(name):\n    raise ImportError('needs flash')\n")
    error = refusal("lazy.py:Layer")
    assert error.message == "Getting Layer from lazy.py failed with ImportError: needs flash. Option -v shows where."
    assert "lazy.py" in error.detail


def test_what_cannot_be_called_is_refused(file):
    assert refusal("math:pi").message == "math:pi is not callable; it is of type float."
    assert refusal("torch:nn").message == "torch:nn is a module. Name something in it: torch.nn:NAME"
    expected = "Instances of NoCall cannot be called: it defines no __call__."
    assert refusal(f"{file}:NoCall?training=always").message == expected
    with pytest.raises(UsageError, match=r"^The object to audit is not callable; it is of type int\.$"):
        load_object(3, {})


def test_a_signature_that_cannot_be_read_is_answered_with_a_factory():
    error = refusal("torch:dropout")
    assert error.message == (
        "The signature of dropout cannot be read. Wrap it in a factory: FILE.py:make?form=factory, where "
        "make(drop_prob) returns f(x, training) -> y."
    )
    assert "no signature found" in error.detail


def test_a_framework_is_taken_from_the_spec_where_it_is_said():
    assert load_object(drop_all, {"framework": "torch"}).facts.framework == "torch"
    with pytest.raises(UsageError, match=r"framework=pytorch is not known; framework is one of .*torch"):
        load_object(drop_all, {"framework": "pytorch"})


def test_a_framework_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "paddle", None)
    with pytest.raises(UsageError, match=r"drop_all is taken for a target of paddle, which is not installed\.$"):
        load_object(drop_all, {"framework": "paddle"})


def test_a_device_that_is_not_here_is_refused():
    missing = "xpu" if not torch.xpu.is_available() else "mps"
    with pytest.raises(UsageError, match=f"The device '{missing}' is not available to torch"):
        load_object(drop_all, {}, devices=("cpu", missing))


def test_the_facts_say_where_the_target_comes_from(file):
    facts = load(f"{file}:mode_last").facts
    origin, _, line = facts.origin.rpartition(":")
    assert origin == str(file)
    assert file.read_text().splitlines()[int(line) - 1].startswith("def mode_last")
    assert facts.package == ""
    assert load("torch.nn:Dropout?granularity=element").facts.package == f"torch {version('torch')}"
    assert "float32" in facts.devices["cpu"]


@pytest.mark.parametrize(
    ("obj", "items", "kind"),
    [
        (Layer, {}, "class"),
        (Layer(0.1), {}, "instance"),
        (drop_all, {}, "function"),
        (lambda x, p, training: drop_all(x, p, training), {}, "function"),
        (functools.partial(drop_all, drop_prob=0.5), {}, "function"),
        (functools.partial(Layer, drop_prob=0.5), {}, "class"),
        (Holder, {}, "class"),
        (Holder(0.1), {}, "instance"),
        (Holder(0.1), {"prob": "drop_prob:drop"}, "instance"),
        (Holder(0.1).layer, {}, "function"),
        (lambda p: lambda x, training: drop_all(x, p, training), {"form": "factory"}, "factory"),
    ],
)
def test_objects_in_hand_are_driven(obj, items, kind):
    loaded = load_object(obj, items)
    assert loaded.facts.kind == kind
    assert drives(loaded)


def test_a_local_object_is_described_as_such_and_its_imports_say_what_is_missing():
    def local_layer(x, drop_prob, training):
        return x

    facts = load_object(local_layer, {"scaling": "none"}).facts
    assert not facts.importable
    assert facts.spec.startswith("<test_a_local_object_is")
    assert facts.spec.endswith("local_layer>")
    assert facts.invocation.imports[0].startswith("# local_layer is the object that was audited")


def test_a_lambda_is_called_target():
    assert load_object(lambda x, p, training: x, {}).facts.invocation.name == "target"


def test_an_importable_object_gets_a_spec_that_loads_it():
    facts = load_object(torch.nn.Dropout, {"granularity": "element"}).facts
    assert facts.importable
    assert facts.spec == "torch.nn.modules.dropout:Dropout?granularity=element"
    assert load(facts.spec).facts.dialect == facts.dialect


def test_items_for_an_object_in_hand_are_python_values():
    def layer(x, drop_prob, training, name, sizes, flag):
        assert (name, sizes, flag) == ("a&b=3%", [1, 2], None)
        return drop_all(x, drop_prob, training)

    assert drives(load_object(layer, {"arg.name": "a&b=3%", "arg.sizes": [1, 2], "arg.flag": None}))


def test_a_ready_made_layer_is_left_as_it_was():
    layer = Layer(0.25).eval()
    drives(load_object(layer, {}))
    assert layer.drop_prob == 0.25
    assert not layer.training


def test_a_scripted_function_in_hand_is_read_through_its_schema(file):
    scripted = load(f"{file}:scripted").target.obj
    loaded = load_object(scripted, {})
    assert loaded.facts.arguments == "function · drop_prob · mode by training"
    assert drives(loaded)


def test_a_constructor_that_raises_is_the_targets_error_with_its_own_frames_only():
    class Refuses(Layer):
        def __init__(self, drop_prob):
            raise ValueError("between 0 and 1\nplease")

    with pytest.raises(TargetRaised) as caught:
        load_object(Refuses, {}).target.make(2.0)
    assert (caught.value.kind, caught.value.text) == ("ValueError", "between 0 and 1")
    assert "test_loader.py" in caught.value.traceback
    assert "bound.py" not in caught.value.traceback
