"""Build the wheel and check what is in it: two packages, their data, and nothing that would shadow a user's folders."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "droppath_audit": ROOT / "droppath_under_test" / "droppath_audit",
    "droppath_reference": ROOT / "reference" / "droppath_reference",
}


def sources() -> set[str]:
    """Return every file of the two packages as it is named inside a wheel."""
    return {
        f"{name}/{file.relative_to(folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for file in folder.rglob("*")
        if file.suffix in {".py", ".json"} or file.name == "py.typed"
    }


def main(folder: str) -> None:
    """Build into ``folder`` and compare."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    wheel = max(Path(folder).glob("*.whl"), key=lambda path: path.stat().st_mtime)
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    missing, surplus = sources() - inside, inside - sources()
    if missing or surplus:
        raise SystemExit(f"{wheel.name}: missing {sorted(missing)}, not expected {sorted(surplus)}")
    sys.stdout.write(f"{wheel.name}: {len(inside)} files, as expected\n")


if __name__ == "__main__":
    main(sys.argv[1])
