"""Imports point one way, and the light fronts stay light."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import droppath_audit
import droppath_reference
import tools

AUDIT = Path(droppath_audit.__file__).parent
REFERENCE = Path(droppath_reference.__file__).parent
TOOLS = Path(tools.__file__).parent

# What each part may import of ours, besides itself; in this order, so that no circle can be.
LAYERS = {
    "core": set(),
    "stats": {"core"},
    "report": {"core"},
    "sound": {"core"},
    # Networks with a fault are sound ones with a line changed.
    "mutants": {"core", "sound"},
    "frameworks": {"core"},
    "recordings": {"core"},
    "scripts": {"core", "frameworks"},
    "probes": {"core", "stats", "frameworks", "recordings"},
    "exact": {"core", "frameworks", "probes"},
    "fuzz": {"core", "frameworks", "probes", "scripts"},
    "space": {"core", "stats", "frameworks", "probes", "exact", "fuzz", "scripts"},
    "targets": {"core", "frameworks", "recordings"},
    # Whole models: found by the words of targets.
    "models": {"core", "frameworks", "probes", "targets"},
    # Functions of rates, by the rules of models.
    "schedules": {"core", "frameworks", "probes", "targets", "models"},
    "checks": {"core", "stats", "frameworks", "probes", "exact", "fuzz", "space", "scripts", "models", "schedules"},
    # Looks at what a script makes the target do, never at what was found.
    "causes": {"core", "frameworks"},
    "config": {"core", "targets"},
    # Reads source text by the words of targets; the command audits what it finds, through the same front as a SPEC.
    "scanning": {"core", "targets"},
    # The worker loads targets and runs checks; the supervisor only talks to it.
    # One run on the processes of a launcher; what they hand over is plain data to it.
    "ranks": {"core"},
    "run": {
        "core",
        "stats",
        "frameworks",
        "probes",
        "scripts",
        "checks",
        "causes",
        "targets",
        "models",
        "schedules",
        "ranks",
    },
    "monitoring": {"core", "stats", "frameworks", "models", "report"},
    "certification": {"core", "stats", "probes", "checks", "report", "ranks"},
    "selftest": {"core", "stats", "checks", "mutants", "sound", "run", "targets"},
    # Puts in a target's place what the selftest examines, and asks the same checks of it.
    "grading": {"core", "stats", "frameworks", "checks", "run", "targets", "selftest"},
}
STANDARD_LIBRARY_ONLY = ("core",)


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(file: Path, *, typing: bool) -> set[str]:
    """Return the modules that a file imports; those for type checkers alone only if ``typing``."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING" and not typing:
            skipped |= {id(inner) for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(name: str) -> list[Path]:
    folder = AUDIT / name
    return [folder / "__init__.py", *folder.rglob("[!_]*.py")] if folder.is_dir() else [AUDIT / f"{name}.py"]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(name):
    for file in files(name):
        for module in imports(file, typing=True):
            if module.startswith("droppath_audit.") and files(layer(module))[0].exists():
                assert layer(module) in LAYERS[name] | {name}, f"{file.name} imports {module}"


def test_no_modules_import_each_other_in_a_circle_typing_included():
    """Whoever reads a module can read what it stands on first, to the end; a layer is no leave for a circle in it."""
    homes = {
        ".".join(("droppath_audit", *file.relative_to(AUDIT).with_suffix("").parts)).removesuffix(".__init__"): file
        for file in AUDIT.rglob("*.py")
    }
    graph = {name: _wanted(file, homes) - {name} for name, file in homes.items()}
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def _wanted(file: Path, homes: dict[str, Path]) -> set[str]:
    """Return our modules that a file names; a package itself only where a name is taken from its ``__init__``."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in homes else str(node.module) for name in full.values()}
    return found & homes.keys()


@pytest.mark.parametrize("name", ["checks", "mutants", "sound"])
def test_their_files_do_not_import_each_other(name):
    """What one of them says depends on no other: whoever adds the hundredth changes none."""
    for file in (AUDIT / name).glob("[!_]*.py"):
        theirs = {module for module in imports(file, typing=True) if module.startswith(f"droppath_audit.{name}")}
        assert not theirs, f"{file.name} imports {theirs}"


def test_core_needs_the_standard_library_alone():
    for file in files("core"):
        for module in imports(file, typing=False):
            top = module.partition(".")[0]
            assert top in {*sys.stdlib_module_names, "droppath_audit"}, f"{file.name} imports {module}"


def test_the_reference_imports_nothing_of_ours():
    for file in REFERENCE.rglob("*.py"):
        assert not any(module.startswith("droppath_audit") for module in imports(file, typing=True))


def test_nothing_that_is_installed_imports_tools():
    for file in [*AUDIT.rglob("*.py"), *REFERENCE.rglob("*.py")]:
        assert "tools" not in {module.partition(".")[0] for module in imports(file, typing=True)}, file.name


def test_docs_hold_documents_alone():
    assert {file.suffix for file in tools.DOCS.rglob("*") if file.is_file()} <= {".md", ".svg"}


def test_no_class_of_selftest_or_tools_shares_its_name():
    ours = {*files("selftest"), *TOOLS.rglob("*.py")}
    others = {file for name in LAYERS if name not in ("mutants", "sound") for file in files(name)}
    homes: dict[str, list[Path]] = {}
    for file in ours | others:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(file)
    assert not {name for name, where in homes.items() if len(where) > 1 and ours & set(where)}


def test_no_module_grows_past_what_can_be_read():
    for file in [*AUDIT.rglob("*.py"), *REFERENCE.rglob("*.py"), *TOOLS.rglob("*.py")]:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 400, file.name


@pytest.mark.parametrize("module", ["droppath_audit", "droppath_audit.pytest_plugin", "droppath_audit.commands"])
def test_the_fronts_load_neither_torch_nor_numpy(module):
    code = f"import sys, {module}; print(*sorted({{'torch', 'numpy', 'scipy', 'hypothesis'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", _path() + code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--only", "DP301", "--effort", "quick"],
        ["certify", "--resolve", "0.01", "--dtype", "float32", "--drop-prob", "0.1"],
        ["power", "--effort", "quick"],
    ],
    ids=["audit", "certify", "power"],
)
def test_the_parent_of_an_isolated_run_never_imports_the_framework(words):
    code = (
        "import sys; from droppath_audit.commands import cli\n"
        f"status = cli.main({words!r}, standalone_mode=False)\n"
        "assert not status and 'torch' not in sys.modules and 'droppath_reference.drop_path' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", _path() + code], check=True, stdout=subprocess.DEVNULL)


def _path() -> str:
    return f"import sys; sys.path[:] = {sys.path!r}\n"
