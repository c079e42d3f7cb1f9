"""A picture of the state that a whole process shares: what has changed since, and how it is put back."""

from __future__ import annotations

import builtins
import sys
from contextlib import suppress
from operator import ne
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.capabilities import GlobalSettings, has
from droppath_audit.frameworks.functions import Functions
from droppath_audit.frameworks.left_running import CHILDREN, THREADS, LeftRunning
from droppath_audit.frameworks.python_settings import DESCRIPTORS, PYTHON
from droppath_audit.frameworks.settings import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.settings import Change, Setting

globals()["__builtins__"] = dict(vars(builtins))  # as in ``settings``


_modules = sys.modules


class ProcessState:
    """What a call must leave as it was; see ``taken``."""

    def __init__(
        self, read: Callable[[], list[Any]], settings: tuple[Setting, ...], values: list[Any],
        functions: Functions, running: LeftRunning | None,
    ) -> None:  # fmt: skip
        self._read, self._settings, self._values = read, settings, values
        self._functions, self._running, self._modules = functions, running, len(_modules)

    @classmethod
    def taken(cls, framework: Framework | None = None) -> ProcessState:
        """Return a picture of the calling process and thread, as they are now.

        Args:
            framework: Whose settings and functions are watched beside Python's and NumPy's; None where none is loaded.
        """
        own = None if framework is None else has(framework, GlobalSettings)
        settings = (*PYTHON, *(own.settings() if own else ()))
        functions = Functions.taken(own.namespaces(), own.aliases) if own else Functions.taken({})
        DESCRIPTORS.hold()
        read = reader(settings)
        return cls(read, settings, read(), functions, LeftRunning(own.folders() if own else ()))

    def afresh(self, shared: ProcessState | None = None) -> ProcessState:
        """Return a picture of the settings as they are now, beside the functions, threads and processes of this one.

        Args:
            shared: Where the settings that are no thread's own are taken from; by default they are read, too.
        """
        values = self._read()
        if shared is not None:
            both = zip(self._settings, values, shared._values, strict=True)
            values = [now if setting.of_thread else before for setting, now, before in both]
        return ProcessState(self._read, self._settings, values, self._functions, self._running)

    def lively(self) -> ProcessState:
        """Return the part that checks change as well, in contexts around calls."""
        return self._part(lambda setting: not setting.steady, self._functions.narrowed(frozenset()), None)

    def steady(self) -> ProcessState:
        """Return the part that only a target changes."""
        return self._part(lambda setting: setting.steady, self._functions, self._running)

    def narrowed(self, changes: Iterable[Change]) -> ProcessState:
        """Return the part in which these changes were seen; threads and processes only where one of them is one."""
        texts = {change.expression for change in changes}
        running = self._running if texts & {THREADS, CHILDREN} else None
        return self._part(lambda setting: setting.expression in texts, self._functions.narrowed(texts), running)

    def _part(
        self, wanted: Callable[[Setting], bool], functions: Functions, running: LeftRunning | None
    ) -> ProcessState:
        both = [
            (setting, value) for setting, value in zip(self._settings, self._values, strict=True) if wanted(setting)
        ]
        settings = tuple(setting for setting, _ in both)
        return ProcessState(reader(settings), settings, [value for _, value in both], functions, running)

    def expressions(self) -> set[str]:
        """Return the expressions of the settings that it holds."""
        return {setting.expression for setting in self._settings}

    def changes(self, *, patiently: bool = True, running: bool = True) -> tuple[Change, ...]:
        """Return what differs now, in the order functions, settings, what still runs; nothing where all is as it was.

        What a module changes as it is imported (filters of warnings, the environment) is none where one was.

        Args:
            patiently: Whether a thread or process that is about to end has a short while for it.
            running: Whether threads and processes are looked for.
        """
        settings = (setting.change(before, now) for setting, before, now in self._differing())
        started = self._running.changes(patiently=patiently) if running and self._running is not None else ()
        return (*self._functions.changes(), *settings, *started)

    def restore(self, *, of_thread: bool = False, running: bool = True) -> tuple[Change, ...]:
        """Put back what can be put back, and return what could not.

        Args:
            of_thread: Whether to put back only what is the calling thread's own.
            running: Whether processes are ended.
        """
        if not of_thread:
            self._functions.put_back()  # first: reading and writing settings uses them
        differing = [found for found in self._differing() if found[0].of_thread or not of_thread]
        for setting, before, _ in differing:
            if setting.write is not None:
                with suppress(Exception):  # what could not be put back is seen below
                    setting.write(before)
        left = [(setting, before, setting.read()) for setting, before, _ in differing]
        changed = tuple(setting.change(before, now) for setting, before, now in left if before != now)
        if of_thread or not running or self._running is None:
            return changed
        self._running.end()
        return (*changed, *self._running.changes(patiently=False))

    def put_back_after_imports(self) -> bool:
        """Return whether a module was imported since, having put back what it may have changed and needs no more.

        What an import hides is then seen in the next call that does it, against a new picture.
        """
        if len(_modules) == self._modules:
            return False
        for setting, before, now in zip(self._settings, self._values, self._read(), strict=True):
            if setting.by_imports and setting.write is not None and before != now and not setting.needed_by_imports:
                setting.write(before)
        return True

    def _differing(self) -> list[tuple[Setting, Any, Any]]:
        now = self._read()
        if not any(map(ne, self._values, now)):
            return []
        imported = len(_modules) > self._modules
        return [
            (setting, before, value)
            for setting, before, value in zip(self._settings, self._values, now, strict=True)
            if before != value and not (imported and setting.by_imports)
        ]
