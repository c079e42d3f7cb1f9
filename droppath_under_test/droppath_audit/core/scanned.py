"""What a scan found: look-alikes, in groups of equal ones, and what came of auditing one of each group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from droppath_audit.core.report import HOLDS, UNUSABLE, gravest

if TYPE_CHECKING:
    from droppath_audit.core.report import Report


@dataclass(frozen=True)
class Place:
    """Where a definition stands.

    Attributes:
        name: Its name, dotted inside a class.
        file: Its file, as a user would write it.
        line: Its first line.
        module: The module that the file is; empty in a folder that is no installed package.
        parts: Functions and classes of the same file that belong to it.
    """

    name: str
    file: str
    line: int
    module: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was not read, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Lifted:
    """A definition that was audited apart from its file.

    Attributes:
        why: Why its file could not be imported.
        text: The source that was audited instead.
        left_out: What of it was left out, such as decorators whose module is missing.
        others: Other files that something of it was taken from.
        file: Where that source is kept; empty where it was not.
    """

    why: str
    text: str
    left_out: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    file: str = ""


@dataclass(frozen=True)
class Group:
    """Equal definitions, of which the first is audited.

    Attributes:
        places: All of them; the first is the representative.
        digest: What they have in common, as a digest of their source without names and comments.
        by: Why they are taken for a look-alike.
        spec: The SPEC of the representative.
        report: The audit, where there was one.
        refused: Why it could not be driven, in one sentence; empty where it was, or was not asked for.
        command: The command to run next; empty where there is none.
        lifted: How it was lifted out of its file, where it was.
    """

    places: tuple[Place, ...]
    digest: str
    by: str
    spec: str = ""
    report: Report | None = None
    refused: str = ""
    command: str = ""
    lifted: Lifted | None = None

    @property
    def first(self) -> Place:
        """The representative."""
        return self.places[0]

    @property
    def verdict(self) -> str:
        """``pass``, ``fail``, ``inconclusive`` as audited; ``not-driven`` where refused; ``not-audited`` otherwise."""
        if self.report is not None:
            return str(self.report.verdict)
        return "not-driven" if self.refused else "not-audited"


@dataclass(frozen=True)
class Scan:
    """A scan of a package or folder.

    Attributes:
        target: What was scanned, as it was given.
        where: The folders and files that this is.
        version: Version of this package.
        files: How many files of Python there are.
        read: How many of them were parsed: those that may hold a look-alike.
        groups: What was found.
        skipped: What was not read.
        effort: Name of the effort.
        seed: Root seed.
        audited: Whether audits were asked for.
        seconds: Wall time.
        incomplete: Why it ended early; empty where it did not.
        signal: Number of the signal that ended it; 0 where none did.
    """

    target: str
    where: tuple[str, ...]
    version: str
    files: int
    read: int
    groups: tuple[Group, ...]
    skipped: tuple[Skipped, ...] = field(default_factory=tuple)
    effort: str = "quick"
    seed: int = 0
    audited: bool = True
    seconds: float = 0.0
    incomplete: str = ""
    signal: int = 0

    @property
    def copies(self) -> int:
        """How many definitions there are in all groups."""
        return sum(len(group.places) for group in self.groups)

    @property
    def exit_status(self) -> int:
        """The gravest of the audits; 2 where one could not be driven, or nothing was found to go by."""
        if self.signal:
            return 128 + self.signal
        if not self.groups:
            return UNUSABLE
        if not self.audited:
            return HOLDS
        return gravest(UNUSABLE if group.report is None else group.report.exit_status for group in self.groups)
