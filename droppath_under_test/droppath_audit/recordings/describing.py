"""The description of a recording as a target: facts, and the beginning of the scripts that show a fault."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from typing import TYPE_CHECKING

from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import Facts
from droppath_audit.core.invocation import Reading
from droppath_audit.core.recording import RECORDED, Recording
from droppath_audit.recordings.reading import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.recordings.header import Header

READ = {
    ".npz": """\
import numpy as np
with np.load({path}, allow_pickle=False) as file:
    arrays = dict(file)
def read(name):
    values = arrays[name]
    bfloat16 = values.dtype == np.uint16
    return ((values.astype(np.uint32) << 16).view(np.float32) if bfloat16 else values).astype(float)""",
    ".safetensors": """\
import json
import numpy as np
data = np.fromfile({path}, np.uint8)
start = 8 + int(data[:8].view('<u8')[0])
header = json.loads(data[8:start].tobytes())
def read(name):
    first, last = header[name]['data_offsets']
    dtype = header[name]['dtype']
    values = data[start + first:start + last].view({{'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'BF16': '<u2'}}[dtype])
    values = (values.astype(np.uint32) << 16).view(np.float32) if dtype == 'BF16' else values
    return values.reshape(header[name]['shape']).astype(float)""",
    ".jsonl": """\
import json
import numpy as np
with open({path}, encoding='utf-8') as file:
    calls = [json.loads(line) for line in file][1:-1]
def read(name):
    role, _, number = name.partition('.')
    call = calls[int(number)]
    values = [float.fromhex(value) if isinstance(value, str) else value for value in call[role]]
    return np.array(values, dtype=float).reshape(1, *call['shape'])""",
}


def load(path: str, text: str, declared: Mapping[str, str], devices: tuple[str, ...]) -> tuple[Recording, Facts]:
    """Read a recording and describe it.

    Args:
        path: The file.
        text: The SPEC that names it.
        declared: Fields of the dialect that replace what the file says.
        devices: Devices asked for.

    Raises:
        UsageError: If it cannot be read, or a device is asked for.
    """
    if devices != ("cpu",):
        raise UsageError(f"{path} is a recording, which is not run on {', '.join(devices)}; leave --device out.")
    started = time.perf_counter()
    recording, header = read(path, declared)
    ending = path[path.rindex(".") :]
    facts = [block.facts for block in recording.blocks]
    dtypes = dict.fromkeys(block.dtype for block in facts)
    origin = " · ".join(text for text in (header.texts["framework"], header.texts["device"]) if text)
    return recording, Facts(
        spec=text,
        kind="recording",
        origin="",
        package=header.texts["implementation"],
        arguments=_described(recording, header, declared),
        dialect=recording.dialect,
        framework="recording",
        framework_version=origin,
        devices={RECORDED: tuple(dtypes)},
        invocation=Reading(tuple(READ[ending].format(path=repr(path)).splitlines()), by_call=ending == ".jsonl"),
        import_seconds=time.perf_counter() - started,
        environment={
            "python": platform.python_version(),
            "platform": platform.platform(),
            "numpy": importlib.metadata.version("numpy"),
            "recorded": origin,
        },
        recording=tuple(facts),
    )


def _described(recording: Recording, header: Header, declared: Mapping[str, str]) -> str:
    calls = sum(block.facts.calls for block in recording.blocks)
    words = [f"recording of {calls} call{'s' if calls > 1 else ''}"]
    replaced = [f"{key}={header.dialect[key]}" for key in declared if key in header.dialect]
    if replaced:
        words.append(f"declared in the SPEC, where the file says {', '.join(replaced)}")
    return " · ".join(words)
