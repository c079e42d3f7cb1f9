"""Whole models of real packages: how each is built, and what its audit gives. Held to it by ``tox -e zoo-models``."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

OPERATORS = "droppath_audit.targets.torchvision_operators"


@dataclass(frozen=True)
class ZooModel:
    """A model, with what is expected of its audit.

    Attributes:
        name: Of its report.
        spec: Its SPEC.
        layers: What in it drops paths, in the words of the report.
        schedule: What DP901 says of its rates.
        options: Further options of the command.
        broken: Why each check is broken that is.
        not_applicable: Checks of which nothing can be seen in it.
        note: What else is remarkable, as a sentence.
    """

    name: str
    spec: str
    layers: str
    schedule: str
    options: tuple[str, ...] = ()
    broken: dict[str, str] = field(default_factory=dict)
    not_applicable: tuple[str, ...] = ()
    note: str = ""


def _timm(name: str, **given: object) -> str:
    return f'timm:create_model?args="{name}"' + "".join(f"&arg.{key}={_value(value)}" for key, value in given.items())


def _torchvision(name: str, **given: object) -> str:
    return f"torchvision.models:{name}" + _query(**given)


def _transformers(name: str, **config: object) -> str:
    return f"transformers:{name}" + _query(config=config)


def _query(**given: object) -> str:
    return "?" + "&".join(f"arg.{key}={_value(value)}" for key, value in given.items()) if given else ""


def _value(value: object) -> str:
    import json

    return quote(json.dumps(value, separators=(",", ":")), safe='{}[]:,"._-')
