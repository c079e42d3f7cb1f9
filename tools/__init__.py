"""What writes the generated pages of ``docs/``: part of the repository, never of what is installed.

``python -m tools.pages``, ``tools.figures``, ``tools.audits``, ``tools.timing``, ``tools.calibrating`` and
``tools.power`` each write a page or two, ``tools.reference`` those that are looked up, ``tools.samples`` what commands
print on any page. ``tools.site`` gathers all of them for the documentation site. ``rivals`` restates the statistical
rules of other suites, ``comparison`` puts them beside this one.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
