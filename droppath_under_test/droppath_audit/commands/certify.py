"""``droppath-audit certify SPEC``: certificates of keep probabilities to a chosen resolution, continued at will."""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from droppath_audit.auditing import REFERENCE, collector_for, root_seed
from droppath_audit.commands import Command
from droppath_audit.core import quantities
from droppath_audit.core.errors import UsageError
from droppath_audit.core.interruption import Interruption
from droppath_audit.core.report import HOLDS, OPEN, SIGNALLED
from droppath_audit.core.visible import visible
from droppath_audit.ranks.joining import joined, rank_timeout_option
from droppath_audit.report.streams import failure
from droppath_audit.report.writing import Unwritable, refuse_unwritable, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from droppath_audit.certification.file import LedgerFile
    from droppath_audit.certification.ledger import Entry, Ledger
    from droppath_audit.certification.terms import Terms
    from droppath_audit.core.collected import Collector
    from droppath_audit.ranks.exchange import Exchange

WIDTH = 140
EXAMPLES = """\b
Examples:
  droppath-audit certify timm --dtype bfloat16 --time-limit 1m
  droppath-audit certify timm --resolve 0.0001 --time-limit 5m --resume counts.json
  droppath-audit certify --resume counts.json --time-limit 0s
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("spec", required=False, metavar="[SPEC]")
@click.option("--resolve", type=float, metavar="D", help="Certify every keep probability within D.  [default: 0.0005]")
@click.option(
    "--time-limit", metavar="T", help="Stop after 30s, 5m or 2h; 0s only shows FILE.  [default: until all is settled]"
)
@click.option(
    "--resume",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Keep the counts in FILE, and continue those that are in it; what is not given is taken from it.",
)
@click.option(
    "--merge",
    multiple=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Add the counts of another run, made with another --seed; repeatable.",
)
@click.option("--dtype", "dtypes", multiple=True, metavar="NAME", help="Dtype of x; repeatable.  [default: all four]")
@click.option(
    "--drop-prob", "drop_probs", multiple=True, type=float, metavar="P", help="Repeatable.  [default: the audit's grid]"
)
@click.option("--device", metavar="NAME", help="Device to run on.  [default: cpu]")
@click.option("--seed", metavar="N", help="Root seed; 'fresh' draws one and prints it.  [default: 0]")
@click.option(
    "--budget",
    type=float,
    metavar="P",
    help="Bound on the probability that a correct implementation fails; a cell has the share of one trial of an "
    "audit.  [default: 1e-6]",
)
@click.option("--beta", type=float, metavar="P", help="Probability that a cell passes though D off.  [default: 0.001]")
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="Import this module before the target.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), metavar="FILE", help="Write the results to FILE.")
@rank_timeout_option
@click.option("--no-isolation", is_flag=True, help="Run the target in this process, for debuggers.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the target prints.")
def command(spec: str | None, **options: Any) -> int:
    """Certify keep probabilities to a chosen resolution, in as many runs as it takes.

    Every dtype and drop_prob gets a sequential certificate: 'fail' means that the keep probability is not the one asked
    for, 'within D' that it is no further off; both errors hold wherever a run is stopped and continued. When the time
    is up, it is said how closely each keep probability is known so far.

    Exit status: 0 every cell is certified, 1 a cell fails or raises, 2 usage or loading error, 3 none fails but some
    are still open, or a rank was lost before its work was over.
    """
    from droppath_audit.certification.terms import Terms
    from droppath_audit.targets.spec import parse

    limit = _seconds(options["time_limit"])
    seed = None if options["seed"] is None else root_seed(options["seed"])
    asked = {name: options[name] for name in ("resolve", "budget", "beta", "dtypes", "drop_probs", "device")}
    terms = Terms(spec=spec, seed=seed, **asked)
    if spec is not None:
        parse(spec)
    exchange = joined((options["device"],), options)
    if exchange is None:
        return _certify(terms, limit, None, options)
    with exchange:
        return _certify(terms, limit, exchange, options) if exchange.here.leads else _follow(exchange, options)


def _certify(terms: Terms, limit: float, exchange: Exchange | None, options: dict[str, Any]) -> int:
    """Certify, print and write what came of it, and return the exit status."""
    from droppath_audit import __version__
    from droppath_audit.certification.display import conclusion, document, show_results, show_terms, watch
    from droppath_audit.certification.drawing import draw
    from droppath_audit.report.console import console_of
    from droppath_audit.targets.spec import parse

    for name in (options["json_file"], options["resume"]):
        if name:
            refuse_unwritable(name)
    file, ledger = _files(options["resume"], options["merge"])
    if ledger is not None:
        terms.hold(ledger, options["resume"] or options["merge"][0])
    # An empty SPEC is a slip.
    spec = terms.spec if terms.spec is not None else REFERENCE if ledger is None else str(ledger.identity["spec"])
    device = options["device"] or ("cpu" if ledger is None else ledger.identity["device"])
    parse(spec)
    console = console_of(WIDTH, stderr=options["json_file"] == "-")
    # Alone it ends at once by a signal; a launcher that ends all ranks leaves time for what was certified so far.
    interruption = Interruption()
    with ExitStack() as stack:
        if exchange is not None:
            exchange.put("asked", {"spec": spec, "device": device})
            stack.enter_context(interruption.listening())
        if ledger is None or limit:
            collector = collector_for(stack, spec, {**options, "devices": (device,), "interruption": interruption})
            if ledger is None:
                ledger = terms.begin(collector.facts, device)
            else:
                terms.check(ledger, collector.facts, options["resume"] or options["merge"][0], device)
        show_terms(console, ledger, f"droppath-audit {__version__} certify    {spec}")
        if exchange is not None:
            console.print(f"ranks    {exchange.here.size}, each with a worker of its own")
        if file is not None:
            file.write(ledger)
        started = time.monotonic()
        try:
            if limit:
                save = file.write if file is not None else _forget
                if exchange is None:
                    cells = draw(collector, ledger, device, seconds=limit, save=save)
                else:
                    cells = _led(exchange, collector, ledger, device, interruption, seconds=limit, save=save)
                watch(console, ledger, cells, device, limit)
        except (KeyboardInterrupt, Unwritable):
            show_results(console, ledger, device, time.monotonic() - started)
            raise
        seconds = time.monotonic() - started
    status = SIGNALLED + interruption.signal if interruption.signal else ledger.exit_status
    if interruption.loss and status == HOLDS:
        status = OPEN
    show_results(console, ledger, device, seconds, ended=interruption.reason, status=status)
    if options["json_file"] != "-" and failure(sys.stdout):
        click.echo(f"{visible(spec)}: {conclusion(ledger)}", err=True)
    if options["json_file"]:
        told = document(ledger, device, seconds, __version__)
        if exchange is not None:
            told |= {"ranks": exchange.here.size, "incomplete": interruption.reason, "exit_status": status}
        write(options["json_file"], f"{json.dumps(told, indent=1)}\n")
    return status


def _led(
    exchange: Exchange,
    collector: Collector,
    ledger: Ledger,
    device: str,
    interruption: Interruption,
    *,
    seconds: float,
    save: Callable[[Ledger], None],
) -> Iterator[Entry]:
    """Draw with all ranks; one that is missed ends that, and the interruption says so."""
    from droppath_audit.certification.sharing import Leading
    from droppath_audit.core import wire
    from droppath_audit.ranks.exchange import RankLost

    try:
        exchange.put("ledger", wire.dump(ledger))
        yield from Leading(exchange, collector, ledger, device, interruption).draw(seconds=seconds, save=save)
        if not interruption.told:
            exchange.leave()
    except RankLost as error:
        interruption.loss = error.reason


def _follow(exchange: Exchange, options: dict[str, Any]) -> int:
    """Draw what rank 0 asks for, print nothing, and return the exit status."""
    from droppath_audit.certification.ledger import Ledger, differences, identify
    from droppath_audit.certification.sharing import Following
    from droppath_audit.core import wire

    here, interruption = exchange.here, Interruption()
    with ExitStack() as stack:
        stack.enter_context(interruption.listening())
        asked = exchange.await_value("asked")
        if asked is not None:
            options = {**options, "devices": (asked["device"],), "interruption": interruption}
            collector = collector_for(stack, asked["spec"], options)
            facts = collector.facts
            told = exchange.await_value("ledger")
            if told is not None:
                ledger = wire.load(Ledger, told)
                found = differences(ledger, replace(ledger, identity=identify(facts, asked["device"])))
                if found:
                    raise UsageError(f"Rank {here.rank} has something else than rank 0 has: {'; '.join(found)}.")
                Following(exchange, collector, ledger, asked["device"], interruption).draw()
        exchange.leave()
    return SIGNALLED + interruption.signal if interruption.signal else HOLDS


def _seconds(text: str | None) -> float:
    """Return the seconds of ``30s``, ``5m``, ``2h`` or ``1h30m``; infinity where nothing was said."""
    if text is None:
        return math.inf
    found = quantities.duration(text)
    if found is None:
        raise UsageError(f"--time-limit is a number with s, m or h, such as 30s, 5m or 2h, not {text!r}.")
    return found


def _files(resume: str | None, merge: tuple[str, ...]) -> tuple[LedgerFile | None, Ledger | None]:
    """Return the file to keep counts in, and what is in it and in those to be merged, if anything is."""
    from droppath_audit.certification.file import LedgerFile
    from droppath_audit.certification.ledger import merged

    file = LedgerFile(resume) if resume else None
    found = {}
    if file is not None and (ledger := file.read()) is not None:
        found[file.name] = ledger
    for name in merge:
        if (ledger := LedgerFile(name).read()) is None:
            raise UsageError(f"There is no file {name} to merge.")
        found[name] = ledger
    return file, merged(list(found.values()), list(found)) if found else None


def _forget(_: Ledger) -> None:
    """Save nothing: no file was named."""
