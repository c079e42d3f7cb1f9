"""Known: an implementation that is audited by a name, with how to install it and what to expect of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from droppath_audit.core.dialect import CANONICAL, Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Broken:
    """A promise that a known implementation breaks.

    Attributes:
        check: Id of the check.
        dtypes: The dtypes in which it does, separated by spaces; empty for a check that walks over dtypes itself.
        why: What in the implementation is the cause.
    """

    check: str
    dtypes: str
    why: str


@dataclass(frozen=True)
class Known:
    """An implementation in the wild.

    Attributes:
        name: What it is called on the command line.
        spec: The SPEC that the name stands for.
        title: What it is, in a few words.
        environment: The set of packages it is audited with, ``zoo-ENVIRONMENT`` in tox.ini; empty for what this package
            brings itself.
        dialect: What its signature and the SPEC declare.
        install: Commands that install it, in order, to be run with the constraint file.
        imports: Modules to be imported before it.
        broken: What it is expected to break, whatever the level; all other checks pass or do not apply.
        either: Ids of trials whose discrepancy lies between 0 and the resolution, so that either verdict may come, each
            with the reason.
    """

    name: str
    spec: str
    title: str
    environment: str = ""
    dialect: Dialect = CANONICAL
    install: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()
    either: Mapping[str, str] = field(default_factory=dict)
