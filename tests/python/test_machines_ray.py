"""On a Ray cluster of two nodes, one of which is lost and joins again: the bytes of one process."""

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")

from test_machines import config, contents, sweep_words
from trainings import trained
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


def test_an_evaluation_is_not_blamed_for_workers(tmp_path, capsys):
    config = Path(__file__).parents[2] / "examples" / "ppo_puzzle8_v1.json"
    words = [
        "train",
        "--config",
        str(config),
        "--run_path",
        str(tmp_path / "run"),
        "--workers",
        "1",
    ]
    assert cli.main([*words, "--backend", "ray", "--address", "127.0.0.1:1"]) == 2
    assert "error: config: algorithm.collecting.workers: nothing" in capsys.readouterr().err


def test_another_listener_and_another_version_of_ray_are_one_line(cluster, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigError, match=r"no Ray cluster|nothing answers"):
            OnRay(1, address=address).start()
    import ray

    monkeypatch.setattr(ray, "__version__", "2.9.9")
    with pytest.raises(ConfigError, match=r"Version mismatch: .*Ray: 2\.9\.9") as refused:
        OnRay(1, address=cluster.address).start()
    assert "\n" not in str(refused.value)


def test_a_sweep_on_ray_trains_as_on_this_machine(cluster, tmp_path, capfd, monkeypatch):
    import ray

    cancelled = []
    monkeypatch.setattr(ray, "cancel", lambda asked, **_: cancelled.append(asked))
    words = sweep_words(tmp_path, "sweep", "--num_steps", "1", "--backend", "ray")
    assert cli.main([*words, "--address", cluster.address, "--seed", "2"]) == 0
    assert "1 of 1 trainings" in capfd.readouterr().out
    assert cancelled == [], "what has ended is cancelled"
    trained(tmp_path / "config.json", tmp_path / "alone", num_steps=1, seed=2)
    folders = tmp_path / "alone", tmp_path / "runs" / "seed=2"
    weights = [(folder / "checkpoint_last.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1]
    assert cli.main([*words, "--address", "127.0.0.1:1", "--seed", "3"]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    assert not (tmp_path / "runs" / "seed=3").exists()


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
