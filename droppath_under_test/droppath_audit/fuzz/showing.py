"""Lines of scripts that fail for one kind of the oracle's violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from droppath_audit.fuzz.oracle import part_of
from droppath_audit.scripts.script import rounding
from droppath_reference.law import FORMATS, gradient_interval, kept_interval, multiplier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.scripts import LiveScript

FEW = 128  # values of x beyond which a script allows for roundings by a tolerance


def broken_promise(kind: str, drop_prob: float, dtype: str, script: LiveScript, values: Sequence[complex] = ()) -> None:
    """Add lines that fail where the promise is broken.

    Args:
        kind: Of the violation.
        drop_prob: p.
        dtype: Dtype of x.
        script: Has bound tensors ``x`` and ``y``; for ``written`` an array ``before``, for ``fresh`` a tensor ``z``
            that a fresh layer gave, for ``gradient`` an array ``gradient``.
        values: Of x, in order; none where x is random.
    """
    if kind == "raised":
        return
    if kind == "info":
        script.same_info()
        return
    if kind == "graph":
        script.add(f"assert not {script.spell.tracked('y')}, 'the output is part of a graph'")
        return
    factor = multiplier(drop_prob, script.at.dialect.scaling) if drop_prob < 1.0 else 1.0
    tolerance, keep_prob = rounding(dtype), 1.0 - drop_prob
    # Where rounding, overflow or x itself does not blur what became of it.
    form = FORMATS[part_of(dtype)]
    largest = form.largest / factor * (1.0 - tolerance)
    telling = f"telling = (abs(xs) >= {2.0**form.min_exponent!r}) & (abs(xs) < {largest!r})"
    kept = "(b != 0)[t].tolist()" if part_of(dtype) == dtype else "[*(b.real != 0)[t], *(b.imag != 0)[t]]"
    fates = {
        "sample": f"all(len(set({kept})) <= 1 for b, t in zip(ys, telling))",
        "batch": "len(set((ys != 0)[telling].tolist())) <= 1",
        "element": "all((value.real == 0) == (value.imag == 0) for value in ys[telling].tolist())",
    }
    same = "xs.tobytes() == ys.tobytes()" if not script.invocation.takes_shortcut else (
        "np.array_equal(ys, xs + 0.0, equal_nan=True)"
    )  # fmt: skip
    if kind == "values" and 0 < len(values) <= FEW and part_of(dtype) == dtype:
        low, high = kept_interval(np.array(values), drop_prob, dtype, scaling=script.at.dialect.scaling)
        script.imports("from math import inf, nan")
        exactly = [f"low, high = np.array({low.tolist()}), np.array({high.tolist()})"]
        within = "(low <= ys.ravel()) & (ys.ravel() <= high)"
    else:
        exactly = [f"promised = np.where(telling, xs, 0) * {factor!r}"]
        within = f"(abs(ys - promised) <= {tolerance!r} * abs(promised)).ravel()"
    script.add(f"xs, ys = {script.array('x', dtype)}, {script.array('y', dtype)}")
    script.add(
        *{
            "fresh": [
                f"assert ys.tobytes() == {script.array('z', dtype)}.tobytes(), 'a fresh layer gives something else'"
            ],
            "written": ["assert xs.tobytes() == before.tobytes(), 'x was written to'"],
            "identity": [f"assert {same}"],
            "evaluation": [
                telling,
                f"assert (abs(ys - {keep_prob!r} * xs) <= {tolerance!r} * abs(xs))[telling].all()",
            ],
            "zeros": ["assert (ys[abs(xs) < np.inf] == 0).all()"],
            "values": [
                telling,
                *exactly,
                f"assert ((ys.ravel() == 0) | {within})[telling.ravel()].all()",
            ],
            "group": [telling, f"assert {fates[script.at.dialect.granularity]}"],
            "gradient": _gradient(drop_prob, dtype, script.at.dialect.scaling),
        }[kind]
    )


def _gradient(drop_prob: float, dtype: str, scaling: str) -> list[str]:
    """Return lines that fail where a gradient is not that of a kept or a dropped element, with its output."""
    if drop_prob == 1.0:
        return ["assert (gradient == 0).all()"]
    low, high = map(float, gradient_interval(1.0, drop_prob, part_of(dtype), scaling=scaling))
    parts = ["gradient"] if part_of(dtype) == dtype else ["gradient.real", "gradient.imag"]
    return [
        "assert (gradient[ys == 0] == 0).all()",
        *(f"assert (({part} == 0) | ({low!r} <= {part}) & ({part} <= {high!r})).all()" for part in parts),
        *(["assert ((gradient.real == 0) == (gradient.imag == 0)).all()"] if len(parts) > 1 else []),
    ]
