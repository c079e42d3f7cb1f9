"""A schedule that is audited: loaded once, asked in every trial."""

from __future__ import annotations

import copy
import inspect
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.core.dialect import Dialect
from droppath_audit.core.errors import UsageError
from droppath_audit.core.facts import SCHEDULE, Facts
from droppath_audit.core.invocation import Scheduling
from droppath_audit.frameworks import adapter_for
from droppath_audit.frameworks.capabilities import names_of
from droppath_audit.schedules.offers import offer_of
from droppath_audit.schedules.roles import settle
from droppath_audit.schedules.spec import parse_schedule
from droppath_audit.targets.importing import find
from droppath_audit.targets.loader import framework_of
from droppath_audit.targets.origin import package_of, source_of

if TYPE_CHECKING:
    from droppath_audit.frameworks.base import Framework
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.schedules.offers import Offer
    from droppath_audit.schedules.roles import Roles
    from droppath_audit.schedules.spec import ScheduleSpec


@dataclass
class ScheduleTarget:
    """A schedule.

    Attributes:
        obj: The function, or the class.
        framework: Its own; that of code which names none.
        spec: Its SPEC.
        offer: What is called.
        roles: Which of its arguments means what.
        left_at_import: What its import changed in the process, which was put back.
    """

    obj: Any
    framework: Framework
    spec: ScheduleSpec
    offer: Offer
    roles: Roles
    left_at_import: tuple[Change, ...] = ()

    def call(self, rate: float, depth: Any) -> Any:
        """Return what it gives: one value, a list or tensor of them, or whatever it returns instead.

        Args:
            rate: The drop_prob of the last block, a float in [0, 1].
            depth: The number of blocks: an integer, or a list or tuple of one integer for each stage.

        Raises:
            Exception: Whatever it raises.
        """
        roles = self.roles
        if not roles.index:
            return self._call(rate, depth, None)
        blocks = depth if isinstance(depth, int) else sum(depth)
        return [self._call(rate, depth, roles.first + block) for block in range(blocks)]

    def _call(self, rate: float, depth: Any, index: int | None) -> Any:
        values = {
            # As they were given, whatever an earlier call made of them.
            **copy.deepcopy({**self.spec.target.init, **self.spec.target.arg}),
            **dict(self.roles.given),
            self.roles.rate: kept_or_dropped(rate, keep=self.roles.keep),
            self.roles.depth: depth,
            **({self.roles.index: index} if self.roles.index else {}),
        }
        offer = self.offer
        if offer.kind == "function":
            args, named = _arguments(offer, "arg", values)
            return offer.obj(*args, **named)
        args, named = _arguments(offer, "init", values)
        made = offer.obj(*copy.deepcopy(self.spec.target.args), *args, **named)
        if offer.kind == "iterable":
            return made
        args, named = _arguments(offer, "arg", values)
        return (getattr(made, offer.method) if offer.method else made)(*args, **named)

    def expression(self) -> str:
        """Return a call as source text, with ``{rate}``, ``{depth}`` and ``{index}`` for what is chosen."""
        roles, offer, target = self.roles, self.offer, self.spec.target
        values = {
            **{name: _escaped(repr(value)) for name, value in {**target.init, **target.arg}.items()},
            **{name: repr(value) for name, value in roles.given},
            roles.rate: "{rate}",
            roles.depth: "{depth}",
            **({roles.index: "{index}"} if roles.index else {}),
        }
        call = _written(*_arguments(offer, "arg", values))
        if offer.kind == "function":
            return f"{offer.name}({call})"
        by_position = [_escaped(repr(value)) for value in target.args]
        args, named = _arguments(offer, "init", values)
        made = f"{offer.name}({_written([*by_position, *args], named)})"
        if offer.kind == "iterable":
            return made
        return f"{made}.{offer.method}({call})" if offer.method else f"{made}({call})"


def kept_or_dropped(probability: float, *, keep: bool) -> float:
    """Return a drop_prob as the keep_prob that goes with it, or the other way round; as it is where ``keep`` is not."""
    return 1.0 - probability if keep else probability


def _arguments(offer: Offer, at: str, values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the values of arguments by position and by name."""
    args, named = [], {}
    known = {one.name for one in offer.arguments}
    for one in offer.arguments:
        if one.at != at or one.name not in values:
            continue
        if one.parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            args.append(values[one.name])
        else:
            named[one.name] = values[one.name]
    if offer.open_ended and at == "arg":
        named |= {name: value for name, value in values.items() if name not in known}
    return args, named


def _written(args: list[str], named: dict[str, str]) -> str:
    return ", ".join([*args, *(f"{name}={value}" for name, value in named.items())])


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def load(
    text: str, *, devices: tuple[str, ...] = ("cpu",), imports: tuple[str, ...] = ()
) -> tuple[ScheduleTarget, Facts]:
    """Load the schedule that a SPEC names.

    Args:
        text: The SPEC.
        devices: Where default tensors are; one.
        imports: Modules to import first, in order.

    Raises:
        UsageError: If it cannot be imported or called, or it is not clear which of its arguments means what.
    """
    spec = parse_schedule(text)
    if len(devices) > 1:
        raise UsageError("A schedule is audited on one device at a time.")
    started = time.perf_counter()
    found = find(spec.target, imports)
    offer = offer_of(found, spec.target)
    roles = settle(spec, offer)
    adapter = adapter_for(found.obj, spec.target.framework)
    framework = framework_of(adapter, spec.target)
    target = ScheduleTarget(found.obj, framework, spec, offer, roles)
    called = target.expression()
    told = called.format(rate="keep_prob" if roles.keep else "drop_prob", depth=_shape(roles), index="l")
    facts = Facts(
        spec=spec.text,
        kind=SCHEDULE,
        origin=source_of(found.obj),
        package=package_of(found.obj),
        arguments=roles.describe(),
        called=told,
        notes=(*found.notes, *roles.notes),
        dialect=Dialect(**spec.target.dialect),
        framework=adapter.name,
        framework_version=adapter.version(),
        devices=adapter.devices(devices),
        capabilities=names_of(framework),
        invocation=Scheduling(offer.lines, called, roles.first if roles.index else None),
        import_seconds=time.perf_counter() - started,
        environment={"python": platform.python_version(), "platform": platform.platform()},
    )
    return target, facts


def _shape(roles: Roles) -> str:
    return " or ".join("L" if one == "total" else "[L1, L2, …]" for one in roles.counted)
