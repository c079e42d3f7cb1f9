"""Write ``docs/power.md`` and ``docs/power.svg``: this suite beside the rules of others (``tox -e power``).

``python -m tools.power --fast`` measures the quick effort alone and each rule at one seed; ``--thorough N`` also the
longest effort, on N layers. Judgements are kept in ``build/power/judgements.jsonl``: a run that was cut off goes on
from there, and what the present code has not earned is measured again. ``--measured`` measures nothing and writes about
the layers that the first effort and every rule have judged so far; the page says how many they are, and how many of
them a longer effort has faced.
"""

from __future__ import annotations

import argparse

from tools import DOCS, ROOT
from tools.comparison.detection import certificate_curves
from tools.comparison.measure import complete, measure
from tools.comparison.page import page
from tools.comparison.plot import draw
from tools.graded import PAGE, section_of, with_section
from tools.rivals import rules

JUDGEMENTS = ROOT / "build" / "power" / "judgements.jsonl"


def main() -> None:
    """Measure what is missing, then write the page and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fast", action="store_true", help="the quick effort and one seed")
    parser.add_argument(
        "--thorough", type=int, default=0, metavar="N", help="put the thorough effort to N layers as well, minutes each"
    )
    parser.add_argument("--seeds", type=int, help="seeds of each rule, 3 unless told and with --fast 1")
    parser.add_argument("--processes", type=int, default=2, help="layers measured at a time")
    parser.add_argument("--measured", action="store_true", help="measure nothing more")
    options = parser.parse_args()
    efforts = ("quick",) if options.fast else ("quick", "standard", *(("thorough",) if options.thorough else ()))
    repeats = options.seeds or (1 if options.fast else 3)
    if not options.measured:
        measure(JUDGEMENTS, efforts, repeats, options.processes, {"thorough": options.thorough})
    rows = complete(JUDGEMENTS, efforts, repeats)
    curves = certificate_curves(("quick", "standard", "thorough"))
    draw(DOCS / "power.svg", rules(), curves)
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(with_section(page(rows, rules(), curves), section_of(before)), encoding="utf-8")


if __name__ == "__main__":
    main()
