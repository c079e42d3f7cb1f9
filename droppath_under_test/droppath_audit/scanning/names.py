"""What the names of definitions and of their arguments say to a scan; the words are those of ``targets.words``."""

from __future__ import annotations

from functools import cache

from droppath_audit.targets import words

ROUTES = {"path", "paths", "connect", "connection", "connections", "depth"}
DROPS = {"drop", "dropout", "dropped", "dropping", "stochastic", "stoch", "sto"}
# Words beside a number that speak of paths, and of nothing else.
OF_PATHS = {"path", "paths", "connect", "connection", "depth", "stoch", "stochastic"}
OF_PATHS |= {"death", "survival", "survive", "surviving"}
ENTRIES = ("forward", "__call__", "call", "construct")


@cache
def named(name: str) -> bool:
    """Return whether a definition is called like one that drops paths, as ``graph_drop_path``; no test of one is."""
    said = set(words.words(name))
    # Not by an abbreviation, which many other things have: SDR is a ratio of signals.
    written = any(route in name.lower() for route in ROUTES)
    return bool(written and said & DROPS and said & ROUTES and "test" not in said)


@cache
def strength(name: str, of: str) -> frozenset[str]:
    """Return what a name says of a probability; nothing where it speaks of something else.

    ``path`` says that it is one of paths, ``prob`` that something is dropped or kept, ``weak`` a number alone.

    Args:
        name: Name of an argument or attribute.
        of: Name of the definition that has it.
    """
    said = words.probability(name.strip("_"), of)
    if said is None:
        return frozenset()
    spoken = set(words.words(name))
    if spoken & OF_PATHS:
        return frozenset({"path", "prob"})
    return frozenset({"prob"}) if spoken & (words.DROPPING | words.KEEPING) else frozenset({"weak"})
