"""Ends of snippets that several checks share: lines that count decisions on ``x``, 65 536 ones, and then assert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.core.code import rounding
from droppath_audit.fuzz.oracle import part_of
from droppath_reference.law import FORMATS, multiplier

if TYPE_CHECKING:
    from droppath_audit.core.case import Case
    from droppath_audit.core.code import Code

BATCH = 65_536


def kept_share(drop_prob: float, decisions: int, code: Code) -> list[str]:
    """Return lines that fail where the share of kept samples is off by more than five standard deviations.

    The number of calls is odd: of two calls that decide once for the whole batch, one may well keep and one drop.
    """
    calls = max(3, -(-decisions // BATCH)) | 1
    keep_prob = 1.0 - drop_prob
    width = 5.0 * (keep_prob * drop_prob / (calls * BATCH)) ** 0.5
    each = BATCH * code.elements
    return [
        f"kept = sum(int(({code.output(drop_prob)} != 0).sum()) for _ in range({calls})) / ({calls} * {each})",
        f"print('kept', kept, 'where', {keep_prob!r}, 'was asked for')",
        f"assert abs(kept - {keep_prob!r}) <= {width:.2g}  # five standard deviations",
    ]


def several_values(drop_prob: float, decisions: int, code: Code) -> list[str]:
    """Return lines that fail where kept ones have more than one value."""
    calls = max(4, -(-decisions // BATCH))
    return [
        f"values = {{value for _ in range({calls}) for value in {code.output(drop_prob)}.unique().tolist()}} - {{0.0}}",
        "print('kept values for x = 1:', values)",
        "assert len(values) <= 1",
    ]


def kept_factor(drop_prob: float, factor: float, tolerance: float, code: Code) -> list[str]:
    """Return lines that fail where ones are multiplied by another factor than promised, or by several."""
    return [
        f"y = {code.output(drop_prob)}",
        "kept = y[y != 0].double().unique()",
        f"print('factors of kept values:', kept, 'promised:', {factor!r})",
        f"assert (abs(kept / {factor!r} - 1) <= {tolerance!r}).all()",
    ]


def fed_share(drop_prob: float, dtype: str, device: str, code: Code) -> list[str]:
    """Return lines that give the draw every multiple of 2^-24 once and fail where too many or too few are kept.

    Rounded to the dtype of a draw as the CPU's generator rounds, its upper end replaced by 0.
    """
    keep_prob = 1.0 - drop_prob
    return [
        *code.input((2**24, 1), dtype, device),
        *code.feed.replace("{values}", "torch.arange(2**24).div(2**24).to(y.dtype) % 1").splitlines(),
        "with feed:",
        f"    kept = int(({code.output(drop_prob)} != 0).sum()) / {2**24 * code.elements}",
        f"print('kept', kept, 'of all that the generator gives, where', {keep_prob!r}, 'was asked for')",
        f"assert abs(kept - {keep_prob!r}) <= 2**-23",
    ]


def broken_promise(kind: str, drop_prob: float, case: Case, code: Code) -> list[str]:
    """Return the lines of a snippet that fail for one kind of the oracle's violations of ``x`` and ``y``."""
    assert case.dtype is not None  # noqa: S101
    factor, tolerance = (
        multiplier(drop_prob, case.dialect.scaling) if drop_prob < 1.0 else 1.0,
        rounding(case.dtype),
    )
    keep_prob = 1.0 - drop_prob
    # Where rounding, overflow or x itself does not blur what became of it.
    smallest = 2.0 ** FORMATS[part_of(case.dtype)].min_exponent
    telling = f"telling = (abs(x) >= {smallest!r}) & (abs(x) < inf) & (abs(x * {factor!r}) < inf)"
    fates = {
        "sample": "all(len(set((b != 0)[t].tolist())) <= 1 for b, t in zip(y, telling))",
        "batch": "len(set((y != 0)[telling].tolist())) <= 1",
        "element": "all((value.real == 0) == (value.imag == 0) for value in y[telling].tolist())",
    }
    return {
        "raised": [],
        "fresh": ["assert str(y.tolist()) == str(z.tolist()), 'a fresh layer gives something else'"],
        "info": ["assert y.shape == x.shape and y.dtype == x.dtype and y.device == x.device"],
        "written": ["assert str(x.tolist()) == str(before)"],
        "identity": [f"assert str(y.tolist()) == str({'(shortcut + x)' if code.takes_shortcut else 'x'}.tolist())"],
        "evaluation": [
            telling,
            f"assert (abs(y - {keep_prob!r} * x) <= {tolerance!r} * abs(x))[telling].all()",
        ],
        "zeros": ["assert (y[abs(x) < inf] == 0).all()"],
        "values": [
            telling,
            f"promised = x * {factor!r}",
            f"assert ((y == 0) | (abs(y - promised) <= {tolerance!r} * abs(promised)))[telling].all()",
        ],
        "group": [telling, f"assert {fates[case.dialect.granularity]}"],
        "gradient": [
            "assert (x.grad[y == 0] == 0).all()",
            f"assert ((x.grad == 0) | (abs(x.grad - {factor!r}) <= {tolerance!r} * {factor!r})).all()",
        ],
    }[kind]


# Forks twice, seeds each fork, and binds the masks that they found; to be formatted.
PROCESSES = """
import os, select, signal

def masks_of(seed):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        {seed}
        ys = [{call} for _ in range({calls})]
        os.write(writer, str([(y != 0).flatten().tolist() for y in ys]).encode()[:60_000])
        os._exit(0)
    answered = select.select([reader], [], [], 10)[0]
    text = os.read(reader, 60_000) if answered else b''
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert text, 'a forked process hangs'
    return text

masks = [masks_of(seed) for seed in {seeds}]
print('the same masks:', masks[0] == masks[1])"""

# Calls one layer in two threads that take turns line by line, and looks at what each got; to be formatted.
THREADS = """
import sys, threading

turn, alive, changed = 0, {{0, 1}}, threading.Condition()

def trace(me):
    def lines(frame, event, _):
        global turn
        with changed:
            if event == 'line' and 1 - me in alive:
                turn = 1 - me
                changed.notify_all()
                changed.wait_for(lambda: turn == me, 0.05)
        return lines
    return lambda frame, *_: None if frame.f_globals.get('__name__', '').startswith({skipped!r}) else lines

def run(me):
    global turn
    if me == 0:
        {inputs}
    else:
        {others}
    sys.settrace(trace(me))
    try:
        for _ in range({calls}):
            results[me].append((x, {call}))
    except Exception as error:
        errors.append(error)
    finally:
        sys.settrace(None)
        with changed:
            alive.discard(me)
            turn = 1 - me
            changed.notify_all()

results, errors = ([], []), []
threads = [threading.Thread(target=run, args=(me,), daemon=True) for me in (0, 1)]
[thread.start() for thread in threads]
[thread.join(10) for thread in threads]
assert not errors, errors
assert not alive, 'a thread hangs'
for x, y in results[0] + results[1]:
    assert y.shape == x.shape, 'the shape of another thread'
    kept = set(y[y != 0].tolist())
    assert len(kept) <= 1 and kept <= {{float(x.flatten()[0]), 2 * float(x.flatten()[0])}}, 'not this x'
    units = {{'sample': list(y != 0), 'batch': [y != 0], 'element': []}}[{granularity!r}]
    assert all(unit.all() or not unit.any() for unit in units), 'a unit is partly dropped'
fates = [[(y[:{cut}] != 0).flatten().tolist() for _, y in ours] for ours in results]
alike = [mine == other for mine, other in zip(*fates)]
assert not {together}(alike), 'the threads have the same masks'"""
