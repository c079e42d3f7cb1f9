from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["budget", "bisection", "design", "certificate", "exact", "chi_square", "mean"])
def test_importing_a_module_loads_neither_numpy_nor_scipy_nor_torch(module):
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import droppath_audit.stats.{module}; "
        "print([name for name in ('numpy', 'scipy', 'torch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_sampling_and_planning_with_a_certificate_need_the_standard_library_alone():
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; from droppath_audit.stats.certificate import Certificate; "
        "c = Certificate(0.9, 5e-4, 1e-9); c.cap; c.settled(900, 1000); c.expected_decisions(); "
        "c.interval(900, 1000); c.p_value(900, 1000); "
        "print([name for name in ('numpy', 'scipy', 'torch') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
