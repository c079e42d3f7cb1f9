"""What names say: the words of the field, in every spelling, and nothing where they speak of something else."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import Optional, Union

import pytest

from droppath_audit.targets import words


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("drop_path_rate", ("drop", "path", "rate")),
        ("dropPathRate", ("drop", "path", "rate")),
        ("droprate", ("drop", "rate")),
        ("stochdepth_rate", ("stoch", "depth", "rate")),
        ("pKeep", ("p", "keep")),
        ("DropPath2d", ("drop", "path", "d")),
        ("hidden_dim", ("hidden", "dim")),
        ("", ()),
    ],
)
def test_a_name_has_its_words_in_every_spelling(name, parts):
    assert words.words(name) == parts


@pytest.mark.parametrize(
    ("name", "of", "meaning"),
    [
        ("drop_prob", "", "drop"),
        ("survival_rate", "", "keep"),
        ("drop_path_keep_prob", "", "keep"),  # the paths that are kept
        ("ratio", "DropPath", "drop"),
        ("ratio", "SurvivalGate", "keep"),
        ("ratio", "DropSurvival", "drop"),
        ("stochastic_depth_prob", "", "drop"),
        ("layer_dropout", "", "drop"),
    ],
)
def test_a_probability_is_read_by_its_words_and_by_the_name_of_the_layer(name, of, meaning):
    found = words.probability(name, of)
    assert found is not None
    assert found[0] == meaning


@pytest.mark.parametrize(
    "name",
    ["self", "scale_by_keep", "attn_drop", "proj_drop", "keep_drop_prob", "cfg", "module", "skip", "dim", "training"],
)
def test_what_speaks_of_something_else_is_no_probability(name):
    assert words.probability(name, "DropPath") is None


def test_a_name_that_says_more_is_surer():
    sure = [words.probability(name, "Layer")[1] for name in ("block_rate", "p", "dropout_rate", "drop_path_rate")]
    assert sure == [1, 2, 3, 4]
    assert words.probability("stochastic_depth_rate", "Layer") == words.probability("drop_path_rate", "Layer")
    assert words.probability("prob_bypass", "Layer") == ("drop", 4)
    assert words.probability("drop_prob_fn", "Layer") is None  # which makes one
    assert words.probability("dropFactor", "Layer") == ("drop", 1)
    assert words.probability("scale_factor", "DropPath") is None


@pytest.mark.parametrize(
    ("default", "annotation", "numeric"),
    [
        (0.1, inspect.Parameter.empty, True),
        (None, inspect.Parameter.empty, True),
        (False, inspect.Parameter.empty, False),
        ("row", inspect.Parameter.empty, False),
        (dict, inspect.Parameter.empty, False),
        (inspect.Parameter.empty, float, True),
        (inspect.Parameter.empty, "float | None", True),
        (inspect.Parameter.empty, "nn.Module", False),
        (inspect.Parameter.empty, bool, False),
    ],
)
def test_only_what_may_be_a_number_is_a_probability(default, annotation, numeric):
    parameter = inspect.Parameter("drop", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    assert words.numeric(parameter) is numeric


def test_modes_tensors_functions_and_indices_are_told_apart():
    assert [words.mode(name) for name in ("is_training", "deterministic", "test_mode", "mode")] == [
        True,
        False,
        False,
        None,
    ]
    assert [words.tensor(name) for name in ("identity", "residual", "out", "y", "hidden_states", "gamma")] == [
        "shortcut", "shortcut", "branch", "branch", "input", "",
    ]  # fmt: skip
    assert [words.function(name) for name in ("fn", "m", "residual_func", "layer_norm")] == [True, True, True, False]
    assert [words.batch_index(name) for name in ("batch", "batch_index", "node_batch", "batch_size")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [words.drops_paths(name) for name in ("DropPath", "StochasticDepth", "TimmDropPath2d", "Dropout")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_one_more_word_leaves_a_probability_the_least_sure_one():
    assert words.probability("undecayed_dropout_prob", "ResidualWithLayerDropout") == ("drop", 0)
    assert words.probability("min_survival_prop", "stochastic_depth") == ("keep", 0)
    assert words.probability("attention_dropout_prob", "Block") is None


@pytest.mark.parametrize(
    ("annotation", "number"),
    [
        (Optional[float], True),  # noqa: UP045 - as much of the world still writes it
        (float | None, True),
        (Union[float, int], True),  # noqa: UP007
        (list[float], False),
        (tuple[int, int], False),
        (Optional[str], False),  # noqa: UP045
        ("Optional[float]", True),
        ("FingerPrint", False),
    ],
)
def test_a_number_is_told_by_its_annotation_however_it_is_written(annotation, number):
    parameter = Parameter("drop_prob", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation)
    assert words.numeric(parameter) is number


def test_a_layer_of_graphs_need_not_say_of_what_its_index_is():
    assert words.batch_index("index", "GraphDropPath")
    assert not words.batch_index("index", "DropPath")


@pytest.mark.parametrize(
    ("name", "place", "stack"),
    [
        ("layer_idx", True, False), ("blockId", True, False), ("i", True, False), ("layer", True, False),
        ("layer_num", True, False), ("current_layer", True, False), ("num_layers", False, True), ("L", False, True),
        ("n_blocks", False, True), ("num_layer", False, True), ("total", False, True), ("depth", False, True),
        ("num_hidden_layers", False, True), ("batch_idx", False, False), ("num_heads", False, False),
        ("layer_norm", False, False), ("x", False, False),
    ],
)  # fmt: skip
def test_an_index_in_a_stack_and_the_size_of_the_stack_are_told_apart(name, place, stack):
    assert (words.place(name), words.stack(name)) == (place, stack)
