"""A layer that is driven, and the same calls of it recorded and read back: both probes give the same answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from droppath_audit.core.case import Cell
from droppath_audit.core.recording import RECORDED
from droppath_audit.mutants import mutants
from droppath_audit.probes.fates import factors, fates
from droppath_audit.probes.live import LiveProbe
from droppath_audit.probes.probe import Request
from droppath_audit.probes.recorded import RecordedProbe
from droppath_audit.probes.values import moderate, special
from droppath_audit.probes.wrapped import Evaluated
from droppath_audit.recording import Recorder
from droppath_audit.recordings.reading import read
from droppath_audit.targets.loader import load

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = "droppath_reference:DropPath"
DIALECTS = (
    "granularity=sample", "granularity=batch", "granularity=element", "scaling=none", "scaling=eval", "form=residual",
)  # fmt: skip
MUTANTS = ("never_scaled", "off_by_half_a_percent", "leaks_a_thousandth", "random_scale", "widened_to_float32")


class WritesDown:
    """A target all of whose calls go into a recording, while there is a recorder."""

    def __init__(self, target: Any, dtype: str) -> None:
        self.target, self.dtype = target, dtype
        self.recorder: Recorder | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    def make(self, drop_prob: float) -> Any:
        return Written(self, self.target.make(drop_prob), drop_prob)


class Written(Evaluated):
    """A layer of such a target."""

    def __init__(self, home: WritesDown, layer: Any, drop_prob: float) -> None:
        super().__init__(layer)
        self._home, self._drop_prob = home, drop_prob

    def __call__(self, x: Any, *, training: bool) -> Any:
        y = self._layer(x, training=training)
        self._write(x, y, None, training)
        return y

    def with_shortcut(self, x: Any, shortcut: Any, *, training: bool) -> Any:
        y = self._layer.with_shortcut(x, shortcut, training=training)
        self._write(x, y, shortcut, training)
        return y

    def _write(self, x: Any, y: Any, shortcut: Any, training: bool) -> None:
        home, framework = self._home, self._home.framework
        if home.recorder is None:
            return
        residual = home.dialect.form == "residual"
        base = framework.zeros_like(x) if residual and shortcut is None else shortcut
        home.recorder.add(
            framework.numpy(x), framework.numpy(y), drop_prob=self._drop_prob, training=training, dtype=home.dtype,
            output_dtype=framework.info(y).dtype, shortcut=None if base is None else framework.numpy(base),
        )  # fmt: skip


class Both:
    """Asks a live probe, which is recorded meanwhile, and then a recorded one."""

    def __init__(self, spec: str, file: Path, dtype: str, drop_prob: float) -> None:
        loaded = load(spec)
        self.target = WritesDown(loaded.target, dtype)
        self.dialect = loaded.facts.dialect
        self._file = file
        self._cell = Cell(dtype=dtype, drop_prob=drop_prob, dialect=self.dialect)

    def ask(self, question: Any, stopping: Any = None) -> tuple[Any, Any]:
        live: LiveProbe[Cell] = LiveProbe(self.target, self._cell, np.random.default_rng(0), stopping)
        with live.framework.scope():
            live.framework.seed(1)
            live.features(), live.features(wide=True)  # are found by calls that are nobody's question
            with Recorder(self._file, **self.dialect.to_json()) as self.target.recorder:
                driven = question(live)
        recording, _ = read(str(self._file), {})
        blocks = tuple(block.facts for block in recording.blocks)
        return driven, question(RecordedProbe(recording, replace(self._cell, device=RECORDED, blocks=blocks)))


@pytest.fixture(params=["float32", "bfloat16"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[*DIALECTS, *MUTANTS])
def both(request: pytest.FixtureRequest, dtype: str, tmp_path: Path) -> Both:
    spec = mutants()[request.param] if request.param in MUTANTS else f"{REFERENCE}?{request.param}"
    return Both(spec, tmp_path / "calls.npz", dtype, 0.3)


REQUESTS = (
    Request(16, moderate, calls=3),
    Request(64, special, wide=True, shortcut=1.5),
    Request(16, moderate, wide=True, calls=2),
)


def test_fates(both: Both) -> None:
    driven, recorded = both.ask(lambda probe: fates(probe.calls(*REQUESTS), probe.at))
    assert driven == recorded
    assert min(driven.decisions, driven.kept + driven.misscaled, driven.zero + driven.leaked) > 0


def test_factors(both: Both) -> None:
    def question(probe: Any) -> list[float]:
        return [
            factor
            for calls in probe.calls(*REQUESTS)
            for found, seen in [factors(calls, probe.at.dialect.scaling)]
            for factor in found[seen].tolist()
        ]

    driven, recorded = both.ask(question)
    assert driven == recorded
    assert driven


class Enough:
    """Ends counting after a number of decisions."""

    def __init__(self, cap: int) -> None:
        self.cap = cap

    def settled(self, kept: int, decisions: int) -> bool:
        return decisions >= self.cap


@pytest.mark.parametrize("items", DIALECTS)
def test_counts(items: str, dtype: str, tmp_path: Path) -> None:
    """A recording's counts hold no element that is neither zero nor kept: DP201 looks at those."""
    both = Both(f"{REFERENCE}?{items}", tmp_path / "calls.npz", dtype, 0.3)
    driven, recorded = both.ask(lambda probe: probe.count(), Enough(700))
    assert driven == recorded
    assert driven.decisions == 700


def test_frequencies(both: Both) -> None:
    driven, recorded = both.ask(lambda probe: probe.frequencies({0.3: 500}))
    assert [(c.kept, c.decisions) for c in driven] == [(c.kept, c.decisions) for c in recorded]
    assert driven[0].decisions == 500


def test_decisions(both: Both) -> None:
    def question(probe: Any) -> tuple[list[Any], list[Any]]:
        first = probe.decisions(5, 12)
        return [row for part in first for row in part.kept.tolist()], [part.seen.all() for part in first]

    (driven, all_seen), (recorded, all_read) = both.ask(question)
    assert driven == recorded
    assert len(driven) == 5
    assert all(all_seen)
    assert all(all_read)


def test_decisions_by_batch(both: Both) -> None:
    def question(probe: Any) -> tuple[list[tuple[int, tuple[int, int]]], dict[int, str]]:
        found, raised = probe.by_batch({1: 4, 3: 2})
        return [(part.batch, part.counts) for part in found], raised

    driven, recorded = both.ask(question)
    assert driven == recorded
    assert [batch for batch, _ in driven[0]] == [1, 3]


def test_what_a_layer_leaves_as_it_is(both: Both) -> None:
    driven, recorded = both.ask(lambda probe: probe.compare(Request(16, special), training=True, drop_prob=0.0))
    assert driven == recorded


def test_fresh_decisions_need_no_correction_and_those_that_were_searched_do(tmp_path: Path) -> None:
    def question(probe: Any) -> tuple[int, bool]:
        seen = probe.decisions(2, 64)
        again = probe.afresh(seen, 2, 64)
        return probe.multiplicity(27), np.array_equal(seen[0].kept, again[0].kept)

    assert Both(REFERENCE, tmp_path / "calls.npz", "float32", 0.5).ask(question) == ((1, False), (27, True))
