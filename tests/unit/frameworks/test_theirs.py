"""What is told of what a target raises."""

from __future__ import annotations

import pytest
import torch

from droppath_audit.core.errors import TargetRaised
from droppath_audit.frameworks.theirs import first_line, theirs


def scripted(x: torch.Tensor) -> torch.Tensor:
    return torch.feature_dropout(x, 0.5, True)


@pytest.mark.parametrize(
    ("message", "told"),
    [("", ""), ("\n too large\nand more", "too large"), ("a Traceback (most recent call last)\nend", None)],
)
def test_it_is_the_first_line_of_the_message(message, told):
    assert first_line(ValueError(message)) == (message.splitlines()[0] if told is None else told)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is:DeprecationWarning")
def test_of_scripted_code_it_is_what_was_raised_there():
    function = torch.jit.script(scripted)
    with pytest.raises(TargetRaised) as raised, theirs():
        function(torch.ones(3))
    assert str(raised.value).startswith("RuntimeError: Feature dropout requires at least 2 dimensions")


class Rejected(ValueError):
    """As projects have errors of their own."""


def test_what_derives_from_an_expected_class_is_one_of_it():
    with pytest.raises(TargetRaised) as raised, theirs():
        raise Rejected("the rate must be below 1")
    assert raised.value.kind == "Rejected"
    assert raised.value.as_one_of("AssertionError", "ValueError") == "ValueError"
    assert raised.value.as_one_of("AssertionError") == "Rejected"


def test_what_python_raises_itself_is_what_it_is_called():
    with pytest.raises(TargetRaised) as raised, theirs():
        raise NotImplementedError("floor of integers")
    assert raised.value.as_one_of("RuntimeError") == "NotImplementedError"
