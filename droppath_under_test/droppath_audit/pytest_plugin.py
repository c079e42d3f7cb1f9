"""pytest: the trials of any target as items, one an item.

``pytest --droppath SPEC`` (repeatable), or ``droppath = SPEC …`` in the ini file, adds the trials of those targets to
any session; ``test_my_layer = conformance(SPEC)`` in a test file does so there. The plugin itself loads neither torch
nor numpy; targets are run in worker processes, as on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from droppath_audit.core.result import Result
    from droppath_audit.core.trial import Trial
    from droppath_audit.run.plan import Settings
    from droppath_audit.run.supervisor import Supervisor


class Conformance:
    """A request for the trials of one target; ``conformance`` makes it, the plugin turns it into items.

    Attributes:
        spec: The SPEC; None for the session's own targets.
        only: Patterns of trials; all where empty.
    """

    def __init__(self, spec: str | None, only: tuple[str, ...]) -> None:
        self.spec, self.only = spec, only


def conformance(spec: str | None = None, *, only: tuple[str, ...] = ()) -> Any:
    """Return what, bound to a ``test_…`` name in a test file, becomes one item for every trial of a target.

    Args:
        spec: The SPEC of the target; by default the session's targets (``--droppath`` or the ini option).
        only: Patterns of trials, as for ``--only`` of the command line.
    """
    return Conformance(spec, tuple(only))


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
        lines = [f"{result.trial.id} {result.trial.slug}: {result.outcome}"]
        lines += [f"  {name:<10} {text}" for name, text in rows if text]
        if result.traceback:
            lines += ["  traceback", *(f"      {line}" for line in result.traceback.rstrip().splitlines())]
        if result.snippet:
            lines += ["  snippet", *(f"      {line}" for line in result.snippet.splitlines())]
        return "\n".join(lines)


class Session:
    """The targets of one pytest session, each loaded once, and run in a worker of its own.

    Args:
        settings: Effort, seed and budget.
        devices: Devices to run on.
    """

    def __init__(self, settings: Settings, devices: tuple[str, ...]) -> None:
        self.settings, self._devices = settings, devices
        self._supervisors: dict[str, Supervisor] = {}

    def trials(self, spec: str, only: tuple[str, ...]) -> tuple[Trial, ...]:
        """Return the planned trials of a target, in order.

        Raises:
            pytest.UsageError: If it cannot be loaded or a pattern matches nothing.
        """
        from dataclasses import replace

        from droppath_audit.core.errors import UsageError
        from droppath_audit.run.plan import make

        try:
            return make(self._supervisor(spec).facts, replace(self.settings, only=only))
        except UsageError as error:
            raise pytest.UsageError(f"{spec}: {error.message}") from error

    def run(self, spec: str, trial: Trial) -> Result:
        """Run one trial and return its result."""
        from droppath_audit.core.result import Result
        from droppath_audit.core.verdict import Verdict
        from droppath_audit.run.engine import judge

        if trial.reason:
            return Result(trial, Verdict.not_applicable(trial.reason))
        supervisor = self._supervisor(spec)
        ((_, collected),) = supervisor.collect([trial])
        return judge(trial, collected, supervisor.facts, self.settings)

    def close(self) -> None:
        """End every worker."""
        for supervisor in self._supervisors.values():
            supervisor.close()

    def _supervisor(self, spec: str) -> Supervisor:
        if spec not in self._supervisors:
            from droppath_audit.run.supervisor import Supervisor
            from droppath_audit.targets.spec import parse

            parse(spec)
            self._supervisors[spec] = Supervisor(spec, devices=self._devices)
        return self._supervisors[spec]


def enforce(result: Result, *, strict: bool = False) -> None:
    """Turn a result into the outcome of the running test.

    Not applicable is a skip with its reason; a broken or unanswered MUST fails; a broken SHOULD warns.
    """
    import warnings

    from droppath_audit.core.verdict import Outcome

    if result.outcome is Outcome.NOT_APPLICABLE:
        pytest.skip(f"not applicable: {result.verdict.observed}")
    if result.is_finding(strict=strict) or result.is_open(strict=strict):
        raise BrokenPromise(result)
    if result.bad:
        warnings.warn(pytest.PytestWarning(str(BrokenPromise(result))), stacklevel=1)


class TrialItem(pytest.Item):
    """One trial of one target."""

    def __init__(self, *, spec: str, trial: Trial, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._spec, self._trial = spec, trial

    def runtest(self) -> None:
        """Run the trial and fail where a MUST is broken."""
        session = session_of(self.config)
        enforce(session.run(self._spec, self._trial), strict=session.settings.strict)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show a broken promise as the command line does; anything else as pytest does."""
        if isinstance(excinfo.value, BrokenPromise):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return where the item stands and its name."""
        return self.path, None, f"{self._spec} {self._trial.id}"


class ConformanceCollector(pytest.Collector):
    """The trials of one ``conformance(SPEC)``, or of one ``--droppath``."""

    def __init__(self, *, request: Conformance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._request = request

    def collect(self) -> Iterator[TrialItem]:
        """Yield an item for every trial."""
        session = session_of(self.config)
        specs = targets_of(self.config) if self._request.spec is None else (self._request.spec,)
        for spec in specs:
            for trial in session.trials(spec, self._request.only):
                name = trial.id if len(specs) == 1 else f"{spec} {trial.id}"
                yield TrialItem.from_parent(self, name=name, spec=spec, trial=trial)


_SESSION = pytest.StashKey[Session]()


def session_of(config: pytest.Config) -> Session:
    """Return the session's targets, from ``--droppath-effort`` and its like."""
    if _SESSION not in config.stash:
        from droppath_audit.core.errors import UsageError
        from droppath_audit.run.plan import Settings

        try:
            settings = Settings(
                effort=config.getoption("droppath_effort"),
                seed=config.getoption("droppath_seed"),
                strict=config.getoption("droppath_strict"),
            )
        except UsageError as error:
            raise pytest.UsageError(error.message) from error
        devices = tuple(config.getoption("droppath_devices") or ("cpu",))
        config.stash[_SESSION] = Session(settings, devices)
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
    group.addoption("--droppath-effort", default="standard", metavar="NAME", help="quick, standard or thorough")
    group.addoption("--droppath-seed", type=int, default=0, metavar="N", help="root seed of the trials")
    group.addoption("--droppath-strict", action="store_true", help="a broken SHOULD fails as well")
    group.addoption(
        "--device",
        dest="droppath_devices",
        action="append",
        metavar="NAME",
        help="device the trials run on; repeatable (default: cpu)",
    )
    parser.addini("droppath", "SPECs whose trials are added to every session", type="args", default=[])
    parser.addini("droppath_items", "whether --droppath adds items of its own", type="bool", default=True)


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> Any:
    """Collect a test-named ``conformance(SPEC)``."""
    if isinstance(obj, Conformance) and collector.funcnamefilter(name):
        return ConformanceCollector.from_parent(collector, name=name, request=obj)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the trials of the session's targets, before -k selects among all items."""
    if not config.getini("droppath_items"):
        return
    for spec in targets_of(config):
        request = Conformance(spec, ())
        collector = ConformanceCollector.from_parent(session, name=spec, nodeid=spec, request=request)
        items.extend(collector.collect())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the workers."""
    if _SESSION in config.stash:
        config.stash[_SESSION].close()
