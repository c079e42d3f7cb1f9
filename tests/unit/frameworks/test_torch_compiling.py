"""What is said of torch's compiler still holds of the one that is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from droppath_audit.frameworks.torch.compiling import TorchCompiling

# In a process of its own, in which the compiler may leave what it likes.
SCRIPT = """
import json, numpy, torch
from droppath_audit.frameworks.torch.operations import TorchFramework

framework, misread, values = TorchFramework(), [], numpy.linspace(-2.0, 2.0, 24).reshape(2, 3, 2, 2)
for layout in ("contiguous", "sliced", "conjugated", "negated"):
    x = framework.laid_out(values, "complex64" if layout == "conjugated" else "float32", "cpu", layout)
    with framework.compiled_anew():
        doubled = torch.compile(lambda x: x * 2.0)(x)
    if not torch.equal(doubled, x * 2.0):
        misread.append(layout)
print(json.dumps(misread))
"""


@pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="torch compiles nothing here without a C++ compiler"
)
@pytest.mark.selftest
def test_compiled_code_misreads_the_layout_that_is_left_out_and_no_other(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert tuple(json.loads(ran.stdout)) == TorchCompiling.misread


EAGERLY = """
import json, torch, torch._dynamo
from droppath_audit.frameworks.torch.operations import TorchFramework

framework, compiled, tried = TorchFramework(), torch.compile(torch.neg, backend="eager"), []
with framework.compiled_anew():
    with framework.eagerly():
        compiled(torch.ones(3))
    tried.append(framework.tried())
    compiled(torch.ones(3))
    tried.append(framework.tried())
print(json.dumps(tried))
"""


def test_what_is_compiled_can_be_run_as_it_is_written() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", EAGERLY], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert json.loads(ran.stdout) == [False, True]
