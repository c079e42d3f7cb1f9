"""What a rounded-down mask really does in bfloat16: measured frequencies against the exact ones of its generator."""

from __future__ import annotations

import pytest

# Enumerated: drop_prob 0.1 really drops 0.10132, drop_prob 0.5 drops 0.49902.
EXACT = {0.1: 0.10132, 0.5: 0.49902}


def test_the_keep_probability_in_bfloat16_is_what_the_generator_says(known, audited):
    result = next(result for result in audited.report["results"] if result["trial"] == "DP101[cpu-bfloat16]")
    if not any(entry.check == "DP101" and "bfloat16" in entry.dtypes for entry in known.broken):
        assert result["verdict"] in ("pass", "not-applicable")
        return
    cells = {cell["drop_prob"]: cell for cell in result["evidence"]["cells"]}
    for drop_prob, exact in EXACT.items():
        n = cells[drop_prob]["decisions"]
        dropped = 1.0 - cells[drop_prob]["kept"] / n
        # Six standard deviations (size 2e-9) plus half of the last digit quoted.
        assert dropped == pytest.approx(exact, abs=6.0 * (exact * (1.0 - exact) / n) ** 0.5 + 5e-6)
