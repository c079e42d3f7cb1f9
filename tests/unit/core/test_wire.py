"""What is dumped is loaded as it was, in strict JSON; what is not as declared is refused, saying where."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from droppath_audit.checks import catalogue
from droppath_audit.core import wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.trial import Trial


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    first: int
    second: float


@dataclass(frozen=True)
class Leaf:
    number: int
    share: float = 0.5


@dataclass(frozen=True)
class Twig:
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True)
class Everything:
    nothing: None
    truth: bool
    number: int
    real: float
    text: str
    exact: Fraction
    colour: Colour
    word: Literal["a", "b"]
    many: tuple[float, ...]
    two: tuple[int, str]
    pair: Pair
    names: dict[str, int]
    numbers: dict[float, tuple[int, ...]]
    perhaps: float | None
    either: int | str
    part: Leaf | Twig
    plain: Any
    behind: str = field(default="", metadata={"wire": False})


REALS = st.floats(allow_nan=False)
LEAVES = st.builds(Leaf, st.integers(), REALS)
ALL = st.builds(
    Everything,
    nothing=st.none(),
    truth=st.booleans(),
    number=st.integers(),
    real=REALS,
    text=st.text(),
    exact=st.fractions(),
    colour=st.sampled_from(Colour),
    word=st.sampled_from(("a", "b")),
    many=st.lists(REALS).map(tuple),
    two=st.tuples(st.integers(), st.text()),
    pair=st.builds(Pair, st.integers(), REALS),
    names=st.dictionaries(st.text(), st.integers()),
    numbers=st.dictionaries(REALS, st.lists(st.integers()).map(tuple)),
    perhaps=st.none() | REALS,
    either=st.integers() | st.text(),
    part=LEAVES | st.builds(Twig, st.lists(LEAVES).map(tuple)),
    plain=st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner), max_leaves=4),
)


@given(ALL)
def test_what_is_dumped_is_loaded_as_it_was_through_strict_json(value):
    text = json.dumps(wire.dump(value), allow_nan=False)
    assert wire.load(Everything, json.loads(text)) == value


def test_nan_arrives_as_nan():
    again = wire.load(Leaf, json.loads(json.dumps(wire.dump(Leaf(1, math.nan)), allow_nan=False)))
    assert math.isnan(again.share)


def test_a_field_that_is_not_for_the_wire_stays_behind():
    @dataclass(frozen=True)
    class Kept:
        number: int
        behind: str = field(default="there", metadata={"wire": False})

    assert wire.dump(Kept(1, "here")) == {"number": 1}
    assert wire.load(Kept, {"number": 1}) == Kept(1)
    with pytest.raises(wire.WireError, match="'behind' is unknown"):
        wire.load(Kept, {"number": 1, "behind": "sent"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"number": 1.0}, r"number: 1\.0 stands where a whole number belongs"),
        ({"number": True}, "number: True stands where a whole number belongs"),
        ({"number": "1"}, "number: '1' stands where a whole number belongs"),
        ({"number": 1, "share": "x"}, "share: 'x' stands where a number belongs"),
        ({"number": 1, "share": None}, "share: None stands where a number belongs"),
        ({}, "'number' is missing in Leaf"),
        ({"number": 1, "more": 2}, "'more' is unknown in Leaf"),
        ([], r"\[\] stands where an object with the fields of Leaf belongs"),
    ],
)
def test_what_is_not_as_declared_is_refused_and_named(data, message):
    with pytest.raises(wire.WireError, match=message):
        wire.load(Leaf, data)


def test_the_place_of_what_is_wrong_is_named():
    with pytest.raises(wire.WireError, match=r"^leaves\[1\]\.number: 'x'"):
        wire.load(Twig, {"leaves": [{"number": 1}, {"number": "x"}]})


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=6,
))  # fmt: skip
def test_no_data_end_in_another_error(data):
    for kind in (Everything, Twig, Trial, Collected):
        with pytest.raises(wire.WireError):
            wire.load(kind, {"number": data} if kind is Everything else [data])


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.id)
def test_the_evidence_of_every_check_is_a_dataclass_that_the_wire_knows(check):
    with pytest.raises(wire.WireError, match="stands where an object with the fields of"):
        check.load([])
