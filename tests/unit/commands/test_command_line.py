from __future__ import annotations

import json
import os
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from droppath_audit import __version__
from droppath_audit.checks import catalogue
from droppath_audit.commands import cli
from droppath_audit.core import effort
from droppath_audit.core.glossary import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

MUTANT = "droppath_audit.mutants.edges:clamps_keep_prob"
ONE = ("--effort", "quick", "--only", "DP301[cpu-float32]")


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


@pytest.fixture
def run(command_line: Run) -> Run:
    return command_line


def test_status_0_where_every_must_holds(run: Run) -> None:
    status, out, err = run(*ONE)
    assert (status, err) == (0, "")
    assert "every MUST holds · exit 0" in out


def test_status_1_with_a_finding(run: Run) -> None:
    status, out, err = run(MUTANT, *ONE)
    assert (status, err) == (1, "")
    assert "1 finding · exit 1" in out


USAGE = {
    ("",): "The SPEC is empty",
    ("   ",): "neither a subcommand, nor a known name",
    ("lst",): "Did you mean 'list'",
    ("droppath_reference.DropPath",): "droppath_reference:DropPath",
    ("droppath_audit.mutants.law:flor_mask",): "Did you mean 'floor_mask'",
    ("droppath_referense:DropPath",): "There is no module 'droppath_referense'",
    ("no/such/file.py:drop",): "There is no file no/such/file.py",
    ("droppath_reference:DropPath?scalng=none",): "Did you mean 'scaling'",
    ("droppath_reference:DropPath?scaling=non",): "Did you mean 'none'",
    ("--efort", "quick"): "--effort",
    ("--effort", "quik"): "Did you mean 'quick'",
    ("--only", "DP31"): "Did you mean 'DP301'",
    ("--only", "keep-prob-zer"): "Did you mean 'keep-prob-zero'",
    ("--seed", "-1"): "--seed is a whole number",
    ("--seed", "frsh"): "'fresh'",
    ("--budget", "2"): "between 0 and 1",
    ("--budget", "x"): "not a valid float",
    ("--device", "cdua"): "'cdua' is not available|cdua",
    ("--import", "no_such_module_at_all"): "no_such_module_at_all",
    ("explain", "DP31"): "Did you mean 'DP301'",
    ("explain", "keep-prob-zer"): "keep-prob-zero",
    ("explain",): "Missing argument",
    ("list", "--nothing"): "No such option",
    ("certify", ""): "The SPEC is empty",
    ("lst\x1b[31m",): r"'lst\\x1b\[31m' is neither",
    ("--\x1b[31m",): r"No such option:? '?--\\x1b\[31m",
    ("m\x1b:X",): "holds the character .x1b",
    ("--seed", "9" * 5000): "--seed is a whole number from 0 on, or 'fresh', not '999",
}


@pytest.mark.parametrize("words", USAGE, ids=lambda words: " ".join(words)[:40])
def test_status_2_with_what_would_work_and_no_traceback(words: tuple[str, ...], run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert re.search(USAGE[words], err), err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_status_2_where_nothing_could_be_executed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "always.py"
    file.write_text("def drop(x, drop_prob):\n    return x\n", encoding="utf-8")
    status, out, _ = run(f"{file}:drop?training=always", "--effort", "quick", "--only", "DP001")
    assert status == 2
    assert "nothing was executed · exit 2" in out
    assert "no evaluation mode" in out


def test_status_2_where_nothing_that_must_hold_was_examined_though_it_was_asked_for(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "always.py"
    file.write_text("def drop(x, drop_prob):\n    return x\n", encoding="utf-8")
    spec, alone = f"{file}:drop?training=always", ("--effort", "quick", "--only", "DP503")
    assert run(spec, *alone)[0] == 0  # it is a SHOULD, and holds
    status, out, _ = run(spec, *alone, "--only", "DP001")
    assert status == 2
    assert "SHOULD 1 passed" in out


def test_status_3_where_time_ran_out(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._dynamo  # noqa: F401 - that the compiler was imported is no reason for more time

    file = tmp_path / "slow.py"
    file.write_text(
        "import time\nfrom droppath_reference.drop_path import drop_path as fast\n"
        "def drop(x, drop_prob, training):\n    time.sleep(0.05)\n    return fast(x, drop_prob, training=training)\n",
        encoding="utf-8",
    )
    hurried = effort.Effort("quick", resolution=0.005, call_resolution=0.05, seconds=0.06)
    monkeypatch.setitem(effort.EFFORTS, "quick", hurried)
    only = (
        "--only",
        "DP102[cpu-float32-p0.5]",
        "--only",
        "DP301[cpu-float32]",
        "--only",
        "DP101[cpu-float32]",
    )
    status, out, _ = run(f"{file}:drop", "--effort", "quick", "--no-isolation", *only)
    assert status == 3
    assert "no finding, but something is inconclusive · exit 3" in out
    for trial in ("DP102[cpu-float32-p0.5]", "DP101[cpu-float32]"):
        assert f"inconclusive  {trial}: time ran out" in out


def test_a_json_file_that_cannot_be_written_is_refused_before_the_audit(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droppath_audit.run.supervisor.Supervisor.__init__", None)  # whoever audits fails otherwise
    status, out, err = run(*ONE, "--json", str(tmp_path / "missing" / "report.json"))
    assert (status, out) == (2, "")
    assert "There is no folder" in err
    status, out, err = run(*ONE, "--json", str(tmp_path))
    assert (status, out) == (2, "")
    assert "is a directory" in err


TEXTS = [
    (name, option.opts[0])
    for name in cli.list_commands(click.Context(cli))
    for option in command_of(name).params
    if isinstance(option, click.Option) and isinstance(option.type, (click.types.StringParamType, click.Path))
]


@pytest.mark.parametrize(("name", "option"), TEXTS)
def test_an_option_without_a_value_is_a_slip_and_not_as_if_it_were_not_there(name: str, option: str, run: Run) -> None:
    for value in ("", "  "):
        needed = [one for one in command_of(name).params if isinstance(one, click.Argument) and one.required]
        status, out, err = run(name, option, value, *["x" for _ in needed])
        assert (status, out) == (2, "")
        assert f"{option} was given an empty value" in err


def test_a_file_that_is_none_is_named_for_what_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "device.py").symlink_to(os.devnull)
    for name, why in {
        "folder.py": "is a folder, not a file",
        "device.py": "is not a regular file",
        f"{'n' * 300}.py": "cannot be read: File name too long",
        f"{'n' * 300}.npz": "cannot be read: File name too long",
    }.items():
        spec = f"{tmp_path}/{name}" + (":drop" if name.endswith("py") else "")
        status, out, err = run(spec, *ONE, "--no-isolation")
        assert (status, out) == (2, "")
        assert why in err


def test_a_deleted_working_directory_is_the_cause_that_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for words in ((), ("--json", "report.json"), ("law",), ("certify",)):
        status, out, err = run(*words)
        assert (status, out) == (2, "")
        assert err == "droppath-audit: The working directory no longer exists; go to one that does.\n"


def test_a_target_that_cannot_be_loaded_is_named_before_any_other_is_audited(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layer.py").write_text("def drop(x, gamma): return x\n", encoding="utf-8")
    monkeypatch.setattr("droppath_audit.run.engine.run", None)
    file = tmp_path / "report.json"
    # Nothing in its signature is a probability; the message alone does not say which of the two it speaks of.
    status, out, err = run(MUTANT, f"{tmp_path}/layer.py:drop", *ONE, "--no-isolation", "--json", str(file))
    assert (status, out, file.exists()) == (2, "", False)
    assert f"{tmp_path}/layer.py:drop" in err


@pytest.mark.parametrize(("first", "status"), [(MUTANT, 1), ("droppath_reference:DropPath", 2)])
def test_a_target_that_cannot_be_loaded_again_costs_no_other_its_report(
    first: str, status: int, run: Run, tmp_path: Path
) -> None:
    once = tmp_path / "once.py"
    once.write_text(
        "from droppath_reference.drop_path import DropPath\n"
        "from pathlib import Path\n"
        f"Path({str(tmp_path / 'seen')!r}).mkdir()\n",
        encoding="utf-8",
    )
    file = tmp_path / "report.json"
    found, out, err = run(
        f"{once}:DropPath", first, "droppath_reference:DropPath?scaling=inverted", *ONE, "--no-isolation",
        "--json", str(file),
    )  # fmt: skip
    assert found == status
    assert f"Running {once} failed with FileExistsError" in err
    assert out.count("audit    effort quick") == 2
    assert len(json.loads(file.read_text(encoding="utf-8"))["reports"]) == 2


def test_a_file_that_cannot_be_written_costs_no_verdict(run: Run) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    status, out, err = run(*ONE, "--no-isolation", "--json", "/dev/full")
    assert (status, err) == (2, "droppath-audit: /dev/full cannot be written: No space left on device.\n")
    assert "every MUST holds" in out


SHADOWS = ("json", "re", "enum", "random", "numpy", "typing", "dataclasses", "click", "rich", "__future__")


def test_a_folder_full_of_well_known_names_shadows_nothing_and_its_neighbours_are_found(tmp_path: Path) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('this is {name}.py')\n", encoding="utf-8")
    (tmp_path / "neighbour.py").write_text("from droppath_reference.drop_path import DropPath\n", encoding="utf-8")
    (tmp_path / "layer.py").write_text("import json, numpy, re\nfrom neighbour import DropPath\n", encoding="utf-8")
    command = [sys.executable, "-m", "droppath_audit", "layer.py:DropPath", *ONE, "--no-isolation"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "every MUST holds" in done.stdout


def test_a_slip_in_the_second_spec_is_answered_before_the_first_is_audited(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droppath_audit.run.supervisor.Supervisor.__init__", None)
    status, out, err = run(MUTANT, "droppath_reference.DropPath", *ONE)
    assert (status, out) == (2, "")
    assert "has no ':'" in err


def test_several_specs_end_with_the_gravest_status_and_one_document(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    status, out, _ = run("droppath_reference:DropPath", MUTANT, *ONE, "--json", str(file))
    assert status == 1
    assert sum(line.startswith("droppath-audit 0.1.0") for line in out.splitlines()) == 2
    reports = json.loads(file.read_text(encoding="utf-8"))["reports"]
    assert [report["exit_status"] for report in reports] == [0, 1]


def test_json_on_standard_output_stands_there_alone(run: Run) -> None:
    status, out, err = run(*ONE, "--json", "-")
    assert status == 0
    assert [report["verdict"] for report in json.loads(out)["reports"]] == ["pass"]
    assert "every MUST holds" in err


def test_a_fresh_seed_is_printed_and_can_be_given_again(run: Run) -> None:
    seeds = set()
    for _ in range(2):
        status, out, _ = run("--effort", "quick", "--only", "DP101[cpu-float32]", "--seed", "fresh", "--no-isolation")
        assert status == 0
        (seed,) = re.findall(r"seed (\d+)", out)
        seeds.add(seed)
    assert len(seeds) == 2  # equal with probability 2^-32
    status, again, _ = run("--effort", "quick", "--only", "DP101[cpu-float32]", "--seed", seed, "--no-isolation")
    assert (status, f"seed {seed}" in again) == (0, True)


def test_a_plan_lists_every_trial_with_what_it_sees_and_costs_and_runs_none(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("droppath_audit.run.supervisor.Supervisor.collect", None)
    status, out, err = run("--plan", "--effort", "quick")
    assert (status, err) == (0, "")
    listed = re.findall(r"^(DP\d{3}\[\S+\]) +(MUST|SHOULD|INFO) +(\S.*)$", out, re.MULTILINE)
    planned = int(re.findall(r"(\d+) planned", out)[0])
    assert len({trial for trial, _, _ in listed}) == len(listed) == planned > 150
    for trial, _, rest in listed:
        statistical = re.fullmatch(r"±[\d.e-]+ +\S.*? +[\d,]+ +\d\.\de-\d+ *", rest)
        assert statistical or rest.split() == ["exact", "never"] or rest.startswith("not applicable: "), (
            trial,
            rest,
        )
    assert "nothing was run" in out


def test_a_plan_shows_the_seed(run: Run) -> None:
    _, out, _ = run("--plan", "--only", "DP301", "--seed", "77")
    assert "seed 77" in out


@pytest.mark.parametrize(("more", "heard"), [((), False), (("-v",), True)])
def test_the_target_is_heard_only_where_that_is_asked_for(more: tuple[str, ...], heard: bool, tmp_path: Path) -> None:
    file = tmp_path / "talks.py"
    file.write_text("def drop(x, drop_prob, training):\n    print('spoken')\n    return x * 0\n", encoding="utf-8")
    command = [sys.executable, "-m", "droppath_audit", f"{file}:drop", *ONE, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("spoken" in done.stderr) is heard
    assert "spoken" not in done.stdout


def test_list_has_a_line_per_check_with_name_level_and_promise(run: Run) -> None:
    status, out, _ = run("list")
    text = " ".join(out.split())
    assert status == 0
    for check in catalogue().values():
        assert f"{check.id} {check.slug} {check.level}" in text


@pytest.mark.parametrize("word", ["Budget", "not applicable", "SEES", "keep_prob", *WORDS])
def test_explain_tells_what_a_word_means(word: str, run: Run) -> None:
    status, out, _ = run("explain", word)
    assert status == 0
    assert out.startswith(f"{word.lower().replace(' ', '-').replace('_', '-')}:")
    assert max(map(len, out.partition("\n\n")[0].splitlines())) <= 96


@pytest.mark.parametrize("name", [name for check in catalogue().values() for name in (check.id, check.slug.upper())])
def test_explain_prints_the_documentation(name: str, run: Run) -> None:
    status, out, _ = run("explain", name)
    assert status == 0
    for heading in ("What it checks", "Why it matters", "How to fix", "Seen in", "Level"):
        assert f"\n{heading}\n" in out


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"droppath-audit, version {__version__}\n", "")


def test_help_names_every_subcommand_and_every_exit_status(run: Run) -> None:
    for word in ("--help", "-h"):
        status, out, _ = run(word)
        assert status == 0
        for name in cli.list_commands(click.Context(cli)):
            assert re.search(rf"^  {name}\b", out, re.MULTILINE)
        for code in ("0 every MUST", "1 at least", "2 usage", "3 no finding"):
            assert code in " ".join(out.split())


HELP = {"": cli, **{name: cli.get_command(click.Context(cli), name) for name in cli.list_commands(click.Context(cli))}}


@pytest.mark.parametrize("name", HELP)
def test_help_prints_each_example_on_a_line_of_its_own(name: str, run: Run) -> None:
    words = [name] if name else []
    status, out, _ = run(*words, "--help")
    assert status == 0
    assert not {"\b", "\\"} & set(out)
    command = HELP[name]
    assert command is not None
    examples = (command.epilog or "").removeprefix("\b\n").splitlines()
    assert out.endswith("".join(f"  {line}\n" for line in examples))
    if name in ("", "audit", "certify", "law", "model", "power", "scan", "schedule"):
        assert examples[0] == "Examples:"
        assert len(examples) > 3


@pytest.mark.parametrize("name", ["audit", "certify", "law", "model", "power", "scan", "schedule"])
def test_the_examples_of_a_subcommand_are_commands_that_it_takes(name: str) -> None:
    command = HELP[name]
    assert command is not None
    assert command.epilog is not None
    for line in command.epilog.splitlines()[2:]:
        words = shlex.split(line.strip().split("   ")[0])[1:]
        command.make_context(name, words[1:] if words[0] == name else words)  # raises what a slip of the pen raises


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_no_encoding_and_no_message_of_a_target_costs_the_report(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.py"
    raises = "    if drop_prob == 1.0: raise OSError('\\ud800 ü')\n    return x\n"
    file.write_text(f"def drop(x, drop_prob, training):\n{raises}", encoding="utf-8")
    command = [sys.executable, "-m", "droppath_audit", f"{file}:drop", *ONE]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"raised OSError: \\ud800" in done.stdout


FREE_OF = ("torch", "numpy", "scipy", "hypothesis", "rich")


def loaded_by(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint([name for name in {FREE_OF} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return eval(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]  # noqa: S307


def test_import_and_help_load_no_heavy_package() -> None:
    assert loaded_by("import droppath_audit; dir(droppath_audit)") == []
    assert (
        loaded_by(
            "from droppath_audit.commands import cli\n"
            "for words in (['--help'], ['audit', '--help'], ['--version']): cli.main(words, standalone_mode=False)"
        )
        == []
    )
    assert loaded_by("import torch") == ["torch", "numpy"] or "torch" in loaded_by("import torch")


def seconds(*command: str) -> float:
    """Return the processor time of the shortest of five runs, which whatever else the machine does disturbs least."""
    found = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_help_takes_no_longer_than_a_few_starts_of_the_interpreter() -> None:
    # 0.3 s is promised where the interpreter starts in 0.05 s and less.
    assert seconds("-m", "droppath_audit", "--help") < max(0.3, 6 * seconds("-c", "pass"))
    assert seconds("-c", "import droppath_audit") < max(0.1, 2 * seconds("-c", "pass"))


def test_the_module_runs_from_a_checkout() -> None:
    command = [sys.executable, "-m", "droppath_audit", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert __version__ in done.stdout


def test_an_attribute_that_does_not_exist_is_refused() -> None:
    import droppath_audit

    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        _ = droppath_audit.adit


def test_the_command_to_run_next_keeps_the_options_that_were_given(tmp_path, monkeypatch, command_line):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text("def drop(x, p, training, depth):\n    return x\n", encoding="utf-8")
    given = ("--effort", "quick", "--only", "DP1xx", "--only", "DP301", "--strict")
    status, _, refusal = command_line("own.py:drop", *given)
    assert status == 2
    *_, last = refusal.rstrip().splitlines()
    assert last == f"  droppath-audit 'own.py:drop?arg.depth=2' {' '.join(given)}"
    status, _, refusal = command_line("own.py:drop")
    assert refusal.endswith("\n  droppath-audit 'own.py:drop?arg.depth=2'\n")
