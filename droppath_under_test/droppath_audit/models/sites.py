"""What in a network drops paths, and at what rate: modules by their class or their own name, and functions."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from droppath_audit.frameworks.networks import Site
from droppath_audit.targets import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from droppath_audit.frameworks.networks import Caller, Network, Reading, Submodule

SETTING = {"set", "reset", "update", "change", "adjust", "schedule", "apply"}


@dataclass(frozen=True)
class Held:
    """A module that drops paths, or stands where one would.

    Attributes:
        name: Of the module; of a function ``NAME()``.
        kind: Name of its class.
        drop_prob: What it holds; None where nobody knows.
        identity: Whether it returns its input whatever its rate is: a rate of zero was optimised away.
        shared: Further names of the same module.
    """

    name: str
    kind: str
    drop_prob: float | None
    identity: bool = False
    shared: tuple[str, ...] = ()


def found(network: Network, layer: str = "") -> tuple[list[Site], list[Held]]:
    """Return the sites of a network, and the modules among them with what they hold, in the order of definition.

    Args:
        network: The network.
        layer: A regular expression; modules whose name or class it matches are sites as well.
    """
    parts = network.parts()
    chosen = [part for part in parts if part.name and (_drops(part) or _named(part, layer))]
    # A block that is called after what it holds is none where that is there.
    chosen = [one for one in chosen if not any(other.name.startswith(f"{one.name}.") for other in chosen)]
    sites = [_of_part(part) for part in chosen]
    held = [
        Held(part.name, part.kind, 0.0 if part.identity else _rate(part, site), part.identity, part.others)
        for part, site in zip(chosen, sites, strict=True)
    ]
    callers = [one for one in network.callers(words.drops_paths) if _drops_what_it_is_given(one)]
    return [*sites, *(_of_function(one) for one in callers)], held


def _drops(part: Submodule) -> bool:
    """Return whether a module drops paths, by its class, or by its own name where that stands for nothing else."""
    last = re.sub(r"\[.*", "", part.name.rpartition(".")[2])
    if part.own and words.drops_paths(part.kind):
        return part.plain or bool(_probabilities(part))
    if words.drops_paths(last) and part.plain:
        return part.identity or bool(_probabilities(part)) or bool(_told(part))
    return False


def _named(part: Submodule, layer: str) -> bool:
    return bool(layer) and (re.search(layer, part.name) is not None or re.search(layer, part.kind) is not None)


def _probabilities(part: Submodule) -> list[tuple[int, str, str]]:
    """Return the attributes that may be the probability, the surest first."""
    said = ((words.probability(name, part.kind), name) for name in part.numbers)
    return sorted(((-told[1], name, told[0]) for told, name in said if told is not None))


def _told(part: Submodule) -> list[tuple[str, words.Meaning]]:
    """Return the arguments of a module's call, beyond the first, that may be the probability, with their meanings."""
    said = ((name, words.probability(name, part.kind)) for name in part.arguments[1:] if not words.tensor(name))
    return [(name, meaning[0]) for name, meaning in said if meaning is not None]


def _of_part(part: Submodule) -> Site:
    probabilities = _probabilities(part)
    attribute, keep = (probabilities[0][1], probabilities[0][2] == "keep") if probabilities else ("", False)
    reading: Reading = "branch" if part.plain else "wrapper"
    told = _told(part)
    argument = told[0][0] if told and (not attribute or (told[0][1] == "keep") == keep) else ""
    return Site(
        part.name, reading, attribute, keep if attribute else bool(told) and told[0][1] == "keep", argument=argument
    )


def _rate(part: Submodule, site: Site) -> float | None:
    value = part.numbers.get(site.attribute)
    return None if value is None else (1.0 - value if site.keep else value)


def _drops_what_it_is_given(caller: Caller) -> bool:
    """Return whether a function takes a rate, and before it, or by a name of tensors, what it drops.

    What takes the rate first and no tensor computes rates, as ``calculate_drop_path_rates(drop_path_rate, depths)``.
    """
    names = list(inspect.signature(caller.function).parameters)
    rates = [name for name in names if words.probability(name, caller.name) is not None]
    return bool(rates) and (rates[0] != names[0] or any(words.tensor(name) for name in names))


def _of_function(caller: Caller) -> Site:
    names = list(inspect.signature(caller.function).parameters)
    said = sorted(
        ((told, name) for name in names if (told := words.probability(name, caller.name)) is not None),
        key=lambda one: -one[0][1],
    )
    modes = [(name, words.mode(name)) for name in names if words.mode(name) is not None]
    (meaning, _), attribute = said[0]
    shortcut, branch = _tensors(names)
    return Site(
        f"{caller.name}()",
        "residual" if shortcut else "branch",
        attribute,
        meaning == "keep",
        shortcut,
        branch,
        mode=modes[0][0] if modes else "",
        inverted=bool(modes) and modes[0][1] is False,
        caller=caller,
    )


def _tensors(names: Sequence[str]) -> tuple[str, str]:
    """Return the arguments that are a shortcut and a branch's output, where names say that there are both."""
    roles: dict[Any, str] = {}
    for name in names:
        roles.setdefault(words.tensor(name), name)
    shortcut, branch = roles.get("shortcut", ""), roles.get("branch", "") or roles.get("input", "")
    return (shortcut, branch) if shortcut and branch else ("", "")


def told(held: Iterable[Held], sites: Iterable[Site]) -> str:
    """Return what was found, in words."""
    kinds: dict[str, int] = {}
    for one in held:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    said = [f"{number} {kind}" for kind, number in kinds.items()]
    called = dict.fromkeys(f"calls of {site.name}" for site in sites if site.caller is not None)
    return ", ".join([*said, *called]) or "none"


def sets_rates(name: str) -> bool:
    """Return whether a method is called like one that sets the rates of a model, such as ``reset_drop_path``."""
    return bool(set(words.words(name)) & SETTING) and words.drops_paths(name)
