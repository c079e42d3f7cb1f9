"""pytest: the trials of any target as items, one an item.

``pytest --droppath SPEC`` (repeatable), or ``droppath = SPEC …`` in the ini file, adds the trials of those targets to
any session; ``test_my_layer = conformance(SPEC)`` in a test file does so there. The plugin itself loads neither torch
nor numpy; targets are run in worker processes, as on the command line.

The plugin is loaded wherever the package is installed: all that it adds to pytest begins with ``droppath``, so that it
takes no name from a user's own options.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.core.errors import DropPathWarning, UsageError
from droppath_audit.core.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.facts import Facts
    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.plan import Settings
    from droppath_audit.run.showing import Showing
    from droppath_audit.run.supervisor import Supervisor


@dataclass(frozen=True)
class Conformance:
    """A request for the trials of one target; ``conformance`` makes it, the plugin turns it into items.

    Attributes:
        spec: The SPEC; None for the session's own targets.
        only: Patterns of trials; all where empty.
        skip: Patterns of trials that are left out.
        effort: Name of the effort; None for the session's.
        strict: Whether a broken SHOULD fails; None for what the session says.
    """

    spec: str | None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    effort: str | None = None
    strict: bool | None = None

    def settings(self, session: Settings) -> Settings:
        """Return the session's settings with those that the request has of its own.

        Raises:
            UsageError: If there is no such effort.
        """
        effort = session.effort if self.effort is None else self.effort
        strict = session.strict if self.strict is None else self.strict
        return replace(session, only=self.only, skip=self.skip, effort=effort, strict=strict)


def conformance(
    spec: str | None = None,
    *,
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    effort: str | None = None,
    strict: bool | None = None,
) -> Any:
    """Return what, bound to a ``test_…`` name in a test file, becomes one item for every trial of a target.

    Args:
        spec: The SPEC of the target; by default the session's targets (``--droppath`` or the ini option).
        only: Patterns of trials, as for ``--only`` of the command line.
        skip: Patterns of trials to leave out, as for ``--skip``.
        effort: ``quick``, ``standard`` or ``thorough``; by default the session's (``--droppath-effort``).
        strict: Whether a broken SHOULD fails rather than warns; by default what the session says
            (``--droppath-strict``).
    """
    return Conformance(spec, tuple(only), tuple(skip), effort, strict)


class BrokenPromise(Exception):
    """A trial whose verdict fails the item."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.verdict.observed)
        self.result = result

    def __str__(self) -> str:
        result = self.result
        rows = [
            ("promised", result.promised),
            ("observed", result.verdict.observed),
            ("hint", result.verdict.hint),
            ("why", result.why),
            ("fix", result.fix),
            ("reproduce", result.reproduce),
        ]
        lines = [f"{result.trial.id} {result.trial.slug}: {result.outcome} ({result.level})"]
        lines += [f"  {name:<10} {text}" for name, text in rows if text]
        if result.traceback:
            lines += ["  traceback", *(f"      {line}" for line in result.traceback.rstrip().splitlines())]
        if result.snippet:
            state = " ".join(
                text for text in (result.snippet_state, result.snippet_note and f"({result.snippet_note})") if text
            )
            lines += [f"  snippet    {state}".rstrip(), *(f"      {line}" for line in result.snippet.splitlines())]
        return visible("\n".join(lines))


class Session:
    """The targets of one pytest session, each loaded once, and run in a worker of its own.

    Args:
        settings: Effort, seed and budget.
        devices: Devices to run on.
        imports: Modules to import before a target.
    """

    def __init__(self, settings: Settings, devices: tuple[str, ...], imports: tuple[str, ...] = ()) -> None:
        self.settings, self.devices, self._imports = settings, devices, imports
        self._supervisors: dict[str, Supervisor] = {}
        self._showing: dict[str, Showing] = {}

    def facts(self, spec: str) -> Facts:
        """Return what was learned of a target; the first to ask loads it.

        Raises:
            pytest.UsageError: If it cannot be loaded, however often it is asked for.
        """
        try:
            return self._supervisor(spec).facts
        except UsageError as error:
            raise pytest.UsageError(visible(f"{spec}: {error.message}")) from error

    def trials(self, spec: str, settings: Settings) -> tuple[Trial, ...]:
        """Return the planned trials of a target, in order.

        Raises:
            pytest.UsageError: If it cannot be loaded or a pattern matches nothing.
        """
        from droppath_audit.run.plan import make

        facts = self.facts(spec)
        try:
            return make(facts, settings)
        except UsageError as error:
            raise pytest.UsageError(visible(f"{spec}: {error.message}")) from error

    def run(self, spec: str, trial: Trial, settings: Settings) -> Result:
        """Run one trial, which was planned with these settings, and return its result."""
        from droppath_audit.core.result import Result
        from droppath_audit.core.verdict import Verdict
        from droppath_audit.run.engine import judge

        if trial.reason:
            return Result(trial, Verdict.not_applicable(trial.reason))
        supervisor = self._supervisor(spec)
        ((_, collected),) = supervisor.collect([trial])
        result = judge(trial, collected, supervisor.facts, settings)
        if spec not in self._showing:
            from droppath_audit.run.showing import Showing

            self._showing[spec] = Showing()
        return self._showing[spec].shown([result], strict=settings.strict)[0]

    def close(self) -> None:
        """End every worker."""
        for supervisor in self._supervisors.values():
            supervisor.close()

    def _supervisor(self, spec: str) -> Supervisor:
        if spec not in self._supervisors:
            from droppath_audit.run.supervisor import Supervisor
            from droppath_audit.targets.spec import parse

            parse(spec)
            self._supervisors[spec] = Supervisor(spec, devices=self.devices, imports=self._imports)
        return self._supervisors[spec]


def enforce(result: Result, *, strict: bool = False) -> None:
    """Turn a result into the outcome of the running test.

    Not applicable is a skip with its reason; a broken or unanswered MUST fails; a broken SHOULD warns with a
    ``DropPathWarning``.

    Raises:
        BrokenPromise: If the result fails the test.
    """
    from droppath_audit.core.verdict import Outcome

    if result.outcome is Outcome.NOT_APPLICABLE:
        pytest.skip(visible(f"not applicable: {result.verdict.observed}"))
    if result.is_finding(strict=strict) or result.is_open(strict=strict):
        raise BrokenPromise(result)
    if result.bad:
        _warn(result)


def _warn(result: Result) -> None:
    """Warn of a broken promise; fail only where a filter makes errors of ``DropPathWarning`` by its name.

    Who writes ``filterwarnings = error`` wants to hear of mistakes in calls, and has not made a MUST of every SHOULD.
    """
    broken = BrokenPromise(result)
    try:
        warnings.warn(DropPathWarning(str(broken)), stacklevel=1)
    except DropPathWarning:
        if any(action == "error" and kind is DropPathWarning for action, _, kind, *_ in warnings.filters):
            raise broken from None
        with warnings.catch_warnings():
            warnings.simplefilter("always", DropPathWarning)
            warnings.warn(DropPathWarning(str(broken)), stacklevel=1)


class TrialItem(pytest.Item):
    """One trial of one target."""

    def __init__(self, *, spec: str, trial: Trial, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._spec, self._trial, self._settings = spec, trial, settings

    def runtest(self) -> None:
        """Run the trial and fail where a MUST is broken."""
        result = session_of(self.config).run(self._spec, self._trial, self._settings)
        enforce(result, strict=self._settings.strict)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show a broken promise as the command line does; anything else as pytest does."""
        if isinstance(excinfo.value, BrokenPromise):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the item stands and its name."""
        return self.path, None, visible(f"{self._spec} {self._trial.id}")


class ConformanceCollector(pytest.Collector):
    """The trials of one ``conformance(SPEC)``, or of one ``--droppath``."""

    def __init__(self, *, request: Conformance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._request = request

    def collect(self) -> Iterator[TrialItem]:
        """Yield an item for every trial; one sentence says why there are none, without a traceback."""
        try:
            yield from self.items()
        except (UsageError, pytest.UsageError) as error:
            raise self.CollectError(visible(str(error))) from None

    def items(self) -> Iterator[TrialItem]:
        """Yield an item for every trial.

        Raises:
            pytest.UsageError: If a target cannot be loaded, a pattern matches nothing, or there is no target.
            UsageError: If there is no such effort.
        """
        session = session_of(self.config)
        settings = self._request.settings(session.settings)
        specs = targets_of(self.config) if self._request.spec is None else (self._request.spec,)
        if not specs:
            raise pytest.UsageError(
                "conformance() without a SPEC runs the targets of the session, and there are none: give a SPEC, "
                "--droppath SPEC, or 'droppath' in the ini file."
            )
        for spec in specs:
            for trial in session.trials(spec, settings):
                name = trial.id if len(specs) == 1 else f"{spec} {trial.id}"
                yield TrialItem.from_parent(self, name=visible(name), spec=spec, trial=trial, settings=settings)


_SESSION = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """Return the session's targets, from ``--droppath-effort`` and its like."""
    if _SESSION not in config.stash:
        from droppath_audit.run.plan import Settings

        try:
            settings = Settings(
                effort=config.getoption("droppath_effort"),
                seed=config.getoption("droppath_seed"),
                strict=config.getoption("droppath_strict"),
                variants=tuple(config.getoption("droppath_variants").split(",")),
            )
        except UsageError as error:
            raise pytest.UsageError(error.message) from error
        devices = tuple(config.getoption("droppath_devices") or ("cpu",))
        config.stash[_SESSION] = Session(settings, devices, tuple(config.getoption("droppath_imports") or ()))
    return config.stash[_SESSION]


def targets_of(config: pytest.Config) -> tuple[str, ...]:
    """Return the SPECs of ``--droppath``, else those of the ini option."""
    return tuple(config.getoption("droppath_specs") or config.getini("droppath"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("droppath-audit", "verification of DropPath implementations")
    group.addoption(
        "--droppath",
        dest="droppath_specs",
        action="append",
        metavar="SPEC",
        help="add the trials of this implementation to the session; repeatable",
    )
    group.addoption(
        "--droppath-effort",
        default="standard",
        metavar="NAME",
        help="how small a discrepancy is looked for: quick, standard or thorough (default: standard)",
    )
    group.addoption("--droppath-seed", type=int, default=0, metavar="N", help="root seed of the trials (default: 0)")
    group.addoption("--droppath-strict", action="store_true", help="a broken SHOULD fails; it only warns otherwise")
    group.addoption(
        "--droppath-variants",
        default="eager",
        metavar="NAME,...",
        help="how the implementation is run: eager, compile, export, fx, script, vmap (default: eager)",
    )
    group.addoption(
        "--droppath-device",
        dest="droppath_devices",
        action="append",
        metavar="NAME",
        help="device the trials run on; repeatable (default: cpu)",
    )
    group.addoption(
        "--droppath-import",
        dest="droppath_imports",
        action="append",
        metavar="MODULE",
        help="import this module before the implementation, one that registers a device for example; repeatable",
    )
    parser.addini("droppath", "SPECs whose trials are added to every session", type="args", default=[])
    parser.addini(
        "droppath_items",
        "whether the targets of --droppath and 'droppath' add items of their own",
        type="bool",
        default=True,
    )


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Collect a test-named ``conformance(SPEC)``."""
    if isinstance(obj, Conformance) and collector.funcnamefilter(name):
        return ConformanceCollector.from_parent(collector, name=name, request=obj)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Load the session's targets before anything is collected, under xdist in the process that the user sees.

    What cannot be loaded so ends the session in one sentence.
    """
    for spec in targets_of(session.config):
        session_of(session.config).facts(spec)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the trials of the session's targets, before -k selects among all items."""
    if not config.getini("droppath_items"):
        return
    for spec in targets_of(config):
        request = Conformance(spec)
        collector = ConformanceCollector.from_parent(session, name=visible(spec), nodeid=visible(spec), request=request)
        items.extend(collector.items())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the workers."""
    if _SESSION in config.stash:
        config.stash[_SESSION].close()
