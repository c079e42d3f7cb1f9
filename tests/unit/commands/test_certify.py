from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.certification import drawing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

REFERENCE = "droppath_reference:DropPath"
BIASED = "droppath_audit.mutants.law:bias_of_two_thousandths"
HERE = ("--no-isolation",)  # no worker to start
ONE = ("--resolve", "0.005", "--dtype", "float32", "--drop-prob", "0.1", *HERE)
LONG = ("--resolve", "0.00001", "--dtype", "float32", "--drop-prob", "0.3", *HERE)


@pytest.fixture
def run(command_line: Run) -> Run:
    return partial(command_line, "certify")


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw in small chunks, none of which is cut short by a busy machine."""
    monkeypatch.setattr(drawing, "FIRST", 2**14)
    monkeypatch.setattr(drawing, "LARGEST_ON_CPU", 2**16)
    monkeypatch.setattr(drawing, "CHUNK_SECONDS", 600.0)


def counts(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return found


def test_status_0_where_every_cell_is_certified(run: Run) -> None:
    status, out, err = run(*ONE)
    assert (status, err) == (0, "")
    assert "within 0.005 of 0.9" in out
    assert "1 of 1 cells certified" in out


def test_status_1_where_a_cell_fails(run: Run) -> None:
    status, out, err = run(BIASED, "--resolve", "0.0005", "--dtype", "float32", "--drop-prob", "0.5", *HERE)
    assert (status, err) == (1, "")
    assert "fail: not 0.5" in out
    assert "1 failed" in out


def test_status_1_where_the_target_raises_or_dies_and_the_other_cells_go_on(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dies.py"
    file.write_text(
        "import os, torch\n"
        "def drop(x, drop_prob, training):\n"
        "    if training and x.dtype == torch.float16: raise ValueError('no halves')\n"
        "    if training and x.dtype == torch.bfloat16: os._exit(7)\n"
        "    return x * (torch.rand(x.shape[0], 1) >= drop_prob) / (1 - drop_prob)\n",
        encoding="utf-8",
    )
    status, out, _ = run(f"{file}:drop", "--resolve", "0.01", "--drop-prob", "0.1")
    assert status == 1
    assert "error: raised ValueError: no halves" in out
    assert "error: the process ended with exit status 7" in out
    assert "2 of 4 cells certified · 2 errors" in out


def test_status_3_when_the_time_is_up_with_what_is_known_so_far(run: Run) -> None:
    status, out, err = run(*LONG, "--time-limit", "0.3s")
    assert (status, err) == (3, "")
    within = float(re.findall(r"open: so far within ±(\S+) of 0.7", out)[0])
    assert 1e-5 < within < 0.1
    assert "0 of 1 cells certified · 1 open" in out
    assert "More time settles what is open" in out


def test_an_output_that_is_neither_fails_whatever_its_frequency(run: Run) -> None:
    status, out, _ = run("droppath_audit.mutants.values:sometimes_doubled", *ONE)
    assert status == 1
    assert "neither dropped nor kept with one value" in out


@pytest.mark.usefixtures("sliced")
def test_a_continued_run_ends_with_the_counts_of_an_uninterrupted_one(run: Run, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    cells = ("--resolve", "0.002", "--dtype", "float32", "--dtype", "bfloat16", "--drop-prob", "0.1", *HERE)
    assert run(REFERENCE, *cells, "--resume", str(whole))[0] == 0
    statuses = [run(REFERENCE, *cells, "--resume", str(parts), "--time-limit", "0.000001s")[0] for _ in range(3)]
    assert statuses == [3, 3, 3]
    assert 0 < sum(cell["chunks"] for cell in counts(parts)) <= 3
    status, out, _ = run("--resume", str(parts), *HERE)  # everything else is in the file
    assert status == 0
    assert "0 of 2 cells settled" in out
    assert counts(parts) == counts(whole)


SLOW = """import time, torch
def drop(x, drop_prob, training):
    time.sleep(0.02)
    return x * (torch.rand(x.shape[0], 1) >= drop_prob) / (1 - drop_prob)
"""
PATIENT = (
    "from droppath_audit.certification import drawing; drawing.CHUNK_SECONDS = 600.0\n"
    "from droppath_audit.commands import main; main()"
)


def test_a_run_that_is_killed_loses_a_chunk_and_goes_on_as_if_nothing_had_happened(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, killed, whole = tmp_path / "slow.py", tmp_path / "killed.json", tmp_path / "whole.json"
    layer.write_text(SLOW, encoding="utf-8")
    # 1.9 million decisions, half a second of sleep, in chunks of 2, 4, 8 and 16 calls.
    terms = (f"{layer}:drop", "--resolve", "0.001", "--dtype", "float32", "--drop-prob", "0.1")
    command = [sys.executable, "-c", PATIENT, "certify", *terms]
    with subprocess.Popen(
        [*command, "--resume", str(killed)], stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not (killed.exists() and counts(killed)[0]["chunks"] >= 2):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    (cell,) = counts(killed)
    assert cell["decisions"] == drawing.FIRST * (2 ** cell["chunks"] - 1)
    monkeypatch.setattr(drawing, "CHUNK_SECONDS", 600.0)
    for file in (killed, whole):
        assert run(*terms, *HERE, "--resume", str(file))[0] == 0
    assert counts(killed) == counts(whole)
    assert counts(whole)[0]["decisions"] > cell["decisions"]


def test_no_chunk_is_drawn_for_what_is_settled(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    assert run(*ONE, "--resume", str(file))[0] == 0
    before = file.read_text(encoding="utf-8")
    assert run(*ONE, "--resume", str(file))[0] == 0
    assert file.read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("sliced")
def test_runs_with_seeds_of_their_own_are_merged_and_continued(run: Run, tmp_path: Path) -> None:
    files = [tmp_path / f"{seed}.json" for seed in (1, 2)]
    for seed, file in zip(("1", "2"), files, strict=True):
        assert run(*LONG, "--seed", seed, "--resume", str(file), "--time-limit", "0.2s")[0] == 3
    total = tmp_path / "total.json"
    status, out, _ = run(
        "--merge", str(files[0]), "--merge", str(files[1]), "--resume", str(total), "--time-limit", "0s"
    )
    assert status == 3
    assert "seed 1, 2" in out
    (one,), (two,), (both,) = counts(files[0]), counts(files[1]), counts(total)
    assert both["decisions"] == one["decisions"] + two["decisions"]
    assert one["kept"] / one["decisions"] != two["kept"] / two["decisions"]
    run("--resume", str(total), *HERE, "--time-limit", "0.05s")
    assert counts(total)[0]["decisions"] > both["decisions"]
    status, _, err = run("--resume", str(total), "--merge", str(files[0]), "--time-limit", "0s")
    assert status == 2
    assert "shares root seed 1" in err


def test_another_version_of_the_layer_is_refused(run: Run, tmp_path: Path) -> None:
    layer, file = tmp_path / "layer.py", tmp_path / "counts.json"
    text = "import torch\ndef drop(x, drop_prob, training):\n    return x * (torch.rand(len(x), 1) >= drop_prob)\n"
    layer.write_text(text, encoding="utf-8")
    spec = f"{layer}:drop?scaling=none"
    assert run(spec, *ONE, "--resume", str(file))[0] == 0
    before = file.read_text(encoding="utf-8")
    layer.write_text(text + "# touched\n", encoding="utf-8")
    status, _, err = run(spec, *ONE, "--resume", str(file))
    assert status == 2
    assert "sha256 of the source file" in err
    assert file.read_text(encoding="utf-8") == before


USAGE = {
    ("--time-limit", "5"): "30s, 5m or 2h, not '5'",
    ("--time-limit", "-5s"): "30s, 5m or 2h",
    ("--time-limit", "5d"): "30s, 5m or 2h",
    ("--time-limit", "s"): "30s, 5m or 2h",
    ("--resolve", "0"): "--resolve is a discrepancy above",
    ("--resolve", "x"): "not a valid float",
    ("--budget", "2"): "--budget is a probability",
    ("--beta", "0"): "--beta is a probability",
    ("--drop-prob", "1.5"): "--drop-prob is a probability",
    ("--dtype", "flaot32", *HERE): "There is no dtype 'flaot32'.*Did you mean",
    ("--seed", "-1"): "--seed is a whole number",
    ("--merge", "/no/such/file.json"): "There is no file /no/such/file.json to merge",
    ("--resume", "/no/such/folder/counts.json"): "There is no folder",
    ("--device", "cdua", *HERE): "cdua",
    ("no-such-thing",): "no-such-thing",
    ("droppath_reference:DropPath?keep_prob_zero=raises", "--drop-prob", "1", *HERE): "refuses keep_prob = 0",
}


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_status_2_with_what_would_work_and_no_traceback(words: tuple[str, ...], run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert re.search(USAGE[words], err), err
    assert "Traceback" not in err


def test_other_terms_are_refused_before_anything_is_loaded(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "counts.json"
    assert run(*ONE, "--resume", str(file))[0] == 0
    monkeypatch.setattr("droppath_audit.run.supervisor.Supervisor.__init__", None)
    status, _, err = run("--resume", str(file), "--resolve", "0.001")
    assert status == 2
    assert "--resolve: 0.005 there, 0.001 here" in err
    file.write_text("{", encoding="utf-8")
    status, _, err = run("--resume", str(file))
    assert status == 2
    assert "holds no counts to continue" in err


def test_a_file_is_shown_without_loading_the_target(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "counts.json"
    assert run(*ONE, "--resume", str(file))[0] == 0
    monkeypatch.setattr("droppath_audit.run.supervisor.Supervisor.__init__", None)
    status, out, _ = run("--resume", str(file), "--time-limit", "0s")
    assert status == 0
    assert "within 0.005 of 0.9" in out


def test_the_times_that_are_understood() -> None:
    from droppath_audit.commands.certify import _seconds

    texts = ("30s", "5m", "2h", "1h30m", "0.5s", "0s", None)
    assert [_seconds(text) for text in texts] == [30, 300, 7200, 5400, 0.5, 0, float("inf")]


def test_json_holds_what_every_cell_comes_to(run: Run) -> None:
    status, out, err = run(*ONE, "--json", "-")
    assert status == 0
    assert "1 of 1 cells certified" in err
    data = json.loads(out)
    (cell,) = data["cells"]
    assert (data["exit_status"], cell["verdict"]) == (0, "pass")
    low, high = cell["interval"]
    assert low <= cell["kept"] / cell["decisions"] <= high
    assert cell["resolution"] == 0.005


def test_interrupted_runs_say_what_they_reached(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "counts.json"
    taken = drawing.add

    def interrupt(*arguments: Any) -> None:
        taken(*arguments)
        if counts(file)[0]["chunks"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(drawing, "add", interrupt)
    status, out, err = run(*LONG, "--resume", str(file))
    assert status == 130
    assert "interrupted" in err
    assert "open: so far within" in out
    assert counts(file)[0]["chunks"] == 2
