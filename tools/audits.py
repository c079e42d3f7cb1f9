"""Write ``docs/audits.md`` from the JSON reports of all known implementations: ``tox -m audits``.

``python -m tools.audits FOLDER`` reads ``FOLDER/NAME.json`` for every known name. No figure on the page has another
source. ``python -m tools.audits FOLDER NAME…`` writes the rows and sections of these names anew and leaves the others:
after a change that concerns these alone. ``models`` among the names stands for the section on whole models, whose
reports lie in ``FOLDER/models``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from droppath_audit.checks import catalogue, of_models
from droppath_audit.checks import check as check_of
from droppath_audit.core.dialect import Dialect
from droppath_audit.targets.known import known_systems
from tools import DOCS
from tools.zoo_models import MODELS

if TYPE_CHECKING:
    from droppath_audit.core.known import Known
    from tools.zoo_models import ZooModel

PAGE = DOCS / "audits.md"
BAD = ("fail", "error")
LEVELS = ("MUST", "SHOULD", "INFO")

INTRODUCTION = """# Audits of real implementations

Written by `tox -m audits` from the reports of audits at effort {effort}, seed {seed} and budget {budget:g}: no figure
here has another source. `tests/third_party` holds every implementation to exactly the checks that its row names, both
ways. `droppath-audit NAME` audits one of them; `droppath-audit list --known NAME` says how to install it.

A broken MUST fails the audit; a broken SHOULD does not, unless `--strict` is given; INFO informs.
"""
OF_MODELS = "models"
TITLE = "Whole models"
ABOUT_MODELS = """
## Whole models

Audits by `droppath-audit model SPEC`, with random weights and models as small as their packages allow, at effort
{effort}, seed {seed} and budget {budget:g}. `tox -e zoo-models` holds every model to what its row says, both ways.
"""


def broken_checks(report: dict[str, Any], known: Known, level: str) -> list[str]:
    """Return the ids of the checks of a level that a report found broken, in order."""
    found = [
        result["check"]
        for result in report["results"]
        if result["verdict"] in BAD and result["level"] == level and result["trial"] not in known.either
    ]
    return list(dict.fromkeys(found))


def _link(identity: str) -> str:
    return f"[{identity}](checks.md#{identity.lower()}-{check_of(identity).slug})"


def _links(checks: list[str]) -> str:
    return ", ".join(_link(check) for check in checks) or "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(known: Known) -> str:
    return f"[{known.name}](#{known.name.replace('.', '')})"


def row(known: Known, report: dict[str, Any]) -> str:
    """Return an implementation's row of the table of results."""
    counts, target = report["counts"], report["target"]
    broken = [_links(broken_checks(report, known, level)) for level in LEVELS]
    name = _anchor(known)
    framework = f"{target['framework']} {target['framework_version']}"
    passed = f"{counts['pass']} of {counts['run']}"
    dialect = Dialect(**report["dialect"]).describe()
    return f"| {' | '.join([name, target['package'], framework, dialect, report['verdict'], *broken, passed])} |"


def _section(known: Known, report: dict[str, Any]) -> list[str]:
    """Return what one implementation breaks: where, what was observed, and its cause."""
    lines = ["", f"## {known.name}", "", f"{known.title[0].upper()}{known.title[1:]}: `{known.spec}`.", ""]
    causes = {broken.check: broken for broken in known.broken}
    for level in LEVELS:
        for check in broken_checks(report, known, level):
            results = [r for r in report["results"] if r["check"] == check and r["verdict"] in BAD]
            first, cause = results[0], causes[check]
            where = "".join(f", {dtype}" for dtype in cause.dtypes.split())
            weight = "" if level == "MUST" else f" ({level})"
            lines += [
                f"- **{_link(check)} {first['slug']}**{weight}{where}: {cause.why}. "
                f"Promised: {_cell(first['promised'].rstrip('.'))}. Observed, in `{first['trial']}`: "
                f"{_cell(first['message'].rstrip('.'))}."
            ]
    lines += [f"- `{trial}` may end either way: {why}." for trial, why in known.either.items()]
    if len(lines) == 5:
        lines.append("Nothing is broken.")
    return lines


def _row_before(known: Known, before: str) -> str:
    """Return a row of the page as it is."""
    return next(line for line in before.splitlines() if line.startswith(f"| {_anchor(known)} |"))


def _section_before(known: Known, before: str) -> list[str]:
    """Return a section of the page as it is."""
    lines = before.splitlines()
    start = lines.index(f"## {known.name}")
    end = next(number for number in range(start + 1, len(lines)) if lines[number].startswith("## "))
    return ["", *lines[start : end - 1]]


def _row_of_model(model: ZooModel, report: dict[str, Any]) -> str:
    """Return a model's row: what it is, its rule, its layers, its verdict and the checks that it breaks."""
    schedule = next(result for result in report["results"] if result["check"] == "DP901")
    rule = "none" if schedule["verdict"] in BAD else schedule["message"]
    broken = [result["check"] for result in report["results"] if result["verdict"] in BAD]
    passed = f"{report['counts']['pass']} of {report['counts']['run']}"
    cells = [model.name, report["target"]["package"], rule, report["target"]["arguments"], report["verdict"]]
    return f"| {' | '.join([*map(_cell, cells), _links(broken), passed])} |"


def models_section(reports: dict[str, dict[str, Any]]) -> list[str]:
    """Return the section on whole models.

    Args:
        reports: Of every model, by name.
    """
    lines = [
        ABOUT_MODELS.format(**next(iter(reports.values()))),
        "| name | package | rule of the rates | layers that drop paths | verdict | broken | checks passed |",
        "|---|---|---|---|---|---|---|",
        *(_row_of_model(model, reports[model.name]) for model in MODELS),
        "",
    ]
    for model in MODELS:
        lines.append(f"- **{model.name}**: `{model.spec}`")
        lines += [
            f"  - **{_link(result['check'])} {result['slug']}**: {model.broken[result['check']]}. "
            f"Observed: {_cell(result['message'].rstrip('.'))}."
            for result in reports[model.name]["results"]
            if result["verdict"] in BAD
        ]
    return lines


def _models_before(before: str) -> list[str]:
    """Return the section on whole models as it is; nothing where there is none."""
    _, there, rest = before.partition(f"\n## {TITLE}\n")
    return [f"\n## {TITLE}\n{rest.partition(chr(10) + '## ')[0]}".removesuffix("\n")] if there else []


def page(reports: dict[str, dict[str, Any]], before: str = "", models: dict[str, dict[str, Any]] | None = None) -> str:
    """Return the page for reports of known implementations, by name.

    Args:
        reports: Of every implementation, or of some, or of none.
        before: The page as it is, from which the others are taken.
        models: Reports of all models; None to leave what the page says of them.
    """
    systems = known_systems()
    lines = [
        INTRODUCTION.format(**next(iter(reports.values()))) if reports else before.partition("\n| name |")[0],
        "| name | package | framework | dialect | verdict | MUST broken | SHOULD broken | INFO | trials passed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, known in systems.items():
        lines.append(row(known, reports[name]) if name in reports else _row_before(known, before))
    for name, known in systems.items():
        lines += _section(known, reports[name]) if name in reports else _section_before(known, before)
    lines += models_section(models) if models is not None else _models_before(before)
    met = {broken.check for system in systems.values() for broken in system.broken}
    met |= {broken for model in MODELS for broken in model.broken}
    lines += ["", "## What the findings do to training", ""]
    lines += [
        f"- **{_link(one.id)} {one.slug}**: {one.documentation.why}"
        for one in (*catalogue().values(), *of_models().values())
        if one.id in met
    ]
    return "\n".join(lines) + "\n"


def main(folder: Path, *names: str) -> None:
    """Write the page, or what it says of some names, or say which report is missing."""
    layers = [name for name in names if name != OF_MODELS] if names else list(known_systems())
    models = [f"{OF_MODELS}/{model.name}" for model in MODELS] if not names or OF_MODELS in names else []
    missing = [name for name in (*layers, *models) if not (folder / f"{name}.json").exists()]
    if missing:
        raise SystemExit(f"{folder} holds no report of {', '.join(missing)}; tox -m audits makes all of them")
    reports = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["reports"][0]
               for name in (*layers, *models)}  # fmt: skip
    of_models_ = {name.partition("/")[2]: reports.pop(name) for name in models}
    before = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page(reports, before, of_models_ or None), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
