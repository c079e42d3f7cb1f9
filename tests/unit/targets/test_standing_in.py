"""What is called in place of what a SPEC names, and what a body tells of what a call is given."""

from __future__ import annotations

import re

import pytest
import torch

from droppath_audit.core.errors import UsageError
from droppath_audit.targets import bodies
from droppath_audit.targets.loader import load, load_object, proposed

HEAD = """
import torch
from torch import nn
"""


@pytest.fixture
def written(tmp_path):
    def write(body):
        file = tmp_path / "layers.py"
        file.write_text(HEAD + body)
        return file

    return write


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("DropFunction", "DropFunction is called by its apply"),
        ("applied", "DropFunction is called by its apply"),
        ("ByEpoch", "set_epoch(0) is called first, without which there is no epoch"),
        ("AtTheLastStep?init.total_steps=4", "set_step(total_steps) is called first, without which there is no step"),
        ("RisesByDegrees", "step() is called until drop_rate stays, at most 10,000 times; it begins at 0"),
        ("OnlyForward", "OnlyForward has no __call__; its forward is called"),
        ("reads_the_mode", "module is an object that holds training alone"),
        ("of_a_block", "self is an object that holds drop_rate and training alone"),
        ("AddsPair", "residual: of inputs, shortcut is the shortcut and residual the branch output, by their names"),
        ("ByControl", "control is made of drop_rate"),
        ("SetLater", "drop_prob is set by set_drop_prob"),
        ("OnParts", "OnParts is given the branch in place of its parts"),
        ("two_streams", "edges is given x as well: what comes of both must be dropped together"),
        ("OneOfRates", "drop_rates holds drop_rate alone, which is that of index 0"),
        ("FromMapping", "batch is a mapping, of which 'features' is x"),
        ("from_mapping", "inputs is a mapping, of which 'x' is x"),
        ("OnlyMethod", "OnlyMethod has no __call__; its apply is called"),
        ("BySections", "cfg is made of drop_path_rate with width=8"),
    ],
)
def test_the_header_says_what_is_called_and_where_it_stands(file, name, note):
    facts = load(f"{file}:{name}").facts
    assert note in facts.notes
    assert facts.origin.startswith(f"{file}:")
    assert facts.framework == "torch"


def test_scripts_call_what_the_audit_calls(file):
    facts = load(f"{file}:DropFunction").facts
    names = {}
    exec("\n".join(facts.invocation.imports), names)  # noqa: S102 - a script is there to be run
    assert torch.equal(names["DropFunction"](torch.ones(4), 0.0, True), torch.ones(4))
    assert facts.called == "DropFunction(x, drop_prob=p, training)"


def test_a_function_with_a_context_of_its_own_has_none_among_its_arguments(written):
    file = written(
        """
class Drop(torch.autograd.Function):
    @staticmethod
    def forward(x, p, training):
        mask = (torch.rand(len(x)) >= p).to(x.dtype) if training else torch.ones(len(x))
        return x * mask.reshape(-1, *(1,) * (x.ndim - 1))

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None
"""
    )
    assert load(f"{file}:Drop").facts.called == "Drop(x, p, training)"


def test_defaults_are_kept_where_they_can_be_written(written):
    file = written(
        """
class Shake(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p_drop=0.5, between=[0.5, 1.5], at=torch.ones(1)):
        assert at is None
        return x * sum(between) / 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None, None
"""
    )
    layer = load(f"{file}:Shake").target.make(0.25)
    assert torch.equal(layer(torch.ones(4), training=True), torch.ones(4))


def test_objects_in_hand_are_called_alike(file):
    from tests.unit.targets.targets_file import OnlyForward, of_a_block

    assert load_object(OnlyForward, {}).facts.called == "OnlyForward(drop_prob=p)(x, training)"
    assert load_object(of_a_block, {}).facts.called == "of_a_block(x, drop_rate=p, training)"


def test_a_factory_that_is_proposed_calls_it_as_well(file):
    assert proposed(f"{file}:OnlyForward").complete
    assert "_of.apply(" in proposed(f"{file}:DropFunction").text


def test_a_mixin_cannot_be_called_alone(written):
    file = written(
        """
class Mixin:
    def __init__(self, total=1, last_prob=0.5):
        self.prob = last_prob

    def forward(self, x):
        return super().forward(x)

class Base:
    def forward(self, x):
        return x

class Whole(Mixin, Base):
    training = True

class Asks(Base):
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def forward(self, x):
        return super().forward(x)
"""
    )
    with pytest.raises(UsageError, match="Mixin is a mixin: its forward asks super"):
        load(f"{file}:Mixin")
    assert load(f"{file}:Whole?prob=total:drop").facts.called == "Whole(total=p)(x)"
    assert load(f"{file}:Asks").facts.called == "Asks(drop_prob=p)(x)"


def test_an_object_of_which_more_than_the_mode_is_needed_is_none_that_can_be_stood_in_for(written):
    file = written(
        """
def drop_path(module, x, drop_prob):
    module.count()
    return x if not module.training else x * 0

def passes_it_on(module, x, drop_prob):
    return drop_path(module, x, drop_prob) if module.training else x
"""
    )
    assert load(f"{file}:drop_path?call=(f,x,p)").target.binding.mode_at == "branch"
    for name in ("drop_path", "passes_it_on"):
        assert "SimpleNamespace" not in "\n".join(load(f"{file}:{name}").facts.invocation.imports)


def test_which_of_a_pair_is_the_shortcut_is_asked_where_names_do_not_tell(written):
    file = written(
        """
def add(inputs, drop_prob, training):
    x, r = inputs
    return x + (r if not training else r * 0)
"""
    )
    with pytest.raises(UsageError, match="inputs holds x and r; which of them is the shortcut") as refused:
        load(f"{file}:add")
    (spec,) = re.findall(r"^  droppath-audit '(.*)'$", str(refused.value), re.MULTILINE)
    assert spec == f"{file}:add?call=([r,x],p,training)"
    assert load(spec).facts.dialect.form == "residual"
    assert "(or call=([x,r],p,training))" in str(refused.value)


def test_what_stands_beside_the_input_is_no_branch(written):
    file = written(
        """
def drop_path(inputs, drop_prob, training):
    x, mask = inputs
    return x, mask
"""
    )
    assert load(f"{file}:drop_path").facts.called == "drop_path(x, drop_prob=p, training)"


def test_what_a_body_takes_apart_is_read():
    def apart(one, two, three, four):
        a, b = one
        c, d = two[0], two[1]
        [e, (f, g)] = three
        h = four[1]
        return a, b, c, d, e, f, g, h

    assert bodies.unpacked(apart) == {"one": ("a", "b"), "two": ("c", "d")}


def test_what_hands_everything_on_is_read():
    class Layer:
        def forward(self, *args, **kwargs):
            return self.call(*args, **kwargs)

        def call(self, x):
            return x

        def some(self, x, *rest):
            return self.call(x, *rest)

    assert bodies.handed_on(Layer.forward) == "call"
    assert bodies.handed_on(Layer.call) == bodies.handed_on(Layer.some) == ""


def test_a_class_that_takes_no_probability_is_nothing_to_be_made(file, written):
    file = written(
        """
class Scale:
    def __init__(self, factor=1.0):
        self.factor = factor

class Layer(nn.Module):
    def __init__(self, scale: Scale, drop_prob):
        super().__init__()
"""
    )
    with pytest.raises(UsageError, match="'scale' must be given a value"):
        load(f"{file}:Layer")


def test_two_keys_leave_open_which_is_x(written):
    file = written(
        """
def drop_path(batch, drop_prob, training):
    return batch["x"] * batch["mask"]
"""
    )
    assert "SimpleNamespace" not in str(load(f"{file}:drop_path").facts.invocation.imports)
    assert load(f"{file}:drop_path").facts.called == "drop_path(batch, drop_prob=p, training)".replace("batch", "x")


def test_a_class_of_two_public_methods_is_called_by_none(written):
    file = written(
        """
class Drop:
    def __init__(self, p):
        self.p = p

    def one(self, x):
        return x

    def other(self, x):
        return x
"""
    )
    with pytest.raises(UsageError, match="cannot be called: it defines no __call__") as caught:
        load(f"{file}:Drop")
    assert "propose" not in caught.value.message
    file.write_text(file.read_text().replace("def other", "def apply_mask"))
    with pytest.raises(UsageError, match="If a method of it drops, run next") as caught:
        load(f"{file}:Drop?training=always")
    assert f"droppath-audit propose '{file}:Drop.apply_mask?training=always' -o audit_me.py" in caught.value.message


def test_a_gain_is_one(file):
    with pytest.raises(UsageError, match=r"add arg\.gamma=1\.0"):
        load(f"{file}:times_gamma")
    assert load(f"{file}:times_gamma?arg.gamma=1.0").target.binding.multiplies


def test_a_call_that_is_declared_is_that_of_what_the_spec_names(file):
    assert load(f"{file}:OnlyForward?call=(x,training)").facts.called == "OnlyForward(drop_prob=p)(x, training)"
    assert load(f"{file}:from_mapping?call=(x,p,training)").facts.notes == ()
