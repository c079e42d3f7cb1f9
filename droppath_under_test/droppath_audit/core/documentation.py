"""A check's documentation: its module's docstring, taken apart by fixed headings."""

from __future__ import annotations

import re

FAMILIES = {
    "0": "interface and mode",
    "1": "law of the mask",
    "2": "values",
    "3": "edges",
    "4": "gradients",
    "5": "randomness",
    "6": "fuzzing",
    "7": "platforms",
    "8": "cost",
    "9": "in a model",
}

HEADINGS = ("What it checks", "Why it matters", "How to fix", "Seen in")


class Documentation:
    """A check's docstring, taken apart by its fixed headings.

    Raises:
        ValueError: If the title line or a heading is missing, naming it.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        title, _, rest = self.text.partition("\n")
        match = re.fullmatch(r"(DP\d{3}) ([a-z0-9-]+): (.+)", title)
        if match is None:
            raise ValueError(f"a check's docstring begins with 'DPnnn slug: promise.', not {title!r}")
        self.id, self.slug, self.promise = match.groups()
        sections: dict[str, list[str]] = {}
        current: list[str] | None = None
        for line in rest.splitlines():
            if line.strip() in HEADINGS:
                current = sections.setdefault(line.strip(), [])
            elif current is not None:
                current.append(line.strip())
        missing = [heading for heading in HEADINGS if not any(sections.get(heading, []))]
        if missing:
            raise ValueError(f"{self.id}: no text under {', '.join(repr(heading) for heading in missing)}")
        self.what, self.why, self.fix, self.seen = (
            " ".join(line for line in sections[heading] if line) for heading in HEADINGS
        )

    def to_json(self) -> dict[str, str]:
        """Return it as plain data, with the check's family."""
        told = {name: getattr(self, name) for name in ("slug", "promise", "what", "why", "fix")}
        return {**told, "family": FAMILIES[self.id[2]]}
