"""``grade`` as a user meets it, in a project of its own with a layer of its own convention."""

from __future__ import annotations

import json
import re
import textwrap
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from droppath_audit.core.graded import Described, Fault, Grade, OnTarget, Variant
from droppath_audit.report.console import PlainConsole
from droppath_audit.report.grade_json import document
from droppath_audit.report.grade_markdown import text as markdown
from droppath_audit.report.grade_table import show

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., tuple[int, str, str]]

LAYERS = """
    import torch
    from torch import nn

    def drop_path(inputs, survival=1.0, train=False, scale_by_keep=True):
        if not train or survival == 1.0:
            return inputs
        kept = torch.rand(inputs.shape[0], *[1] * (inputs.ndim - 1), dtype=torch.float64) < survival
        return inputs * kept / (survival if scale_by_keep and survival else 1.0)

    class DropPath(nn.Module):
        def __init__(self, survival=1.0, scale_by_keep=True):
            super(DropPath, self).__init__()
            self.survival, self.scale_by_keep = survival, scale_by_keep

        def forward(self, inputs):
            return drop_path(inputs, self.survival, self.training, self.scale_by_keep)

        def extra_repr(self):
            return f"survival={self.survival}"
    """
WEAK = """
    import torch
    from my_package import DropPath

    def test_shape():
        assert DropPath(0.5)(torch.ones(4, 3)).shape == (4, 3)

    def test_evaluation():
        torch.manual_seed(0)
        x = torch.randn(4, 3)
        assert torch.equal(DropPath(0.5).eval()(x), x)

    def test_without_a_factor():
        assert set(DropPath(0.5, scale_by_keep=False)(torch.ones(64, 3)).unique().tolist()) <= {0.0, 1.0}
    """
# The last one keeps between 40 and 60 of 100 with probability 0.965, and twice so in 0.93 of all runs.
GOOD = """
    import copy
    import torch
    import my_package.layers as layers

    X = torch.ones(100, 3)

    def test_scale():
        assert set(layers.DropPath(0.5)(X).unique().tolist()) <= {0.0, 2.0}

    def test_rows():
        y = layers.DropPath(0.5)(X)
        assert torch.equal(y[:, 0], y[:, 1])
        assert 0 < (y[:, 0] != 0).sum() < 100

    def test_a_dropped_sample_may_hold_anything():
        y = layers.DropPath(0.5).eval()(X)
        assert y.dtype == X.dtype

    def test_share():
        for _ in range(2):
            assert 40 <= (layers.DropPath(0.5)(X)[:, 0] != 0).sum() <= 60

    def test_hangs_where_nothing_is_dropped():
        while (layers.DropPath(0.7)(X) != 0).all():
            pass
    """
MUTANTS = ("per_element", "scaled_in_evaluation", "refuses_without_a_word", "unscales_what_it_scaled", "ShowsNothing")
ONLY = tuple(word for name in MUTANTS for word in ("--only", name))
SOUND = ("--only", "float64_uniform", "--only", "CountsItsCalls", "--only", "never_rescales")
FEW = (*ONLY, *SOUND)
CLASS = ("--target", "my_package.layers:DropPath")


@pytest.fixture
def run(command_line: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return ``grade``, run in a project whose tests are given as texts, each by its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "src" / "my_package").mkdir(parents=True)
    (tmp_path / "src" / "my_package" / "__init__.py").write_text("from my_package.layers import DropPath, drop_path\n")
    (tmp_path / "src" / "my_package" / "layers.py").write_text(textwrap.dedent(LAYERS))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\npythonpath = src\nfilterwarnings = error\naddopts = --strict-config\n"
    )

    def graded(*words: str, **tests: str) -> tuple[int, str, str]:
        for name, text in tests.items():
            (tmp_path / f"test_{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return command_line("grade", *words)

    return graded


def valid(data: Any) -> Any:
    """Return the JSON of a grade that fits the schema."""
    text = resources.files("droppath_audit.report").joinpath("grade_schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    jsonschema.Draft202012Validator(json.loads(text)).validate(data)
    return data


def outcomes(data: Any) -> dict[str, str]:
    return {fault["name"]: fault["outcome"] for fault in data["faults"]}


def test_weak_tests_let_through_what_good_ones_see(run, tmp_path):
    status, out, _ = run("test_weak.py", *CLASS, *FEW, "--seeds", "2", "--json", "weak.json", weak=WEAK)
    weak = valid(json.loads((tmp_path / "weak.json").read_text()))
    assert status == 0
    assert outcomes(weak) == {
        "per_element": "missed",
        "scaled_in_evaluation": "seen",
        "refuses_without_a_word": "shared",
        "unscales_what_it_scaled": "unfit",
        "ShowsNothing": "hidden",
    }
    assert (weak["graded"], weak["seen"]) == (2, 1)
    assert {fault["name"]: fault["shown_by"] for fault in weak["faults"] if fault["shown_by"]} == {
        "per_element": "DP104"
    }
    assert weak["tests_with_calls_aside"] == ["test_weak.py::test_without_a_factor"]
    # One seeds itself, and the one after it draws on from there.
    assert weak["tests_that_draw"] == ["test_weak.py::test_shape"]
    assert weak["sound_runs"]["runs"] == 2 * 2
    assert {one["name"]: one["reason"] for one in weak["sound_variants"] if one["reason"]} == {
        "never_rescales": "its scaling is none, the target's inverted"
    }
    assert "the tests see 1 of 2 faults (50 %) · exit 0" in out
    assert "DP104 granularity per_element: Decide for every element" in re.sub(r"\s+", " ", out)
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def test_good_tests_see_more_and_a_run_without_an_end_is_seen(run, tmp_path):
    only = ("--only", "per_element", "--only", "per_batch", "--only", "three_tenths_count_as_off")
    words = ("test_good.py", *CLASS, *only, *SOUND, "--seeds", "4", "--timeout", "3", "--json", "-")
    status, out, _ = run(*words, good=GOOD)
    good = valid(json.loads(out))
    found = outcomes(good)
    assert status == 0
    assert set(found.values()) == {"seen"}
    said = {fault["name"]: fault["said"] for fault in good["faults"]}
    assert said["three_tenths_count_as_off"] == "no answer within 3 seconds"
    low, high = good["sound_runs"]["interval"]
    assert 0.0 <= low <= good["sound_runs"]["rejected"] / good["sound_runs"]["runs"] <= high <= 1.0
    assert good["tested"]["passed"] == 5


def test_what_a_fixed_seed_rejects_may_be_chance_and_what_every_seed_rejects_is_style(run, tmp_path):
    """Each seeded test draws as much as the one before it; the last one draws nothing, and takes no copy of x."""
    test = """
        import pytest
        import torch
        from my_package import DropPath

        @pytest.mark.parametrize("least", [0, 1])
        def test_seeded(least):
            torch.manual_seed(2)
            first = DropPath(0.5)(torch.ones(1, 2))
            torch.manual_seed(2)
            assert least == 0 or first.sum() == (4.0 if torch.rand(1, 1, dtype=torch.float64) < 0.5 else 0.0)

        def test_identity():
            x = torch.ones(1)
            assert DropPath(0.5).eval()(x) is x
        """
    only = [word for name in ("threshold_of_53_bits", "float64_uniform", "SeparatePathForEvaluation", "per_batch")
            for word in ("--only", name)]  # fmt: skip
    status, _, _ = run("test_fixed.py", *CLASS, *only, "--json", "grade.json", fixed=test)
    found = {one["name"]: one for one in json.loads((tmp_path / "grade.json").read_text())["sound_variants"]}
    assert status == 0
    assert {name: (one["runs"], one["rejected"], one["fixed"], one["always"]) for name, one in found.items()} == {
        "float64_uniform": (1, 1, True, False),
        "threshold_of_53_bits": (1, 0, False, False),
        "SeparatePathForEvaluation": (1, 1, False, True),
    }


def test_a_function_is_replaced_where_a_package_exports_it_and_a_gate_is_kept(run, tmp_path):
    test = """
        import torch
        from my_package import drop_path

        def test_seeded():
            torch.manual_seed(1)
            assert set(drop_path(torch.ones(50, 2), 0.5, train=True).unique().tolist()) == {0.0, 2.0}

        def test_it_is_the_function_itself_that_is_given():
            assert drop_path.__code__.co_name == "drop_path"
        """
    words = ("test_function.py", "--target", "my_package.layers:drop_path", "--only", "scaled_by_realised_share")
    words += ("--only", "per_batch", "--only", "float64_uniform", "--markdown", "grade.md")
    status, out, _ = run(*words, "--at-least", "90", "--", "-p", "no:doctest", function=test)
    said = re.sub(r"\s+", " ", out)
    assert status == 1
    assert "the tests see 1 of 2 faults (50 %) · 90 % asked for · exit 1" in said or "(100 %)" in said
    assert "left out test_function.py::test_it_is_the_function_itself_that_is_given" in said
    assert "Sound code is rejected in 0 of 1 runs" in said
    assert "No test depends on the seed of the run" in said
    assert (tmp_path / "grade.md").read_text().startswith("### test\\_function.py")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("assert DropPath(0.5)(torch.ones(4, 3)).shape == (1,)", "test_it.py::test_it"),
        ("assert torch.ones(3).sum() == 3", "none of them calls my_package.layers:DropPath"),
        ("DropPath()(X)\n    assert DropPath.forward.__code__.co_name == 'forward'", "none on what stands in for it"),
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
    ],
    ids=["fails", "calls nothing", "looks inside", "does not import"],
)
def test_what_cannot_be_graded_says_so_in_one_message(run, test, message):
    head = "import torch\nfrom my_package import DropPath\n\nX = torch.ones(4, 3)\n"
    status, out, err = run("test_it.py", *CLASS, *FEW, it=f"{head}\n\ndef test_it():\n    {test}\n")
    assert (status, out) == (2, "")
    assert err.startswith("droppath-audit: ")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name the tests"),
        (("test_it.py",), "--target my_package.layers:DropPath"),
        (("test_it.py", *CLASS, "--only", "per_elemnt"), "Did you mean 'per_element'"),
        (("test_it.py", "--target", "my_package.layers:Missing"), "has no 'Missing'"),
        (("nowhere.py", *CLASS), "nowhere.py"),
    ],
    ids=["tests", "target", "only", "no such target", "no such file"],
)
def test_a_slip_is_told(run, words, message):
    status, out, err = run(*words, it="def test_it():\n    pass\n")
    assert (status, out) == (2, "")
    assert message in err


@pytest.fixture
def grade() -> Grade:
    """Return a grade with something of every kind in it, and names that a terminal would obey."""
    faults = (
        Fault("a", "Wrong \x1b[31m.", ("DP101",), "missed", shown_by="DP101"),
        Fault("b", "Wrong.", ("DP201",), "seen", test="t::b", said="assert 1 == 2"),
        Fault("c", "Wrong.", ("DP201",), "hidden", "DP201 does not see it there"),
        Fault("d", "Wrong.", (), "unfit", "it adds a shortcut, the target adds none"),
        Fault("e", "Wrong.", ("DP101",), "shared", "the target itself fails DP101"),
    )
    variants = (
        Variant("f", "Sound.", 10, 10, ("t::f",), "no"),
        Variant("g", "Sound.", 10, 2, ("t::g",), "no"),
        Variant("h", "Sound.", 1, 1, ("t::h",), "no", fixed=True),
    )
    checks = {"DP101": Described("one", "law of the mask", "p"), "DP201": Described("two", "values", "p")}
    tested = OnTarget(3, 2, 1, {0: "t::g"}, {"t::i": "looks inside"}, 0.25)
    return Grade(
        "m:D",
        ("t.py",),
        "0",
        tested,
        faults,
        variants,
        Variant("", "", 10, 1),
        checks,
        ("t::g",),
        ("t::h",),
        ("t::f",),
        (0.1, 0.4),
    )


def test_every_kind_is_told_in_every_form(grade):
    valid(document(grade))
    assert (grade.graded, grade.percent, grade.by_chance) == (2, 50.0, (2, 10))
    for width in (30, 80, 120):
        console = PlainConsole(width=width, no_color=True)
        with console.capture() as captured:
            show(console, grade, at_least=60.0)
        said = re.sub(r"\s+", " ", captured.get())
        assert "\x1b" not in captured.get()
        for word in (
            "failed on the target at seed 0: t::g",
            "left out t::i",
            "a: Wrong \\x1b[31m.",
            "1 do not show in its place",
            "Sound code is rejected in 2 of 10 runs: 20 %, between 10 % and 40 %",
            "The target itself is rejected in 1 of 10 runs.",
            "Rejected always, 10 of 10: f (Sound), by t::f: no",
            "Rejected by chance: g (2 of 10); by t::g.",
            "Rejected under a seed that tests set, by chance or for their style: h (1 of 1); by t::h.",
            "60 % asked for · exit 1",
        ):
            assert word in said, width
    assert "| DP101 one | a |" in markdown(grade)
