"""Lines of scripts that fail for one kind of the oracle's violations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.fuzz.oracle import part_of
from droppath_audit.scripts.script import rounding
from droppath_reference.law import FORMATS, multiplier

if TYPE_CHECKING:
    from droppath_audit.scripts import LiveScript


def broken_promise(kind: str, drop_prob: float, dtype: str, script: LiveScript) -> None:
    """Add lines that fail where the promise is broken.

    Args:
        kind: Of the violation.
        drop_prob: p.
        dtype: Dtype of x.
        script: Has bound tensors ``x`` and ``y``; for ``written`` an array ``before``, for ``fresh`` a tensor ``z``
            that a fresh layer gave, for ``gradient`` an array ``gradient``.
    """
    if kind == "raised":
        return
    if kind == "info":
        script.same_info()
        return
    factor = multiplier(drop_prob, script.at.dialect.scaling) if drop_prob < 1.0 else 1.0
    tolerance, keep_prob = rounding(dtype), 1.0 - drop_prob
    # Where rounding, overflow or x itself does not blur what became of it.
    smallest = 2.0 ** FORMATS[part_of(dtype)].min_exponent
    telling = f"telling = (abs(xs) >= {smallest!r}) & (abs(xs) < np.inf) & (abs(xs * {factor!r}) < np.inf)"
    fates = {
        "sample": "all(len(set((b != 0)[t].tolist())) <= 1 for b, t in zip(ys, telling))",
        "batch": "len(set((ys != 0)[telling].tolist())) <= 1",
        "element": "all((value.real == 0) == (value.imag == 0) for value in ys[telling].tolist())",
    }
    same = "xs.tobytes() == ys.tobytes()" if not script.invocation.takes_shortcut else (
        "np.array_equal(ys, xs + 0.0, equal_nan=True)"
    )  # fmt: skip
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
                f"promised = xs * {factor!r}",
                f"assert ((ys == 0) | (abs(ys - promised) <= {tolerance!r} * abs(promised)))[telling].all()",
            ],
            "group": [telling, f"assert {fates[script.at.dialect.granularity]}"],
            "gradient": [
                "assert (gradient[ys == 0] == 0).all()",
                f"assert ((gradient == 0) | (abs(gradient - {factor!r}) <= {tolerance!r} * {factor!r})).all()",
            ],
        }[kind]
    )
