"""In which order kinds of mistake are asked for a line, where a check does not say so itself.

Kinds that are sure of themselves come first: what raises, what is not finite. What is written to x explains no rate and
no factor that a line explains by itself, and comes after those. Kinds that know no more than where numbers are drawn,
or applied, come last.
"""

from __future__ import annotations

_SURE = ("raising", "not_finite")
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
    "0": (*_SURE, "unasked", "unused", "scaling", "changing", "departing", "returning", "writing"),
    "1": (*_SURE, *LAW, "writing", "scaling", "drawing", "meeting_x"),
    "2": (*_SURE, "returning", "scaling", "resolution", "rate", "writing", "meeting_x", "drawing"),
    "3": (*_SURE, "departing", "detaching", *LAW, "writing", "scaling", "drawing", "meeting_x"),
    "4": (
        *_SURE,
        "detaching",
        "other_generator",
        "remembered",
        "subsets",
        "sharing",
        "backward",
        "changing",
        "scaling",
        *LAW,
        "writing",
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
    "6": (*_SURE, "departing", "unasked", "changing", "scaling", *LAW, "writing", "seeding", "drawing", "meeting_x"),
    "7": (*_SURE, "other_generator", "departing", "backward", *LAW, "writing", "drawing"),
    "8": ("number_of_draws",),
}
"""Names of kinds by a check's family, the digit after ``DP``."""
OF_X = ("changing", "departing", "detaching", "looking", "returning", "tracking", "unwrapping", "writing")
"""Kinds that know what a layer may do with x: a block computes something else of what it is given."""
