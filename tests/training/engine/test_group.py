"""Several processes that train one network: real ones, started by PyTorch's own launcher, in one go for all that is asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist

from tests.training.engine.builders import make_data, tiny_config
from training.engine import group as grouping
from training.engine.config import ConfigError
from training.engine.fit import fit
from training.engine.group import Group
from training.engine.setting import _require_enough

HERE = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each of two processes got, by rank."""
    folder = tmp_path_factory.mktemp("together")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    script = ["--no-python", sys.executable, "-m", "tests.training.engine.together", str(folder)]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, *script], cwd=HERE, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_all_processes_get_the_same_weights_to_the_bit(told):
    first, second = told
    assert first == second


def test_a_run_that_goes_on_from_a_checkpoint_ends_with_the_weights_of_one_that_was_not_interrupted(told):
    assert told[0]["resumed"] == told[0]["whole"]


def test_one_process_that_is_told_to_stop_stops_all_at_the_same_step(told):
    assert [one["stopped"] for one in told] == [[True, 2], [True, 2]]


def test_memory_that_runs_out_in_one_process_makes_the_shards_of_all_smaller(told):
    _, history, stopped = told[0]["short"]
    assert not stopped
    assert "memory ran out: 2 scans at a time" in history[0][2]


def test_a_frozen_phase_and_learning_without_labels_are_shared_too(told):
    assert len(told[0]["frozen"][1]) == 3
    assert "epochs without labels on 22 scans" in told[0]["self_supervised"][1][0][2]


def test_two_processes_learn_much_as_one_does(told):
    alone = fit(make_data(22, 10), tiny_config(epochs=3), device="cpu")
    for report, (loss, _, _) in zip(alone.history, told[0]["whole"][1], strict=True):
        assert loss == pytest.approx(report.train_loss, abs=0.15)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shards_and_spans_cover_everything_once(size):
    batch = np.arange(17)
    processes = [Group(rank=rank, size=size) for rank in range(size)]
    assert np.concatenate([one.shard(batch) for one in processes]).tolist() == batch.tolist()
    spans = [one.span(70, 32) for one in processes]
    assert [number for span in spans for number in range(70)[span]] == list(range(70))
    assert all(span.start % 32 == 0 for span in spans)


def test_more_processes_than_the_smallest_batch_has_scans_for_are_refused_in_words():
    with pytest.raises(ConfigError, match="TRAINING_PROCESSES to 2 or less"):
        _require_enough(make_data(4, 4), tiny_config(), Group(size=4))


def test_a_process_that_never_comes_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(grouping, "ARRIVAL_S", 0.3)
    store = dist.HashStore()
    with pytest.raises(grouping.PeerLost, match="of the 2 processes of the training 1 came within"):
        grouping.gather(store, 2)
    # The second one comes after all: the first has gone, so it has nobody to wait for.
    with pytest.raises(grouping.PeerLost):
        grouping.gather(store, 2)
    both = dist.HashStore()
    both.add("came", 1)
    grouping.gather(both, 2)


def test_each_process_has_a_gpu_of_its_own_or_the_run_is_refused(monkeypatch):
    monkeypatch.setattr(grouping.torch.cuda, "device_count", lambda: 2)
    assert [grouping.own_device("cuda", rank, 2) for rank in (0, 1)] == ["cuda:0", "cuda:1"]
    assert grouping.own_device("cpu", 1, 4) == "cpu"
    with pytest.raises(ConfigError, match="there are 2 here; set TRAINING_PROCESSES"):
        grouping.own_device("cuda", 0, 4)
