"""Scripts of recordings: they read the decisions that the recorded probe reads, from every format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from droppath_audit.core.case import Cell
from droppath_audit.core.recording import RECORDED, Recording
from droppath_audit.probes.calls import runs
from droppath_audit.probes.recorded import RecordedProbe
from droppath_audit.recording import Recorder
from droppath_audit.scripts import RecordedScript, script_for
from droppath_audit.targets.loader import load
from droppath_reference.law import round_to

if TYPE_CHECKING:
    from pathlib import Path

    from droppath_audit.core.recording import BlockFacts

ENDINGS = (".npz", ".safetensors", ".jsonl")
MASKS = {"sample": (6, 1), "batch": (1, 1), "element": (6, 3)}


def loaded(file: Path, granularity: str, **description: str) -> tuple[Recording, RecordedScript, Cell]:
    """Record calls at two drop_probs, some samples of which hold zeros or nothing else; return what they make."""
    rng = np.random.default_rng(np.random.SeedSequence(0))
    residual = description.get("form") == "residual"
    with Recorder(file, granularity=granularity, **description) as recorder:
        for call in range(24):
            x = round_to(rng.standard_normal((6, 3)), "bfloat16")
            if call % 3 == 0:
                x[call % 6, : call % 4] = 0.0
            drop_prob, mask = (0.25, 0.5)[call // 4 % 2], rng.random(MASKS[granularity]) < 0.7
            shortcut = round_to(rng.standard_normal(x.shape), "bfloat16") if residual else None
            y = round_to(2 * x * mask, "bfloat16")
            recorder.add(x, y if shortcut is None else round_to(shortcut + y, "bfloat16"), dtype="bfloat16",
                         drop_prob=drop_prob, training=True, shortcut=shortcut)  # fmt: skip
    found = load(str(file))
    assert isinstance(found.target, Recording)
    blocks = found.facts.recording or ()
    cell = Cell(RECORDED, "bfloat16", 0.25, dialect=found.facts.dialect, blocks=blocks)
    script = script_for(found.facts, cell)
    assert isinstance(script, RecordedScript)
    return found.target, script, cell


def ran(script: RecordedScript, **names: Any) -> dict[str, Any]:
    names = {"print": lambda *_: None, **names}
    exec(script.text(), names)  # noqa: S102 - a script is there to be run
    return names


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("form", ["branch", "residual"])
@pytest.mark.parametrize("granularity", ["sample", "batch", "element"])
def test_decisions_and_masks_are_those_that_the_probe_reads(
    granularity: str, form: str, ending: str, tmp_path: Path
) -> None:
    recording, script, cell = loaded(tmp_path / f"calls{ending}", granularity, form=form)
    decided = RecordedProbe(recording, cell).decisions(0, 0)
    single = [decision for part in decided for decision in part.kept[part.seen].tolist()]
    if form == "branch":  # of a residual form a script also leaves out nothing that is lost in the shortcut
        assert granularity == "batch" or len(single) < sum(block.calls * block.width for block in cell.blocks)
    decisions, masks = [], []
    script.each(*script.kept(), "decisions.extend(kept.ravel().tolist())")
    script.each(*script.masks(numbers=True), "masks.extend(kept.tolist())", "assert len(numbers) == len(kept)")
    ran(script, decisions=decisions, masks=masks)
    assert decisions == single
    assert masks == [mask for run in runs(decided) for mask in run.masks.tolist()]
    assert script.decisions_in(1, 1) == len(single)


@pytest.mark.parametrize("ending", ENDINGS)
def test_blocks_are_chosen_by_drop_prob_and_by_what_a_check_asks(ending: str, tmp_path: Path) -> None:
    recording, script, cell = loaded(tmp_path / f"calls{ending}", "sample")
    probe, quarters, late = RecordedProbe(recording, cell), [], []
    script.each(*script.kept(), "quarters.append(len(ys))", drop_prob=0.25)
    last = max(block.call for block in cell.blocks)
    script.each("late.extend(ys.tolist())", blocks=lambda block: block.call == last)
    ran(script, quarters=quarters, late=late)
    assert sum(quarters) == 12
    assert script.decisions_in(1, 1, 0.25) == sum(block.decisions for block in cell.blocks if block.drop_prob == 0.25)
    one = RecordedProbe(recording, replace(cell, blocks=tuple(b for b in cell.blocks if b.call == last)))
    assert late == [y for calls in one.calls() for y in calls.y.tolist()]
    assert sum(len(calls.y) for calls in probe.calls()) == 24


def blocks(*indices: int) -> tuple[BlockFacts, ...]:
    from droppath_audit.core.recording import BlockFacts

    return tuple(
        BlockFacts(index, 2, (4, 1), "float32", "float32", 0.5, True, "", index, False, False, 4, 8, 2)
        for index in indices
    )


def test_a_format_of_calls_is_read_call_by_call_and_one_of_blocks_block_by_block() -> None:
    cell = Cell(RECORDED, blocks=blocks(0, 3))
    by_block, by_call = (RecordedScript(cell, (), by_call=flag) for flag in (False, True))
    assert by_block.numbers(cell.blocks) == "[0, 3]"
    assert eval(by_call.numbers(cell.blocks)) == [0, 1, 3, 4]  # noqa: S307
    assert list(eval(by_call.numbers(cell.blocks[1:]))) == [3, 4]  # noqa: S307


def test_a_share_allows_for_the_decisions_that_there_are() -> None:
    script = RecordedScript(Cell(RECORDED, drop_prob=0.5, blocks=blocks(0, 2)), (), by_call=False)
    script.share(0.5, 10**6)
    assert f"<= {5 * (0.25 / 16) ** 0.5:.2g}  # 5 standard deviations" in script.text()


def test_dtypes_of_the_outputs_are_told_without_reading() -> None:
    same, wider = blocks(0), tuple(replace(block, output_dtype="float64") for block in blocks(0))
    for found, fails in ((same, False), (same + wider, True)):
        script = RecordedScript(Cell(RECORDED, blocks=found), ("unreadable",), by_call=False)
        script.same_dtype(0.5)
        if fails:
            with pytest.raises(AssertionError):
                ran(script)
        else:
            ran(script)
