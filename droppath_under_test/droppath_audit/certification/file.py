"""The file in which a run leaves its counts for a later one.

A JSON object: ``kind`` and ``schema_version``; ``identity`` (SPEC, package, digest of the source, dialect, framework
and kind of device: all must be the same in every run); ``resolve``, ``alpha``, ``beta`` (the terms); ``seeds`` (root
seeds; several after a merge); ``cells``, each with ``dtype``, ``drop_prob`` and the counts ``decisions``, ``kept``,
``other`` and ``chunks``. Verdicts are not stored: they follow from the counts.
"""

from __future__ import annotations

import json
from pathlib import Path

from droppath_audit.certification.ledger import Ledger
from droppath_audit.core import wire
from droppath_audit.core.errors import UsageError
from droppath_audit.core.files import reason
from droppath_audit.report.writing import write

KIND = "droppath-audit certificates"
SCHEMA_VERSION = 1


class LedgerFile:
    """A file that holds a ledger, written whole or not at all.

    Args:
        path: Where; need not exist.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = Path(path).resolve()  # what a link points to is replaced, not the link
        self._known: str | None = None  # what we last saw there

    def read(self) -> Ledger | None:
        """Return the ledger, or None where there is no file yet.

        Raises:
            UsageError: If the file holds something else, or was written by a later version.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.name} cannot be read: {error}.") from None
        try:
            data = json.loads(text)
            if not isinstance(data, dict) or data.get("kind") != KIND:
                raise ValueError(f"it is not a JSON object of kind {KIND!r}")
            if data["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"its schema_version is {data['schema_version']!r}, not {SCHEMA_VERSION}")
            terms = {name: value for name, value in data.items() if name not in ("kind", "schema_version")}
            ledger = wire.load(Ledger, terms)
        except KeyError as error:
            raise UsageError(f"{self.name} holds no counts to continue: {error} is missing.") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"{self.name} holds no counts to continue: {error}.") from None
        self._known = text
        return ledger

    def write(self, ledger: Ledger) -> None:
        """Replace the file.

        Raises:
            UsageError: If it cannot be written, or another run has written to it since it was read.
        """
        text = json.dumps({"kind": KIND, "schema_version": SCHEMA_VERSION, **wire.dump(ledger)}, indent=1) + "\n"
        try:
            if self._found() != self._known:
                raise UsageError(
                    f"Another run writes to {self.name}; its counts are left as they are. Give every run a file and a "
                    "--seed of its own, and --merge them."
                )
        except OSError as error:
            raise UsageError(f"{self.name} cannot be read: {reason(error)}.") from None
        write(str(self._path), text)
        self._known = text

    def _found(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None
