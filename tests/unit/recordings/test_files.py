"""Files of recorded calls: what is written is read, and what is not a recording is refused in one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from droppath_audit.core.errors import UsageError
from droppath_audit.recording import Recorder
from droppath_audit.recordings import jsonlines, limits
from droppath_audit.recordings.dtypes import decode
from droppath_audit.recordings.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from droppath_audit.core.recording import Recording

ENDINGS = (".npz", ".safetensors", ".jsonl")
X = np.array([[1.0, -2.5], [0.0, 3.0], [4.0, np.inf]], dtype=np.float32)
MASK = np.array([[1.0], [0.0], [1.0]], dtype=np.float32)
DESCRIPTION = {"format": "droppath-recording", "version": 1}
CALL = {"drop_prob": 0.5, "training": True, "dtype": "float32"}


def small(file: Path) -> bytes:
    """Write three calls, two of them alike, and return the file's bytes."""
    with Recorder(file, implementation="Layer", framework="torch7", device="a card") as recorder:
        for _ in range(2):
            recorder.add(
                X, np.where(MASK == 0, 0, X * 2), drop_prob=0.5, training=True, gradient=MASK * 2 + 0 * MASK.T[:1, :2]
            )
        recorder.add(X, X, drop_prob=0.5, training=False, dtype="bfloat16", layer="second")
    return file.read_bytes()


def load(file: Path, **declared: str) -> Recording:
    return read(str(file), declared)[0]


def refusal(file: Path, data: bytes | None = None, **declared: str) -> str:
    """Return the message with which a file is refused; anything but a UsageError is an error of this test."""
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load(file, **declared)
    message = caught.value.message
    assert str(file) in message
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 600
    return message


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_recorded_is_read(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"calls{ending}"
    small(file)
    recording, header = read(str(file), {})
    first, second = recording.blocks
    assert header.texts == {"implementation": "Layer", "framework": "torch7", "device": "a card", "note": ""}
    assert (first.facts.calls, first.facts.shape, first.facts.drop_prob, first.facts.training) == (2, (3, 2), 0.5, True)
    assert (first.facts.layer, first.facts.call, first.facts.gradient, first.facts.shortcut) == ("", 0, True, False)
    assert (second.facts.dtype, second.facts.layer, second.facts.training) == ("bfloat16", "second", False)
    np.testing.assert_array_equal(first.x, np.stack([X, X]))
    np.testing.assert_array_equal(first.y, np.stack([np.where(MASK == 0, 0, X * 2)] * 2))
    np.testing.assert_array_equal(decode(second.y, "bfloat16"), X[None])
    # 0 and inf say nothing, but each of the three samples has an element that does.
    assert first.readable.tolist() == [[[True, True], [False, True], [True, False]]] * 2
    assert (first.facts.decisions, first.facts.whole, first.facts.width) == (6, 2, 3)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_every_value_of_every_dtype_survives(ending: str, dtype: str, tmp_path: Path) -> None:
    file = tmp_path / f"calls{ending}"
    if dtype in ("float16", "bfloat16"):
        bits = np.arange(2**16, dtype="<u2")
        values = decode(bits if dtype == "bfloat16" else bits.view("<f2"), dtype)
    else:
        random = np.random.default_rng(0).integers(0, 2**63, 4096, dtype=np.int64)
        bits = random.view("<f8") if dtype == "float64" else random.astype("<u4").view("<f4")
        values = decode(bits, dtype)
    values = np.where(np.isnan(values), np.nan, values)  # NaN has one spelling in JSON
    given = values.astype(np.float32 if dtype == "bfloat16" else dtype)[:, None]
    with Recorder(file) as recorder:
        recorder.add(given, given, drop_prob=0.0, training=True, dtype=dtype)
    (block,) = load(file).blocks
    assert decode(block.y, dtype).ravel().tobytes() == values.tobytes()


def test_one_x_may_serve_all_calls(tmp_path: Path) -> None:
    file = tmp_path / "calls.npz"
    header = json.dumps({**DESCRIPTION, "blocks": [CALL]})
    y = np.ones((5, 4, 1), np.float32) * 2
    np.savez(file, recording=header, **{"x.0": np.ones((1, 4, 1), np.float32), "y.0": y})
    (block,) = load(file).blocks
    assert (block.facts.calls, block.facts.decisions, block.facts.whole) == (5, 20, 5)


def test_a_layer_s_calls_continue_unless_the_file_numbers_them(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    call = {**CALL, "shape": [1], "x": [1], "y": [2]}
    extra = [{}, {}, {"call": 7}, {}, {"layer": "b"}, {}]
    lines = [DESCRIPTION, *({**call, **more} for more in extra), {"calls": 6}]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    blocks = [(b.facts.layer, b.facts.call, b.facts.calls) for b in load(file).blocks]
    assert blocks == [("", 0, 2), ("", 7, 2), ("b", 0, 1), ("", 9, 1)]


def test_numbers_in_json_lines_may_be_texts(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    call = {**CALL, "shape": [5], "x": ["0x1.8p+1", "NaN", "-Infinity", 1, 2.5], "y": [0, 0, 0, "-0x0p+0", 0.1]}
    file.write_text(f'{json.dumps(DESCRIPTION)}\n{json.dumps(call)}\n{{"calls": 1}}\n')
    (block,) = load(file).blocks
    np.testing.assert_array_equal(block.x[0], np.array([3.0, np.nan, -np.inf, 1.0, 2.5], np.float32))
    assert np.signbit(block.y[0, 3])
    assert block.y[0, 4] == np.float32(0.1)


def test_the_spec_replaces_what_the_file_declares(tmp_path: Path) -> None:
    file = tmp_path / "calls.npz"
    with Recorder(file, granularity="batch") as recorder:
        recorder.add(X, X, drop_prob=0.1, training=True)
    assert load(file).blocks[0].facts.width == 1
    assert load(file, granularity="element").blocks[0].facts.width == 6
    assert "declare form=residual" not in refusal(file, form="residual")
    assert "shortcut.0 is missing" in refusal(file, form="residual")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_prefix_of_a_file_is_refused(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"calls{ending}"
    with Recorder(file) as recorder:
        recorder.add(X[:1], X[:1], drop_prob=0.5, training=True)
    data = file.read_bytes()
    newline = ending == ".jsonl"  # at the very end, where nothing is lost without it
    for length in range(len(data) - newline):
        refusal(file, data[:length])


@pytest.mark.parametrize("ending", ENDINGS)
def test_something_after_the_end_is_refused(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"calls{ending}"
    refusal(file, small(file) + b"more")


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_change_of_bytes_is_read_or_refused(ending: str, changes: list[tuple[float, int]], tmp_path: Path) -> None:
    file = tmp_path / f"calls{ending}"
    data = bytearray(small(file))  # the same in every example
    for where, byte in changes:
        data[int(where * len(data))] = byte
    file.write_bytes(bytes(data))
    try:
        load(file)
    except UsageError as error:
        assert error.message.isprintable()  # noqa: PT017 - either outcome is right


def npz(file: Path, *, header: Any = None, stored: int = zipfile.ZIP_STORED, **arrays: Any) -> bytes:
    """Return an archive of raw members; arrays are written as NumPy writes them, bytes as they are."""
    described = json.dumps({**DESCRIPTION, "blocks": [CALL]} if header is None else header)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", stored) as archive:
        members = {
            "recording": np.frombuffer(described.encode(), np.uint8),
            **{k.replace("_", "."): v for k, v in arrays.items()},
        }
        for name, array in members.items():
            member = io.BytesIO()
            if not isinstance(array, bytes):
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=True)
            archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else member.getvalue())
    return buffer.getvalue()


def npy(descr: str, shape: str, data: bytes = b"", order: bool = False) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


ONES = np.ones((2, 3, 1), np.float32)
BAD_HEADERS = {
    "not an object": (["droppath-recording"], "not a JSON object"),
    "no format": ({**DESCRIPTION, "format": "other", "blocks": [CALL]}, "droppath-recording"),
    "unknown version": ({**DESCRIPTION, "version": 2, "blocks": [CALL]}, "version 2.*knows version 1"),
    "version is true": ({**DESCRIPTION, "version": True, "blocks": [CALL]}, "version True"),
    "unknown key": ({**DESCRIPTION, "scalling": "none", "blocks": [CALL]}, "unknown.*'scaling'"),
    "unknown choice": ({**DESCRIPTION, "scaling": "half", "blocks": [CALL]}, "none of inverted"),
    "choice of another type": ({**DESCRIPTION, "scaling": {}, "blocks": [CALL]}, "none of inverted"),
    "escape sequences": ({**DESCRIPTION, "device": "\x1b[2J", "blocks": [CALL]}, "no plain text"),
    "no blocks": (DESCRIPTION, "no list of blocks"),
    "empty blocks": ({**DESCRIPTION, "blocks": []}, "no list of blocks"),
    "block is a number": ({**DESCRIPTION, "blocks": [3]}, "block 0 is not a JSON object"),
    "p is NaN": ({**DESCRIPTION, "blocks": [{**CALL, "drop_prob": float("nan")}]}, "drop_prob nan"),
    "p is too large": ({**DESCRIPTION, "blocks": [{**CALL, "drop_prob": 1.5}]}, "drop_prob 1.5"),
    "p is negative": ({**DESCRIPTION, "blocks": [{**CALL, "drop_prob": -0.1}]}, "drop_prob -0.1"),
    "p is a bool": ({**DESCRIPTION, "blocks": [{**CALL, "drop_prob": True}]}, "drop_prob True"),
    "p is a text": ({**DESCRIPTION, "blocks": [{**CALL, "drop_prob": "0.1"}]}, "drop_prob '0.1'"),
    "mode is a number": ({**DESCRIPTION, "blocks": [{**CALL, "training": 1}]}, "training 1.*neither true nor false"),
    "no mode": ({**DESCRIPTION, "blocks": [{"drop_prob": 0.1, "dtype": "float32"}]}, "does not say its training"),
    "unknown dtype": ({**DESCRIPTION, "blocks": [{**CALL, "dtype": "int8"}]}, "dtype 'int8'"),
    "dtype is a list": ({**DESCRIPTION, "blocks": [{**CALL, "dtype": []}]}, r"dtype \[\]"),
    "negative call": ({**DESCRIPTION, "blocks": [{**CALL, "call": -1}]}, "call -1"),
    "call is null": ({**DESCRIPTION, "blocks": [{**CALL, "call": None}]}, "call None"),
    "another dtype": ({**DESCRIPTION, "blocks": [{**CALL, "dtype": "float16"}]}, "x.0 is float32.*says float16"),
    "a block too many": ({**DESCRIPTION, "blocks": [CALL, CALL]}, "no array x.1"),
    "a block too few": ({**DESCRIPTION, "blocks": [CALL]}, "y.1 belongs to no block|x.1 belongs to no block"),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_description_that_departs_from_the_format(name: str, tmp_path: Path) -> None:
    header, message = BAD_HEADERS[name]
    arrays = {"x_0": ONES, "y_0": ONES} | ({"x_1": ONES, "y_1": ONES} if name == "a block too few" else {})
    assert_matches(message, refusal(tmp_path / "a.npz", npz(tmp_path, header=header, **arrays)))


def assert_matches(pattern: str, text: str) -> None:
    import re

    assert re.search(pattern, text), text


def two(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr(name, b"2")
    return buffer.getvalue()


def member(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, npy("'<f4'", "(1, 1)", b"\0" * 4))
    return buffer.getvalue()


BAD_ARCHIVES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda p: b"", "too short"),
    "text": (lambda p: b"not an archive at all, but a text", "does not end as a zip"),
    "no members": (lambda p: b"PK\5\6" + bytes(18), "no array 'recording'"),
    "traversal": (lambda p: member("../../x.0.npy"), r"'../../x.0.npy'.*no part"),
    "absolute": (lambda p: member("/etc/x.0.npy"), "no part"),
    "other member": (lambda p: member("z.npy"), "'z.npy'"),
    "escape in a name": (lambda p: member("\x1b[2J.npy"), r"\\x1b"),
    "twice": (lambda p: two("x.0.npy"), "x.0 twice"),
    "no recording": (lambda p: member("x.0.npy"), "no array 'recording'"),
    "object dtype": (lambda p: npz(p, x_0=np.array([{}], object), y_0=ONES), "pickle.*never loaded"),
    "object in a list": (lambda p: npz(p, x_0=npy("[('a', '|O')]", "(1, 1)"), y_0=ONES), "no plain dtype"),
    "big-endian": (lambda p: npz(p, x_0=ONES.astype(">f4"), y_0=ONES), "x.0 is big-endian"),
    "integers": (lambda p: npz(p, x_0=ONES.astype("<i4"), y_0=ONES), "'<i4'"),
    "complex": (lambda p: npz(p, x_0=ONES.astype("<c8"), y_0=ONES), "'<c8'"),
    "uint16 unnamed": (lambda p: npz(p, x_0=ONES.astype("<u2"), y_0=ONES), "x.0 is bfloat16.*says float32"),
    "other shape": (lambda p: npz(p, x_0=ONES, y_0=np.ones((2, 3, 2), np.float32)), "DP005"),
    "other number of calls": (lambda p: npz(p, x_0=ONES, y_0=np.ones((3, 3, 1), np.float32)), "DP005"),
    "one axis": (lambda p: npz(p, x_0=np.ones(3, np.float32), y_0=np.ones(3, np.float32)), "axes are calls, batch"),
    "no axis": (lambda p: npz(p, x_0=np.float32(1), y_0=np.float32(1)), "axes are calls, batch"),
    "nothing in it": (lambda p: npz(p, x_0=ONES[:0], y_0=ONES[:0]), "x.0 is empty"),
    "no y": (lambda p: npz(p, x_0=ONES), "no array y.0"),
    "a shortcut in branch form": (lambda p: npz(p, x_0=ONES, y_0=ONES, shortcut_0=ONES), "declare form=residual"),
    "huge shape": (lambda p: npz(p, x_0=npy("'<f4'", "(9000000000, 9000000000)"), y_0=ONES), "not what its length"),
    "negative shape": (lambda p: npz(p, x_0=npy("'<f4'", "(-1, 4)"), y_0=ONES), "no plain dtype"),
    "a size of a million digits": (lambda p: npz(p, x_0=npy("'<f4'", f"({'9' * 5000},)"), y_0=ONES), "no plain dtype"),
    "long header": (lambda p: npz(p, x_0=b"\x93NUMPY\2\0" + b"\xff" * 4, y_0=ONES), "header of 4,294,967,295"),
    "code in a header": (lambda p: npz(p, x_0=npy("__import__('os')", "(1, 1)"), y_0=ONES), "no plain dtype"),
    "no magic": (lambda p: npz(p, x_0=b"\x94NUMPY\1\0", y_0=ONES), "not an .npy file"),
    "structured": (lambda p: npz(p, x_0=np.zeros((1, 1), [("a", "<f4")]), y_0=ONES), "no plain dtype"),
    "not JSON": (lambda p: npz(p, recording=np.frombuffer(b"{", np.uint8)), "not JSON"),
    "not UTF-8": (lambda p: npz(p, recording=np.frombuffer(b"\xff\xfe", np.uint8)), "not UTF-8"),
    "a key twice": (lambda p: npz(p, recording=np.frombuffer(b'{"a": 1, "a": 2}', np.uint8)), "'a' twice"),
    "nested": (lambda p: npz(p, recording=np.frombuffer(b"[" * 10**6, np.uint8)), "nested too deeply"),
    "recording of numbers": (lambda p: npz(p, recording=ONES), "neither a text nor"),
    "recording of lone surrogates": (lambda p: npz(p, recording=npy("'<U1'", "()", b"\0\xd8\0\0")), "not Unicode"),
    "lzma": (lambda p: npz(p, stored=zipfile.ZIP_LZMA, x_0=ONES, y_0=ONES), "otherwise than by deflate"),
    "zip comment": (lambda p: npz(p)[:-2] + b"\1\0c", "does not end as a zip|comment"),
    "prepended": (lambda p: b"#!/bin/sh\n" + npz(p), "directory is not where"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ARCHIVES)
def test_an_archive_that_departs_from_the_format(name: str, tmp_path: Path) -> None:
    make, message = BAD_ARCHIVES[name]
    assert_matches(message, refusal(tmp_path / "a.npz", make(tmp_path)))


class Payload:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("name", ["x_0", "recording"])
def test_a_pickle_is_refused_and_never_opened(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    tampered = npz(tmp_path, **{"x_0": ONES, "y_0": ONES, name: np.array(Payload(mark), object)})
    file = tmp_path / "a.npz"
    assert "a pickle), which are never loaded" in refusal(file, tampered)
    raw = npz(tmp_path, **{"x_0": ONES, "y_0": ONES, name: pickle.dumps(Payload(mark))})
    assert "not an .npy file" in refusal(file, raw)
    assert not mark.exists()
    np.load(io.BytesIO(tampered), allow_pickle=True)[name.replace("_", ".")]
    assert mark.exists()  # the payload works where somebody is careless


def tensors(entries: Any, data: bytes = b"", *, text: str | None = None) -> bytes:
    described = json.dumps({**DESCRIPTION, "blocks": [CALL]}) if text is None else text
    header = json.dumps({"__metadata__": {"recording": described}, **entries}).encode()
    return struct.pack("<Q", len(header)) + header + data


def entry(first: int, last: int, dtype: str = "F32", shape: Any = (1, 2)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": [first, last]}


BAD_TENSORS = {
    "empty": (b"", "shorter than its header"),
    "header beyond the file": (struct.pack("<Q", 2**40) + b"{}", "shorter than its header"),
    "header of all ones": (b"\xff" * 16, "shorter than its header"),
    "not JSON": (struct.pack("<Q", 4) + b"abcd", "not JSON"),
    "not UTF-8": (struct.pack("<Q", 4) + b"\xff" * 4, "not UTF-8"),
    "nested": (struct.pack("<Q", 10**6) + b"[" * 10**6, "nested too deeply"),
    "no metadata": (struct.pack("<Q", 2) + b"{}", "no text 'recording'"),
    "overlapping": (tensors({"x.0": entry(0, 8), "y.0": entry(4, 12)}, bytes(12)), "y.0 begins at byte 4"),
    "a hole": (tensors({"x.0": entry(0, 8), "y.0": entry(16, 24)}, bytes(24)), "y.0 begins at byte 16"),
    "data beyond the file": (tensors({"x.0": entry(0, 8), "y.0": entry(8, 16)}, bytes(12)), "cut off"),
    "data too long": (tensors({"x.0": entry(0, 8), "y.0": entry(8, 16)}, bytes(20)), "cut off, or damaged"),
    "backwards": (tensors({"x.0": entry(8, 0), "y.0": entry(8, 16)}, bytes(16)), "offsets allow"),
    "huge": (tensors({"x.0": entry(0, 2**52, shape=(2**50, 1)), "y.0": entry(0, 8)}, bytes(8)), "begins at|cut off"),
    "product wraps around": (tensors({"x.0": entry(0, 0, shape=(2**32, 2**32, 2**32))}), "offsets allow"),
    "shape of floats": (tensors({"x.0": entry(0, 8, shape=[1.0, 2])}, bytes(8)), "no whole numbers"),
    "shape of bools": (tensors({"x.0": entry(0, 8, shape=[True, 2])}, bytes(8)), "no whole numbers"),
    "integers": (tensors({"x.0": entry(0, 8, "I32")}, bytes(8)), "'I32'"),
    "dtype is a list": (tensors({"x.0": {**entry(0, 8), "dtype": []}}, bytes(8)), r"dtype \[\]"),
    "other name": (tensors({"weight": entry(0, 8)}, bytes(8)), "'weight'"),
    "other keys": (tensors({"x.0": {**entry(0, 8), "more": 1}}, bytes(8)), "not described by"),
    "surrogates": (tensors({}, text="\ud800"), "not UTF-8|not JSON"),
}


@pytest.mark.parametrize("name", BAD_TENSORS)
def test_safetensors_that_depart_from_the_format(name: str, tmp_path: Path) -> None:
    data, message = BAD_TENSORS[name]
    assert_matches(message, refusal(tmp_path / "a.safetensors", data))


LINE = {**CALL, "shape": [2], "x": [1, 2], "y": [2, 4]}
BAD_LINES: dict[str, tuple[list[Any], str]] = {
    "no calls": ([DESCRIPTION, {"calls": 0}], "holds no call"),
    "another number": ([DESCRIPTION, LINE, {"calls": 2}], "speaks of 2 calls, and it has 1"),
    "number is true": ([DESCRIPTION, LINE, {"calls": True}], "speaks of True"),
    "more lines": ([DESCRIPTION, LINE, {"calls": 1}, LINE], "something follows line 3"),
    "blocks": ([{**DESCRIPTION, "blocks": []}, LINE, {"calls": 1}], "line 1 has blocks"),
    "no shape": ([DESCRIPTION, {**CALL, "x": [1], "y": [1]}, {"calls": 1}], "line 2 has shape None"),
    "empty shape": ([DESCRIPTION, {**LINE, "shape": []}, {"calls": 1}], "no list of sizes"),
    "zero in shape": ([DESCRIPTION, {**LINE, "shape": [2, 0]}, {"calls": 1}], "no list of sizes"),
    "shape of floats": ([DESCRIPTION, {**LINE, "shape": [2.0]}, {"calls": 1}], "no list of sizes"),
    "huge shape": ([DESCRIPTION, {**LINE, "shape": [2**30] * 5}, {"calls": 1}], "no flat list of"),
    "shape of an axis too large": ([DESCRIPTION, {**LINE, "shape": [2**40]}, {"calls": 1}], "no list of sizes"),
    "too few": ([DESCRIPTION, {**LINE, "y": [1]}, {"calls": 1}], "y of line 2 is no flat list of 2 numbers"),
    "nested": ([DESCRIPTION, {**LINE, "y": [[1, 2]]}, {"calls": 1}], "no flat list"),
    "nested as long": ([DESCRIPTION, {**LINE, "y": [[1], [2]]}, {"calls": 1}], r"entry \[1\], which is no number"),
    "no y": ([DESCRIPTION, {k: v for k, v in LINE.items() if k != "y"}, {"calls": 1}], "line 2 has no y"),
    "a bool": ([DESCRIPTION, {**LINE, "y": [True, 2]}, {"calls": 1}], "entry True"),
    "null": ([DESCRIPTION, {**LINE, "y": [None, 2]}, {"calls": 1}], "entry None"),
    "a word": ([DESCRIPTION, {**LINE, "y": ["one", 2]}, {"calls": 1}], "entry 'one'"),
    "a text that overflows": ([DESCRIPTION, {**LINE, "y": ["0x1p99999", 2]}, {"calls": 1}], "no number"),
    "beyond the dtype": ([DESCRIPTION, {**LINE, "y": [1e39, 2]}, {"calls": 1}], "beyond the largest float32"),
    "beyond bfloat16": ([DESCRIPTION, {**LINE, "dtype": "bfloat16", "y": [3.4e38, 1]}, {"calls": 1}], "beyond"),
    "beyond every float": ([DESCRIPTION, {**LINE, "y": [10**400, 2]}, {"calls": 1}], "whole number"),
    "unknown key": ([DESCRIPTION, {**LINE, "traning": True}, {"calls": 1}], "'training'"),
    "p is out of range": ([DESCRIPTION, {**LINE, "drop_prob": 2}, {"calls": 1}], "line 2 has drop_prob 2"),
    "blank line": ([DESCRIPTION, "", LINE, {"calls": 1}], "line 2 is not JSON"),
    "digits without end": ([DESCRIPTION, f'{{"calls": {"1" * 5000}}}'], "not JSON"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_json_lines_that_depart_from_the_format(name: str, tmp_path: Path) -> None:
    lines, message = BAD_LINES[name]
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    assert_matches(message, refusal(tmp_path / "a.jsonl", text.encode()))


def test_a_line_is_not_read_beyond_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "LARGEST_HEADER", 1000)
    file = tmp_path / "a.jsonl"
    file.write_bytes(json.dumps(DESCRIPTION).encode() + b"\n" + b" " * 10**6)
    assert "line 2 is longer than 1,000 bytes" in refusal(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calls.npz").mkdir()
    assert "is a folder, not a file" in refusal(tmp_path / "calls.npz")
    small(tmp_path / "there.jsonl")
    assert "Did you mean 'there.jsonl'" in refusal(tmp_path / "ther.jsonl")
    os.mkfifo(tmp_path / "pipe.npz")
    assert "not a regular file" in refusal(tmp_path / "pipe.npz")


def peak(file: Path) -> int:
    tracemalloc.start()
    try:
        refusal(file)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    file = tmp_path / "bomb.npz"
    shape, header = (1, 2**27), json.dumps({**DESCRIPTION, "blocks": [CALL]})
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("recording.npy", npy("'|u1'", f"({len(header)},)", header.encode()))
        with archive.open("x.0.npy", "w", force_zip64=True) as stream:
            stream.write(npy("'<f4'", str(shape)))
            for _ in range(512):
                stream.write(bytes(2**20))
    assert file.stat().st_size < 2**20
    assert peak(file) < 2**21
    assert "times" in refusal(file)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_larger_than_the_limit_is_refused_before_it_takes_memory(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"large{ending}"
    with Recorder(file) as recorder:
        for _ in range(64):
            recorder.add(np.ones((2**12, 1)), np.ones((2**12, 1)), drop_prob=0.5, training=True)
    monkeypatch.setattr(limits, "LARGEST", 2**20)
    assert peak(file) < 2**21 + (2**21 if ending == ".jsonl" else 0)  # a line of text becomes numbers first
    assert "1,048,576 are read at most" in refusal(file)


def test_more_than_fits_into_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(tmp_path / "calls.npz")
    monkeypatch.setattr(limits, "_available", lambda: 100)
    assert "100 bytes of memory are available" in refusal(tmp_path / "calls.npz")


def test_a_directory_of_millions_of_entries_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    length = 2**25
    file.write_bytes(bytes(length) + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, length, 0, 0))
    assert peak(file) < 2**20
    assert "directory is longer" in refusal(file)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recorder_refuses_what_the_format_does_not_hold(ending: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / f"a{ending}")
    with pytest.raises(ValueError, match="not int64"):
        recorder.add(np.ones(3, np.int64), np.ones(3), drop_prob=0.1, training=True)
    with pytest.raises(ValueError, match="holds values that bfloat16 does not have"):
        recorder.add(X + 1e-3, X, drop_prob=0.1, training=True, dtype="bfloat16")


def test_a_recorder_writes_nothing_where_recording_failed(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.npz")
    recorder.__exit__(KeyError, KeyError(), None)
    assert not (tmp_path / "a.npz").exists()
    with pytest.raises(UsageError, match=r"ends in \.npz"):
        Recorder(tmp_path / "a.bin")
