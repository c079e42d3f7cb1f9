from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from droppath_audit.checks import catalogue
from droppath_audit.core.cause import Cause, Place
from droppath_audit.core.collected import Collected
from droppath_audit.core.events import AuditFinished, AuditStarted
from droppath_audit.core.facts import CHECKS_OF_X
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import SWAPPED
from droppath_audit.report.console import PlainConsole
from droppath_audit.report.terminal import Terminal
from tests.in_part import in_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.core.events import Event
    from droppath_audit.core.facts import Facts

    Events = Callable[..., Iterator[Event]]

# Those that are asked of code as it is written.
CHECKS = [
    one for one in catalogue().values() if one.id not in ("DP703", "DP704") and not one.away and not one.benchmark
]

SNAPSHOTS = Path(__file__).parent / "snapshots"
REGENERATE = "DROPPATH_REGENERATE_SNAPSHOTS"

COMMANDS = {
    "reference": (
        "--only",
        "DP001",
        "--only",
        "DP102",
        "--only",
        "DP201",
        "--only",
        "DP203",
        "--only",
        "DP302",
        "--only",
        "DP401",
    ),
    "floor_mask": ("droppath_audit.mutants.law:floor_mask", "--only", "DP101", "--only", "DP301"),
    "raising": ("droppath_audit.mutants.shape:raises_on_empty_batch", "-v", "--only", "DP601[cpu-float64]"),
    "hint": ("droppath_audit.mutants.values:never_scaled", "--only", "DP201[cpu-float32-p0.3]"),
    "typo": ("droppath_audit.mutants.law:flor_mask",),
    "plan": ("--plan", "--only", "DP301", "--only", "DP302", "--only", "DP101"),
}
SHORT = set(COMMANDS) - {"raising", "hint"}  # the search for a cause runs in floor_mask as well


def normalised(text: str) -> str:
    """Replace what differs between machines and moments: seconds, versions, paths, blanks at the ends of lines."""
    text = re.sub(r"\d+\.\d s", "N.N s", text)
    text = re.sub(r"  \(droppath-audit \d\S*\)", "", text)  # the target's package, where it is installed
    text = re.sub(r"droppath-audit \d\S*", "droppath-audit VERSION", text)
    text = re.sub(r"torch \d\S*", "torch VERSION", text)
    text = re.sub(r"(?m)^source   .*/(\w+\.py:)\d+$", r"source   PATH/\1LINE", text)
    text = re.sub(r'File ".*/(\w+\.py)", line \d+', r'File "PATH/\1", line LINE', text)
    text = re.sub(r"G = .*?; worst", "STATISTICS; worst", text, flags=re.DOTALL)
    text = re.sub(r"where\s+\d\S+\s+were kept", "where N were kept", text)
    # Which calls Hypothesis generates is its own affair.
    text = re.sub(r"smallest example: .*?(training|evaluation)", "smallest example: EXAMPLE", text, flags=re.DOTALL)
    text = re.sub(r"(?m)^( +x = torch\.tensor\().*$", r"\1VALUES)", text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


@pytest.mark.parametrize("name", in_part(COMMANDS, SHORT))
def test_output_without_a_terminal_is_the_recorded_one(name: str) -> None:
    command = [sys.executable, "-m", "droppath_audit", *COMMANDS[name], "--effort", "quick"]
    plain = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    environment = {**plain, "NO_COLOR": "1", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    text = normalised(f"{done.stdout}{done.stderr}[exit {done.returncode}]")
    file = SNAPSHOTS / f"{name}.txt"
    if os.environ.get(REGENERATE):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"set {REGENERATE}=1 to record the new output"


def shown(
    events: Iterator[Event], *, terminal: bool = False, width: int = 120, verbose: bool = False, **options: object
) -> str:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, width=width, **options)
    for _ in Terminal(console, "0", verbose=verbose).show(events):
        pass
    return file.getvalue()


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


ANSI = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
BROKEN = {"elements": 8, "nan": 3, "nonzero": 0, "became": []}
SOME = {f"DP301[cpu-{dtype}]": Collected(BROKEN) for dtype in ("float32", "float16")}


@pytest.mark.parametrize("width", [80, 120])
def test_names_of_checks_are_never_wrapped_or_cut(width: int, events: Events) -> None:
    text = shown(events({}, "*", otherwise=Collected(error="dead")), width=width, verbose=True)
    for check in CHECKS:
        assert re.search(rf"{check.id} {check.slug} +(error +0/\d+|not-applicable)", text)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_at_every_width_each_check_stands_with_its_verdict_and_nothing_is_cut(width: int, events: Events) -> None:
    told = events({}, "*", otherwise=Collected(inconclusive="time ran out"))
    lines = lines_of(shown(told, width=width, verbose=True))
    start = next(number for number, line in enumerate(lines) if "interface" in line)
    table = lines[start : lines.index("", start)]
    assert max(len(line) for line in table) <= width
    assert "…" not in "".join(table)
    text = "".join("".join(table).split())
    for check in CHECKS:
        verdict = r"(inconclusive0/\d+|not-applicable)"
        assert re.search(rf"{check.id}({check.slug}{verdict}|{verdict}·?{check.slug})", text), check.id


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_at_every_width_each_family_stands_with_its_counts(width: int, events: Events) -> None:
    lines = lines_of(shown(events({}, "*", otherwise=Collected(inconclusive="time ran out")), width=width))
    start = next(number for number, line in enumerate(lines) if "interface" in line)
    table = lines[start : lines.index("", start)]
    assert max(len(line) for line in table) <= width
    text = "".join("".join(table).split())
    for name in ("law of the mask", "values", "edges", "gradients"):
        assert re.search(rf"{name.replace(' ', '')}:?MUST0/\d+", text)
    assert width < 60 or len(table) == len({check.family for check in catalogue().values()})


@pytest.mark.parametrize("width", [20, 40, 120])
def test_what_is_wrong_is_told_at_every_width(width: int, events: Events) -> None:
    lines = lines_of(shown(events(SOME), width=width))
    text = "".join("".join(lines).split())
    assert "1MUSTDP301keep-prob-zeroisbroken" in text
    assert "seenNaNin3of8values,inDP301[cpu-float32]" in text
    assert "2findings·exit1" in text


@pytest.mark.parametrize("width", [20, 40, 80, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_ends_with_a_blank(width: int, verbose: bool, events: Events) -> None:
    lines = shown(events(SOME), width=width, verbose=verbose).split("\n")
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_progress_never_takes_a_second_line(width: int, events: Events) -> None:
    raw = shown(events({}, "DP303", "DP302"), terminal=True, width=width, color_system=None)
    frames = [line for line in ANSI.sub("", raw).replace("\r", "\n").splitlines() if re.search(r"\d+/(\d+|\?)$", line)]
    assert frames
    assert max(len(frame) for frame in frames) <= width
    assert any("DP303" in frame for frame in frames)


HOSTILE = "\x1b[2J\x1b]0;title\x07\r[red]:x:\u202e\x9b\ud800"
SHOWN = r"\x1b[2J\x1b]0;title\x07\r[red]:x:\u202e\x9b\ud800"


def test_no_text_of_a_target_does_anything_to_a_terminal(facts: Facts, events: Events) -> None:
    answers = {"DP301[cpu-float32]": Collected(error=f"raised E: {HOSTILE}", traceback=HOSTILE)}
    *others, last = events(answers, "DP301")
    named = dict.fromkeys(("spec", "origin", "package", "arguments", "framework_version", "stands_for"), HOSTILE)
    report = replace(last.report, facts=replace(facts, **named))
    told = [AuditStarted(report.facts, others[0].trials), *others[1:], AuditFinished(report)]
    text = shown(iter(told), verbose=True, width=400)
    assert text.count(SHOWN) >= len(named) + 2  # the message and the traceback
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)


def test_what_a_writer_forgot_is_stopped_at_the_console() -> None:
    file = io.StringIO()
    PlainConsole(file=file, force_terminal=True, color_system=None, width=80).print("\x1b[2J", Text("\x9b [b]"), ":x:")
    assert file.getvalue() == r"\x1b[2J \x9b [b] :x:" + "\n"


def test_an_audit_that_ended_early_says_so_where_the_verdict_stands(events: Events) -> None:
    *_, last = events({}, "DP301")
    ended = replace(last.report, results=last.report.results[:1], incomplete="interrupted by SIGINT", planned=4)
    text = shown(iter([AuditFinished(ended)]))
    assert "4 planned · 1 run · " in text
    assert " MUST   1 passed\n" in text
    assert lines_of(text)[-1] == " incomplete: interrupted by SIGINT · exit 130"


def test_what_is_copied_is_never_broken(events: Events) -> None:
    again = "droppath-audit package.module:Name --only 'DP301[cpu-float32]' --seed 0 --effort quick"
    brief, full = (
        lines_of(ANSI.sub("", shown(events(SOME), width=60, terminal=True, color_system=None, verbose=verbose)))
        for verbose in (False, True)
    )
    assert [line for line in brief if line.endswith(again)] == [f"    rerun    {again}"]
    assert "      assert (ys == 0)[np.broadcast_to(np.isfinite(xs), ys.shape)].all()" in full


def test_verbose_says_what_why_and_how_to_fix_of_every_finding(events: Events) -> None:
    lines = lines_of(shown(events(SOME), verbose=True))
    title = next(number for number, line in enumerate(lines) if line.startswith("DP301 keep-prob-zero [cpu, float32]"))
    assert len(lines[title]) == 120
    rest = lines[title : next(number for number, line in enumerate(lines) if "[cpu, float16]" in line)]
    names = [line.split()[0] for line in rest if re.match(r"    (promised|observed|why|fix|rerun|script)\b", line)]
    assert names == ["promised", "observed", "why", "fix", "rerun", "script"]
    assert "    observed NaN in 3 of 8 values" in rest


CAUSE = Cause(
    "rate",
    Place("/a/layers.py", 7, "drop_path", "mask = rand < 0.7", ((6, "  p = 0.3"), (7, "  mask = rand < 0.7"))),
    "lt decides by 0.7, where drop_prob = 0.5 was asked for",
    "Compare with keep_prob.",
    Level.MUST,
    ("DP301[cpu-float32]", "DP301[cpu-float16]"),
    "DP301[cpu-float32]",
)


def test_a_cause_has_its_line_what_it_breaks_and_what_to_change(events: Events) -> None:
    *_, last = events(SOME)
    lines = lines_of(shown(iter([AuditFinished(replace(last.report, causes=(CAUSE,)))])))
    start = next(number for number, line in enumerate(lines) if line.startswith(" 1  MUST"))
    assert lines[start : start + 7] == [
        " 1  MUST lt decides by 0.7, where drop_prob = 0.5 was asked for",
        "    /a/layers.py:7  in drop_path",
        "          6    p = 0.3",
        "    >     7    mask = rand < 0.7",
        "    breaks   DP301 keep-prob-zero (2 trials)",
        "    seen     NaN in 3 of 8 values, in DP301[cpu-float32]",
        "    change   Compare with keep_prob.",
    ]


def test_what_does_not_fail_has_a_line_each_and_more_than_a_few_causes_as_well(events: Events) -> None:
    *_, last = events(SOME)
    several = [replace(CAUSE, place=replace(CAUSE.place, line=line)) for line in range(1, 8)]
    light = replace(CAUSE, level=Level.SHOULD)
    lines = lines_of(shown(iter([AuditFinished(replace(last.report, causes=(*several, light)))]), width=80))
    assert sum(bool(re.match(r" \d  MUST", line)) for line in lines) == 4
    assert (
        sum(line.startswith("  MUST   DP301 keep-prob-zero: NaN in 3 of 8 values (/a/layers.py:") for line in lines)
        == 3
    )
    assert sum(line.startswith("  SHOULD DP301") for line in lines) == 1
    assert max(map(len, lines[7:])) <= 100


def test_one_finding_is_called_one(events: Events) -> None:
    assert " 1 finding · exit 1" in shown(events(dict(list(SOME.items())[:1])))


def test_verbose_shows_every_finding_and_the_traceback(events: Events) -> None:
    answers = {**SOME, "DP301[cpu-bfloat16]": Collected(error="raised E: no", traceback="  in its line\n")}
    brief, full = (shown(events(answers), verbose=verbose) for verbose in (False, True))
    assert brief.count("DP301 keep-prob-zero [") == 0
    assert full.count("DP301 keep-prob-zero [") == 3
    assert "in its line" in full
    assert "in its line" not in brief


def test_square_brackets_of_a_target_are_not_taken_for_markup(events: Events) -> None:
    answers = {"DP301[cpu-float32]": Collected(error="raised E: [bold]list[int][/bold] [/]")}
    assert "raised E: [bold]list[int][/bold] [/]" in shown(events(answers))


def test_inconclusive_trials_are_listed(events: Events) -> None:
    cells = [{"drop_prob": 0.5, "kept": 500, "decisions": 1000}]
    cut = Collected({"cells": cells}, stopped_by_time=True, decisions=1000)
    text = shown(events({"DP101[cpu-float32]": cut}, "DP101[cpu-float32]"))
    assert "inconclusive  DP101[cpu-float32]: time ran out" in text
    assert "exit 3" in text


@pytest.mark.parametrize("verbose", [False, True])
def test_of_a_check_that_did_not_apply_the_reason_of_most_trials_is_told(events: Events, verbose: bool) -> None:
    """The first trial is at an end of drop_prob, where a target need not do what it does elsewhere."""
    first = {"DP103[cpu-float64-p0]": Collected(not_applicable="nothing is drawn")}
    told = shown(events(first, "DP103", otherwise=Collected(not_applicable="two draws")), verbose=verbose)
    assert "two draws" in told
    assert "nothing is drawn" not in told


def test_what_a_verdict_says_in_brief_stands_beside_its_check(events: Events) -> None:
    seen = {"taken": 3, "ways": 4, "branches": True, "never": [], "excused": [], "never_called": []}
    text = shown(events({}, "DP603", otherwise=Collected(seen)), verbose=True)
    assert re.search(r"DP603 examined-code +pass +1/1 +3 of 4 branches examined", text)


def test_a_terminal_gets_colour_and_progress(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    text = shown(events(SOME), terminal=True)
    assert "\x1b[1;31m 2 findings\x1b[0m" in text
    assert "loading the target" in text
    assert re.search(r"4/4", ANSI.sub("", text))
    assert "\x1b[?25h" in text  # the cursor is back


def test_no_color_is_honoured_on_a_terminal(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(events(SOME), terminal=True)
    assert not re.search(r"\x1b\[[\d;]*3\dm", text)


def test_without_a_terminal_there_is_no_escape_and_no_progress(events: Events) -> None:
    text = shown(events(SOME))
    assert "\x1b" not in text
    assert "loading the target" not in text


def test_a_cause_has_the_hint_of_any_of_its_trials(events: Events) -> None:
    *_, last = events(SOME)
    told = "if the batch is axis 1 of x, add axis=1 to the SPEC"
    of_another = CAUSE.trials[1]
    results = tuple(
        replace(result, verdict=replace(result.verdict, hint=told)) if result.trial.id == of_another else result
        for result in last.report.results
    )
    assert of_another in {result.trial.id for result in results if result.bad}
    lines = lines_of(shown(iter([AuditFinished(replace(last.report, results=results, causes=(CAUSE,)))])))
    assert f"    hint     {told}" in lines


BATCH = "if the layer means one decision a batch, add granularity=batch to the SPEC"
EVAL = "kept values are not scaled, and evaluation is: if both are meant, add scaling=eval to the SPEC"
PROB = f"{SWAPPED}: if p is the keep probability, add prob=p:keep to the SPEC"


@pytest.mark.parametrize(
    ("said", "query", "factory"),
    [
        ((BATCH, EVAL), "arg.mode=row&granularity=batch&scaling=eval", ""),
        ((BATCH, PROB), "arg.mode=row&scaling=inverted&prob=p:keep", ""),
        ((BATCH, SWAPPED), "", ""),
        ((BATCH, EVAL), "arg.mode=row&granularity=batch&scaling=eval", "audit_me.py:9"),
    ],
)
def test_what_all_hints_name_is_one_command(events: Events, said: tuple[str, str], query: str, factory: str) -> None:
    *_, last = events(SOME)
    spec = "file.py:layer?arg.mode=row&scaling=inverted"
    hints = iter(said)
    results = tuple(
        replace(
            result,
            verdict=replace(result.verdict, hint=next(hints, "")),
            reproduce=f"droppath-audit '{spec}' --only {result.trial.id} --seed 3",
        )
        if result.bad
        else result
        for result in last.report.results
    )
    report = replace(last.report, results=results, facts=replace(last.report.facts, spec=spec, factory=factory))
    assert next(hints, None) is None
    lines = lines_of(shown(iter([AuditFinished(report)])))
    head = "    if all that the hints name is meant, run next"
    printed = lines[lines.index(head) + 1] if head in lines else ""
    left_out = "".join(f" --skip {shlex.quote(check)}" for check in CHECKS_OF_X if factory)
    assert printed == (f"    droppath-audit 'file.py:layer?{query}'{left_out} --seed 3" if query else "")
