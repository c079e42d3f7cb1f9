"""What strangers hand over is understood or refused in one sentence: texts, files, messages; no traceback, no hang.

Every test looks at some examples in each run of the suite, and at ``DROPPATH_EXAMPLES`` of them in ``tox -e nightly``.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droppath_audit.core import quantities, wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import Facts
from droppath_audit.recording import Recorder
from droppath_audit.recordings.reading import read
from droppath_audit.run import engine
from droppath_audit.run.blame import Blame
from droppath_audit.run.collecting import Collecting
from droppath_audit.run.journal import Journal
from droppath_audit.run.limits import Limits
from droppath_audit.run.lines import LONGEST, Reader
from droppath_audit.run.plan import Settings, make
from droppath_audit.targets.spec import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from droppath_audit.core.trial import Trial

many = settings(
    max_examples=int(os.environ.get("DROPPATH_EXAMPLES", "100")),
    deadline=60_000,  # milliseconds: a hang
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

WORDS = (
    *("package.module:Name", "file.py:drop_path", "timm", "calls.npz", "granularity=", "scaling=", "form=factory"),
    *("keep_prob_zero=raises", "prob=p:keep", "training=", "init.p=", "arg.q=", "args=", "call=(x,p,training)"),
    *("call=([r,x])", "output=", "input=B,4", "input=", "framework=", "-1", "1e999", "99999999999", "B", "null", "NaN"),
    *("%00", "%ff", "\x00", "\x1b[2J", "\ud800", "é", *'?&=:!%()[],{"'),
)
specs = st.one_of(st.text(), st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=12).map("".join))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@many
@given(specs)
def test_a_spec_is_understood_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert isinstance(found, Spec)


@many
@given(st.text(max_size=20) | st.from_regex(r"[0-9.]{1,6}[smhKMGTiB ]{0,4}", fullmatch=True))
def test_quantities_are_understood_or_refused(text: str) -> None:
    for kind in (quantities.seconds, quantities.size):
        try:
            found = kind(text, "--option")
        except UsageError:
            continue
        assert found > 0


PIECES = (b"\n", b"0", b"-", b'"', b"{", b"}", b"9" * 20)


def edited(draw: Callable[..., Any], data: bytes) -> bytes:
    """Return data with some bytes replaced, removed, inserted or repeated, and perhaps an end missing."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.sampled_from((0, 1, 2, 8, 64))))
        put = draw(st.binary(max_size=4) | st.just(data[start:stop] * 2) | st.sampled_from(PIECES))
        data = data[:start] + put + data[stop:]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    found, x = {}, np.arange(6, dtype=np.float32).reshape(3, 2)
    for ending in (".npz", ".safetensors", ".jsonl"):
        file = tmp_path_factory.mktemp("recordings") / f"calls{ending}"
        with Recorder(file, implementation="Layer") as recorder:
            recorder.add(x, 2 * x, drop_prob=0.5, training=True)
        found[ending] = file.read_bytes()
    return found


@many
@given(st.data())
def test_a_recording_is_read_or_refused(recordings: dict[str, bytes], tmp_path: Path, data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(sorted(recordings)))
    file = tmp_path / f"edited{ending}"
    file.write_bytes(edited(data.draw, recordings[ending]))
    try:
        found, _ = read(str(file), {})
    except UsageError:
        return
    assert found.blocks


@pytest.fixture(scope="module")
def trials(facts: Facts) -> tuple[Trial, ...]:
    return make(facts, QUICK)


ZEROS = {"elements": 8, "nan": 0, "nonzero": 0, "became": []}
ASKED = {"spec": "package.module:Name"}
QUICK = Settings(effort="quick", only=("DP301",))


@many
@given(st.data())
def test_a_journal_is_taken_over_as_far_as_it_can_be_read(
    facts: Facts, trials: tuple[Trial, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Journal(ASKED, facts, resume=False) as journal:
        for trial in trials:
            journal.append(trial, Collected(ZEROS))
    (file,) = tmp_path.glob("*/*.jsonl")
    whole = file.read_bytes()
    header = whole.index(b"\n") + 1
    file.write_bytes(whole[:header] + edited(data.draw, whole[header:]))
    with Journal(ASKED, facts, resume=True) as journal:
        for trial in trials:
            collected = journal.answers.get(trial.id)
            if collected is not None:  # whatever it says, it costs one verdict at most
                engine.judge(trial, collected, facts, QUICK)
        missing = [trial for trial in trials if trial.id not in journal.answers]
        for trial in missing:
            journal.append(trial, Collected(ZEROS))
    with Journal(ASKED, facts, resume=True) as journal:
        assert {trial.id for trial in trials} <= journal.answers.keys()


class FakeWorker:
    """A place without a process."""

    def __init__(self, number: int) -> None:
        self.number, self.process, self.stands, self.fresh = number, 0, False, True
        self.sent: list[dict[str, Any]] = []

    def send(self, **message: Any) -> None:
        self.sent.append(message)

    def mark_words(self) -> None:
        pass

    def forget_words(self) -> None:
        pass

    def last_words(self) -> str:
        return ""


class FakeCrew:
    """A crew that says what it is told to, and then answers."""

    def __init__(self, said: list[tuple[int, dict[str, Any]]]) -> None:
        self.workers, self.forks, self.gone = [FakeWorker(0), FakeWorker(1)], True, False
        self.crew, self.lost, self.rounds, self._said = self, "", 0, said

    def replace(self) -> None:
        self.lost = "it was lost"

    def fork(self, worker: FakeWorker) -> None:
        worker.stands, worker.fresh, worker.process = True, True, 0

    def forked(self, worker: FakeWorker, process: int) -> None:
        worker.process = process

    def end(self, worker: FakeWorker) -> None:
        worker.stands, worker.process = False, 0

    def prepare_compiler(self) -> None:
        pass

    def preload(self, modules: object) -> None:
        pass

    def messages(self, seconds: float) -> Iterator[tuple[FakeWorker | None, dict[str, Any]]]:
        self.rounds += 1
        assert self.rounds < 500  # it ends
        if self._said:
            place, message = self._said.pop(0)
            yield (None if place < 0 else self.workers[place]), message
            return
        for worker in self.workers:
            for message in worker.sent:
                trial = message["trial"]
                identity = f"{trial['check']}[{trial['case']['device']}-{trial['case']['dtype']}]"
                yield worker, {"started": identity, "process": os.getpid()}
                yield worker, {"collected": wire.dump(Collected(ZEROS))}
            worker.sent.clear()


NAMES = ["started", "collected", "compiles", "forked", "ended", "slot", "process", "words", "spent", "compiled"]
NAMES += ["changed", "imported"]
messages = st.dictionaries(st.sampled_from(NAMES), plain | st.sampled_from((0, 1, "DP301[cpu-float64]")), max_size=4)


@many
@given(said=st.lists(st.tuples(st.integers(-1, 1), messages), max_size=6))
def test_whatever_a_worker_says_every_trial_is_answered(
    facts: Facts, trials: tuple[Trial, ...], said: list[tuple[int, dict[str, Any]]]
) -> None:
    crew: Any = FakeCrew(list(said))
    collecting = Collecting(crew, trials, Blame(), Limits(), allowances={}, known={}, note=None, interruption=None)
    found = list(collecting.answers())
    assert [trial for trial, _ in found] == list(trials)
    for trial, collected in found:
        engine.judge(trial, collected, facts, QUICK)


@many
@given(st.lists(st.binary(max_size=40) | plain.map(lambda value: json.dumps(value).encode()), max_size=8))
def test_whatever_bytes_come_only_messages_are_read(pieces: list[bytes]) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, b"\n".join(pieces) + b'\n{"last": 1}\n')
        os.close(writing)
        reader, found = Reader(reading), []
        while not reader.ended:
            found += reader.available()
    finally:
        os.close(reading)
    assert found[-1] == {"last": 1}
    assert all(isinstance(message, dict) for message in found)


def test_a_line_without_an_end_is_given_up() -> None:
    reader = Reader(os.open("/dev/zero", os.O_RDONLY))
    while not reader.ended:
        assert reader.available() == []
    assert LONGEST < 2**30
