"""``scan`` as a user meets it: exit statuses, what is printed, the JSON, lifted definitions, an interruption."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from droppath_audit.core.scanned import Group, Place, Scan
from droppath_audit.report.scan_json import document

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, str, str]]

SOUND = """
    import torch
    from torch import nn

    class {}(nn.Module):
        def __init__(self, drop_prob=0.0):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            if not self.training or self.drop_prob == 0.0:
                return x
            keep_prob = 1.0 - self.drop_prob
            shape = (x.shape[0],) + (1,) * (x.ndim - 1)
            kept = torch.rand(shape, device=x.device) < keep_prob
            return torch.where(kept, x / max(keep_prob, 1e-9), torch.zeros_like(x))
    """
NAN = SOUND.replace("torch.where(kept, x / max(keep_prob, 1e-9), torch.zeros_like(x))", "x / keep_prob * kept")
UNDRIVEN = SOUND.replace("drop_prob=0.0", "drop_prob, width_of_it")
ONE = ("--only", "DP301[cpu-float32]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that writes files into a folder ``layers`` of the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> None:
        (tmp_path / "layers").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / "layers" / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")

    return write


@pytest.fixture
def run(command_line: Run) -> Run:
    return partial(command_line, "scan")


def schema(name: str) -> jsonschema.Draft202012Validator:
    text = resources.files("droppath_audit.report").joinpath(name).read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    return jsonschema.Draft202012Validator(json.loads(text))


def valid(text: str) -> Any:
    """Return a JSON document that fits the schema, and whose audits fit theirs."""
    data = json.loads(text)
    schema("scan_schema.json").validate(data)
    for group in data["groups"]:
        if group["report"] is not None:
            document = {"schema_version": "2.0", "tool": "", "reports": [group["report"]]}
            schema("schema.json").validate(document)
    return data


def test_copies_are_one_row_and_one_audit_and_each_place_is_in_the_json(run: Run, folder: Callable[..., None]) -> None:
    folder(a=SOUND.format("ADropPath"), b=SOUND.format("BDropPath"), c=NAN.format("CDropPath"))
    status, out, err = run("layers", *ONE, "--json", "scan.json")
    assert (status, err) == (1, "")
    assert re.search(r"ADropPath +2 +layers/a.py:5 and 1 more +pass", out)
    assert re.search(r"CDropPath +1 +layers/c.py:5 +fail: DP301\n", out.replace(" \n", "\n"))
    assert "DP301\u00a0keep-prob-zero" in out
    assert "Run next:\n  droppath-audit layers/c.py:CDropPath --effort quick\n" in out
    assert "3 definitions · 2 groups · 1 passed · 1 failed" in out
    assert "1 of 2 with findings · exit 1" in out
    first, second = valid(Path("scan.json").read_text(encoding="utf-8"))["groups"]
    assert [(place["name"], place["file"]) for place in first["places"]] == [
        ("ADropPath", "layers/a.py"),
        ("BDropPath", "layers/b.py"),
    ]
    assert (first["verdict"], second["verdict"], second["broken"]) == ("pass", "fail", ["DP301"])
    assert second["report"]["target"]["spec"] == second["spec"] == "layers/c.py:CDropPath"


def test_status_0_where_every_definition_holds_and_the_json_can_be_standard_output(
    run: Run, folder: Callable[..., None]
) -> None:
    folder(a=SOUND.format("DropPath"))
    status, out, err = run("layers", *ONE, "--json", "-")
    assert status == valid(out)["exit_status"] == 0
    assert "every MUST holds in every definition · exit 0" in err


def test_status_2_with_the_reason_and_the_command_where_one_cannot_be_driven(
    run: Run, folder: Callable[..., None]
) -> None:
    local = "def build(rate):\n" + textwrap.indent(textwrap.dedent(SOUND.format("InnerDropPath")), "    ")
    folder(a=SOUND.format("DropPath"), b=UNDRIVEN.format("WideDropPath"), c=local)
    status, out, err = run("layers", *ONE, "--json", "scan.json")
    assert (status, err) == (2, "")
    flat = " ".join(out.split())
    assert "cannot be driven: WideDropPath is not called yet; its signature leaves open: 'width_of_it' must be" in flat
    assert "cannot be driven: it is defined inside a function, where no SPEC can name it" in flat
    assert "2 of 3 could not be driven · exit 2" in out
    groups = {group["name"]: group for group in valid(Path("scan.json").read_text(encoding="utf-8"))["groups"]}
    command = groups["WideDropPath"]["command"]
    assert f"\n  {command}\n" in out
    assert shlex.split(command) == ["droppath-audit", "layers/b.py:WideDropPath?init.width_of_it=8"]
    assert groups["build.InnerDropPath"]["verdict"] == "not-driven"


def test_a_definition_is_lifted_out_of_a_file_that_cannot_be_imported(run: Run, folder: Callable[..., None]) -> None:
    broken = "import no_such_module\n" + textwrap.dedent(NAN.format("DropPath"))
    folder(a=broken)
    status, out, _ = run("layers", *ONE, "--json", "scan.json", "--lifted", "apart")
    assert status == 1
    assert "fail: DP301 · lifted" in out
    why = "Running layers/a.py failed: it needs the module 'no_such_module', which is not installed"
    assert why.replace("layers/a.py", "its file") in " ".join(out.split())
    (group,) = valid(Path("scan.json").read_text(encoding="utf-8"))["groups"]
    assert group["lifted"]["why"] == why
    assert "no_such_module" not in group["lifted"]["text"]
    (command,) = re.findall(r"Run next:\n  droppath-audit (.*)\n", out)
    assert command.startswith("apart/DropPath_")
    assert Path(command.partition(":")[0]).is_file()


def test_what_cannot_be_lifted_is_listed_with_both_reasons(run: Run, folder: Callable[..., None]) -> None:
    base = textwrap.dedent(NAN.format("DropPath")).replace("nn.Module", "Base")
    folder(a=f"from .bases import Base\n{base}")
    status, out, _ = run("layers", *ONE)
    assert status == 2
    flat = " ".join(out.split())
    assert "attempted relative import with no known parent package" in flat
    assert "it was not lifted out of its file, because it needs Base from .bases, which is not there" in flat


def test_a_list_audits_nothing_and_imports_nothing(run: Run, folder: Callable[..., None]) -> None:
    folder(a=SOUND.format("DropPath") + "\n    raise SystemExit(5)\n", b="def drop_path(x:\n")
    status, out, err = run("layers", "--list")
    assert (status, err) == (0, "")
    assert re.search(r"DropPath +1 +layers/a.py:5 +found by its name and what it does", out)
    assert "skipped  layers/b.py: does not parse: line 1: '(' was never closed" in out
    assert "listed, nothing was audited · exit 0" in out


def test_status_2_where_nothing_is_found(run: Run, folder: Callable[..., None]) -> None:
    folder(a="def scale(x):\n    return 2 * x\n")
    for words in (("layers",), ("layers", "--list")):
        status, out, _ = run(*words)
        assert status == 2
        assert "no look-alike was found, so nothing was audited · exit 2" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name what to scan: a package, as it is imported, or a folder."),
        (("no_such_package",), "There is no package no_such_package in this environment"),
        (("layers", "--only", "DP999"), "DP999"),
        (("layers", "--effort", "swift"), "swift"),
        (("layers", "--seed", "x"), "--seed is a whole number"),
        (("layers", "--json", "no/such/scan.json"), "There is no folder no/such"),
        (("layers", "--lifted", "layers/a.py"), "layers/a.py"),
    ],
)
def test_a_slip_is_said_once_and_not_for_every_definition(
    words: tuple[str, ...], said: str, run: Run, folder: Callable[..., None]
) -> None:
    folder(a=SOUND.format("DropPath"), b=NAN.format("DropPath"))
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count(said) == 1


def test_an_interruption_ends_with_what_there_is(folder: Callable[..., None], tmp_path: Path) -> None:
    waits = "import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(600)\n"
    folder(a=SOUND.format("DropPath"), b=waits + textwrap.dedent(NAN.format("DropPath")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-m", "droppath_audit", "scan", "layers", *ONE, "--json", "scan.json"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as process:
        # The second target is loaded only once the first was audited.
        while not (tmp_path / "loading").exists() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert "incomplete: interrupted by SIGINT · exit 130" in out
    data = valid((tmp_path / "scan.json").read_text(encoding="utf-8"))
    assert data["incomplete"] == "interrupted by SIGINT"
    assert [group["verdict"] for group in data["groups"]] == ["pass", "not-audited"]


@pytest.mark.parametrize(("lines", "status"), [((), 2), (("",), 0), (("no SPEC",), 2)])
def test_the_exit_status_follows_from_the_groups(lines: tuple[str, ...], status: int) -> None:
    places = (Place("DropPath", "a.py", 1),)
    groups = tuple(Group(places, "0" * 16, "its name", "a.py:DropPath", refused=line) for line in lines)
    scan = Scan("a.py", ("a.py",), "0", 1, 1, groups, audited=any(lines))
    assert scan.exit_status == status
    schema("scan_schema.json").validate(document(scan))
