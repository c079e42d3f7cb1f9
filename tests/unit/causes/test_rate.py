"""Which number an operation decides by."""

from __future__ import annotations

from types import SimpleNamespace

from droppath_audit.causes.kinds import rate
from droppath_audit.causes.story import Story


def test_what_a_draw_overwrites_is_no_rate() -> None:
    """Return nothing where bernoulli_ is given the rate that was asked for, whatever was in its memory."""

    def found(name: str) -> object:
        memory, p = SimpleNamespace(number=0.25), SimpleNamespace(number=0.5)
        draw = SimpleNamespace(name=name, random=True, numbers=(), given=(memory, p), spot=None)
        call = SimpleNamespace(constructs=False, drop_prob=0.5, training=True, operations=[draw], numbers=[])
        story = SimpleNamespace(calls=[call], plain=lambda: [call])
        assert {"calls", "plain"} <= {*dir(Story), *Story.__dataclass_fields__}
        return rate.find(story, None)  # type: ignore[arg-type]

    assert found("bernoulli_") is None
    assert found("bernoulli") is not None
