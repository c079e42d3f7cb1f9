"""Write recordings from Python: ``Recorder`` collects calls of a layer and writes them when it is closed.

``docs/recordings.md`` describes the files, which any language can write; nothing here is needed for that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import UsageError
from droppath_audit.recordings.dtypes import STORED, decode, encode
from droppath_audit.recordings.header import NAME, VERSION
from droppath_audit.recordings.safetensors import DTYPE_OF
from droppath_audit.targets.spec import RECORDINGS

if TYPE_CHECKING:
    import numpy.typing as npt

    Arrays = dict[str, npt.NDArray[Any]]

__all__ = ["Recorder"]


class Recorder:
    """Collects calls and writes them to one file. A context manager: the file is written where it ends without error.

    Args:
        file: Where to; the ending chooses the format (``.npz``, ``.safetensors`` or ``.jsonl``).
        **description: What the file says of itself: ``granularity``, ``scaling``, ``form``, ``keep_prob_zero``,
            ``implementation``, ``framework``, ``device``, ``note``.

    Raises:
        UsageError: If the ending is none of these.
    """

    def __init__(self, file: str | Path, **description: str) -> None:
        self._file = Path(file)
        if self._file.suffix not in RECORDINGS:
            raise UsageError(f"A recording's file ends in {', '.join(RECORDINGS)}, not as {self._file.name!r}.")
        self._description = {"format": NAME, "version": VERSION, **description}
        self._calls: list[tuple[dict[str, Any], Arrays]] = []

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.write()

    def add(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        drop_prob: float,
        training: bool,
        dtype: str = "",
        output_dtype: str = "",
        layer: str = "",
        shortcut: npt.ArrayLike | None = None,
        gradient: npt.ArrayLike | None = None,
    ) -> None:
        """Add one call; calls of one layer are added in the order in which they were made.

        Args:
            x: Input, the batch first, of any floating dtype of NumPy.
            y: Output, of the same shape.
            drop_prob: p of the call.
            training: Whether it was made in training.
            dtype: Dtype of x, by default that of the array. NumPy has no bfloat16: give such values as float32 and say
                ``dtype="bfloat16"``.
            output_dtype: Dtype of y, by default that of x.
            layer: Name of the layer, where several are recorded.
            shortcut: What a residual form adds the branch to.
            gradient: Gradient of the sum of y with respect to x.

        Raises:
            ValueError: If a value is not of the dtype that is named.
        """
        arrays = {"x": x, "y": y, "shortcut": shortcut, "gradient": gradient}
        given = {role: np.asarray(array) for role, array in arrays.items() if array is not None}
        dtype = dtype or str(given["x"].dtype)
        output_dtype = output_dtype or (dtype if dtype == "bfloat16" else str(given["y"].dtype))
        says = {"drop_prob": float(drop_prob), "training": bool(training), "dtype": dtype}
        says |= {"output_dtype": output_dtype} if output_dtype != dtype else {}
        says |= {"layer": layer} if layer else {}
        stored = {role: _stored(a, output_dtype if role == "y" else dtype) for role, a in given.items()}
        self._calls.append((says, stored))

    def write(self) -> None:
        """Write what was added so far."""
        if self._file.suffix == ".jsonl":
            self._file.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
            return
        blocks, arrays = self._blocks()
        description = json.dumps({**self._description, "blocks": blocks})
        if self._file.suffix == ".npz":
            np.savez(self._file, recording=np.frombuffer(description.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
            return
        entries: dict[str, Any] = {"__metadata__": {"recording": description}}
        name_of = {dtype: name for name, dtype in DTYPE_OF.items()}
        dtype_of = {stored: name_of[dtype] for dtype, stored in STORED.items()}
        end = 0
        for name, array in arrays.items():
            offsets = [end, end := end + array.nbytes]
            entries[name] = {"dtype": dtype_of[array.dtype.str], "shape": array.shape, "data_offsets": offsets}
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % 8)
        with self._file.open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            for array in arrays.values():
                file.write(np.ascontiguousarray(array).tobytes())

    def _blocks(self) -> tuple[list[dict[str, Any]], Arrays]:
        """Return successive calls that are alike as blocks, with their arrays by name."""
        found: list[tuple[dict[str, Any], list[Arrays]]] = []
        for says, arrays in self._calls:
            last = found[-1] if found else None
            if last is None or last[0] != says or _shapes(last[1][0]) != _shapes(arrays):
                found.append((says, []))
            found[-1][1].append(arrays)
        named = {
            f"{role}.{number}": np.stack([arrays[role] for arrays in calls])
            for number, (_, calls) in enumerate(found)
            for role in calls[0]
        }
        return [says for says, _ in found], named

    def _lines(self) -> list[str]:
        lines = [json.dumps(self._description)]
        for says, arrays in self._calls:
            output = says.get("output_dtype", says["dtype"])
            numbers = {
                role: _numbers(decode(array, output if role == "y" else says["dtype"]))
                for role, array in arrays.items()
            }
            lines.append(json.dumps({**says, "shape": list(arrays["x"].shape), **numbers}))
        return [*lines, json.dumps({"calls": len(self._calls)})]


def _stored(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return the array as it is stored.

    Raises:
        ValueError: If the dtype is none of a recording's, or does not hold the values.
    """
    if dtype not in STORED:
        raise ValueError(f"a recording holds {', '.join(STORED)}, not {dtype}")
    if array.dtype == dtype:
        return np.ascontiguousarray(array, dtype=STORED[dtype])
    exact = array.astype(np.float64)
    stored = encode(exact, dtype)
    if not np.array_equal(decode(stored, dtype), exact, equal_nan=True):
        raise ValueError(f"an array of {array.dtype} holds values that {dtype} does not have")
    return stored


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {role: array.shape for role, array in arrays.items()}


def _numbers(values: npt.NDArray[np.float64]) -> list[float | str]:
    """Return a flat list for JSON, which has no word for what is not finite."""
    words = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
    return [words.get(str(value), value) for value in values.reshape(-1).tolist()]
