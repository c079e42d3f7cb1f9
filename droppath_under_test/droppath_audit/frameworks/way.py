"""A way to run a target's code other than as it is written: compiled, captured as a graph, mapped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from droppath_audit.core.errors import NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable


class Way(ABC):
    """One such way, for one trial; see ``core.case.Case.variant``.

    Attributes:
        compiles: Whether code is made of the target, which a compiler needs time for and a tape cannot look into.
        frozen: Whether what is run holds the attributes that the layer had when it was captured.
        ran: Calls that ran in this way.
        refused: Why the framework refused one, quoting it; empty where it refused none.
        once: Whether what was captured first is run in the other mode as well, switched to it if it can be.
        twice: Whether each half of the samples has a call of its own, both in one graph; where ``compiles`` is true.
    """

    compiles: ClassVar[bool] = False
    frozen: ClassVar[bool] = False
    ran: int = 0
    refused: str = ""
    once: bool = False
    twice: bool = False

    @abstractmethod
    def wrapped(self, function: Callable[..., Any], *, per_call: bool) -> Callable[..., Any]:
        """Return what runs a layer or a function in this way, in the mode that it is in, with its arguments.

        Args:
            function: What is called.
            per_call: Whether a whole call is one decision.

        Raises:
            NotApplicable: In a call, if the framework refuses to run it so, quoting it.
        """

    def handed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of ours that a layer calls, as it is handed over: it is no part of what runs so."""
        return function

    def breaks(self) -> tuple[str, ...]:
        """Return why code was left as it is in places, in words; none where all of it runs in this way."""
        return ()

    def idle(self) -> str:
        """Return why nothing has run in this way although there were calls; an empty text where something has."""
        return "" if self.ran else self.refused

    def refuse(self, reason: str, error: BaseException) -> NoReturn:
        """Raise NotApplicable for what the framework refuses."""
        self.refused = reason
        raise NotApplicable(reason) from error
