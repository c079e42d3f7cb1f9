from __future__ import annotations

from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from droppath_audit.fuzz.strategies import alone


def test_what_alone_replaces_in_hypothesis_is_there_to_be_replaced() -> None:
    """A version of Hypothesis that renames it would read constants from its surroundings again, unheard."""
    before = providers._get_local_constants, providers.CONSTANTS_CACHE
    with alone():
        assert providers._get_local_constants() == Constants()
        assert providers.CONSTANTS_CACHE is not before[1]
    assert (providers._get_local_constants, providers.CONSTANTS_CACHE) == before
