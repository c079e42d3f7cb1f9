"""Equal definitions are one group whatever they are called; one difference that changes what they do is two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from droppath_audit.scanning.grouping import groups

if TYPE_CHECKING:
    from tests.unit.scanning.conftest import Found

ONE = '''
import torch
import torch.nn as nn

class SomeDropPath(nn.Module):
    """Drops."""

    def __init__(self, drop_prob: float = 0.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = 1 - self.drop_prob  # kept
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x / keep * (torch.rand(shape) < keep)
'''
SAME = {
    "its own name": ("SomeDropPath", "OtherDropPath"),
    "docstring": ('    """Drops."""\n', ""),
    "comment": ("  # kept", ""),
    "annotations": (": float = 0.0) -> None", "=0.0)"),
    "a local name": ("keep", "left"),
    "super": ("super()", "super(SomeDropPath, self)"),
    "imports": ("import torch.nn as nn", "from torch import nn"),
    "the import of a name": ("nn.Module", "Module"),
}
DIFFERENT = {
    "the comparison": ("< keep", "<= keep"),
    "the name of an argument": ("drop_prob", "rate"),
    "a default": ("= 0.0", "= 0.1"),
    "the scale": ("x / keep *", "x *"),
    "what a name is imported from": ("import torch.nn as nn", "import paddle.nn as nn"),
}


@pytest.mark.parametrize("what", SAME)
def test_what_may_differ(found: Found, what: str) -> None:
    before, after = SAME[what]
    assert before in ONE
    other = ONE.replace(before, after)
    if what == "the import of a name":
        other = f"from torch.nn import Module\n{other}"
    ((_, same),) = groups([*found(ONE), *found(other)])
    assert len(same) == 2


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_may_not(found: Found, what: str) -> None:
    before, after = DIFFERENT[what]
    assert before in ONE
    assert len(groups([*found(ONE), *found(ONE.replace(before, after))])) == 2


OVER_A_FUNCTION = """
import torch

EDGE = 0.0

def thin(x, drop_prob):
    return x * (torch.rand(x.shape[0], 1) >= drop_prob + EDGE)

class DropPath(torch.nn.Module):
    def forward(self, x):
        return thin(x, self.drop_prob)
"""


def test_the_functions_and_constants_of_the_file_that_it_needs_belong_to_it(found: Found) -> None:
    renamed = OVER_A_FUNCTION.replace("thin", "sparse").replace("EDGE", "LEAST")
    other_function = OVER_A_FUNCTION.replace(">=", ">")
    other_constant = OVER_A_FUNCTION.replace("EDGE = 0.0", "EDGE = 1e-8")
    found_in_all = [*found(OVER_A_FUNCTION), *found(renamed), *found(other_function), *found(other_constant)]
    assert [len(same) for _, same in groups(found_in_all)] == [2, 1, 1]


def test_a_function_of_another_file_is_told_by_where_it_is_from(found: Found) -> None:
    text = """
        from {} import drop_path
        from torch import nn

        class DropPath(nn.Module):
            def forward(self, x):
                return drop_path(x, self.drop_prob)
        """
    named = [found(text.format(module)) for module in ("timm.layers", "timm.layers", "mmcv.cnn")]
    assert [len(same) for _, same in groups(alike for one in named for alike in one)] == [2, 1]
