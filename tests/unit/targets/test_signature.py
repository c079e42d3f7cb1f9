from __future__ import annotations

import copy

import pytest
import torch

from droppath_audit.core.errors import UsageError
from droppath_audit.run.admitting import admitted
from droppath_audit.targets.bodies import parts_made
from droppath_audit.targets.loader import load_object


def refusal(obj, **items):
    with pytest.raises(UsageError) as caught:
        load_object(obj, {key.replace("__", "."): value for key, value in items.items()})
    assert "Traceback" not in caught.value.message
    return caught.value.message


def asked(obj, **items):
    """Return what the one message asks for, each with the items that answer it."""
    first, *lines = refusal(obj, **items).splitlines()
    assert first.endswith(" is not called yet; its signature leaves open:")
    return [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]


def arguments(obj, **items):
    return load_object(obj, items).facts.arguments


def sound(x, drop_prob, training):
    return x


class Layer:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def __call__(self, x, training):
        return x


def test_the_description_says_which_argument_is_what():
    def known(x, survival_prob, is_test):
        return x

    def declared(x, gamma, frozen):
        return x

    assert arguments(sound) == "function · drop_prob · mode by training"
    assert arguments(known) == "function · survival_prob · mode by !is_test"
    assert arguments(declared, prob="gamma:keep", training="!frozen") == (
        "function · gamma (keep_prob) · mode by !frozen"
    )
    assert arguments(Layer) == "class · drop_prob · mode by training"
    assert arguments(Layer(0.5)) == "instance · drop_prob · mode by training"
    assert arguments(lambda x, drop_prob: x, training="always") == "function · drop_prob · always training"


def test_a_name_that_says_the_opposite_of_what_is_declared_is_described_with_its_meaning():
    assert arguments(lambda x, keep_prob, training: x, prob="keep_prob:drop").startswith(
        "function · keep_prob (drop_prob) · "
    )


def test_two_arguments_that_could_be_the_probability_are_both_offered():
    def layer(x, drop_prob, keep_prob, training):
        return x

    assert asked(layer) == [
        "which of drop_prob, keep_prob is the probability: add prob=drop_prob:drop (or prob=keep_prob:keep)",
        "'keep_prob' must be given a value",
    ]


def test_what_a_dropout_of_elements_is_given_is_not_the_probability_where_another_may_be():
    class Layer(torch.nn.Module):
        def __init__(self, drop_rate=0.0, survival_prob=1.0):
            super().__init__()
            self.drop_rate, self.kept = drop_rate, survival_prob

        def forward(self, x):
            x = torch.nn.functional.dropout(x, p=self.drop_rate, training=self.training)
            return x * (torch.rand(len(x), 1) < self.kept) / self.kept if self.training else x

    class AtOnce(Layer):
        def __init__(self, drop_rate, survival_prob):
            super().__init__(0.0, survival_prob)
            self.dropout = torch.nn.Dropout2d(drop_rate)

    class Alone(Layer):
        def __init__(self, drop_rate):
            super().__init__(drop_rate, 1.0 - drop_rate)

    assert arguments(Layer).startswith("class · survival_prob ·")
    assert arguments(Alone).startswith("class · drop_rate ·")
    assert "'drop_rate' must be given a value: add init.drop_rate=0.0" in asked(AtOnce)


def test_layers_that_helpers_make_are_layers_and_no_list_of_such_is_a_probability():
    def conv3x3(inplanes, planes):
        return torch.nn.Conv2d(inplanes, planes, 3, padding=1)

    class Block(torch.nn.Module):
        def __init__(self, inplanes, planes, norm_layer=torch.nn.BatchNorm2d, keep_prob=0.5):
            super().__init__()
            self.conv1, self.bn1 = conv3x3(inplanes, planes), norm_layer(planes)

        def forward(self, x):
            return x

    class Stack(torch.nn.Module):
        def __init__(self, module_list, layers_to_drop):
            super().__init__()
            self.module_list = module_list

        def forward(self, feats, mask=None):
            for layer in self.module_list:
                feats = layer(feats)
            return feats

    class Copies(torch.nn.Module):
        def __init__(self, layer, num_layers, layerdrop):
            super().__init__()
            self.layers = torch.nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))

        def forward(self, x):
            return x

    assert asked(Copies)[0] == "'layer' must be given a value"  # which is no index of one
    assert parts_made(Block) == ["conv3x3", "norm_layer"]
    assert asked(Stack)[0].endswith("it has module_list, layers_to_drop in its constructor and feats, mask in its call")


def test_a_probability_of_unknown_name_is_asked_for_by_the_name_it_must_have():
    def one(x, gamma, training):
        return x

    def several(x, gamma, delta, training):
        return x

    class Wide:
        def __init__(self, gamma, dim):
            pass

        def __call__(self, x, training):
            return x

    assert asked(one) == [
        "nothing is called a probability; it has x, gamma, training in its call: add prob=gamma:drop "
        "(or prob=gamma:keep)"
    ]
    assert "add prob=gamma:drop (or prob=delta:drop)" in asked(several)[0]
    assert "add prob=dim:drop (or prob=dim:keep)" in asked(Wide, init__gamma=1)[0]
    # What speaks of a number comes first, and which of how many blocks it is, is none.
    of_a_stack = lambda x, total, gamma, last_block_rate, training: x  # noqa: E731
    assert "add prob=last_block_rate:drop (or prob=gamma:drop)" in asked(of_a_stack)[0]


def test_a_declared_probability_must_exist():
    assert refusal(sound, prob="drop_probe:drop") == (
        "sound has no argument 'drop_probe'; it has x, drop_prob, training. Did you mean 'drop_prob'?"
    )
    assert refusal(Layer(0.5), prob="drop_probe:drop") == (
        "Layer has no attribute 'drop_probe'; it has drop_prob. Did you mean 'drop_prob'?"
    )


def test_an_instance_without_a_known_attribute_asks_for_it():
    assert asked(torch.nn.Linear(2, 3)) == [
        "nothing is called a probability; it has training, in_features, out_features in its attributes and input in "
        "its call: add prob=in_features:drop (or prob=in_features:keep)"
    ]


def test_what_has_no_argument_for_a_mode_always_trains_and_says_so():
    class Modeless:
        def __init__(self, drop_prob):
            pass

        def __call__(self, x):
            return x

    for layer, name in ((lambda x, drop_prob: x, "target"), (Modeless, "Modeless")):
        facts = load_object(layer, {}).facts
        assert facts.arguments.endswith("always training")
        assert facts.notes == (f"always training: no argument of {name} tells a mode",)
        assert not facts.evaluates


def test_a_declared_mode_must_exist_where_it_is_said_to_be():
    class Told:
        def __init__(self, drop_prob, frozen):
            pass

        def __call__(self, x):
            return x

    assert refusal(sound, training="trainning") == (
        "The call of sound has no argument 'trainning' for the mode; it has x, drop_prob, training. "
        "Did you mean 'training'?"
    )
    assert refusal(Told, training="!frozen").endswith("not of its call. Write training=init:!frozen")
    assert refusal(sound, training="init:training").endswith("not of a constructor. Write training=training")
    assert "The constructor of Told has no argument 'frosen'" in refusal(Told, training="init:frosen")


def test_training_always_is_refused_where_it_would_leave_a_known_flag_at_its_default():
    def layer(x, drop_prob, is_test=True):
        return x

    assert refusal(sound, training="always").endswith("or add arg.training=true.")
    assert refusal(layer, training="always") == (
        "training=always is for targets without a mode, and layer has the argument is_test. Leave the item out to "
        "audit both modes, or add arg.is_test=false."
    )


def test_a_required_argument_of_unknown_meaning_asks_for_its_value():
    def layer(x, drop_prob, training, epsilon, delta):
        return x

    class Wide(Layer):
        def __init__(self, drop_prob, dim):
            pass

    assert asked(layer) == ["'epsilon' must be given a value", "'delta' must be given a value"]
    assert asked(Wide) == ["'dim' must be given a value: add init.dim=8"]


def test_what_a_call_cannot_do_without_may_be_its_mode_where_nothing_else_is():
    def unknown(x, drop_prob, active):
        return x

    def sized(x, drop_prob, dim):
        return x

    assert asked(unknown) == ["'active' must be given a value: add training=active (or training=!active)"]
    assert arguments(unknown, training="active").endswith("mode by active")
    assert asked(sized) == ["'dim' must be given a value: add arg.dim=8"]


def test_an_argument_that_does_not_exist_is_answered_with_the_nearest():
    class Wide(Layer):
        def __init__(self, drop_prob, dim=1):
            pass

    assert refusal(Wide, init__dmi=3) == "Wide has no argument dmi; it has drop_prob, dim. Did you mean 'dim'?"
    expected = "sound has no argument trainin; it has x, drop_prob, training. Did you mean 'training'?"
    assert refusal(sound, arg__trainin=1) == expected
    assert refusal(sound, arg__trainin=1, call="(x,p,training)") == expected


def test_more_positional_arguments_than_the_constructor_takes_are_refused():
    assert refusal(Layer, args=(1, 2)) == "args= gives 2 values, but the constructor of Layer takes drop_prob."


def test_constructor_arguments_are_refused_for_functions():
    expected = "sound is a function; init.NAME= and args= are for classes. Its arguments are given by arg.NAME=."
    assert refusal(sound, init__dim=3) == expected
    assert refusal(sound, args=(3,)) == expected


def test_a_required_granularity_is_asked_for():
    def layer(x, p, mode, training):
        return x

    class Stochastic(Layer):
        def __init__(self, p, mode):
            pass

    def modeless(x, p, mode):
        return x

    decides = "'mode' must be given, and decides its granularity: add "
    assert asked(layer) == [f"{decides}arg.mode=row (or arg.mode=batch)"]
    assert asked(Stochastic) == [f"{decides}init.mode=row (or init.mode=batch)"]
    assert asked(modeless) == [f"{decides}arg.mode=row (or arg.mode=batch or training=mode)"]


def test_two_declarations_that_contradict_each_other_are_refused():
    def layer(x, p, mode, training):
        return x

    class Stochastic(Layer):
        def __init__(self, p, mode):
            self.p, self.mode = p, mode

    expected = "granularity=sample contradicts mode=batch of {}, which means batch."
    assert refusal(layer, arg__mode="batch", granularity="sample") == expected.format("layer")
    assert refusal(Stochastic(0.1, "batch"), granularity="sample") == expected.format("Stochastic")


def test_a_call_that_leaves_out_what_must_be_told_is_refused():
    assert refusal(sound, call="(x,training)") == (
        "call= of sound leaves out the role p, so its argument drop_prob cannot be set. Add the role p to call=."
    )
    assert refusal(sound, call="(x,p)").endswith(
        "so its argument training cannot be set. Add the role training to call=."
    )


def test_of_a_branch_given_as_a_function_a_call_tells_the_form():
    def adds(x, residual_func, drop_prob, training):
        return x + residual_func(x)

    def applies(x, residual_func, drop_prob, training):
        return residual_func(x)

    def neither(x, residual_func, drop_prob, training):
        return x - residual_func(x)

    for layer, form in ((adds, "residual"), (applies, "branch")):
        facts = admitted(load_object(layer, {})).facts
        assert facts.dialect.form == form
        assert f"form={form}, by what a call at drop_prob = 0 returns" in facts.notes
    with pytest.raises(UsageError, match=r"Add form=residual or form=branch"):
        admitted(load_object(neither, {}))


def test_a_call_without_a_place_for_the_input_asks_for_the_roles():
    assert asked(lambda **arguments: 0, prob="p:drop", training="training") == [
        "its call takes arguments; which of them is the input: add call=(x,p,training)"
    ]
    assert asked(sound, form="residual") == [
        "its call takes x, drop_prob, training; which of them is the shortcut and which the branch output: add "
        "call=([r,x],p,training) (or call=(r,x,p,training))"
    ]


def test_a_factory_goes_with_no_item_that_says_how_to_construct_or_call():
    def make(drop_prob):
        return lambda x, training: x

    assert refusal(make, form="factory", prob="p:drop", training="active", call="(x,p)") == (
        "form=factory does not go with prob=, training=, call=: make(drop_prob) constructs the layer itself and "
        "returns f(x, training) -> y."
    )
    assert arguments(make, form="factory", training="always") == "factory · always training"
    assert load_object(make, {"form": "factory", "scaling": "none"}).facts.dialect.scaling == "none"


def test_a_flag_that_does_not_rescale_declares_the_scaling_unless_the_spec_does():
    def layer(x, drop_prob, training, scale_by_keep=False):
        return x

    assert load_object(layer, {}).facts.dialect.scaling == "none"
    assert load_object(layer, {"scaling": "eval"}).facts.dialect.scaling == "eval"


def test_a_forward_argument_named_like_the_constructors_probability_is_left_at_its_default():
    class Layered:
        def __init__(self, drop_prob):
            self.drop_prob = drop_prob

        def __call__(self, x, training, drop_prob=None):
            assert drop_prob is None
            return x

    loaded = load_object(Layered, {})
    assert loaded.facts.arguments == "class · drop_prob · mode by training"
    loaded.target.make(0.5)(torch.ones(2, 2), training=True)


def test_a_step_of_a_training_is_a_number_and_no_mode():
    def layer(x, drop_prob, step, steps):
        return x

    assert asked(layer) == [
        "'step' must be given a value: add arg.step=1",
        "'steps' must be given a value: add arg.steps=2",
    ]


def conv3x3(width):
    return width


def test_layers_that_a_base_or_a_helper_makes_are_parts_of_a_block():
    from droppath_audit.targets.bodies import parts_made

    class Base:
        def __init__(self, width):
            self.norm = torch.nn.BatchNorm2d(width)

    class Block(Base):
        def __init__(self, width, drop_prob):
            super().__init__(width)
            self.conv = conv3x3(width)

    assert parts_made(Block) == ["conv3x3", "BatchNorm2d"]


def test_an_object_whose_attributes_are_read_in_a_sum_is_no_branch_output():
    def layer(p_x, cloud, drop_prob, training):
        if not training:
            return p_x
        kept = 1.0 - drop_prob + torch.rand((cloud.count,), dtype=p_x.dtype)
        return p_x * kept.floor()[cloud.rows]

    assert asked(layer) == ["'cloud' must be given a value"]


def scales_by_it(x, p, training):
    return x * (torch.rand(x.shape[0], 1) < p) / p if training else x


def scales_in_place_by_it(x, p, training):
    if training:
        return x if torch.rand(()) < p else 0.0 * x
    y = x + 0.0
    y *= torch.as_tensor(p)
    return y


def scales_by_what_it_drops(x, p, training):
    if not training or p == 0.0:
        return x
    return x * (torch.rand(x.shape[0], 1) < p) / p


def drops_nothing_by_default(x, p=0.0, training=True):
    return x * (torch.rand(x.shape[0], 1) < p) / p if training else x


def refuses_a_part(x, p, training):
    if p <= 0 or p > 1:
        raise ValueError(p)
    return x * (torch.rand(x.shape[0], 1) < p) / p if training else x


def makes_a_rate_of_it(x, p, training, layer_idx=3):
    return scales_by_it(x, 1.0 - p * layer_idx / 12, training)


@pytest.mark.parametrize(
    ("function", "meaning"),
    [
        (makes_a_rate_of_it, "drop"),
        (scales_by_it, "keep"),
        (scales_in_place_by_it, "keep"),
        (scales_by_what_it_drops, "drop"),
        (drops_nothing_by_default, "drop"),
        (refuses_a_part, "keep"),
    ],
)
def test_a_bare_p_is_what_is_kept_where_the_body_scales_by_it_and_nothing_says_otherwise(function, meaning):
    probability = load_object(function, {}).target.binding.probability
    assert (probability.name, probability.meaning) == ("p", meaning)
