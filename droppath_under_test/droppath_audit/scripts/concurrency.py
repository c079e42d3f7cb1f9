"""Lines of scripts that call ``layer`` in forked processes and in threads, as ``probes.concurrency`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from droppath_audit.scripts.live import LiveScript

FORK = """
def forked(seed):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, masks_of(seed))
        finally:
            os._exit(0)
    os.close(writer)
    answered = select.select([reader], [], [], 10)[0]
    text = os.read(reader, 60_000) if answered else b''
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert text, 'a forked process fails or hangs'
    return text

"""

TURNS = """
turn, alive, changed = 0, {0, 1}, threading.Condition()
results, errors = ([], []), []

def trace(me):
    def lines(frame, event, _):
        global turn
        with changed:
            if event == 'line' and 1 - me in alive:
                turn = 1 - me
                changed.notify_all()
                changed.wait_for(lambda: turn == me, 0.05)
        return lines
    return lambda frame, *_: None if frame.f_globals.get('__name__', '').startswith(skipped) else lines

def leave(me):
    global turn
    sys.settrace(None)
    with changed:
        alive.discard(me)
        turn = 1 - me
        changed.notify_all()

"""

START = """
threads = [threading.Thread(target=run, args=(me,), daemon=True) for me in (0, 1)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(10)
assert not errors, errors
assert not alive, 'a thread hangs'
for x, y in results[0] + results[1]:
    assert y.shape == x.shape, 'the shape of another thread'
    kept = set(y[y != 0].tolist())
    assert kept <= {FACTOR * x.flat[0]}, 'not this x'"""

UNITS = {"sample": "y != 0", "batch": "[y != 0]", "element": "[]"}


def in_processes(script: LiveScript, drop_prob: float, calls: int, seeds: tuple[int, int]) -> None:
    """Bind ``masks`` to what two forks, each with a seed of its own, drop of ``x``."""
    script.imports("import os", "import select", "import signal")
    with script.under("def masks_of(seed):"):
        mask = f"({script.array(script.call(drop_prob))} != 0).tolist()"
        script.add(script.seed("seed"), f"return str([{mask} for _ in range({calls})]).encode()[:60_000]")
    script.add(
        FORK, f"masks = [forked(seed) for seed in {seeds}]", "print('the same masks:', masks[0] == masks[1])"
    )  # fmt: skip


def in_threads(
    script: LiveScript, drop_prob: float, calls: int, shapes: tuple[tuple[int, ...], ...], factor: float
) -> None:
    """Call in two threads that take turns line by line, on ones and on threes; look at what each got.

    Fails where an output is not made of its thread's x, or a unit is partly dropped; binds ``alike`` to whether the
    masks of the two agree, call by call. Kept ones are multiplied by ``factor``.
    """
    script.imports("import sys", "import threading")
    # Each line of Python is a turn; those of the framework and of threading are none.
    script.add(f"skipped = {(script.spell.own, 'threading', 'contextlib')}", TURNS)
    with script.under("def run(me):"):
        for thread, shape in enumerate(shapes):
            with script.under(f"if me == {thread}:"):
                script.ones(shape)
        script.add("x = (1 + 2 * me) * x", f"mine = {script.array('x')}", "sys.settrace(trace(me))")
        with script.under("try:"), script.under(f"for _ in range({calls}):"):
            script.add(f"results[me].append((mine, {script.array(script.call(drop_prob))}))")
        script.add("except Exception as error:", "    errors.append(error)", "finally:", "    leave(me)")
    script.add(
        START.replace("FACTOR", repr(factor)),
        f"    units = {UNITS[script.at.dialect.granularity]}",
        "    assert all(unit.all() or not unit.any() for unit in units), 'a unit is partly dropped'",
        f"fates = [[(y[:{min(shape[0] for shape in shapes)}] != 0).tolist() for _, y in ours] for ours in results]",
        "alike = [mine == other for mine, other in zip(*fates)]",
    )
