"""The golden file of the kill matrix: a line a subject, made to be read as a difference in a review."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.selftest.examination import marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from droppath_audit.selftest.examination import Row

GOLDEN_SEED = 0
HEADING = """\
# Which checks fail which implementation, at seed 0 and effort quick. Written by 'droppath-audit selftest --update'.
# After a check: * it claims the mutant; ~ it claims it and needs effort standard; ! it ends in an error; nothing: it
# happens to see the fault as well. Behind a sound variant stand the checks of level SHOULD or INFO that fail it.
"""
SECTIONS = {False: "# Mutants", True: "# Sound variants"}


def words(row: Row) -> str:
    """Return what stands behind a subject's name."""
    return " ".join(f"{check}{mark.replace('+', '')}" for check, mark in marks(row).items())


def read(text: str) -> dict[str, str]:
    """Return what stands behind each name of a golden file."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def write(rows: Iterable[Row], before: Mapping[str, str], *, names: Mapping[str, bool]) -> str:
    """Return the golden file.

    Args:
        rows: What was examined.
        before: What stands behind the names in the present file; kept for those that were not examined.
        names: Every subject that there is, and whether it is sound.
    """
    now = {**before, **{row.subject.name: words(row) for row in rows}}
    text = HEADING
    for sound, title in SECTIONS.items():
        of_this_kind = sorted(name for name, is_sound in names.items() if is_sound is sound and name in now)
        text += "".join([f"\n{title}\n", *(f"{name}: {now[name]}".rstrip() + "\n" for name in of_this_kind)])
    return text


def differences(rows: Sequence[Row], golden: Mapping[str, str], *, names: Iterable[str]) -> list[str]:
    """Return a line for every subject whose checks are not those of the golden file.

    Args:
        rows: What was examined; a row without a result is no difference, because it says nothing of the checks.
        golden: What stands behind each name of the golden file.
        names: Every subject that there is; others in the file are gone.
    """
    lines = []
    for row in rows:
        name, now = row.subject.name, words(row).split()
        if row.lost:
            continue
        if name not in golden:
            lines.append(f"{name}: not in the golden file; now {' '.join(now) or 'no check'}")
            continue
        then = golden[name].split()
        missing, new = [w for w in then if w not in now], [w for w in now if w not in then]
        parts = [f"{what} {' '.join(which)}" for what, which in (("lost", missing), ("gained", new)) if which]
        if parts:
            lines.append(f"{name}: {', '.join(parts)}")
    return lines + [f"{name}: in the golden file, but there is no such subject" for name in golden.keys() - set(names)]
