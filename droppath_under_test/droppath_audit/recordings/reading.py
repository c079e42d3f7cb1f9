"""From a file to a recording; whatever is wrong with it becomes one message."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.errors import UsageError, nearest
from droppath_audit.core.files import is_there
from droppath_audit.core.recording import Block, BlockFacts, Recording
from droppath_audit.core.visible import shortened
from droppath_audit.recordings import jsonlines, npz, safetensors
from droppath_audit.recordings.dtypes import readable
from droppath_audit.recordings.header import BlockHeader, Header, read_header
from droppath_audit.recordings.limits import LARGEST, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from droppath_audit.recordings.dtypes import Arrays

ENDINGS = (".npz", ".safetensors", ".jsonl")


def read(path: str, declared: Mapping[str, str]) -> tuple[Recording, Header]:
    """Read a recording.

    Args:
        path: The file; its ending says which format it is in.
        declared: Fields of the dialect that replace what the file says.

    Raises:
        UsageError: If it cannot be read; the message says where it departs from the format.
    """
    file = Path(path)
    if not is_there(path):
        folder = file.parent if file.parent.is_dir() else Path()
        names = [found.name for found in folder.glob("*") if found.suffix in ENDINGS]
        raise UsageError(f"There is no file {shortened(path)}." + nearest(file.name, names))
    try:
        return _read(file, declared)
    except Unreadable as error:
        raise UsageError(f"{path} cannot be read as a recording: {str(error).rstrip('.')}.") from None
    except (KeyboardInterrupt, UsageError):
        raise
    except Exception as error:
        # A file that nobody vouches for: what no reader foresaw is still one message, and no traceback.
        raise UsageError(
            f"{path} cannot be read as a recording: {type(error).__name__}: {error}.", traceback.format_exc()
        ) from error


def _read(path: Path, declared: Mapping[str, str]) -> tuple[Recording, Header]:
    with path.open("rb") as file:
        size = path.stat().st_size
        if size > LARGEST:
            raise Unreadable(f"it has {size:,} bytes, and {LARGEST:,} are read at most; record less, or in parts")
        lines = None
        if path.suffix == ".jsonl":
            data, arrays, lines = jsonlines.read(file, size)
        else:
            data, arrays = (npz if path.suffix == ".npz" else safetensors).read(file, size)
    header = read_header(data)
    dialect = Dialect(**{**header.dialect, **declared})
    blocks = []
    position: dict[str, int] = {}
    for number, block in enumerate(header.blocks):
        index = number if lines is None else lines[number]
        blocks.append(_assemble(block, index, _take(arrays, number), dialect, position))
    if arrays:
        raise Unreadable(f"{min(arrays)} belongs to no block: its description lists {len(header.blocks)}")
    return Recording(dialect, tuple(blocks)), header


def _take(arrays: Arrays, number: int) -> Arrays:
    found = {}
    for role in ("x", "y", "shortcut", "gradient"):
        if f"{role}.{number}" in arrays:
            found[role] = arrays.pop(f"{role}.{number}")
        elif role in ("x", "y"):
            raise Unreadable(f"it has no array {role}.{number}, which its description promises")
    return found


def _assemble(header: BlockHeader, index: int, arrays: Arrays, dialect: Dialect, position: dict[str, int]) -> Block:
    """Return a block whose arrays fit each other."""
    if arrays["y"][1].ndim < 2:
        raise Unreadable(f"y.{index} has shape {arrays['y'][1].shape}; its axes are calls, batch and features")
    calls, *shape = arrays["y"][1].shape
    for role, (dtype, array) in arrays.items():
        promised = header.output_dtype if role == "y" else header.dtype
        if dtype != promised:
            raise Unreadable(f"{role}.{index} is {dtype}, where its description says {promised}")
        repeated = role in ("x", "shortcut") and array.shape == (1, *shape)
        if array.shape != (calls, *shape) and not repeated:
            raise Unreadable(
                f"{role}.{index} has shape {array.shape}, and y.{index} has {(calls, *shape)}; a layer that changes "
                "the shape breaks DP005, and nothing else can be read from it"
            )
    if (dialect.form == "residual") != ("shortcut" in arrays):
        raise Unreadable(
            f"shortcut.{index} is missing, and the form is residual"
            if dialect.form == "residual"
            else f"shortcut.{index} is there, and the form is branch; declare form=residual"
        )
    values = {role: array for role, (_, array) in arrays.items()}
    shortcut = values.get("shortcut")
    visible = readable(values["x"], shortcut, header.dtype)
    call = position.get(header.layer, 0) if header.call is None else header.call
    position[header.layer] = call + calls
    width, decisions, whole = _decisions(visible, calls, dialect.granularity)
    facts = BlockFacts(
        index=index,
        calls=calls,
        shape=tuple(shape),
        dtype=header.dtype,
        output_dtype=header.output_dtype,
        drop_prob=header.drop_prob,
        training=header.training,
        layer=header.layer,
        call=call,
        shortcut=shortcut is not None,
        gradient="gradient" in values,
        width=width,
        decisions=decisions,
        whole=whole,
    )
    return Block(facts, values["x"], values["y"], shortcut, values.get("gradient"), visible)


def _decisions(visible: npt.NDArray[np.bool_], calls: int, granularity: str) -> tuple[int, int, int]:
    """Return decisions a call, those of all calls that can be read, and calls that can be read altogether."""
    batch = visible.shape[1]
    if granularity == "element":
        seen = visible.reshape(len(visible), -1)
    else:
        seen = np.asarray(visible.reshape(len(visible), batch if granularity == "sample" else 1, -1).any(axis=2))
    times = calls // len(visible)
    return seen.shape[1], times * int(np.count_nonzero(seen)), times * int(np.count_nonzero(seen.all(axis=1)))
