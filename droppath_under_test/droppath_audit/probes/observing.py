"""What ran of some code objects: their lines, and which way went on from one to the next.

From Python 3.12 the interpreter tells of lines and branches of these code objects alone (``sys.monitoring``), and costs
next to nothing once each was seen. Before, a trace function sees lines, and the steps between them: what decides within
one line is not seen. Threads that begin meanwhile are observed as well.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, FrameType

SEES_BRANCHES = sys.version_info >= (3, 12)
LEAVES = 0  # the line to which a step goes that leaves the code
TOOLS = (4, 3)  # identifiers that the interpreter names for no tool: debuggers, coverage and profilers have their own


@dataclass
class Ran:
    """What ran of one code object.

    Attributes:
        lines: Numbers of lines.
        steps: Where branches are seen, offsets of an instruction that branches and of the one that follows; otherwise
            numbers of two lines that followed each other, ``LEAVES`` where the code was left, as it was entered.
    """

    lines: set[int] = field(default_factory=set)
    steps: set[tuple[int, int]] = field(default_factory=set)


@contextmanager
def observed(codes: Iterable[CodeType]) -> Iterator[dict[CodeType, Ran]]:
    """Return a context that yields what runs inside it of each code object.

    Raises:
        NotApplicable: If another tool watches this process, which would see no more then.
    """
    ran = {code: Ran() for code in codes}
    with _monitored(ran) if SEES_BRANCHES else _traced(ran):
        yield ran


@contextmanager
def _traced(ran: dict[CodeType, Ran]) -> Iterator[None]:
    if sys.gettrace() is not None:
        raise NotApplicable("another tool traces this process, a debugger or one that measures coverage")

    def enter(frame: FrameType, *_: object) -> Callable[..., Any] | None:
        found = ran.get(frame.f_code)
        return None if found is None else _followed(found)

    before = threading.gettrace()
    sys.settrace(enter)
    threading.settrace(enter)
    try:
        yield
    finally:
        if sys.gettrace() is enter:
            sys.settrace(None)
        threading.settrace(before)  # type: ignore[arg-type,unused-ignore]


def _followed(found: Ran) -> Callable[..., Any]:
    """Return the trace function of one frame."""
    last, raised = LEAVES, False

    def follow(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
        nonlocal last, raised
        if event == "exception":
            raised = True  # what comes next was decided by no condition
        elif event in ("line", "return"):
            line = frame.f_lineno if event == "line" else LEAVES
            if not raised:
                found.steps.add((last, line))
            if line != LEAVES:
                found.lines.add(line)
                last, raised = line, False
        return follow

    return follow


@contextmanager
def _monitored(ran: dict[CodeType, Ran]) -> Iterator[None]:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool = next((tool for tool in TOOLS if monitoring.get_tool(tool) is None), None)
    if tool is None:
        raise NotApplicable("other tools watch this process")
    events = monitoring.events
    # From 3.14 an event tells which way it went; before, one event tells of either.
    either = [getattr(events, name) for name in ("BRANCH_LEFT", "BRANCH_RIGHT") if hasattr(events, name)]
    either = either or [events.BRANCH]
    apart = len(either) > 1

    def line(code: CodeType, number: int) -> Any:
        ran[code].lines.add(number)
        return monitoring.DISABLE

    def branch(code: CodeType, offset: int, destination: int) -> Any:
        steps = ran[code].steps
        steps.add((offset, destination))
        # An event that is disabled is so in both directions where one tells of either.
        done = apart or sum(start == offset for start, _ in steps) > 1
        return monitoring.DISABLE if done else None

    monitoring.use_tool_id(tool, "droppath-audit")
    try:
        monitoring.register_callback(tool, events.LINE, line)
        for event in either:
            monitoring.register_callback(tool, event, branch)
        monitoring.restart_events()  # of what was disabled when the same code was observed before
        for code in ran:
            monitoring.set_local_events(tool, code, sum(either, events.LINE))
        yield
    finally:
        for code in ran:
            monitoring.set_local_events(tool, code, 0)
        for event in (events.LINE, *either):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
