"""What is drawn decides nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import drawing, source
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Call, Operation, Story

INTO_PYTHON = ("item", "tolist", "numpy", "__array__", "__dlpack__", "data_ptr")
"""Functions of others through which the values of a tensor leave what is followed."""
TRUTH = ("_local_scalar_dense", "item", "is_nonzero")
"""Operations that make a number of Python's."""
FIX = "Decide by what is drawn: rand < keep_prob keeps a sample."
_BARE = re.compile(r"(el)?if\b|while\b")
_COMPARES = re.compile(r"[<>=]|\b(lt|le|gt|ge|floor|round|bernoulli|randint|random_)_?\(")


def find(story: Story, asked: Asked) -> Found | None:
    """Return the line that draws, where nothing that is drawn is compared, or reaches what is returned."""
    for call in story.interior():
        drawn = [operation for _, operation in drawing([call]) if operation.returned]
        numbers = frozenset[int]().union(*(made.draws for one in drawn for made in one.returned))
        if not drawn or not numbers:
            continue
        meeting = [one for one in call.operations if one.draws & numbers and not one.random]
        if meeting and all(one.name in TRUTH for one in meeting) and _bare(drawn[-1]):
            said = f"{drawn[-1].name} draws a number, which is taken for true or false and compared with no rate"
            return Found(drawn[-1].spot, said, FIX)
        if not _followed(call) or any(one.name in TRUTH for one in meeting) or _elsewhere(story, call, numbers):
            continue
        return Found(drawn[-1].spot, f"what {drawn[-1].name} draws here is not used in what is returned", FIX)
    return None


def _bare(operation: Operation) -> bool:
    """Return whether the line is a condition that compares nothing."""
    line = source(operation.spot)
    return _BARE.match(line) is not None and _COMPARES.search(line) is None


def _followed(call: Call) -> bool:
    """Return whether it is known that what is returned comes from x, and from no draw."""
    out = call.returned
    if out is None or out.draws or any(one.name in INTO_PYTHON for one in call.foreign):
        return False
    return out.of_x or (call.x is not None and out.key == call.x.key)


def _elsewhere(story: Story, call: Call, numbers: frozenset[int]) -> bool:
    """Return whether another call uses what this one has drawn."""
    others = (one for other in story.calls if other is not call for one in other.operations)
    return any(one.draws & numbers for one in others)
