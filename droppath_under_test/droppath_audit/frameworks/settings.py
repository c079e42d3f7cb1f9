"""Settings that a whole process, or a thread of it, shares: how one is read, put back, and said to have changed."""

from __future__ import annotations

import builtins
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A copy: a target that replaces ``len`` or ``repr`` replaces it for everybody else.
globals()["__builtins__"] = dict(vars(builtins))

LONGEST = 80  # characters of a value in a text
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Change:
    """Something that is not what it was.

    Attributes:
        text: What, in words: ``the default dtype was torch.float32 and is torch.float64``.
        expression: What shows it in a script: compared with its value before. Empty where no expression does.
        imports: Lines that the expression needs, each once.
    """

    text: str
    expression: str = ""
    imports: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


class Unreadable(str):
    """The value of a setting that cannot be read: why."""

    __slots__ = ()


@dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes:
        name: What it is, with its article: ``the default dtype``.
        expression: How it is read; what it gives is compared by ``==`` and not changed afterwards. The one text serves
            this process and the scripts that show a change.
        write: What puts a value back; None where nothing does.
        imports: The lines that the expression needs.
        by_imports: Whether a module may change it as it is imported, so that a change beside an import is none.
        needed_by_imports: Whether later imports may need what it changed there: an entry of ``sys.path``.
        of_thread: Whether each thread has its own.
        steady: Whether no check changes it for a while, so that a difference is the target's whenever it is seen.
    """

    name: str
    expression: str
    write: Callable[[Any], object] | None = None
    imports: tuple[str, ...] = ()
    by_imports: bool = False
    needed_by_imports: bool = False
    of_thread: bool = False
    steady: bool = False

    def read(self) -> Any:
        """Return the value; an ``Unreadable`` where reading raises."""
        try:
            return _reader(self.expression, self.imports)()
        except Exception as error:
            return Unreadable(f"unreadable: {type(error).__name__}")

    def change(self, before: Any, now: Any) -> Change:
        """Return how the value differs from what it was."""
        return Change(_difference(self.name, before, now), self.expression, self.imports)


def reader(settings: Sequence[Setting]) -> Callable[[], list[Any]]:
    """Return what reads settings all at once, in a tenth of the time that they take one by one."""
    expressions = ", ".join(f"({setting.expression})" for setting in settings)
    imports = tuple(dict.fromkeys(line for setting in settings for line in setting.imports))
    together = _reader(f"[{expressions}]", imports)

    def read() -> list[Any]:
        try:
            return together()  # type: ignore[no-any-return]
        except Exception:  # one of them cannot be read
            return [setting.read() for setting in settings]

    return read


@cache
def _reader(expression: str, imports: tuple[str, ...]) -> Callable[[], Any]:
    """Return a function for an expression, whose names and builtins nobody else can replace."""
    names: dict[str, Any] = {"__builtins__": __builtins__}
    exec("\n".join(imports), names)  # noqa: S102 - the tables are this package's own
    return eval(f"lambda: {expression}", names)  # type: ignore[no-any-return]  # noqa: S307 - and so are these


def _difference(name: str, before: Any, now: Any) -> str:
    """Return in words how a value differs; of a collection, what came and went."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [f"{key} was {told(before[key])}" for key in before if key not in now]
        parts += [f"{key} is {told(now[key])}" for key in now if key not in before]
        parts += [
            f"{key} was {told(before[key])} and is {told(now[key])}"
            for key in before
            if key in now and before[key] != now[key]
        ]
        return f"{name}: {', '.join(parts[:3])}" + (" …" if len(parts) > 3 else "")
    if isinstance(before, list) and isinstance(now, list):
        came, went = [part for part in now if part not in before], [part for part in before if part not in now]
        parts = [f"has {told(part)} more" for part in came] + [f"lacks {told(part)}" for part in went]
        if parts:
            return f"{name} {', '.join(parts[:3])}" + (" …" if len(parts) > 3 else "")
        if len(before) != len(now):
            return f"{name} had {len(before)} entries and has {len(now)}"
    return f"{name} was {told(before)} and is {told(now)}"


def told(value: Any) -> str:
    """Return a value as text of one line, whatever its own code raises."""
    try:
        text = " ".join((str(value) if isinstance(value, Unreadable) else repr(value)).split())
    except Exception:
        text = f"<{type(value).__name__}>"
    text = _ADDRESS.sub("", text)  # another one in every process
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def origin(value: Any) -> str:
    """Return where a function or class comes from, such as ``my_package.rand``."""
    try:
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        return f"{module or 'builtins'}.{name}" if isinstance(name, str) else told(value)
    except Exception:
        return told(value)
