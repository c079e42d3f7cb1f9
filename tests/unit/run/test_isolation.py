from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.commands import main
from droppath_audit.core.collected import DIED, HUNG, Collected
from droppath_audit.core.errors import UsageError
from droppath_audit.core.verdict import Outcome
from droppath_audit.run import loaded_crew
from droppath_audit.run.blame import Blame
from droppath_audit.run.limits import Limits
from droppath_audit.run.plan import Settings, make
from droppath_audit.run.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.report import Report
    from droppath_audit.core.trial import Trial

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for left-over processes in /proc")

DTYPES = ("float64", "float32", "float16", "bfloat16")
# Eight places where a target can misbehave without two of them sharing a trial.
PLACES = {f"{check}[cpu-{dtype}]": (dtype, p) for check, p in (("DP002", 0.0), ("DP301", 1.0)) for dtype in DTYPES}

DEADLY = {
    "os._exit(0)": "the process ended with exit status 0",
    "os._exit(77)": "the process ended with exit status 77",
    "os.kill(os.getpid(), signal.SIGSEGV)": "the process was killed by SIGSEGV",
    "ctypes.string_at(0)": "the process was killed by SIGSEGV",
    "os.abort()": "the process was killed by SIGABRT",
    "os.kill(os.getpid(), signal.SIGRTMIN + 1)": "the process was killed by signal 35",
    "os.closerange(3, 256)": "the process ended with exit status 1",
    "os.kill(os.getppid(), signal.SIGKILL); time.sleep(0.5)": "the process ended",
}
RAISING = {
    "raise SystemExit(0)": "raised SystemExit: 0",
    "sys.exit('bye')": "raised SystemExit: bye",
    "deeper()": "raised RecursionError: maximum recursion depth exceeded",
    "raise MemoryError": "raised MemoryError",
    "raise KeyboardInterrupt": "raised KeyboardInterrupt",
    "raise Custom('of its own')": "raised Custom: of its own",
    "raise GeneratorExit": "raised GeneratorExit",
    "raise StopIteration": "raised StopIteration",
}
HARMLESS = (
    "sys.stdin.read(); sys.__stdout__.write('z'); sys.stdout = sys.stderr = None",
    "print('x' * 5_000_000); os.write(1, b'y' * 5_000_000)",
    """os.write(1, b'{"collected": {"error": "forged"}}\\nnot json\\n\\n{"died": "forged"}\\n')""",
    "os.chdir('/')",
    "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)",
    "torch.manual_seed(1); numpy.random.seed(1); random.seed(1)",
    "os.fork()",
    "os.closerange(0, 3)",
)


def observed(report: Report) -> dict[str, tuple[str, str]]:
    return {r.trial.id: (str(r.outcome), r.verdict.observed) for r in report.results}


def scatter(statements: Any) -> str:
    """Return code that runs each statement at a place of its own."""
    places = zip(PLACES.values(), statements, strict=True)
    return "\n".join(f"if at == {place!r}:\n    {statement}" for place, statement in places)


@pytest.mark.parametrize("faults", [DEADLY, RAISING], ids=["deadly", "raising"])
def test_whatever_ends_or_raises_is_an_error_of_its_own_trial_alone(
    faults: dict[str, str], target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(target(scatter(faults)), "DP002", "DP301", "DP201[*-p0.1]")
    seen = observed(report)
    for (statement, error), trial in zip(faults.items(), PLACES, strict=True):
        assert (statement, *seen[trial]) == (statement, "error", error)
    others = [seen[f"DP201[cpu-{dtype}-p0.1]"][0] for dtype in DTYPES]
    assert others == ["pass"] * 4
    assert report.exit_status == 1


def test_what_does_no_harm_to_the_answer_does_none_to_the_verdict(
    target: Callable[..., str], isolated: Callable[..., Report], capfd: pytest.CaptureFixture[str]
) -> None:
    report = isolated(target(scatter(HARMLESS)), "DP002", "DP301", "DP201[*-p0.1]")
    assert {trial: verdict[0] for trial, verdict in observed(report).items() if verdict[0] != "pass"} == {}
    assert report.counts["run"] == 12
    assert capfd.readouterr() == ("", "")  # nothing of what the target prints gets out


def test_the_last_words_of_a_dead_process_are_those_of_its_own_trial(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    loud = "if at == ('float64', 1.0):\n    print('first words'); ctypes.string_at(0)\n"
    mute = "if at == ('float32', 1.0):\n    os._exit(3)"
    first, second = isolated(target(loud + mute), "DP301[cpu-float64]", "DP301[cpu-float32]").results
    assert "first words" in first.traceback
    assert "in drop_path" in first.traceback  # faulthandler's
    assert second.traceback == ""


def test_traceback_of_a_raising_target_shows_its_own_line_and_none_of_ours(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    code = "if at == ('float64', 1.0):\n    raise ValueError('no\\nsecond line')"
    (result,) = isolated(target(code), "DP301[cpu-float64]").results
    assert result.verdict.observed == "raised ValueError: no"
    assert "target.py" in result.traceback
    assert "droppath_audit" not in result.traceback
    assert "assert" not in result.reproduce
    assert result.snippet.endswith("y = drop_path(x, drop_prob=0.5, training=True)")


def test_three_deaths_that_share_a_dtype_end_the_trials_of_that_dtype_only(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    code = "if at[0] == 'float16':\n    os._exit(5)"
    report = isolated(target(code), "DP201[cpu-float16*]", "DP201[cpu-float32*]")
    errors = [r.verdict.observed for r in report.results if r.trial.case.dtype == "float16"]
    reason = "not run: the process died in 3 earlier trials with dtype float16"
    assert errors == 3 * ["the process ended with exit status 5"] + 3 * [reason]
    assert [str(r.outcome) for r in report.results if r.trial.case.dtype == "float32"] == 6 * ["pass"]


SOON = Limits(trial_seconds=1.0)
# On a machine so busy that a process has less than a third of a core the other limit is reached first.
LATE = "no answer within (1 seconds of processor time|3 seconds)"
# Calls before the plan, which are given ten seconds in forks of their own, have batches of 5 samples.
PLANNED = "x.shape[0] != 5"


def test_a_hang_in_one_dtype_costs_one_trial_which_is_tried_twice(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    code = f"if at == ('float32', 1.0) and {PLANNED}:\n    if os.fork() == 0:\n        os.setsid()\n    forever()"
    seen = observed(isolated(target(code), "DP301", limits=SOON))
    outcome, said = seen.pop("DP301[cpu-float32]")
    assert outcome == "error"
    assert re.fullmatch(f"{LATE}, at the second attempt as well; the process was stopped", said)
    assert [verdict for verdict, _ in seen.values()] == ["pass"] * 3


def test_a_deadlock_that_uses_no_processor_is_a_hang(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    deadlock = "lock = threading.Lock(); lock.acquire(); lock.acquire()"
    code = target(f"if at == ('float32', 1.0) and {PLANNED}:\n    {deadlock}")
    (result,) = isolated(code, "DP301[cpu-float32]", limits=Limits(trial_seconds=0.5)).results
    assert result.verdict.observed.startswith("no answer within 1.5 seconds, at the second attempt")


def test_what_hung_once_is_tried_again_from_the_same_seed_and_says_so(
    target: Callable[..., str], isolated: Callable[..., Report], tmp_path: Path
) -> None:
    flag = tmp_path / "hung"
    once = (
        f"if x.shape[0] > 100 and not os.path.exists({str(flag)!r}):\n    open({str(flag)!r}, 'w').close(); forever()"
    )
    spec = target(once)
    report = isolated(spec, "DP102[cpu-float32-p0.5]", limits=SOON)
    (first,), (second,) = report.results, isolated(spec, "DP102[cpu-float32-p0.5]").results
    assert first.outcome is Outcome.PASS
    assert re.match(rf"a first attempt was stopped \({LATE}\)", first.note)
    assert (second.note, second.evidence) == ("", first.evidence)


def test_hangs_of_one_check_end_that_check_alone(target: Callable[..., str], isolated: Callable[..., Report]) -> None:
    code = target("if at[1] == 0.9:\n    forever()")
    report = isolated(code, "DP201[*-p0.9]", "DP201[*-p0.3]", "DP202[cpu-*-p0.5]", limits=Limits(trial_seconds=0.6))
    seen = observed(report)
    errors = [seen[f"DP201[cpu-{dtype}-p0.9]"][1] for dtype in DTYPES]
    assert [error.startswith("no answer within ") for error in errors[:2]] == [True] * 2
    assert errors[2:] == 2 * ["not run: 2 earlier trials of DP201 hung"]
    assert [seen[f"DP202[cpu-{dtype}-p0.5]"][0] for dtype in DTYPES] == ["pass"] * 4


def test_after_hangs_of_four_checks_nothing_more_is_run(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    only = ("DP003", "DP008", "DP109", "DP110", "DP112", "DP113", "DP601[cpu-complex64]")
    report = isolated(target(f"if {PLANNED}:\n    forever()"), *only, limits=Limits(trial_seconds=0.6), jobs=2)
    messages = [r.verdict.observed for r in report.results if r.outcome is Outcome.ERROR]
    hung = [message for message in messages if message.startswith("no answer within ")]
    assert len(hung) == 4
    assert all(message in hung or message.startswith("not run: ") for message in messages)
    assert report.exit_status == 1


def test_more_memory_than_allowed_is_an_error_of_its_own_trial(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    hoards = "kept = []\n    while True:\n        kept.append(torch.ones(2**22))"
    code = f"if at == ('float32', 1.0) and {PLANNED}:\n    {hoards}"
    seen = observed(isolated(target(code), "DP301", limits=Limits(memory=2**30)))
    assert seen.pop("DP301[cpu-float32]") == ("error", "it used more than 1 GiB of memory; the process was stopped")
    assert [verdict for verdict, _ in seen.values()] == ["pass"] * 3


def trials(target_facts: Facts, *only: str) -> tuple[Trial, ...]:
    return make(target_facts, Settings(effort="quick", only=only))


class TestBlame:
    def test_deaths_count_by_dtype_and_by_drop_prob_and_not_together(self, facts: Facts) -> None:
        by_id = {trial.id: trial for trial in trials(facts)}
        blame = Blame()
        for cell in ("float64-p0.1", "float32-p0.1"):
            blame.note(by_id[f"DP201[cpu-{cell}]"], Collected(error="", ended=DIED))
        assert not blame.reason(by_id["DP201[cpu-float16-p0.1]"])
        blame.note(by_id["DP201[cpu-float16-p0.1]"], Collected(error="", ended=DIED))
        assert "drop_prob 0.1" in blame.reason(by_id["DP201[cpu-bfloat16-p0.1]"])
        assert not blame.reason(by_id["DP201[cpu-float64-p0.3]"])
        assert not blame.reason(by_id["DP301[cpu-float64]"])

    def test_hangs_of_two_checks_that_share_a_dtype_end_that_dtype(self, facts: Facts) -> None:
        by_id = {trial.id: trial for trial in trials(facts)}
        blame = Blame()
        for cell in ("float64-p0.1", "float64-p0.3"):
            blame.note(by_id[f"DP201[cpu-{cell}]"], Collected(error="", ended=DIED))
        blame.note(by_id["DP301[cpu-float64]"], Collected(error="", ended=HUNG))
        assert not blame.reason(by_id["DP002[cpu-float64]"])  # a death and a hang do not add up
        blame.note(by_id["DP302[cpu-float64]"], Collected(error="", ended=HUNG))
        assert "2 checks with dtype float64 hung" in blame.reason(by_id["DP002[cpu-float64]"])
        assert not blame.reason(by_id["DP002[cpu-float32]"])


AT_IMPORT = {
    "sys.exit(0)": "failed with SystemExit: 0",
    "raise Custom('at import')": "failed with Custom: at import",
    "os._exit(0)": "ended before it was done",
    "os.kill(os.getpid(), signal.SIGKILL)": "ended before it was done",
    "raise KeyboardInterrupt": "ended before it was done",
    "import no_such_module_anywhere": "it needs the module 'no_such_module_anywhere'",
}


@pytest.mark.parametrize("statement", AT_IMPORT)
@pytest.mark.parametrize("needs", [True, pytest.param(False, marks=pytest.mark.selftest)], ids=["needed", "not-needed"])
def test_what_a_file_does_when_it_is_imported_ends_the_audit_only_of_what_needs_it(
    statement: str,
    needs: bool,
    target: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = target(at_import=f"globals()['made'] = True\n{statement}", in_training="made" if needs else "")
    monkeypatch.setattr(sys, "argv", ["droppath-audit", spec, "--only", "DP301[cpu-float64]"])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert AT_IMPORT[statement] in err
    assert "Traceback" not in err
    if needs:
        assert (caught.value.code, out) == (2, "")
    else:
        assert "drop_path needs nothing of that, and is audited apart from its file: " in err
        assert (caught.value.code, out.count("1 passed")) == (0, 1)


def test_a_target_that_never_finishes_importing_is_given_up(
    target: Callable[..., str], isolated: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_crew, "LOAD_SECONDS", 2.0)
    with pytest.raises(UsageError, match=r"given up: no answer within (2 seconds of processor time|6 seconds)"):
        isolated(target(at_import="forever()"))


def test_a_copy_forked_at_import_does_not_answer(target: Callable[..., str], isolated: Callable[..., Report]) -> None:
    report = isolated(target(at_import="os.fork()"), "DP301", "DP302")
    assert Counter(str(r.outcome) for r in report.results) == {"pass": 8}


def test_a_copy_forked_in_a_call_does_not_answer_for_the_next_trial(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    code = "if at == ('float64', 1.0):\n    os.fork()\nif at == ('float32', 1.0):\n    return x"
    report = isolated(target(code), "DP301")
    assert [str(r.outcome) for r in report.results] == ["pass", "fail", "pass", "pass"]


THREAD = "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()"


def test_a_thread_started_at_import_forbids_forking_and_costs_only_speed(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    code = "if at == ('float32', 1.0):\n    os._exit(9)"
    seen = observed(isolated(target(code, at_import=THREAD), "DP301"))
    assert seen.pop("DP301[cpu-float32]") == ("error", "the process ended")
    assert [verdict for verdict, _ in seen.values()] == ["pass"] * 3


def test_a_thread_that_kills_the_process_later_loses_no_verdict_but_one(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    later = "threading.Timer(0.0, os._exit, (4,)).start()"
    report = isolated(target(f"if at == ('float32', 1.0):\n    {later}"), "DP301", "DP002")
    outcomes = Counter(str(r.outcome) for r in report.results)
    assert outcomes["error"] <= 1
    assert outcomes["pass"] >= 7


def test_a_target_that_cannot_be_loaded_is_refused_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Supervisor("no_such_module_at_all:DropPath") as running:
        refusals = []
        for patience in (300.0, 0.0):  # the second time nothing is waited for
            monkeypatch.setattr(loaded_crew, "LOAD_SECONDS", patience)
            with pytest.raises(UsageError) as caught:
                _ = running.facts
            refusals.append(caught.value.message)
    assert refusals[0] == refusals[1]
    assert "There is no module 'no_such_module_at_all'" in refusals[0]


def test_a_target_that_loads_only_once_keeps_the_verdicts_it_had(
    target: Callable[..., str], isolated: Callable[..., Report], tmp_path: Path
) -> None:
    flag = tmp_path / "loaded"
    once = (
        f"{THREAD}\nif os.path.exists({str(flag)!r}):\n    raise OSError('only once')\nopen({str(flag)!r}, 'w').close()"
    )
    code = "if at == ('float32', 1.0):\n    os._exit(9)"
    messages = [r.verdict.observed for r in isolated(target(code, at_import=once), "DP301").results]
    assert messages[0].endswith("values are zero")
    assert messages[1] == "the process ended"
    assert all(
        message.startswith("not run: the target could not be loaded again") and "only once" in message
        for message in messages[2:]
    )


@pytest.mark.parametrize("at_import", ["", THREAD], ids=["forking", "not forking"])
def test_a_killed_command_leaves_no_process_behind(
    at_import: str, target: Callable[..., str], tmp_path: Path, isolated: Callable[..., Report]
) -> None:
    flag = tmp_path / "running"
    spec = target(f"if {PLANNED}:\n    open({str(flag)!r}, 'w').close(); forever()", at_import=at_import)
    command = [sys.executable, "-m", "droppath_audit", spec, "--only", "DP301"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not flag.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert flag.exists()
        process.send_signal(signal.SIGKILL)
    # The fixture looks for what is left.


def test_closing_ends_what_the_target_started(target: Callable[..., str], isolated: Callable[..., Report]) -> None:
    sleeper = "import subprocess; subprocess.Popen(['sleep', '1000'])"
    report = isolated(target(f"if at == ('float32', 1.0):\n    {sleeper}"), "DP301")
    assert report.exit_status == 0


def test_an_interrupted_audit_ends_its_worker(target: Callable[..., str], isolated: Callable[..., Report]) -> None:
    with Supervisor(target(f"if {PLANNED}:\n    forever()")) as running:
        assert running.facts.kind == "function"
        outcomes = running.collect(make(running.facts, Settings(only=("DP301",))))
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_parent_imports_neither_torch_nor_the_target(target: Callable[..., str]) -> None:
    code = (
        "import sys; from droppath_audit.commands import cli; "
        "status = cli.main(sys.argv[1:], standalone_mode=False); "
        "sys.exit(10 * status + ('torch' in sys.modules))"
    )
    command = [sys.executable, "-c", code, target(), "--only", "DP301", "--effort", "quick"]
    assert subprocess.run(command, capture_output=True, check=False, env=dict(os.environ)).returncode == 0


def test_a_verdict_stands_although_no_sample_is_found_for_its_snippet(
    target: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    spec = target("if x.dtype == torch.float16:\n    return [x.tolist()]")
    (result,) = isolated(spec, "DP005[cpu-float16]").results
    assert result.outcome is Outcome.FAIL
    assert "the target returned list, not a tensor" in result.verdict.observed
