"""In which order kinds of mistake are asked for a line, where a check does not say so itself.

Kinds that are sure of themselves come first: what raises, what is not finite. Those that know no more than where
numbers are drawn, or applied, come last.
"""

from __future__ import annotations

_SURE = ("raising", "writing", "not_finite")
LAW = (
    "remembered",
    "ignoring",
    "unused",
    "returning",
    "overwriting",
    "redrawing",
    "subsets",
    "resolution",
    "rate",
    "number_of_draws",
    "sharing",
)
"""Kinds of mistake in how decisions are made."""
OF_FAMILY = {
    "0": (*_SURE, "unasked", "unused", "scaling", "changing", "departing", "returning"),
    "1": (*_SURE, *LAW, "scaling", "drawing", "meeting_x"),
    "2": (*_SURE, "returning", "scaling", "resolution", "rate", "meeting_x", "drawing"),
    "3": (*_SURE, "departing", "detaching", *LAW, "scaling", "drawing", "meeting_x"),
    "4": (
        *_SURE,
        "detaching",
        "other_generator",
        "remembered",
        "sharing",
        "backward",
        "changing",
        "scaling",
        *LAW,
        "drawing",
    ),
    "5": (
        "raising",
        "leaving",
        "seeding",
        "other_generator",
        "unasked",
        "remembered",
        "tracking",
        "holding",
        "drawing",
    ),
    "6": (*_SURE, "departing", "unasked", "changing", "scaling", *LAW, "seeding", "drawing", "meeting_x"),
    "7": (*_SURE, "other_generator", "departing", "backward", *LAW, "drawing"),
    "8": ("number_of_draws",),
}
"""Names of kinds by a check's family, the digit after ``DP``."""
