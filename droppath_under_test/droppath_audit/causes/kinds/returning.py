"""x comes back as it is from a call in training in which samples are to be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.causes.kinds._seeing import asks_another, condition, drawing
from droppath_audit.causes.story import Found

if TYPE_CHECKING:
    from droppath_audit.causes.story import Asked, Story


def find(story: Story, asked: Asked) -> Found | None:
    """Return the condition that leads to the line that returns x, or that line."""
    for call in story.plain():
        drops = call.drop_prob is not None and 0.0 < call.drop_prob <= 1.0 and call.training is not False
        same = call.x is not None and call.returned is not None and call.returned.key == call.x.key
        at = condition(call)
        if not drops or not same or at is None or any(drawing([call])) or any(map(asks_another, call.foreign)):
            continue  # what is kept may come back as it is
        # A probability that became 0 on the way says more than the condition that it meets.
        nothing = next((one for one in call.numbers if one.name and one.value == 0.0), None)
        return Found(
            at if nothing is None else nothing.spot,
            f"x is returned as it is, where drop_prob = {call.drop_prob:.6g} was asked for in training",
            "Return x at once only in evaluation and at drop_prob = 0.",
        )
    return None
