"""What is audited in place of a target that cannot be audited as it stands: a part of its file, or a factory of it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from droppath_audit.core.errors import NeedsFactory, Unimportable
from droppath_audit.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from droppath_audit.run.plan import Settings

T = TypeVar("T")
SECONDS = 120.0  # in which a factory is written, or there is none
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


def or_instead(spec: str, do: Callable[[Instead], T], imports: Sequence[str] = ()) -> T:
    """Return what is done with a SPEC, or with what is audited in its place.

    A target whose file cannot be imported is lifted out of it, where it needs nothing that is missing. Of a block a
    factory is written that shows how it drops, where that runs as it is; else the method of it that drops is audited.

    Args:
        spec: The SPEC.
        do: What to do.
        imports: Modules to import before the target.

    Raises:
        UsageError: As what is done, where there is nothing to put in its place.
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
        factory = _factory(error.command, folder() / "factories", imports)
        if factory is None and not error.others:
            raise
        found = factory or Instead(shlex.split(error.others[0])[1])
        by = "the factor of its branch" if factory else "its method that drops"
        said = f"{_name(spec)} does more than drop. It is audited by {by}: {found.spec}"
        if found.skip:
            said += f"\nLeft out, since a factor says nothing of it: {', '.join(found.skip)}"
    click.echo(f"droppath-audit: {visible(said)}", err=True)
    return do(found)


def _name(spec: str) -> str:
    return spec.partition("?")[0].rpartition(":")[2]


def _factory(command: str, folder: Path, imports: Sequence[str]) -> Instead | None:
    """Write the factory that a command proposes, in a process of its own; None where it does not run as it is."""
    from droppath_audit.targets.proposing import RUNS

    spec = shlex.split(command)[2]
    file = folder / sha256(f"{Path.cwd()}\0{spec}".encode()).hexdigest()[:12] / FACTORY
    asked = ["propose", spec, "-o", str(file), *(word for module in imports for word in ("--import", module))]
    with suppress(OSError, subprocess.TimeoutExpired):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        ran = subprocess.run(  # noqa: S603 - our own interpreter and our own module
            [sys.executable, "-m", "droppath_audit", *asked],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        runs, _, printed = ran.stderr.rstrip().rpartition("\n")[2].partition(": droppath-audit ")
        if ran.returncode == 0 and runs == RUNS:
            words = shlex.split(printed)
            return Instead(words[0], tuple(words[words.index("--skip") + 1 :: 2]) if "--skip" in words else ())
    return None
