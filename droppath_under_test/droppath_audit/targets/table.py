"""What a signature leaves open, and the one message that asks for all of it at once."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from droppath_audit.core.errors import NeedsFactory, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from droppath_audit.targets.spec import Spec


@dataclass(frozen=True)
class OpenQuestion:
    """One thing that neither the SPEC nor a name settles.

    Attributes:
        text: What is not clear, as a clause.
        items: Items of a SPEC, each of which would settle it, the most likely first; none where no SPEC can.
    """

    text: str
    items: tuple[str, ...] = ()


@dataclass
class Table:
    """What was settled with a word to the reader, and what was not.

    Attributes:
        notes: Readings that a name suggests and does not prove; the header prints them.
        questions: What is open.
    """

    notes: list[str] = field(default_factory=list)
    questions: list[OpenQuestion] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a reading that the header prints."""
        self.notes.append(text)

    def ask(self, text: str, *items: str) -> None:
        """Add a question, with the items that would answer it, the most likely first."""
        self.questions.append(OpenQuestion(text, items))

    def refuse(
        self, spec: Spec, command: str = "droppath-audit", *, parts: Sequence[str] = (), droppers: Sequence[str] = ()
    ) -> None:
        """Raise if anything is open.

        Args:
            spec: What was declared.
            command: What is given a SPEC.
            parts: Layers with weights that it makes; several make a block of it, for which a factory is proposed.
            droppers: Methods of it that drop a path, by their names.

        Raises:
            UsageError: It lists everything and prints the command to run next.
        """
        if self.questions:
            raise _open(spec, self.questions, command, parts, droppers)


def listing(names: Iterable[str]) -> str:
    """Return the public names, at most twelve, for a message."""
    listed = [name for name in names if not name.startswith("_")]
    return ", ".join(listed[:12]) or "no arguments"


def completed(text: str, items: Iterable[str]) -> str:
    """Return the text of a SPEC with further items."""
    further = "&".join(items)
    return text + (f"{'&' if '?' in text else '?'}{further}" if further else "")


def proposing(spec: str) -> str:
    """Return the command that writes a factory for what a SPEC names."""
    return f"droppath-audit propose {shlex.quote(spec)} -o audit_me.py"


def _open(
    spec: Spec, questions: list[OpenQuestion], command: str, parts: Sequence[str], droppers: Sequence[str]
) -> UsageError:
    lines = [f"{spec.name} is not called yet; its signature leaves open:"]
    for question in questions:
        others = f" (or {' or '.join(question.items[1:])})" if len(question.items) > 1 else ""
        lines.append(f"  - {question.text}" + (f": add {question.items[0]}{others}" if question.items else ""))
    whole = completed(spec.text, (question.items[0] for question in questions if question.items))
    reason = "\n".join(lines)
    if spec.module == "object":
        advice = "Give the items as keyword arguments, or a factory make(drop_prob) with form='factory'."
        return UsageError(reason, advice=f"\n{advice}")
    if len(parts) > 1:
        made = ", ".join(parts[:4]) + (" …" if len(parts) > 4 else "")
        advice = f"It makes layers of its own ({made}): a block, of which a factory shows how it drops. Run next"
        place = spec.text.partition("?")[0]
        methods = [f"{command} {shlex.quote(f'{place}.{name}')}" for name in droppers]
        advice += f", or audit its method alone ({' or '.join(methods)}):" if methods else ":"
        # Which sizes fit together is found by trying, and no item of the SPEC.
        said = (question.items[0] for question in questions if question.items)
        tried = completed(spec.text, (item for item in said if not item.startswith("init.")))
        return NeedsFactory(reason, advice=f"\n{advice}", command=proposing(tried), others=methods)
    if all(question.items for question in questions):
        return UsageError(reason, advice="\nRun next:", command=f"{command} {shlex.quote(whole)}")
    advice = "No SPEC can say all of it. Run next, and look at the marked lines of the factory that it writes:"
    return NeedsFactory(reason, advice=f"\n{advice}", command=proposing(whole))
