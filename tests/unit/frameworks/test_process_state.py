"""What is not the same after a call: seen, named and put back, whatever kind it is of."""

from __future__ import annotations

import builtins
import ctypes
import decimal
import gc
import os
import random
import resource
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch

from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.frameworks.torch.operations import TorchFramework

FRAMEWORK = TorchFramework()
HELD = []


class Mode(torch.overrides.TorchFunctionMode):
    pass


class Dispatch(torch.utils._python_dispatch.TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


class Finder:
    @staticmethod
    def find_spec(*arguments):
        return None


def enters(context):
    HELD.append(context)
    context.__enter__()


def does(*arguments, **keywords):
    return None


CHANGES = {
    "the default dtype was torch.float32 and is torch.float64": lambda: torch.set_default_dtype(torch.float64),
    "the default device": lambda: torch.set_default_device("meta"),
    "the number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic mode was 0 and is 1": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "the arithmetic of floats": lambda: torch.set_flush_denormal(True),
    "gradient mode was True and is False": lambda: torch.set_grad_enabled(False),
    "inference mode was False and is True": lambda: enters(torch.inference_mode()),
    "autocast": lambda: enters(torch.autocast("cpu")),
    "the float32 precision of matrix products": lambda: torch.set_float32_matmul_precision("medium"),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "_global_forward_hooks": lambda: torch.nn.modules.module.register_module_forward_hook(does),
    "the hooks of saved tensors": lambda: enters(torch.autograd.graph.saved_tensors_hooks(does, does)),
    "the modes of torch functions": lambda: enters(Mode()),
    "the modes of dispatch": lambda: enters(Dispatch()),
    "the default generator was": lambda: setattr(torch, "default_generator", torch.Generator()),
    "torch.rand is another function (": lambda: setattr(torch, "rand", does),
    "torch.Tensor.__mul__ is another function": lambda: setattr(torch.Tensor, "__mul__", does),
    "torch.nn.Dropout.forward is another function": lambda: setattr(torch.nn.Dropout, "forward", does),
    "numpy.random.rand is another function": lambda: setattr(np.random, "rand", does),
    "random.random is another function": lambda: setattr(random, "random", does),
    "builtins.len is another function": lambda: setattr(builtins, "len", does),
    "builtins.helper is new": lambda: setattr(builtins, "helper", does),
    "time.sleep is another function": lambda: setattr(time, "sleep", does),
    "os.getcwd is another function": lambda: setattr(os, "getcwd", does),
    "sys.excepthook is another function": lambda: setattr(sys, "excepthook", does),
    "sys.modules['random'] is another module": lambda: sys.modules.update(random=np),
    "theirs.reraise is another function": lambda: setattr(
        sys.modules["droppath_audit.frameworks.theirs"], "reraise", does
    ),
    "sys.path has '/nowhere' more": lambda: sys.path.append("/nowhere"),
    "sys.meta_path has": lambda: sys.meta_path.append(Finder()),
    "sys.stdout was": lambda: setattr(sys, "stdout", None),
    "the standard descriptors: 2": lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2),
    "the standard descriptors: 0": lambda: os.close(0),
    "the handlers of signals": lambda: signal.signal(signal.SIGUSR1, does),
    "the blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}),
    "a running timer": lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 1000),
    "the umask": lambda: os.umask(0o135),
    "the limits of resources": lambda: (
        resource.setrlimit(resource.RLIMIT_CORE, (0 if resource.getrlimit(resource.RLIMIT_CORE)[0] else 1, -1))
        if resource.getrlimit(resource.RLIMIT_CORE)[1] == -1
        else resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    ),
    "the recursion limit": lambda: sys.setrecursionlimit(5000),
    "the trace function": lambda: sys.settrace(does),
    "the warnings filters has ('error'": lambda: warnings.filterwarnings("error", message="one more"),
    "NumPy's handling of errors": lambda: np.seterr(over="raise"),
    "whether garbage is collected": gc.disable,
    "the decimal context": lambda: setattr(decimal.getcontext(), "prec", 7),
    "the working directory": lambda: os.chdir("/"),
    "the environment: DROPPATH_LEFT is 'x'": lambda: os.environ.update(DROPPATH_LEFT="x"),
    "the arithmetic of floats was": lambda: ctypes.CDLL(None).fesetround(0x800),
    "a process (sleep 60) is still there": lambda: os.posix_spawnp("sleep", ["sleep", "60"], os.environ),
}


@pytest.fixture(autouse=True)
def held():
    """What the pytest that runs this changes itself, between tests, is none of it."""
    yield
    HELD.clear()


@pytest.mark.parametrize("text", CHANGES)
def test_a_change_is_told_and_put_back(text, capfd):
    state = ProcessState.taken(FRAMEWORK)
    assert state.changes() == ()
    try:
        CHANGES[text]()
        changes = state.changes()
    finally:
        left = state.restore()
    assert text in "; ".join(map(str, changes))
    assert all(change.expression for change in changes)  # by which a script shows it
    assert left == ()
    assert state.changes() == ()


def test_a_thread_is_told_by_its_name_and_cannot_be_put_back():
    end = threading.Event()
    state = ProcessState.taken(FRAMEWORK)
    threading.Thread(target=end.wait, name="lingers", daemon=True).start()
    assert [str(change) for change in state.restore()] == ["a thread (lingers) is still running"]
    end.set()
    assert state.changes() == ()  # which waits for it a little


def test_what_a_module_does_as_it_is_imported_is_no_change(tmp_path, monkeypatch):
    (tmp_path / "imported_for_a_filter.py").write_text("import warnings\nwarnings.filterwarnings('ignore', 'mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    state = ProcessState.taken(FRAMEWORK)
    with warnings.catch_warnings():
        import imported_for_a_filter  # noqa: F401

        assert state.changes() == ()
        added = list(warnings.filters)
        assert state.put_back_after_imports()
        assert len(warnings.filters) == len(added) - 1  # so that a call that adds it again is seen
        again = ProcessState.taken(FRAMEWORK)
        assert not again.put_back_after_imports()
        warnings.filterwarnings("ignore", "mine as well")
        assert len(again.changes()) == 1
