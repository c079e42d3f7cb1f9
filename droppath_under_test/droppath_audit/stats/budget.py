"""The error budget of an audit and the share of it that one statistical trial may spend."""

from __future__ import annotations

DEFAULT_BUDGET = 1e-6
BETA = 1e-3
TRIALS_PER_AUDIT = 2**14


def share(budget: float) -> float:
    """Return the false-alarm probability alpha of one statistical trial.

    The share is the same for every trial and every selection, so a trial run alone judges as it does in a
    full audit; by the union bound an audit of at most ``TRIALS_PER_AUDIT`` statistical trials stays within
    ``budget``.

    Args:
        budget: Probability that an audit of a correct target raises any false alarm.

    Raises:
        ValueError: If ``budget`` is not inside (0, 1).
    """
    if not 0.0 < budget < 1.0:
        raise ValueError(f"the budget is a probability inside (0, 1), not {budget}")
    return budget / TRIALS_PER_AUDIT
