"""The settings of a Python process: the operating system's, the interpreter's, NumPy's."""

from __future__ import annotations

import builtins
import ctypes
import decimal
import faulthandler
import gc
import locale
import logging
import os
import signal
import sys
import threading
import time
import tracemalloc
import warnings
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.frameworks.settings import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

globals()["__builtins__"] = dict(vars(builtins))  # as in ``settings``

# Without what DP601 tells Hypothesis there.
ENVIRONMENT = "{name: value for name, value in os.environ.items() if not name.startswith('HYPOTHESIS')}"
# Torch's compiler raises it to 2000 and leaves it there.
DEPTH = "'usual' if 1000 <= sys.getrecursionlimit() <= 2000 else sys.getrecursionlimit()"
TIMERS = "(signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)"

# What flushing to zero, taking subnormals for zero and every other rounding than to nearest make different; as text,
# since a subnormal that is taken for zero equals it.
FLOATS = (
    "str([a * b + c for a, b, c in ((5e-324, 1.0, 0.0), (4e-308, 0.25, 0.0), "
    "(1.0, 1.0, 1e-16), (-1.0, 1.0, -1e-16), (1.0, 1.0, -3e-17))])"
)


class Descriptors:
    """The standard descriptors, 0 to 2; a copy of each is held open, from which it can be put back."""

    expression = "{n: os.stat(f'/dev/fd/{n}')[1:3] for n in range(3) if os.path.exists(f'/dev/fd/{n}')}"

    def __init__(self) -> None:
        self._held: dict[tuple[int, ...], int] = {}

    def hold(self) -> None:
        """Hold a copy of every standard descriptor whose file is not held yet."""
        for number in range(3):
            with suppress(OSError):
                found = _fstat(number)
                if (found.st_ino, found.st_dev) not in self._held:
                    self._held[found.st_ino, found.st_dev] = _dup(number)

    def write(self, files: dict[int, tuple[int, ...]]) -> None:
        """Put back what each descriptor was."""
        for number, file in files.items():
            if file in self._held:
                _dup2(self._held[file], number)
        for number in {0, 1, 2} - files.keys():
            with suppress(OSError):
                _close(number)


DESCRIPTORS = Descriptors()

_dup, _dup2, _close, _fstat, _environ = os.dup, os.dup2, os.close, os.fstat, os.environ
_signal, _getsignal, _setitimer = signal.signal, signal.getsignal, signal.setitimer
_setrecursionlimit = sys.setrecursionlimit
_timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _write_environment(values: dict[str, str]) -> None:
    for name in [name for name in _environ if name not in values and not name.startswith("HYPOTHESIS")]:
        del _environ[name]
    for name, value in values.items():
        if _environ.get(name) != value:
            _environ[name] = value


def _write_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and _getsignal(number) is not handler:
            _signal(number, handler)


def _write_timers(armed: tuple[bool, ...]) -> None:
    for timer, was in zip(_timers, armed, strict=True):
        if not was:
            _setitimer(timer, 0)


def _write_limits(limits: dict[str, tuple[int, int]]) -> None:
    import resource

    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, name), limit)


def _write_depth(depth: int | str) -> None:
    _setrecursionlimit(depth if isinstance(depth, int) else 1000)


def _write_decimal(context: tuple[Any, ...]) -> None:
    now = decimal.getcontext()
    now.prec, now.rounding, now.Emin, now.Emax, now.capitals, now.clamp = context[:6]
    now.traps.update(context[6])


def _write_float_environment() -> Callable[[object], object] | None:
    """Return what puts the floating-point environment of now back; None where the C library does not."""
    try:
        library = ctypes.CDLL(None)
        read, write = library.fegetenv, library.fesetenv
    except (OSError, AttributeError, TypeError):
        return None
    kept = ctypes.create_string_buffer(64)  # the largest fenv_t has 32
    return None if read(kept) else lambda _: write(kept)


def filled(held: Any) -> Callable[[Any], None]:
    """Return what gives a list or dictionary, which stays the same object, other contents."""

    def write(contents: Any) -> None:
        held.clear()
        held.extend(contents) if isinstance(held, list) else held.update(contents)

    return write


def _write_filters(filters: Any) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    mutated = getattr(warnings, "_filters_mutated", None) or getattr(warnings, "_filters_mutated_lock_held", None)
    if mutated is not None:
        mutated()  # otherwise what was decided for a line of code before stays decided


def _switched(on: Callable[[], object], off: Callable[[], object]) -> Callable[[Any], object]:
    """Return what switches something on or off."""
    return lambda value: on() if value else off()


def unpacked(write: Callable[..., object]) -> Callable[[Any], object]:
    """Return what hands over the parts of a value one by one."""
    return lambda values: write(*values)


def assigned(module: Any, name: str) -> Callable[[Any], None]:
    """Return what assigns to a name of a module."""
    names = vars(module)
    return lambda value: names.__setitem__(name, value)


_OS, _SYS, _SIGNAL, _GC, _NP = (
    ("import os",),
    ("import sys",),
    ("import signal",),
    ("import gc",),
    ("import numpy as np",),
)


def _of_the_system() -> tuple[Setting, ...]:
    found = [
        Setting("the working directory", "os.getcwd()", os.chdir, _OS, steady=True),
        Setting("the environment", ENVIRONMENT, _write_environment, _OS, by_imports=True, steady=True),
        Setting(
            "the locale",
            "locale.setlocale(locale.LC_ALL, None)",
            partial(locale.setlocale, locale.LC_ALL),
            ("import locale",),
            steady=True,
        ),
        Setting("the arithmetic of floats", FLOATS, _write_float_environment(), of_thread=True),
        Setting("the standard descriptors", Descriptors.expression, DESCRIPTORS.write, _OS, steady=True),
        Setting("the umask", "(mask := os.umask(0), os.umask(mask))[0]", os.umask, _OS, steady=True),
        Setting(
            "the handlers of signals",
            "{number: signal.getsignal(number) for number in range(1, signal.NSIG)}",
            _write_handlers,
            _SIGNAL,
            steady=True,
        ),
    ]
    if hasattr(time, "tzset"):
        found.append(Setting("the time zone", "time.tzname", lambda _: time.tzset(), ("import time",), steady=True))
    if hasattr(signal, "getitimer"):
        found += [
            Setting(
                "a running timer",
                f"tuple(any(signal.getitimer(timer)) for timer in {TIMERS})",
                _write_timers,
                _SIGNAL,
                steady=True,
            ),
            Setting(
                "the blocked signals",
                "signal.pthread_sigmask(signal.SIG_BLOCK, ())",
                partial(signal.pthread_sigmask, signal.SIG_SETMASK),
                _SIGNAL,
                of_thread=True,
                steady=True,
            ),
        ]
    if hasattr(os, "sched_getaffinity"):
        found.append(
            Setting(
                "the processors it may use",
                "os.sched_getaffinity(0)",
                partial(os.sched_setaffinity, 0),
                _OS,
                steady=True,
            )
        )
    if hasattr(os, "getpriority"):
        found.append(
            Setting(
                "the priority",
                "os.getpriority(os.PRIO_PROCESS, 0)",
                partial(os.setpriority, os.PRIO_PROCESS, 0),
                _OS,
                steady=True,
            )
        )
    try:
        import resource
    except ImportError:  # on Windows
        return tuple(found)
    names = [name for name in vars(resource) if name.startswith("RLIMIT_")]
    limits = f"{{name: resource.getrlimit(getattr(resource, name)) for name in {names}}}"
    return (*found, Setting("the limits of resources", limits, _write_limits, ("import resource",), steady=True))


def _of_the_interpreter() -> tuple[Setting, ...]:
    streams = [
        Setting(f"sys.{name}", f"sys.{name}", assigned(sys, name), _SYS) for name in ("stdin", "stdout", "stderr")
    ]
    lists = [
        Setting(
            f"sys.{name}",
            f"list(sys.{name})",
            filled(getattr(sys, name)),
            _SYS,
            by_imports=name != "argv",
            needed_by_imports=True,
            steady=True,
        )
        for name in ("path", "argv", "meta_path", "path_hooks")
    ]
    return (
        *streams,
        *lists,
        Setting("the recursion limit", DEPTH, _write_depth, _SYS),
        Setting("the switch interval", "sys.getswitchinterval()", sys.setswitchinterval, _SYS),
        Setting("the trace function", "sys.gettrace()", sys.settrace, _SYS, of_thread=True),
        Setting("the profile function", "sys.getprofile()", sys.setprofile, _SYS, of_thread=True),
        Setting("the trace function of new threads", "threading.gettrace()", threading.settrace, ("import threading",)),
        Setting(
            "the profile function of new threads", "threading.getprofile()", threading.setprofile, ("import threading",)
        ),
        Setting(
            "sys.dont_write_bytecode",
            "sys.dont_write_bytecode",
            assigned(sys, "dont_write_bytecode"),
            _SYS,
            steady=True,
        ),
        Setting(
            "the longest integer as text", "sys.get_int_max_str_digits()", sys.set_int_max_str_digits, _SYS, steady=True
        ),
        Setting(
            "the hooks of asynchronous generators",
            "tuple(sys.get_asyncgen_hooks())",
            unpacked(sys.set_asyncgen_hooks),
            _SYS,
            of_thread=True,
        ),
        Setting(
            "the warnings filters", "list(warnings.filters)", _write_filters, ("import warnings",), by_imports=True
        ),
        Setting("whether garbage is collected", "gc.isenabled()", _switched(gc.enable, gc.disable), _GC),
        Setting("the thresholds of garbage collection", "gc.get_threshold()", unpacked(gc.set_threshold), _GC),
        Setting("the debugging of garbage collection", "gc.get_debug()", gc.set_debug, _GC, steady=True),
        Setting(
            "the callbacks of garbage collection", "list(gc.callbacks)", filled(gc.callbacks), _GC, by_imports=True
        ),
        Setting(
            "whether memory is traced",
            "tracemalloc.is_tracing()",
            _switched(tracemalloc.start, tracemalloc.stop),
            ("import tracemalloc",),
        ),
        Setting(
            "whether faults are shown",
            "faulthandler.is_enabled()",
            _switched(faulthandler.enable, faulthandler.disable),
            ("import faulthandler",),
        ),
        Setting(
            "the level at which logging is off", "logging.root.manager.disable", logging.disable, ("import logging",)
        ),
        Setting(
            "the decimal context",
            "(c := decimal.getcontext(), c.prec, c.rounding, c.Emin, c.Emax, c.capitals, c.clamp, dict(c.traps))[1:]",
            _write_decimal,
            ("import decimal",),
            of_thread=True,
        ),
    )


def _of_numpy() -> tuple[Setting, ...]:
    return (
        Setting("NumPy's handling of errors", "np.geterr()", lambda value: np.seterr(**value), _NP, of_thread=True),
        Setting("NumPy's function for errors", "np.geterrcall()", np.seterrcall, _NP, of_thread=True),
        Setting("NumPy's size of buffers", "np.getbufsize()", np.setbufsize, _NP, of_thread=True),
        Setting(
            "NumPy's printing", "np.get_printoptions()", lambda value: np.set_printoptions(**value), _NP, of_thread=True
        ),
    )


PYTHON = (*_of_the_system(), *_of_the_interpreter(), *_of_numpy())
