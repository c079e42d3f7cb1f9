"""Which branches need not be reached, as source tells."""

from __future__ import annotations

import warnings

import pytest

from droppath_audit.probes.conditions import Conditions

SMALL = 3


def helper(x, deep=False, wide=0, *, kind="plain", many=1):
    if deep:
        x = x + 1
    if kind == "plain":
        x = x + 2
    if many > 2:
        x = x + 3
    if wide > 1:
        x = x + 4
    return x


class Layer:
    def __init__(self, drop_prob, mode="row", scale=True, several=(1, 2)):
        self.drop_prob = drop_prob
        self.mode = mode
        self.factor = 1.0 if scale else 0.5
        self.calls = 0
        self.either = scale
        self.first, self.rest = several, 7

    def forward(self, x, beside=None):
        if x.is_sparse:
            return x
        if self.mode == "row":
            x = x + 1
        if self.mode != "row":
            x = x + 2
        if self.factor == 1.0:
            x = x + 3
        if self.calls > 3:
            x = x + 4
        if self.mode == "batch" and x.ndim > SMALL:
            x = x + 5
        if self.mode == "row" and x.ndim > SMALL:
            x = x + 6
        if self.mode == "row" or self.drop_prob > 1:
            x = x + 7
        if not (self.mode == "row"):  # noqa: SIM201
            x = x + 8
        if self.rest > 9:
            x = x + 9
        if beside is not None:
            x = x + 10
        if self.either:
            x = x + 13
        try:
            self.either = x.ndim
        except AttributeError:
            x = x + 14
        if x is None:
            raise ValueError
        if x.bad:
            warnings.warn("bad", stacklevel=1)
        if x.is_cuda:
            x = x + 11
        if is_scripting():
            x = x + 12
        if x.fine:
            return helper(x, self.mode == "column", x.ndim, many=x.ndim)
        raise ValueError


def is_scripting():
    return False


@pytest.fixture(scope="module")
def excuses():
    """Return the excuse of each way by its condition and truth value."""
    functions = (Layer.__init__, Layer.forward, helper)
    conditions = Conditions(functions, {"mode": "row", "scale": True, "several": (1, 2), "beside": None})
    return {(one.way.condition, one.way.wanted): one.way.excuse for one in conditions.ways}


@pytest.mark.parametrize(
    ("condition", "wanted", "kind"),
    [
        ("x.is_sparse", True, ""),
        ("self.mode == 'row'", True, ""),  # the option has that value: what does not get there has another cause
        ("self.mode == 'row'", False, "option"),
        ("self.mode != 'row'", True, "option"),
        ("self.factor == 1.0", False, "option"),  # made of an option, as what is not known
        ("self.calls > 3", True, ""),
        ("self.mode == 'batch' and x.ndim > SMALL", True, "option"),
        ("self.mode == 'row' and x.ndim > SMALL", True, ""),
        ("self.mode == 'row' and x.ndim > SMALL", False, ""),
        ("self.mode == 'row' or self.drop_prob > 1", False, "option"),
        ("not self.mode == 'row'", True, "option"),
        ("self.rest > 9", True, ""),  # a constant is no option
        ("beside is not None", True, "option"),
        ("x is None", True, "raises"),
        ("x.bad", True, "raises"),
        ("x.bad", False, ""),
        ("x.is_cuda", True, "elsewhere"),
        ("is_scripting()", True, "serves"),
        ("x.fine", False, "raises"),  # what follows only raises
        ("x.fine", True, ""),
        ("deep", True, "option"),  # nothing but an option is handed on
        ("kind == 'plain'", False, "option"),  # no call gives it
        ("kind == 'plain'", True, ""),
        ("many > 2", True, ""),  # it is given what x is
        ("wide > 1", True, ""),  # and so is this, by its place
        ("self.either", True, ""),  # an option at first, and then something else
        ("", None, "handles"),
    ],
)
def test_what_need_not_be_reached(condition, wanted, kind, excuses):
    found = excuses[condition, wanted]
    assert (found.kind if found else "") == kind


def test_options_are_named():
    conditions = Conditions((Layer.__init__, Layer.forward), {"mode": "row", "scale": True})
    names = {one.way.condition: one.way.excuse.names for one in conditions.ways if one.way.excuse}
    assert names["self.mode != 'row'"] == ("mode",)
    assert names["self.factor == 1.0"] == ("factor",)
