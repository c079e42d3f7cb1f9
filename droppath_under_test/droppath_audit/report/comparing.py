"""What differs between two documents of reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import UsageError
from droppath_audit.report.broken import Broken, broken, by_cause, conclusion, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Kind(Enum):
    """How something differs."""

    NEW = "new"
    FIXED = "fixed"
    CHANGED = "changed"
    GONE = "gone"  # a target, or a check that was not run


@dataclass(frozen=True)
class Difference:
    """Something that differs.

    Attributes:
        kind: How.
        target: Of which target.
        what: What, in words.
        finding: Whether it fails an audit.
    """

    kind: Kind
    target: str
    what: str
    finding: bool = False


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """Return what differs, target by target and check by check.

    Raises:
        UsageError: If they have no target in common.
    """
    before, after = ({name_of(report): report for report in one["reports"]} for one in (old, new))
    if before and after and not before.keys() & after.keys():
        raise UsageError(f"The reports have no target in common: {', '.join(before)} there, {', '.join(after)} here.")
    found = [Difference(Kind.GONE, name, "is in the old report alone") for name in before if name not in after]
    for name, report in after.items():
        if name in before:
            found += _of_one(name, before[name], report)
        else:
            found.append(Difference(Kind.NEW, name, f"was not audited before: {conclusion(report)}"))
            found += [Difference(Kind.NEW, name, _told(one), finding=one.finding) for one in broken(report)]
    return found


def _of_one(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = ({_what(one): one for one in by_cause(report)} for report in (old, new))
    ran = {result["check"] for result in new["results"] if result["verdict"] not in ("not-applicable", "inconclusive")}
    for key, one in after.items():
        if key not in before:
            yield Difference(Kind.NEW, name, _told(one), finding=one.finding)
        elif before[key].finding != one.finding:
            now = "fails the audit now" if one.finding else "does not fail the audit any more"
            yield Difference(Kind.CHANGED, name, f"{_told(one)}; it {now}", finding=one.finding)
    for key, one in before.items():
        if key in after:
            continue
        if one.check in ran:
            yield Difference(Kind.FIXED, name, _told(one), finding=one.finding)
        else:
            yield Difference(Kind.GONE, name, f"{_told(one)}; it was not judged again", finding=one.finding)
    if not after and old["exit_status"] != new["exit_status"] and not before:
        yield Difference(Kind.CHANGED, name, f"{conclusion(old)} before, {conclusion(new)} now")


def _what(one: Broken) -> tuple[str, ...]:
    """Return what is wrong, whichever trials and whatever line have shown it."""
    named = [] if one.cause is None else [one.cause[name] for name in ("kind", "function", "text")]
    return one.check, one.level, *named


def _told(one: Broken) -> str:
    return f"{one.check} {one.slug} ({one.level}): {one.first['message']}"
