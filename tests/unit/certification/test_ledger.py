from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.certification.file import KIND, LedgerFile
from droppath_audit.certification.ledger import IDENTITY, Entry, Ledger, differences, merged
from droppath_audit.certification.terms import Terms
from droppath_audit.core import wire
from droppath_audit.core.errors import UsageError
from droppath_audit.stats.budget import DEFAULT_BUDGET, share

if TYPE_CHECKING:
    from pathlib import Path


def ledger(*cells: Entry, seed: int = 0, **others: Any) -> Ledger:
    identity = {name: f"some {name}" for name in IDENTITY} | {"device": "cpu"}
    terms = {"resolve": 0.0005, "alpha": share(DEFAULT_BUDGET), "beta": 1e-3, **others}
    return Ledger(identity, seeds=(seed,), cells=list(cells) or [Entry("float32", 0.1)], **terms)


def test_a_resolution_is_never_coarser_than_what_was_asked_for() -> None:
    fine = ledger(Entry("float32", 0.0), Entry("float32", 0.1), Entry("float32", 0.002), resolve=2e-5)
    assert [fine.certificate(cell).resolution for cell in fine.cells] == [2e-5, 2e-5, 2e-5]
    coarse = ledger(Entry("float32", 0.0), Entry("float32", 0.1), Entry("float32", 0.002), resolve=0.1)
    assert all(coarse.certificate(cell).resolution <= 0.005 for cell in coarse.cells)


def test_counts_alone_settle_a_cell() -> None:
    cases = [
        (Entry("float32", 0.1, 10_000_000, 9_000_000), "pass"),
        (Entry("float32", 0.1, 10_000_000, 8_950_000), "fail"),
        (Entry("float32", 0.1, 100_000, 90_000), "open"),
        (Entry("float32", 0.1, 100_000, 90_000, other=1), "fail"),
        (Entry("float32", 0.1, error="raised ValueError"), "error"),
        (Entry("float32", 0.1, not_applicable="NaN"), "not-applicable"),
    ]
    for cell, outcome in cases:
        one = ledger(cell)
        assert (cell, one.standing(cell).outcome) == (cell, outcome)
        assert one.is_open(cell) == (outcome == "open")
        expected = {"pass": 0, "fail": 1, "open": 3, "error": 1, "not-applicable": 2}[outcome]
        assert one.exit_status == expected


def test_a_failing_cell_outweighs_an_open_one_and_that_a_certified_one() -> None:
    passed, failed, open_ = Entry("a", 0.1, 10_000_000, 9_000_000), Entry("b", 0.1, 10**7, 8 * 10**6), Entry("c", 0.1)
    assert ledger(passed, open_).exit_status == 3
    assert ledger(passed, open_, failed).exit_status == 1


def test_within_shrinks_with_the_decisions_and_is_wider_where_the_fraction_is_off() -> None:
    distances = [
        ledger(cell).standing(cell).within for cell in (Entry("a", 0.1, n, 9 * n // 10) for n in (10, 1000, 10**6))
    ]
    assert 1.0 > distances[0] > distances[1] > distances[2] > 0.0
    off = Entry("a", 0.1, 10**6, 899_000)
    assert ledger(off).standing(off).within > distances[2]
    nothing = Entry("a", 0.1)
    assert ledger(nothing).standing(nothing).within == 0.9


def test_counts_of_runs_with_different_seeds_add_up() -> None:
    one, two = ledger(Entry("a", 0.1, 100, 90, 1, 3)), ledger(Entry("a", 0.1, 50, 44, 0, 2), seed=7)
    total = merged([one, two], ["one", "two"])
    assert total.cells == [Entry("a", 0.1, 150, 134, 1, 5)]
    assert total.seeds == (0, 7)
    assert (one.cells[0].decisions, two.cells[0].decisions) == (100, 50)


def test_no_run_is_counted_twice() -> None:
    one, two, three = (ledger(seed=seed) for seed in (0, 7, 8))
    total = merged([one, two], ["one", "two"])
    with pytest.raises(UsageError, match="shares root seed 7"):
        merged([merged([three, two], ["three", "two"]), total], ["a", "b"])
    with pytest.raises(UsageError, match="shares root seed 0"):
        merged([one, one], ["one", "again"])


def test_the_exact_test_decides_at_the_cap_of_one_run_and_never_of_a_sum() -> None:
    cell = Entry("a", 0.5)
    one = ledger(cell, resolve=0.01)
    cap = one.certificate(cell).cap
    between = Entry("a", 0.5, cap, round(cap * 0.505))  # half way to the edge no ratio ever decides
    assert ledger(between, resolve=0.01).standing(between).outcome in ("pass", "fail")
    assert not ledger(between, resolve=0.01).is_open(between)
    total = replace(ledger(between, resolve=0.01), seeds=(0, 1))
    assert total.standing(between).outcome == "open"
    assert total.is_open(between)


@pytest.mark.parametrize("name", [*IDENTITY, "resolve", "alpha", "beta", "cells"])
def test_whatever_differs_is_named(name: str) -> None:
    here = ledger()
    if name in IDENTITY:
        there = replace(here, identity={**here.identity, name: "another"})
    elif name == "cells":
        there = replace(here, cells=[Entry("float32", 0.3)])
    else:
        there = replace(here, **{name: getattr(here, name) / 2})
    (found,) = differences(there, here)
    assert found.startswith(IDENTITY.get(name, name))
    assert differences(here, here) == []
    with pytest.raises(UsageError, match="cannot be merged"):
        merged([here, replace(there, seeds=(1,))], ["a", "b"])


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    before = ledger(Entry("float32", 0.1, 100, 90, 1, 3), Entry("float16", 0.3), seed=2**63)
    file = LedgerFile(str(tmp_path / "counts.json"))
    assert file.read() is None
    file.write(before)
    assert LedgerFile(file.name).read() == before
    assert [path.name for path in tmp_path.iterdir()] == ["counts.json"]


def test_errors_of_a_run_are_not_kept(tmp_path: Path) -> None:
    file = LedgerFile(str(tmp_path / "counts.json"))
    file.write(ledger(Entry("float32", 0.1, error="raised", not_applicable="NaN")))
    (cell,) = LedgerFile(file.name).read().cells  # type: ignore[union-attr]
    assert (cell.error, cell.not_applicable) == ("", "")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LedgerFile(str(tmp_path / "counts.json"))
    file.write(ledger())

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)  # when everything was handed to the disk, and before it is there
    with pytest.raises(UsageError, match="cannot be written: No space left"):
        file.write(ledger(Entry("float32", 0.1, 10, 9)))
    assert LedgerFile(file.name).read() == ledger()
    assert [path.name for path in tmp_path.iterdir()] == ["counts.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LedgerFile(str(tmp_path / "link")).write(ledger())
    assert (tmp_path / "link").is_symlink()
    assert LedgerFile(str(tmp_path / "real")).read() == ledger()


def test_two_runs_never_write_to_one_file(tmp_path: Path) -> None:
    name = str(tmp_path / "counts.json")
    one, two = LedgerFile(name), LedgerFile(name)
    one.write(ledger())
    with pytest.raises(UsageError, match="Another run writes"):
        two.write(ledger(seed=1))
    assert LedgerFile(name).read() == ledger()
    two.read()
    two.write(ledger(Entry("float32", 0.1, 10, 9)))
    with pytest.raises(UsageError, match="Another run writes"):
        one.write(ledger())
    assert [path.name for path in tmp_path.iterdir()] == ["counts.json"]


def good() -> dict[str, Any]:
    return {"kind": KIND, "schema_version": 1, **wire.dump(ledger(Entry("float32", 0.1, 100, 90)))}


SPOILED: dict[str, Any] = {
    "another kind": lambda d: d.update(kind="report"),
    "a later schema": lambda d: d.update(schema_version=2),
    "no seeds": lambda d: d.update(seeds=[]),
    "a seed twice": lambda d: d.update(seeds=[1, 1]),
    "no cells": lambda d: d.update(cells=[]),
    "a missing term": lambda d: d.pop("alpha"),
    "a missing identity": lambda d: d["identity"].pop("source"),
    "an impossible alpha": lambda d: d.update(alpha=2.0),
    "an impossible resolution": lambda d: d.update(resolve=float("nan")),
    "more kept than decided": lambda d: d["cells"][0].update(kept=101),
    "a negative count": lambda d: d["cells"][0].update(chunks=-1),
    "a fractional count": lambda d: d["cells"][0].update(decisions=100.5),
    "a truth value for a count": lambda d: d["cells"][0].update(other=True),
    "a probability of 2": lambda d: d["cells"][0].update(drop_prob=2.0),
    "a dtype of 3": lambda d: d["cells"][0].update(dtype=3),
    "cells that are none": lambda d: d.update(cells={"a": 1}),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_refused(how: str, tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    path.write_text(json.dumps(good()), encoding="utf-8")
    assert LedgerFile(str(path)).read() is not None
    data = good()
    SPOILED[how](data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UsageError, match="holds no counts to continue"):
        LedgerFile(str(path)).read()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"holds no counts to continue|cannot be read"):
        LedgerFile(str(path)).read()


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"resolve": 1e-8}, "--resolve"),
        ({"resolve": 0.2}, "--resolve"),
        ({"resolve": float("nan")}, "--resolve"),
        ({"budget": 0.0}, "--budget"),
        ({"beta": 1.0}, "--beta"),
        ({"drop_probs": (0.1, -0.1)}, "--drop-prob"),
        ({"drop_probs": (float("nan"),)}, "--drop-prob"),
    ],
)
def test_terms_out_of_range_are_refused(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        Terms(**asked)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"spec": "other:Name"}, "SPEC"),
        ({"resolve": 0.001}, "--resolve"),
        ({"budget": 1e-3}, "--budget"),
        ({"beta": 0.01}, "--beta"),
        ({"seed": 1}, "--seed"),
        ({"device": "cuda:1"}, "--device"),
        ({"dtypes": ("float64",)}, "--dtype"),
        ({"drop_probs": (0.3,)}, "--drop-prob"),
    ],
)
def test_other_terms_than_a_files_are_refused_and_named(asked: dict[str, Any], named: str) -> None:
    same = Terms("some spec", 0.0005, DEFAULT_BUDGET, 1e-3, 0, ("float32",), (0.1,), "cpu")
    same.hold(ledger(), "FILE")
    Terms().hold(ledger(), "FILE")
    with pytest.raises(UsageError, match=f"FILE was begun with other terms.*: {named}") as caught:
        replace(same, **asked).hold(ledger(), "FILE")
    assert sum(f"{name}:" in str(caught.value) for name in ("SPEC", "resolve", "beta", "seed", "device")) <= 1
