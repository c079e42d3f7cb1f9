from __future__ import annotations

import pytest

from droppath_audit.core.errors import UsageError
from droppath_audit.ranks.world import VISIBLE, World, take_own_device, world

LAUNCHED = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "there", "MASTER_PORT": "29500"}


def test_who_was_not_launched_as_one_of_several_is_alone() -> None:
    assert world({}) is None
    assert world({**LAUNCHED, "RANK": "0", "WORLD_SIZE": "1"}) is None
    for name in LAUNCHED:
        assert world({key: value for key, value in LAUNCHED.items() if key != name}) is None


def test_the_launcher_says_who_is_where() -> None:
    said = {
        **LAUNCHED,
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RUN_ID": "run",
        "TORCHELASTIC_RESTART_COUNT": "1",
    }
    assert world(said) == World(3, 4, 1, 2, "there", 29500, "run/1", served=True)
    assert world(LAUNCHED) == World(3, 4, 0, 1, "there", 29500, "/0")


@pytest.mark.parametrize(("name", "value"), [("RANK", "4"), ("RANK", "-1"), ("WORLD_SIZE", "two"), ("MASTER_PORT", "")])
def test_a_variable_that_no_launcher_sets_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        world({**LAUNCHED, name: value})


@pytest.mark.parametrize(
    ("devices", "visible", "left"),
    [
        (("cuda",), None, "1"),
        (("cpu", "cuda"), "4,6", "6"),
        (("cuda:0",), "4,6", "4,6"),
        (("cpu",), None, None),
    ],
)
def test_ranks_of_a_machine_have_an_accelerator_each(
    devices: tuple[str, ...], visible: str | None, left: str | None
) -> None:
    environment = {} if visible is None else {VISIBLE: visible}
    take_own_device(devices, World(1, 2, local_rank=1, local_size=2), environment)
    assert environment.get(VISIBLE) == left


def test_ranks_without_an_accelerator_of_their_own_are_refused() -> None:
    with pytest.raises(UsageError, match="leaves 1 for 2 ranks"):
        take_own_device(("cuda",), World(1, 2, local_rank=1, local_size=2), {VISIBLE: "0"})
