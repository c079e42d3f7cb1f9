from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from droppath_audit.core.arrangement import Arrangement
from droppath_audit.core.errors import UsageError
from droppath_audit.targets.items import Mode, Probability
from droppath_audit.targets.loader import query_of
from droppath_audit.targets.spec import Spec, parse


def message(text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_target_without_items_declares_nothing():
    assert parse("timm.layers:DropPath") == Spec("timm.layers:DropPath", "timm.layers", "DropPath")


@pytest.mark.parametrize(
    ("text", "module", "name", "is_file"),
    [
        ("module:Name", "module", "Name", False),
        ("package.module:Outer.Inner", "package.module", "Outer.Inner", False),
        ("layer.py:Name", "layer.py", "Name", True),
        ("/some where/my-layer.py:Name", "/some where/my-layer.py", "Name", True),
        ("C:/layer.py:Name", "C:/layer.py", "Name", True),
        ("a%3Fb%25c.py:%4eame", "a?b%c.py", "Name", True),
        ("  module:Name ", "module", "Name", False),
        ("module:Name?", "module", "Name", False),
    ],
)
def test_the_target_is_a_module_or_a_file_and_a_name_in_it(text, module, name, is_file):
    spec = parse(text)
    assert (spec.module, spec.name, spec.is_file, spec.text) == (module, name, is_file, text.strip())


@pytest.mark.parametrize(
    ("item", "field", "value"),
    [
        ("granularity=batch", "dialect", {"granularity": "batch"}),
        ("scaling=none", "dialect", {"scaling": "none"}),
        ("form=residual", "dialect", {"form": "residual"}),
        ("form=factory", "factory", True),
        ("keep_prob_zero=raises", "dialect", {"keep_prob_zero": "raises"}),
        ("prob=gamma:drop", "probability", Probability("gamma", "drop")),
        ("prob=gamma:keep", "probability", Probability("gamma", "keep")),
        ("training=active", "mode", Mode("active")),
        ("training=!frozen", "mode", Mode("frozen", inverted=True)),
        ("training=always", "mode", Mode("always")),
        ("training=init:active", "mode", Mode("active", at_init=True)),
        ("training=init:!frozen", "mode", Mode("frozen", inverted=True, at_init=True)),
        ("args=64,row,true,0.5", "args", (64, "row", True, 0.5)),
        ("args=[3,3],64", "args", ([3, 3], 64)),
        ('args=64,"a,b"', "args", (64, "a,b")),
        ("call=(x,p,training)", "call", ("x", "p", "training")),
        ("call=( f , x )", "call", ("f", "x")),
        ("call=(r,x)", "call", ("r", "x")),
        ("call=([r,x])", "call", (("r", "x"),)),
        ("call=(key,[r,x],p)", "call", ("key", ("r", "x"), "p")),
        ("output=0", "output", 0),
        ("output=-1", "output", -1),
        ("output=mask", "output", "mask"),
        ("output=hidden", "output", "hidden"),
        ("output=.hidden", "output", ".hidden"),
        ("axis=1", "arrangement", Arrangement(axis=1)),
        ("shared=2", "arrangement", Arrangement(shared=2)),
        ("batch=8", "arrangement", Arrangement(batch=8)),
        ("granularity=channel", "arrangement", Arrangement(channels=True)),
        ("input=B", "input", (-1,)),
        ("input=B,4,8,8", "input", (-1, 4, 8, 8)),
        ("framework=paddle", "framework", "paddle"),
        ("init.dim=64", "init", {"dim": 64}),
        ("arg.scale=64", "arg", {"scale": 64}),
    ],
)
def test_each_item_fills_its_field_and_no_other(item, field, value):
    text = f"module:Name?{item}"
    assert parse(text) == Spec(text, "module", "Name", **{field: value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ('"3"', "3"),
        ("[1,[2]]", [1, [2]]),
        ('{"a":1}', {"a": 1}),
        ("a%00b", "a\0b"),
        ("row", "row"),
        ("a=b", "a=b"),
        ("a%26b%25", "a&b%"),
        ("", ""),
    ],
)
def test_values_are_json_where_they_parse_and_otherwise_text(text, value):
    found = parse(f"module:Name?init.it={text}").init["it"]
    assert found == value
    assert type(found) is type(value)


def test_items_stand_side_by_side_and_keys_may_be_percent_encoded():
    spec = parse("module:Name?init.a=1&init.b=2&arg%2Ea=3&scaling=none&form=residual")
    assert (spec.init, spec.arg, spec.dialect) == ({"a": 1, "b": 2}, {"a": 3}, {"scaling": "none", "form": "residual"})


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_python_value_survives_the_way_through_a_spec(value):
    spec = parse("module:Name?" + query_of({"init.it": value, "args": (value, value)}))
    assert spec.init == {"it": value}
    assert spec.args == (value, value)


def test_python_values_of_other_items_are_written_as_they_are_in_a_spec():
    items = {"granularity": "batch", "prob": "p:keep", "call": "([r,x],p)", "output": 1, "input": ("B", 4)}
    assert query_of(items) == "granularity=batch&prob=p:keep&call=([r,x],p)&output=1&input=B,4"
    assert query_of({"init.name": "a&b", "init.size": "3"}) == 'init.name=a%26b&init.size="3"'


def test_a_python_value_that_a_spec_cannot_say_is_refused_with_the_way_out():
    with pytest.raises(
        UsageError, match=r"init\.norm is of type object, .* form=factory: a function make\(drop_prob\)"
    ):
        query_of({"init.norm": object()})


@pytest.mark.parametrize("text", ["", "   ", "?", "?scaling=none"])
def test_an_empty_spec_is_refused(text):
    assert message(text) == (
        "The SPEC is empty. Give package.module:Name or path/to/file.py:Name; leave it out to audit the reference."
    )


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("timm.layers.DropPath", "timm.layers:DropPath"),
        ("timm.layers.DropPath?scaling=none", "timm.layers:DropPath"),
        ("my_package", "my_package:Name"),
        ("path/to/file.py", "path/to/file.py:Name"),
    ],
)
def test_a_missing_colon_is_reported_with_the_text_that_would_do(text, suggestion):
    assert message(text).endswith(f"has no ':' between module and name. Write for example {suggestion}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b:X", "'a/b' is neither a dotted module nor a file. A file is named with its ending: a/b.py:X"),
        ("my-pkg.m:X", "A package is named as it is imported: my_pkg.m:X"),
        ("a.py::T::U", "'a.py::T::U' has more than one ':'. Write a.py:T.U"),
        ("a.py:T:U", "'a.py:T:U' has more than one ':'. Write a.py:T.U"),
        ("m:X()", "'m:X()' does not name a target. Write package.module:Name or path/to/file.py:Name."),
        ("m:", "'m:' does not name a target."),
        (":X", "':X' does not name a target."),
        ("m:X?scaling", "The item 'scaling' of the SPEC has no value; write scaling=VALUE."),
        ("m:X?scaling=none&", "The SPEC has an empty item: a '&' at an end of its items, or two in a row."),
        ("m:X?scaling=none&scaling=none", "The SPEC says scaling twice."),
        ("m:X?init.a=1&init.a=2", "The SPEC says init.a twice."),
        ("m:X?form=factory&form=residual", "The SPEC says form twice."),
        ("m:X?init.=1", "'init.' does not name an argument; write init.NAME=VALUE."),
        ("m:X?init=1", "'init' does not name an argument; write init.NAME=VALUE."),
        ("m:X?arg.a-b=1", "'arg.a-b' does not name an argument; write arg.NAME=VALUE."),
        ("m:X?granularity=samples", "granularity is one of sample, batch, element, channel. Did you mean 'sample'?"),
        ("m:X?scaling=", "scaling= is not known; scaling is one of inverted, none, eval."),
        ("m:X?form=factor", "form is one of branch, residual, factory, residual-factory. Did you mean 'factory'?"),
        ("m:X?prob=q", "write prob=q:drop or prob=q:keep."),
        ("m:X?prob=q:retain", "write prob=q:drop or prob=q:keep."),
        ("m:X?prob=:drop", "write prob=NAME:drop or prob=NAME:keep."),
        ("m:X?training=", "training= is not understood; write training=NAME, training=!NAME"),
        ("m:X?training=init:", "training=init:NAME or training=always."),
        ("m:X?output=1.5", "output=1.5 is not understood; write output=INDEX, output=mask, output=KEY"),
        ("m:X?input=4,8", "input=4,8 is not understood; write B for the batch, then sizes: input=B,4,8,8."),
        ("m:X?axis=-1", "axis=-1 is not understood; it says where the batch is, such as axis=1."),
        ("m:X?shared=0", "shared=0 is not understood; it is the axis, from 1 to 3, along which"),
        ("m:X?batch=2000", "batch=2000 is not understood"),
        ("m:X?axis=1&granularity=channel", "axis=1 does not go with granularity=channel"),
        ("m:X?shared=1&axis=1", "axis=1 does not go with shared=1"),
        ("m:X?granularity=chanel", "granularity is one of sample, batch, element, channel. Did you mean 'channel'?"),
        ("m:X?input=B,a", "then sizes: input=B,4,8,8."),
        ("m:X?input=B,-1", "input=B,-1 has a size below 1"),
        ("m:X?input=B,4,0", "input=B,4,0 has a size below 1"),
        ("m:X?input=B,1_0", "then sizes: input=B,4,8,8."),
        ("m:X?input=B,99999999999", "input=B,99999999999 asks for 99,999,999,999 numbers a sample"),
        (f"m:X?input=B,{'9' * 5000}", "asks for too many numbers a sample"),
        (f"m:X?input=B{',1' * 40}", "input= has 40 sizes beside the batch"),
        ("m\x1b[31m:X", "holds the character \\x1b, which nobody sees; write it as %1B."),
        ("m%00:X", "The target of the SPEC holds a NUL"),
        (f"{'a' * 6000}.py:X", "has 6,005 bytes, and no path has more than 4,096."),
    ],
)
def test_what_is_not_understood_is_answered_with_what_would_be(text, expected):
    assert expected in message(text)


@pytest.mark.parametrize("call", ["x,p", "(x,q)", "([x)", "(x])", "([])", "()", "", "([[x]])", "(x;p)"])
def test_a_malformed_call_is_answered_with_examples_and_the_roles(call):
    assert message(f"m:X?call={call}") == (
        f"call={call} is not understood; write the arguments by role in order, such as call=(x,p,training) or "
        "call=([r,x]); the roles are x (branch output), r (shortcut), p (probability), training (mode), "
        "f (branch function), key (random key), b (batch index: for each row of x the number of its sample)."
    )


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("granularty", "'granularity'"),
        ("scale", "'scaling'"),
        ("keep_prob_0", "'keep_prob_zero'"),
        ("Training", "'training'"),
        ("inputs", "'input'"),
    ],
)
def test_an_unknown_item_is_answered_with_all_items_and_the_nearest(key, nearest):
    text = message(f"m:X?{key}=1")
    assert text.startswith(
        f"The SPEC has no item {key!r}; it knows granularity, scaling, form, keep_prob_zero, across, prob, training, "
        "args, call, branch, output, input, axis, shared, batch, dtypes, framework, init.NAME, arg.NAME. "
        f"Did you mean {nearest}"
    )
