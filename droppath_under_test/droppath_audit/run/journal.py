"""The journal: answers of an audit as they come, so that one that was killed can be resumed.

A file of JSON lines: first what the audit is of, then an answer a line. A line that was not finished is no line; its
trial is run again. Answers are kept and not verdicts, which follow from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from droppath_audit.core import source, wire
from droppath_audit.core.collected import Collected
from droppath_audit.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.limits import Limits
    from droppath_audit.run.plan import Settings

KIND = "droppath-audit journal"
KEPT = 20  # journals of different audits; the oldest go


def folder() -> Path:
    """Return where journals are kept: the user's folder for state, by the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "droppath-audit"  # noqa: PTH117


class Journal:
    """The journal of one audit. A context manager; a file that cannot be had is done without.

    Args:
        asked: What was asked for: SPEC, working directory and everything that bears on an answer.
        facts: What was learned of the target, which must be the same when the audit goes on.
        resume: Whether answers of an earlier run are taken over; they are forgotten otherwise.

    Attributes:
        answers: Those of an earlier run, by the trial's id.
        missing: Why there are none; empty otherwise.
    """

    def __init__(self, asked: Mapping[str, Any], facts: Facts, *, resume: bool) -> None:
        self.answers: dict[str, Collected] = {}
        self.missing = ""
        self._file: IO[bytes] | None = None
        first = {"kind": KIND, "version": __version__, "asked": dict(asked), "target": identity(facts)}
        header = json.dumps(first, sort_keys=True).encode()
        name = hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()[:16]
        with contextlib.suppress(OSError, RuntimeError):  # no home, no space, no permission
            self._open(folder() / f"{name}.jsonl", header, resume=resume)
        if self._file is None and not self.missing:
            self.missing = "there is no place for a journal"

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, trial: Trial, collected: Collected) -> None:
        """Add an answer. Where that fails the journal ends; the audit goes on."""
        if self._file is None:
            return
        line = json.dumps({"trial": trial.id, "collected": wire.dump(collected)}).encode()
        try:
            self._file.write(line + b"\n")
        except OSError:  # a full disk
            self._file = None

    def _open(self, path: Path, header: bytes, *, resume: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
        if not _locked(file):
            file.close()
            self.missing = "the same audit runs beside this one"
            return
        file.seek(0)
        text = file.read()
        if resume:
            self._take_over(text, header)
        if not self.answers:
            file.truncate(0)
            text = b""
        # Whatever was left unfinished is ended, so that it spoils no more than itself.
        file.write(header + b"\n" if not text else b"" if text.endswith(b"\n") else b"\n")
        self._file = file
        _forget_oldest(path)

    def _take_over(self, text: bytes, header: bytes) -> None:
        first, *lines = text.split(b"\n")
        if not text:
            self.missing = "this audit was not begun before"
        elif first != header:
            self.missing = "the target, the tool or the versions have changed since"
        else:
            for line in lines:
                with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
                    entry = json.loads(line)
                    self.answers[str(entry["trial"])] = wire.load(Collected, entry["collected"])
            if not self.answers:
                self.missing = "no trial had ended"


def asked(
    spec: str, settings: Settings, *, devices: tuple[str, ...], imports: tuple[str, ...], limits: Limits
) -> dict[str, Any]:
    """Return what bears on the answers of an audit, as plain data. How many workers there are does not."""
    try:
        here = str(Path.cwd())
    except OSError:
        here = ""
    return {
        "spec": spec,
        "folder": here,
        "devices": list(devices),
        "imports": list(imports),
        "settings": wire.dump(settings),
        "limits": wire.dump(limits),
    }


def identity(facts: Facts) -> dict[str, Any]:
    """Return what must be the same wherever answers on a target are put together, as plain data."""
    told = wire.dump(facts)
    del told["import_seconds"]
    return {"facts": told, "source": [source.digest(file) for file in (facts.origin, facts.factory)]}


def _locked(file: IO[bytes]) -> bool:
    """Return whether the file is this process's alone, or the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _forget_oldest(path: Path) -> None:
    """Remove the oldest journals but some."""
    found = [other for other in path.parent.glob("*.jsonl") if other != path]
    with contextlib.suppress(OSError):
        found.sort(key=lambda other: other.stat().st_mtime)
        for other in found[: -KEPT + 1]:
            other.unlink()
