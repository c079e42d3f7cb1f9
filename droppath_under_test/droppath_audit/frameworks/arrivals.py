"""Pictures of the process before a target is imported, and as each framework is: what differs then is its doing."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.process_state import ProcessState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from droppath_audit.frameworks.adapter import Adapter
    from droppath_audit.frameworks.settings import Change


class Arrivals(MetaPathFinder):
    """Finds nothing by itself: it watches for the import of frameworks, which may come from anywhere.

    Args:
        adapters: Of the frameworks.
    """

    def __init__(self, adapters: Iterable[Adapter]) -> None:
        self._waiting = {one.packages[0]: one for one in adapters if one.packages[0] not in sys.modules}
        sys.meta_path.insert(0, self)  # for as long as pictures are taken and compared: it is in all of them
        here = [one for one in adapters if one.packages[0] in sys.modules]
        self._pictures = [ProcessState.taken(), *(ProcessState.taken(one.framework()) for one in here)]

    def undone(self) -> tuple[Change, ...]:
        """End the watch: put back what differs from the pictures, the last of which know most, and return what did.

        Threads and processes that were started are none of it: a library may have its own.
        """
        first, *later = self._pictures
        found = {change.text: change for change in first.changes(running=False)}
        # A framework may arrive while something is changed for a moment, as ``runpy`` changes sys.argv.
        as_at_first = first.expressions() - {change.expression for change in found.values()}
        for picture in later:
            changes = picture.changes(running=False)
            found |= {change.text: change for change in changes if change.expression not in as_at_first}
        for picture in reversed(self._pictures):
            picture.restore(running=False)
        with suppress(ValueError):  # somebody emptied the list
            sys.meta_path.remove(self)
        return tuple(found.values())

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Let others find a framework, and have it tell when it is there."""
        adapter = self._waiting.pop(fullname, None)
        spec = None if adapter is None else find_spec(fullname)
        if adapter is not None and spec is not None and spec.loader is not None:
            framework = adapter.framework
            spec.loader = _Telling(spec.loader, lambda: self._pictures.append(ProcessState.taken(framework())))
        return spec


class _Telling(Loader):
    """A module's own loader, which tells when the module is there, and is forgotten then."""

    def __init__(self, own: Any, tell: Callable[[], None]) -> None:
        self._own, self._tell = own, tell

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        with _uncollected():
            self._own.exec_module(module)
        self._tell()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make objects by the hundred thousand that live as long as the process: no collection looks at them, ever."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
