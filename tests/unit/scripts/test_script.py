"""The parts of a script, and the lines that every check writes alike: they fail where they should, and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pytest

from droppath_audit.core.case import Cell
from droppath_audit.core.dialect import Dialect
from droppath_audit.core.invocation import Argument, Invocation
from droppath_audit.frameworks import spelling_of
from droppath_audit.scripts import LiveScript

# Binds ``layer`` as a function of its x, so that what a script calls is made here.
INVOCATION = Invocation(name="given", call=(Argument("x"),))


def script(granularity: str = "sample", drop_prob: float = 0.25, smallest: tuple[int, ...] = (1,)) -> LiveScript:
    cell = Cell(dtype="float64", drop_prob=drop_prob, dialect=Dialect(granularity))
    return LiveScript(cell, INVOCATION, spelling_of("numpy"), smallest)


def fails(made: LiveScript, **names) -> bool:
    """Run a script, with these names in it, and return whether it fails by an assertion."""
    try:
        exec(made.text(), {"print": lambda *_: None, **names})  # noqa: S102 - a script is there to be run
    except AssertionError:
        return True
    return False


def test_imports_come_first_and_once_then_the_seed_then_the_lines() -> None:
    made = script()
    made.add("first")
    made.imports("import sys", "import numpy as np")
    made.add("second")
    made.imports("import sys")
    made.first_seed = 7
    assert made.text().splitlines() == [
        "import numpy as np", "import sys", "np.random.seed(7)", "first", "second",
    ]  # fmt: skip


def test_what_is_added_in_a_block_is_indented_line_by_line_and_only_there() -> None:
    made = script()
    with made.under("for a in b:"):
        made.add("one\nif two:\n    three")
        with made.under("with c:"):
            made.add("four")
        made.add("five")
    made.add("six")
    assert made.text().splitlines()[2:] == [
        "for a in b:", "    one", "    if two:", "        three", "    with c:", "        four", "    five", "six",
    ]  # fmt: skip


@pytest.mark.parametrize("granularity", ["sample", "batch"])
@pytest.mark.parametrize("decisions", [1, 4, 65536, 2 * 65536, 2**20, 2**20 + 1])
def test_a_share_is_counted_in_an_odd_number_of_calls_and_no_fewer_decisions_than_asked_for(
    granularity: str, decisions: int
) -> None:
    """Of two calls that decide once for the whole batch, one may well keep and one drop."""
    made = script(granularity)
    made.share(0.1, decisions)
    (calls,) = map(int, re.findall(r"range\((\d+)\)", made.text()))
    assert calls % 2 == 1
    assert calls >= 3
    assert calls * (65536 if granularity == "sample" else 1) >= decisions


@pytest.mark.parametrize(("off", "expected"), [(0.0, False), (4.0, False), (-4.0, False), (6.0, True), (-6.0, True)])
def test_a_share_fails_beyond_five_standard_deviations(off: float, expected: bool) -> None:
    made, n = script(), 3 * 65536
    made.share(0.25, n)
    kept = round(65536 * 0.75 + off * (n * 0.75 * 0.25) ** 0.5 / 3)
    assert fails(made, given=lambda x: x * (np.arange(len(x)) < kept)[:, None]) is expected


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [("sample", [[True, False], [True, True]]), ("batch", [[True], [True]]),
     ("element", [[False, True, False, False], [True, True, True, True]])],
)  # fmt: skip
def test_a_decision_is_kept_where_one_of_its_elements_is(granularity: str, expected: list[list[bool]]) -> None:
    ys = np.array([[[0.0, 2.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    names = {"ys": ys, "np": np, "xs": np.array([[[1.0, -3.0], [0.0, 4.0]]])}
    exec("\n".join(script(granularity).kept(weigh=True)), names)  # noqa: S102
    assert names["kept"].tolist() == expected
    weights = {"sample": [2.0, 2.0], "batch": [2.0], "element": [1.0, 3.0, 0.0, 4.0]}[granularity]
    assert names["weight"].tolist() == [weights, weights]


@pytest.mark.parametrize(
    ("y", "expected"), [(1.25, False), (1.25 + 1e-7, False), (1.25 + 1e-5, True), (np.nan, True), (1e-3, True)]
)
def test_a_factor_fails_on_one_kept_value_that_is_off(y: float, expected: bool) -> None:
    made = script(drop_prob=0.2)
    made.kept_factor(0.2, 1.25, 1e-6)

    def given(x):
        outputs = np.where(np.arange(x.size).reshape(x.shape) % 5, 1.25 * x, 0.0)
        outputs.flat[1] = y
        return outputs

    assert fails(made, given=given) is expected


@pytest.mark.parametrize(("shares", "expected"), [((0.7, 0.7), False), ((0.7, 0.705), False), ((0.7, 0.72), True)])
def test_groups_that_kept_different_shares_fail(shares: tuple[float, float], expected: bool) -> None:
    """Of 32 768 decisions each, .005 is 1.4 standard deviations and .02 is 5.6; it fails beyond 6.1, so .02 is near."""
    made = script()
    made.compare_groups(
        ("group = np.arange(kept.size).reshape(kept.shape) % 3 - 1",), 2, "two", parts=(((98304, 1), 2),)
    )
    limits = np.resize([1.0, *shares], 98304)

    def given(x):
        place = np.arange(len(x)) // 3 / (len(x) // 3)
        return x * (place < limits)[:, None]

    assert fails(made, given=given) is expected


@pytest.mark.parametrize("dependent", [False, True])
def test_correlated_decisions_fail(dependent: bool) -> None:
    made = script()
    made.correlate("masks[0]", "masks[1]", "two")
    masks = np.random.default_rng(np.random.SeedSequence(0)).random((2, 10_000)) < 0.5
    if dependent:
        masks[1, ::10] = masks[0, ::10]
    assert fails(made, masks=masks) is dependent
