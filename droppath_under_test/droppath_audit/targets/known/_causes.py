"""Causes that several implementations share, with the promises that they break."""

from __future__ import annotations

from droppath_audit.core.known import Broken

ALL = "float64 float32 float16 bfloat16"
LOW = "float16 bfloat16"

UNCHECKED = Broken("DP007", "float64", "drop_prob is taken as it comes, or refused without its value")
SILENT_REPR = Broken("DP008", "float64", "the repr does not show drop_prob")
NO_AXIS = Broken("DP305", "float64", "the mask has x's axis 0, which a tensor of rank 0 lacks")
NO_SHORTCUT = Broken("DP503", "float32", "random numbers are drawn at drop_prob = 0 as well")
INTEGERS = Broken(
    "DP009", "", "the mask is drawn in the dtype of x, which fails for integers with a message about that"
)

MULTIPLIED = Broken("DP206", ALL, "x is multiplied by the mask, and infinity or NaN times 0 is NaN")
SCALED_MASK = Broken("DP205", "float16", "1/keep_prob overflows in the mask where x/keep_prob would not")

# x.div(keep_prob) * mask
DIVIDED_FIRST = (
    Broken("DP114", "", "rows at keep_prob = 0 meet x / 0, those whose mask has another fault meet that"),
    Broken("DP205", ALL, "x is divided before it is multiplied, and where that overflows infinity times 0 is NaN"),
    MULTIPLIED,
    Broken("DP301", ALL, "at keep_prob = 0 x is divided by 0, and infinity times 0 is NaN"),
    Broken("DP302", ALL, "and so is the gradient"),
    Broken("DP402", "float64", "at keep_prob = 0 NaN agrees with no finite difference"),
)

# floor(keep_prob + rand) in the dtype of x
FLOORED = (
    Broken("DP101", "bfloat16", "bfloat16 has 256 uniform numbers, and their sum with keep_prob is rounded once more"),
    Broken("DP102", "bfloat16", "the rounded sum reaches 1 too often or too rarely, by up to half a step of bfloat16"),
    Broken("DP103", LOW, "the exact law of the sum is off, and keep_prob + rand reaches 2 where keep_prob rounds to 1"),
    Broken("DP203", "bfloat16", "the mean is off with the frequency"),
    Broken(
        "DP303", LOW, "next to its ends keep_prob rounds to 0 or 1, and the mask never drops, doubles or never keeps"
    ),
)
FLOORED_EITHER = {
    f"{check}[cpu-float16-p0.002]": "float16 is off by 7e-5 there, less than the resolution of 1e-4"
    for check in ("DP102", "DP203")
}

# x.div(keep_prob) * floor(keep_prob + rand), for x of any rank, with a shortcut for drop_prob = 0
FLOOR_STYLE = (
    UNCHECKED,
    INTEGERS,
    NO_AXIS,
    *FLOORED,
    *DIVIDED_FIRST,
    Broken("DP601", ALL, "the smallest failing call has drop_prob = 1"),
)

# x / keep_prob * floor(keep_prob + rand of shape (B, 1, 1, 1)), without a shortcut
DROP_CONNECT = (
    UNCHECKED,
    INTEGERS,
    NO_AXIS,
    NO_SHORTCUT,
    Broken("DP002", LOW, "at drop_prob = 0 the mask is floor(1 + rand), which is 2 where rand rounds up to 1"),
    Broken("DP005", ALL, "the mask has rank 4, and x of any other rank is broadcast to it"),
    *(entry for entry in FLOORED if entry.check != "DP102"),
    Broken("DP102", LOW, "the frequency in bfloat16; and at drop_prob = 0 the mask is sometimes 2, in both"),
    *DIVIDED_FIRST,
    Broken("DP403", "bfloat16", "the derivative is that of a mask of 2, at drop_prob = 0"),
    Broken("DP601", ALL, "the smallest failing call has another rank than 4"),
)
