from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from droppath_audit.commands import cli
from droppath_audit.core.errors import UsageError
from droppath_audit.core.mask_law import MaskLaw
from droppath_audit.report import law_plot
from droppath_audit.report.law import CellLaw

if TYPE_CHECKING:
    from pathlib import Path

FLOOR = "droppath_audit.mutants.law:floor_mask"


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, ["law", *words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    assert result.return_value == 0
    return result.output


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_table_has_seven_digits_and_names_masks_that_are_neither_0_nor_1() -> None:
    text = run(FLOOR, "--dtype", "bfloat16", "--drop-prob", "0.001", "--drop-prob", "0.1")
    never, tenth = (row for row in rows(text) if row[:1] == ["bfloat16"])
    assert never == ["bfloat16", "0.001", "0.000000000", "0", "1", "1.0039062", "1", "2", "in", "0.00390619"]
    assert tenth == ["bfloat16", "0.1", "0.101318359", "1.013184", "3681/4096", "0.99697495", "1", "none"]
    assert "bfloat16: rand in bfloat16 (MT19937, 24 bits; every value was fed)" in text


def test_a_cell_without_a_draw_says_so_and_why() -> None:
    text = run("--drop-prob", "0", "--drop-prob", "0.5", "--dtype", "float32", "--no-isolation")
    assert ["float32", "0", "no", "draw"] in rows(text)
    assert "not enumerated: float32 at 0: in this thread the target draws nothing from the generators of torch" in text


def test_a_schedule_is_printed_layer_by_layer() -> None:
    text = run(FLOOR, "--schedule", "linear", "--max", "0.1", "--depth", "12", "--no-isolation")
    layers = [row for row in rows(text) if row and row[0].isdecimal()]
    assert [row[0] for row in layers] == [str(layer) for layer in range(12)]
    assert layers[11] == ["11", "0.100000000", "0.100000000", "0.100000024", "0.100067139", "0.101318359"]
    assert layers[0] == ["0", "0.000000000", *["no", "draw"] * 4]


def test_status_2_where_nothing_could_be_enumerated() -> None:
    spec = "droppath_audit.mutants.randomness:draws_from_numpy"
    result = CliRunner().invoke(cli, ["law", spec, "--drop-prob", "0.1", "--no-isolation"], standalone_mode=False)
    assert result.return_value == 2


USAGE = {
    ("--dtype", "bfloat15"): "Did you mean 'bfloat16'",
    ("--dtype", "complex64"): "There is no dtype 'complex64'",
    ("--drop-prob", "1.5"): "in \\[0, 1\\], not 1.5",
    ("--schedule", "linaer", "--max", "0.1", "--depth", "3"): "Did you mean 'linear'",
    ("--schedule", "linear", "--max", "0.1"): "needs --max P and --depth L",
    ("--schedule", "linear", "--max", "2", "--depth", "3"): "max_drop_prob must lie in",
    ("--schedule", "linear", "--max", "0.1", "--depth", "0"): "depth must be at least 1",
    ("--depth", "3"): "belong to a --schedule",
    ("--plot", "no/such/folder/law.png"): "There is no folder",
}


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_a_slip_is_answered_with_what_would_work(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=USAGE[words]):
        run(*words, "--no-isolation")


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="pip install matplotlib") as caught:
        run(FLOOR, "--plot", str(tmp_path / "law.png"))
    assert "\n" not in caught.value.message


def test_the_picture_begins_and_ends_where_it_says() -> None:
    asked = law_plot.drop_probs()
    assert (asked[0], asked[-1]) == (1e-4, 1.0 - 1e-4)
    assert asked == sorted(set(asked))


def law(dtype: str, drop_prob: float, keep_prob: str) -> CellLaw:
    kept = Fraction(keep_prob)
    found = MaskLaw("rand", "a generator", "sample", True, 4, kept, Fraction(1), (1.0,), (), 0, 0, Fraction(1))
    return CellLaw(dtype, drop_prob, found)


def test_a_picture_is_written_with_a_line_for_each_dtype(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "law.svg"
    laws = [
        law("float32", 0.25, "3/4"),
        law("float32", 0.5, "1/2"),
        law("bfloat16", 0.25, "1"),
        CellLaw("float16", 0.1, None, "it draws twice"),
    ]
    law_plot.draw(str(file), "a title", laws, figure=law_plot.figure_class(str(file)))
    assert file.read_bytes().startswith(b"<?xml")
    with pytest.raises(UsageError, match="ends in none of these"):
        law_plot.figure_class("law.docx")


def test_the_parent_never_imports_the_framework_nor_matplotlib() -> None:
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from droppath_audit.commands import cli\n"
        "status = cli.main(['law', '--drop-prob', '0.1'], standalone_mode=False)\n"
        "assert status == 0 and not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
