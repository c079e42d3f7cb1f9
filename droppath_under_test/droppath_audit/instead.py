"""What is audited in place of a target that cannot be audited as it stands: a part of its file, or a factory of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from droppath_audit.core.errors import Interrupted, NeedsFactory, Unimportable
from droppath_audit.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from droppath_audit.run.plan import Settings

T = TypeVar("T")
SECONDS, BEAT_SECONDS = 120.0, 0.1  # in which a factory is written, or there is none; between two looks at a signal
FACTORY = "audit_me.py"


@dataclass(frozen=True)
class Instead:
    """What is audited.

    Attributes:
        spec: The SPEC.
        skip: Patterns of trials that say nothing of the target.
    """

    spec: str
    skip: tuple[str, ...] = ()

    def settings(self, settings: Settings) -> Settings:
        """Return settings that leave these trials out as well."""
        return replace(settings, skip=(*settings.skip, *self.skip)) if self.skip else settings


def or_instead(spec: str, do: Callable[[Instead], T], options: Mapping[str, Any]) -> T:
    """Return what is done with a SPEC, or with what is audited in its place.

    A target whose file cannot be imported is lifted out of it, where it needs nothing that is missing. Of a block a
    factory is written that shows how it drops, where that runs as it is; else the method of it that drops is audited.

    Args:
        spec: The SPEC.
        do: What to do.
        options: ``imports`` and ``interruption``, as the command line gave them.

    Raises:
        UsageError: As what is done, where there is nothing to put in its place.
        Interrupted: If somebody asks for the end while a factory is written.
    """
    from droppath_audit.run.journal import folder

    try:
        return do(Instead(spec))
    except Unimportable as error:
        from droppath_audit.scanning.apart import written_apart

        # With the journals, where the commands of the report find it.
        apart = written_apart(spec, error.reason, folder() / "apart")
        if apart is None:
            raise
        found = Instead(apart)
        said = f"{error.reason} {_name(spec)} needs nothing of that, and is audited apart from its file: {apart}"
    except NeedsFactory as error:
        factory = _factory(error.command, folder() / "factories", options)
        if factory is None and not error.others:
            raise
        found = factory or Instead(shlex.split(error.others[0])[1])
        if factory is None:
            said = f"{_name(spec)} does more than drop. It is audited by its method that drops: {found.spec}"
        else:
            by = "the factor of its branch" if found.skip else "a factory that gives it what it asks for"
            said = f"{_name(spec)} is audited by {by}: {found.spec}"
        if found.skip:
            said += f"\nLeft out, since a factor says nothing of it: {', '.join(found.skip)}"
    click.echo(f"droppath-audit: {visible(said)}", err=True)
    return do(found)


def _name(spec: str) -> str:
    return spec.partition("?")[0].rpartition(":")[2]


def _factory(command: str, folder: Path, options: Mapping[str, Any]) -> Instead | None:
    """Write the factory that a command proposes, in a process of its own; None where it does not run as it is."""
    from droppath_audit.targets.proposing import RUNS

    spec = shlex.split(command)[2]
    file = folder / sha256(f"{Path.cwd()}\0{spec}".encode()).hexdigest()[:12] / FACTORY
    own = file.with_name(f"{os.getpid()}_{FACTORY}")  # other ranks write theirs
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        own.unlink(missing_ok=True)
        runs, _, printed = _proposed(spec, own, options).rpartition("\n")[2].partition(": droppath-audit ")
        if runs == RUNS:
            own.replace(file)
            words = shlex.split(printed)
            skipped = tuple(words[words.index("--skip") + 1 :: 2]) if "--skip" in words else ()
            return Instead(words[0].replace(str(own), str(file)), skipped)
        own.unlink(missing_ok=True)
    return None


def _proposed(spec: str, file: Path, options: Mapping[str, Any]) -> str:
    """Have a factory written into a file, and return what is said of it; an empty text where that takes too long."""
    from droppath_audit.run import processes

    imports = [word for module in options["imports"] for word in ("--import", module)]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "droppath_audit", "propose", spec, "-o", str(file), *imports],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline, interruption = time.monotonic() + SECONDS, options["interruption"]
    while True:
        try:
            return process.communicate(timeout=BEAT_SECONDS)[1].rstrip()
        except subprocess.TimeoutExpired:
            if not interruption.told and time.monotonic() < deadline:
                continue
        processes.kill_tree(process.pid)
        process.communicate()
        if interruption.told:
            raise Interrupted(f"Interrupted while a factory for {spec} was being written.", interruption.signal)
        return ""
