"""Lines of a script that bring a layer into a configuration, and show what chosen numbers showed there."""

from __future__ import annotations

from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING

from droppath_audit.core.configuration import NESTED, NO_SURROUNDING, SWITCHED
from droppath_audit.fuzz.showing import broken_promise
from droppath_audit.probes.dependence import correlation, places
from droppath_audit.space.configured import COPIES, earlier, few, handed
from droppath_audit.stats.exact import binomial_test, hypergeometric_test

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.configuration import Configuration
    from droppath_audit.exact.decided import Decided
    from droppath_audit.probes.dependence import Proposal, Table
    from droppath_audit.scripts import LiveScript
    from droppath_audit.space.asking import Found

CODES = 40  # calls in which two independent decisions are alike once in 10^12
NUMBERS = 2**14  # in equal steps
HIGHEST = 1.0 - 2.0**-24
DEVIATIONS = 6
DISTANCE, LEAST = 11.0, 2e-3  # standard deviations that a correlation is shown in, and the least that is
MOST_CALLS, MOST_ELEMENTS = 100_000, 2**26


def show(one: Found, script: LiveScript) -> None:
    """Write a script that fails where what was found in one configuration is so."""
    at, p, kind = one.at, one.at.drop_prob, one.violation.kind
    if kind:
        with placed(script, at, training=one.training):
            if kind == "written":
                script.add(f"before = {script.array('x', at.dtype)}.copy()")
            script.run(handed(at), training=one.training)
            if kind == "gradient":
                script.backward(dtype=at.dtype)
                script.read_gradient(at.dtype)
        broken_promise(kind, p, at.dtype, script, ())
    elif one.repeats:
        repeated(script, at, one.repeats)
    elif one.unseeded:
        under_seeds(script, at, one.unseeded, (1, 2), "!=")
    elif one.unrepeated:
        under_seeds(script, at, one.unrepeated, (1, 1), "==")
    elif one.decided.together:
        decided_together(script, at, one.decided)
    elif one.decided.stuck is not None:
        decided_by_nothing(script, at, one.decided)
    elif one.decided.again is not None:
        drawn_again(script, at, one.decided)
    elif one.decided.witness is not None and one.decided.coarse:
        decided_too_often(script, at, one.decided)
    elif one.decided.witness is not None:
        decided_otherwise(script, at, one.decided)
    elif one.other_draws:
        nothing_drawn(script, at)
    elif one.proposal is not None and hypergeometric_test(*one.table) < binomial_test(one.kept, one.decisions, 1.0 - p):
        correlated(script, at, one.proposal, one.table)
    else:
        share(script, at)


@contextmanager
def placed(script: LiveScript, at: Configuration, *, training: bool = True) -> Iterator[None]:
    """Bind ``layer`` and ``x`` as a configuration says; what is added inside runs in its context."""
    p, fresh = handed(at), script.invocation.mode_at == "init" or not script.invocation.has_layer
    script.layer(p, training=training)
    if at.mode == NESTED and not fresh:
        switches = ("outer.eval()", "outer.train()") if training else ("outer.train()", "outer.eval()")
        script.add(f"outer = {script.spell.container('layer')}", *switches)
    if at.mode == SWITCHED and not fresh:
        script.ones(few(at), at.dtype)
        script.switch(p, training=False)
        script.run(p, training=False)
        script.switch(p, training=training)
    for shape, calls in earlier(at):
        script.ones(shape, at.dtype_before)
        with _under(script, at), script.under(f"for _ in range({calls}):"):
            script.run(p, training=training)
    script.random(at.shape, at.dtype, layout=at.layout)
    if at.tracked:
        script.track()
    with _under(script, at):
        if at.mode in COPIES and script.invocation.has_layer:
            script.spend()
            script.add(f"layer = {script.copied('layer', COPIES[at.mode])}")
        yield


@contextmanager
def _under(script: LiveScript, at: Configuration) -> Iterator[None]:
    if at.surrounding == NO_SURROUNDING:
        yield
        return
    context = script.spell.surround(at.surrounding)
    if "nullcontext" in context:
        script.imports("from contextlib import nullcontext")
    with script.under(f"with {context}:"):
        yield


def repeated(script: LiveScript, at: Configuration, calls: int) -> None:
    """Fail where calls make the decisions of as many before."""
    script.add("made = []")
    with placed(script, at), script.under(f"for _ in range({2 * calls}):"):
        script.run(handed(at))
        script.add(*_kept(script, at), "made.append(kept.tolist())")
    script.add(f"assert made[:{calls}] != made[{calls}:], 'the same decisions again'")


def under_seeds(script: LiveScript, at: Configuration, calls: int, seeds: tuple[int, int], sign: str) -> None:
    """Fail where what new layers decide under two seeds is the same, or not the same."""
    script.add("made = []")
    with script.under(f"for seed in {seeds}:"):
        script.add(script.spell.seed("seed"), "made.append([])")
        with placed(script, at), script.under(f"for _ in range({calls}):"):
            script.run(handed(at))
            script.add(*_kept(script, at), "made[-1].append(kept.tolist())")
    script.add(f"assert made[0] {sign} made[1], 'the decisions do not follow the seed'")


def decided_otherwise(script: LiveScript, at: Configuration, decided: Decided) -> None:
    """Fail where a number of the generator decides what it must not."""
    assert decided.witness is not None  # noqa: S101 - asked by whoever calls
    number, p = decided.witness, handed(at)
    with placed(script, at):
        script.add(*script.spell.feed("np.full(y.numel(), number)"))
        if decided.upward is None:
            script.add(f"number = {number!r}")
        else:
            # Whoever keeps large numbers where this keeps small ones is asked for the number's mirror image.
            script.add("number = 0.0")
            _fed(script, p, at)
            mirrored = min(HIGHEST, 1.0 - number)
            script.add(f"number = {number!r} if kept.all() != {decided.upward!r} else {mirrored!r}")
        _fed(script, p, at)
    script.add(f"assert {'kept.all()' if decided.wanted else 'not kept.any()'}, (number, kept)")


def decided_too_often(script: LiveScript, at: Configuration, decided: Decided) -> None:
    """Fail where, of numbers in equal steps that are rounded to the dtype of the draw, too many or too few keep."""
    each = at.decisions(script.at.dialect.granularity)
    total, keep_prob = max(NUMBERS, each), 1.0 - at.drop_prob
    off = max(float(decided.low) - keep_prob, keep_prob - float(decided.high)) / 2.0
    script.add("shares, done = [], 0")
    with placed(script, at):
        script.add(*script.spell.feed(f"np.arange(done, done + y.numel()) % {total} / {total}"))
        with script.under(f"for done in range(0, {total}, {each}):"):
            _fed(script, handed(at), at)
            script.add("shares.append(kept)")
    script.add(
        f"share = np.concatenate(shares)[:{total}].mean()",
        f"print('kept', share, 'of numbers in equal steps, where', {keep_prob!r}, 'was asked for')",
        f"assert abs(share - {keep_prob!r}) <= {off!r}",
    )


def decided_together(script: LiveScript, at: Configuration, decided: Decided) -> None:
    """Fail where two decisions are alike, or always opposed, in calls with numbers from either end by chance."""
    (one, other), sign = decided.together, "==" if decided.opposed else "!="
    script.add("rng, apart = np.random.default_rng(0), False")
    with placed(script, at):
        script.add(*script.spell.feed(f"np.where(rng.random(y.numel()) < 0.5, 0.0, {decided.highest!r})"))
        with script.under(f"for _ in range({CODES}):"):
            _fed(script, handed(at), at)
            script.add(f"apart |= bool(kept[{one}] {sign} kept[{other}])")
    script.add(f"assert apart, 'samples {one} and {other} hang together'")


def decided_by_nothing(script: LiveScript, at: Configuration, decided: Decided) -> None:
    """Fail where a decision is the same whether all numbers are the lowest or the highest."""
    with placed(script, at):
        script.add(*script.spell.feed("np.full(y.numel(), number)"), "number = 0.0")
        _fed(script, handed(at), at)
        script.add(f"number, before = {decided.highest!r}, kept")
        _fed(script, handed(at), at)
    script.add(f"assert kept[{decided.stuck}] != before[{decided.stuck}], 'no number decides'")


def drawn_again(script: LiveScript, at: Configuration, decided: Decided) -> None:
    """Fail where a call draws more numbers if all of them are at one end than if all but one are."""
    other = 0.0 if decided.again else decided.highest
    script.add("drawn, place = [], -1")
    with placed(script, at):
        script.add(*script.spell.feed(f"np.where(np.arange(y.numel()) == place, {other!r}, {decided.again!r})"))
        with script.under(f"for place in (-1, 0, {at.decisions(script.at.dialect.granularity) - 1}):"):
            script.add("before = sum(feed.drawn)")
            _fed(script, handed(at), at)
            script.add("drawn.append(sum(feed.drawn) - before)")
    script.add("print('numbers drawn:', drawn)", "assert drawn[0] == drawn[1] == drawn[2], 'it draws again'")


def nothing_drawn(script: LiveScript, at: Configuration) -> None:
    """Fail where a call draws no random number."""
    with placed(script, at):
        script.add(*script.spell.feed("None"))
        with script.under("with feed:"):
            script.run(handed(at))
    script.add("assert feed.drawn, 'no random number is drawn'")


def share(script: LiveScript, at: Configuration) -> None:
    """Fail where, in as many calls as that takes, too many or too few decisions are kept."""
    p = at.drop_prob
    calls = max(3, min(MOST_CALLS, 2**18 // max(1, at.batch), MOST_ELEMENTS // max(1, at.elements)))
    script.add("shares = []")
    with placed(script, at), script.under(f"for _ in range({calls}):"):
        script.run(handed(at))
        script.add(*_kept(script, at), "shares.append(kept)")
    width = DEVIATIONS * (p * (1.0 - p)) ** 0.5
    script.add(
        "shares = np.array(shares)",
        f"print('kept', shares.mean(), 'where', {1.0 - p!r}, 'was asked for')",
        f"assert abs(shares.mean() - {1.0 - p!r}) <= {width!r} / shares.size ** 0.5  # standard deviations",
    )


def correlated(script: LiveScript, at: Configuration, proposal: Proposal, counts: Table) -> None:
    """Fail where two decisions are correlated, in as many calls as show that."""
    first, second, pairs, least = places(proposal)
    calls = max(least, ceil((DISTANCE / max(abs(correlation(counts)), LEAST)) ** 2 / pairs))
    script.add("pairs = []")
    with placed(script, at), script.under(f"for _ in range({calls}):"):
        script.run(handed(at))
        script.add(*_kept(script, at), f"pairs.append([kept[{first}], kept[{second}]])")
    script.add("first, second = (np.array(part) for part in zip(*pairs))")
    script.correlate("first", "second", proposal.describe())


def _fed(script: LiveScript, drop_prob: float, at: Configuration) -> None:
    with script.under("with feed:"):
        script.run(drop_prob)
    script.add(*_kept(script, at))


def _kept(script: LiveScript, at: Configuration) -> tuple[str, ...]:
    """Return lines that bind ``kept``, an entry a decision."""
    y = script.array("y", at.dtype)
    if script.at.dialect.granularity == "element":
        return (f"kept = ({y} != 0).ravel()",)
    first = ":1, 0" if script.at.per_call else ":, 0"
    return (f"kept = ({y}.reshape({at.batch}, -1) != 0)[{first}]",)
