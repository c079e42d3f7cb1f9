"""The command line, run in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from droppath_audit.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    def command(*words: str) -> tuple[int, str, str]:
        """Run a command line; return status, standard output and standard error."""
        monkeypatch.setattr(sys, "argv", ["droppath-audit", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return command
