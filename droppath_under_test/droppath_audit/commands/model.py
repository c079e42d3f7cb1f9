"""``droppath-audit model SPEC``: audit a whole model: its rates, and what its layers do where they stand."""

from __future__ import annotations

from typing import Any

import click

from droppath_audit.auditing import effort_option, perform, running_options, selection_options
from droppath_audit.commands import Command
from droppath_audit.config import asked_configuration
from droppath_audit.core.facts import MODEL

EXAMPLES = """\b
Examples:
  droppath-audit model 'timm:create_model?args="vit_tiny_patch16_224"&arg.drop_path_rate=0.2' --schedule linear
  droppath-audit model my_package.models:build_model --input B,3,64,64
  droppath-audit model path/to/file.py:Net --max 0.1 --only DP901
"""


@click.command(cls=Command, epilog=EXAMPLES)
@click.argument("spec", metavar="SPEC")
@click.option(
    "--input",
    "shape",
    metavar="SHAPE",
    help="Shape of its input, B for the batch (B,3,32,32), or what makes its arguments for a batch: FILE.py:function.  "
    "[default: the smallest of some that it takes]",
)
@click.option(
    "--schedule",
    metavar="RULE",
    help="Rule of the rates: linear, ends-early, paper, constant, stagewise, or none.  [default: any]",
)
@click.option(
    "--max", "largest", metavar="P", help="Largest drop_prob.  [default: that of an argument such as drop_path_rate]"
)
@click.option("--layer", metavar="REGEX", help="Modules, by name or class, that drop paths as well.")
@effort_option("standard")
@click.option("--device", "devices", multiple=True, metavar="NAME", help="Device to run on.  [default: cpu]")
@selection_options
@running_options
def command(
    spec: str, shape: str | None, schedule: str | None, largest: str | None, layer: str | None, **options: Any
) -> int:
    """Audit a whole model, with random weights.

    SPEC is what builds it: package.module:Class, package.module:function or path/to/file.py:function, followed by its
    arguments: '?args=a,b&arg.NAME=VALUE&init.config={...}'.
    """
    from droppath_audit.models.spec import parse_model, with_items

    text = with_items(spec, input=shape, schedule=schedule, max=largest, layer=layer)
    parse_model(text)
    return perform((text,), {**options, "kind": MODEL}, asked_configuration().waivers)
