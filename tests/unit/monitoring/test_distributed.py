"""Two processes of gloo: counts are those of both, whatever rates they met; and one seed for both is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from droppath_audit import SurvivalMonitor
from droppath_audit.core.errors import UsageError

TRAINING = """
import json, sys
import torch
from torch import nn
from droppath_audit import SurvivalMonitor

class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob, self.kept = drop_prob, 0

    def forward(self, x):
        mask = (torch.rand(len(x), 1) >= self.drop_prob).to(x.dtype)
        self.kept += int(mask.sum())
        return x * mask

def trained(one_seed):
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(4, 4), DropPath((2 + number) / 16)) for number in range(8)]
    model = nn.parallel.DistributedDataParallel(nn.Sequential(*blocks))
    torch.manual_seed(0 if one_seed else rank)
    with SurvivalMonitor(model) as monitor:
        for _ in range(20):
            model(torch.randn(32, 4) + 1.0).sum().backward()
        if rank and not one_seed:
            blocks[0][1].drop_prob = 0.5
            with model.no_sync():
                model(torch.randn(16, 4) + 1.0).sum().backward()
        return {
            "kept": [block[1].kept for block in blocks],
            "own": [[row.layer, row.drop_prob, row.kept, row.decisions] for row in monitor.counts()],
            "all": [[row.layer, row.drop_prob, row.kept, row.decisions] for row in monitor.counts(group="world")],
            "outcomes": [one.outcome for one in monitor.certificates(group="world")],
            "depth": monitor.expected_depth(group=torch.distributed.group.WORLD).layers,
            "table": monitor.table(group="world"),
        }

rank, file = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
print(json.dumps([trained(one_seed=False), trained(one_seed=True)]))
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return what each of two processes saw, of seeds of their own and of one seed for both."""
    store = tmp_path_factory.mktemp("ranks") / "store"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAINING, str(rank), str(store)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        ended = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], ended
    return [json.loads(said.splitlines()[-1]) for said, _ in ended]


def test_counts_are_summed_over_ranks(trained):
    (first, _), (second, _) = trained
    for one in (first, second):
        layers: dict[str, int] = {}
        for layer, _, kept, _ in one["own"]:
            layers[layer] = layers.get(layer, 0) + kept
        assert list(layers.values()) == one["kept"]
    expected = {(layer, rate): [kept, decisions] for layer, rate, kept, decisions in first["own"]}
    for layer, rate, kept, decisions in second["own"]:
        before = expected.get((layer, rate), [0, 0])
        expected[layer, rate] = [before[0] + kept, before[1] + decisions]
    assert {(layer, rate): [kept, decisions] for layer, rate, kept, decisions in first["all"]} == expected
    assert expected["module.0.1", 0.5][1] == 16
    assert expected["module.1.1", 3 / 16][1] == 2 * 640 + 16
    assert first["all"] == second["all"]
    assert first["table"] == second["table"]
    assert set(first["outcomes"]) <= {"pass", "open"}
    assert first["depth"] == 8.0


def test_one_seed_for_all_ranks_is_seen_and_counted_once(trained):
    (_, first), (_, second) = trained
    assert first["own"] == second["own"] == first["all"]
    assert "ranks drew the same masks (1 as 0)" in first["table"]


def test_without_processes_that_know_each_other(made):
    model = made.model(0.5)
    with SurvivalMonitor(model) as monitor:
        model(torch.randn(4, 8))
        with pytest.raises(UsageError, match="no process group"):
            monitor.counts(group="world")
