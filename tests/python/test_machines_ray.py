"""On a Ray cluster of two nodes, one of which is lost and joins again: the bytes of one process."""

import json
import os
import sys
import time

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")

from test_machines import config, contents
from twisterl import cli
from twisterl.faults import ConfigError
from twisterl.machines.on_ray import OnRay
from twisterl.utils import prepare_algorithm

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray import cluster_utils

    head = {**NODE, "include_dashboard": False}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


def test_a_node_is_lost_and_joins_again(cluster):
    workers = {"backend": "ray", "address": cluster.address, "num_workers": 2}
    second = cluster.add_node(**NODE)
    alone = prepare_algorithm(config("PPO"))
    algorithm = prepare_algorithm(config("PPO", workers=workers))
    whole = contents(alone.collect()[0])
    coordinator = algorithm.connect().coordinator

    def wait_for(num_workers):
        end = time.monotonic() + 60
        while coordinator.transport.num_workers() < num_workers:
            assert time.monotonic() < end
            assert contents(algorithm.collect()[0]) == whole

    wait_for(2)
    asked = coordinator.transport.ask

    def ask(worker, packed, part):
        asked(worker, packed, part)
        if second.all_processes and part.first:
            cluster.remove_node(second)
            second.all_processes.clear()

    coordinator.counts()
    coordinator.transport.ask = ask
    assert contents(algorithm.collect()[0]) == whole
    assert coordinator.counts()["lost"] <= 2
    assert coordinator.transport.num_workers() == 1
    cluster.add_node(**NODE)
    wait_for(2)
    algorithm.disconnect()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("127.0.0.1:1", "nothing answers at 127.0.0.1:1"),
        ("somewhere", "expected host:port"),
    ],
)
def test_where_nobody_listens_is_one_line(address, problem):
    with pytest.raises(ConfigError, match=problem) as refused:
        OnRay(1, address=address).start()
    assert "\n" not in str(refused.value)


def test_without_ray_nothing_is_written(tmp_path, monkeypatch, capfd):
    path, run = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps(config("PPO")))
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["--config", str(path), "--run_path", str(run), "--workers", "2", "--backend", "ray"]
    assert cli.main(["train", *words]) == 2
    told = capfd.readouterr().err
    assert told.startswith("error: ") and "pip install" in told and told.count("\n") == 1
    assert not run.exists()


def test_a_worker_of_another_version_is_refused():
    transport = OnRay(1)
    with pytest.raises(ConfigError, match=r"a worker has twisterl 0\.0\.1; expected"):
        transport._join(0, "0.0.1")
