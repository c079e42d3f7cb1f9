"""``droppath-audit explain DP301``: what a check checks, why it matters and how to fix it; or what a word means."""

from __future__ import annotations

import textwrap

import click

from droppath_audit.commands import Command

LINE = 80


@click.command(cls=Command)
@click.argument("what", metavar="CHECK|WORD")
def command(what: str) -> None:
    """Explain a check, named by its id or in words (DP301 or keep-prob-zero), or a word of reports, such as budget."""
    from droppath_audit.checks import everything
    from droppath_audit.core.errors import UsageError, nearest
    from droppath_audit.core.glossary import WORDS

    word = what.lower().replace(" ", "-").replace("_", "-")
    known = everything()
    names = {name: found for found in known.values() for name in (found.id, found.slug)}
    by_name = {name.lower(): found for name, found in names.items()}
    check = by_name.get(what.lower())
    if word not in WORDS and check is None:
        raise UsageError(
            f"There is no check and no word {what!r}; 'droppath-audit list' shows all checks, and the words are "
            f"{', '.join(WORDS)}." + nearest(what, (*names, *WORDS))
        )
    said = []
    if word in WORDS:
        said.append(f"{word}: {WORDS[word]}" if len(WORDS[word]) < LINE else f"{word}:\n{_filled(WORDS[word])}")
    if check is not None:
        said.append(f"{check.documentation.text}\nLevel\n    {check.level}, in {check.family.removeprefix('in ')}.")
    click.echo("\n\n".join(said))


def _filled(text: str) -> str:
    return textwrap.fill(text, LINE + 12, initial_indent="    ", subsequent_indent="    ")
