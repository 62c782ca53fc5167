"""A saved run is data nobody vouches for: what cannot continue it is refused by name."""

import hashlib
import json
import shutil

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from trainings import train, trained  # noqa: E402
from twisterl import cli, utils  # noqa: E402
from twisterl.cli import player  # noqa: E402
from twisterl.runs import tensors  # noqa: E402
from twisterl.runs.errors import CheckpointError  # noqa: E402

COMMITTED = ("weights.safetensors", "optimizer.safetensors", "state.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    algorithm = utils.prepare_algorithm(json.loads(json.dumps(SMALL)), folder)
    algorithm.learn(2)
    (folder / "base_config.json").write_text(json.dumps(SMALL))
    return folder


def put(key, value):
    return lambda state, moments, weights: state.__setitem__(key, value)


def moment(key, value):
    return lambda state, moments, weights: moments.__setitem__(key, value)


def weight(key, value):
    return lambda state, moments, weights: weights.__setitem__(key, value)


CASES = {
    "state.json: iteration: got": put("iteration", "x"),
    "iteration: got -5": put("iteration", -5),
    "iteration: got 1e+30": put("iteration", 1e30),
    "total_steps: got null": put("total_steps", None),
    "elapsed_s: got -1": put("elapsed_s", -1),
    "difficulty: got 4294967296": put("difficulty", 2**32),
    "difficulty: got true": put("difficulty", True),
    "best_metrics: got": put("best_metrics", "abc"),
    "best_metrics[1]: got": put("best_metrics", [1, "a"]),
    "torch_threads: got 0": put("torch_threads", 0),
    "optimizer: got null": put("optimizer", None),
    "elapsed_s: is missing": lambda state, moments, weights: [state.pop("elapsed_s")],
    "its scalars": put("optimizer", {}),
    "no numbers": put("optimizer", {"scalars": {"0": {"step": "many"}}}),
    "by weight and name": put("optimizer", {"scalars": {"x": {}}}),
    "optimizer.0.lr is not part": put("optimizer", {"scalars": {"0": {"lr": 1.0}}}),
    # Torch would write beyond the end of it.
    "optimizer.0.exp_avg is torch.float32 [3]; expected torch.float32 [16, 16]": moment(
        "optimizer.0.exp_avg", torch.zeros(3)
    ),
    "optimizer.0.exp_avg is torch.float64": moment(
        "optimizer.0.exp_avg", torch.zeros(16, 16, dtype=torch.float64)
    ),
    "optimizer.1.step is torch.float32 [2]": moment("optimizer.1.step", torch.zeros(2)),
    "optimizer.99.exp_avg is not part": moment("optimizer.99.exp_avg", torch.zeros(3)),
    "optimizer.x.exp_avg is not part": moment("optimizer.x.exp_avg", torch.zeros(3)),
    "optimizer.0.exp_avg_sq is missing": lambda state, moments, weights: [
        moments.pop("optimizer.0.exp_avg_sq")
    ],
    "random.cpu is no state": moment("random.cpu", torch.zeros(3, dtype=torch.uint8)),
    "value.0.bias has shape [3]; expected [1]": weight("value.0.bias", torch.zeros(3)),
    "value.0.bias has dtype": weight("value.0.bias", torch.zeros(1, dtype=torch.int64)),
}


@pytest.mark.parametrize("said", CASES)
def test_what_cannot_continue_a_run_is_refused(finished, tmp_path, capsys, said):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (commit,) = (run / "resume").iterdir()
    state = json.loads((commit / "state.json").read_text())
    moments, _ = tensors.read(commit / "optimizer.safetensors")
    weights, _ = tensors.read(commit / "weights.safetensors")
    CASES[said](state, moments, weights)
    (commit / "state.json").write_text(json.dumps(state))
    (commit / "optimizer.safetensors").write_bytes(tensors.encode(moments))
    (commit / "weights.safetensors").write_bytes(tensors.encode(weights))
    digests = {name: hashlib.sha256((commit / name).read_bytes()) for name in COMMITTED}
    manifest = {name: digest.hexdigest() for name, digest in digests.items()}
    (commit / "manifest.json").write_text(json.dumps(manifest))
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}

    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", "3"]) == 2
    error = capsys.readouterr().err
    assert said in error and str(run) in error and "Traceback" not in error
    assert before == {path: path.read_bytes() for path in run.rglob("*.safetensors")}


def az(small):
    small["algorithm_cls"] = "AZ"
    small["algorithm"]["collecting"] = {"num_cores": 1, "num_episodes": 4, "num_mcts_searches": 4}
    small["algorithm"]["training"] = {"num_epochs": 1, "replay_size": 100}
    return utils.prepare_algorithm(small)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("indices", lambda values: values + 1000),
        ("indices", lambda values: values - 1000),
        ("indices", lambda values: values[:-1]),
        ("indices", lambda values: values.float()),
        ("offsets", lambda values: values.flip(0)),
        ("offsets", lambda values: values[:-1]),
        ("offsets", lambda values: torch.zeros(0, dtype=torch.int64)),
        ("rows", lambda values: values + 1000),
        ("rows", lambda values: values - 1),
        ("perms", lambda values: values + 5),
        ("illegal", lambda values: values.long()),
        ("illegal", lambda values: values[:, :2]),
        ("visits", lambda values: values[:2]),
        ("visits", lambda values: torch.tensor(0.0)),
        ("returns", lambda values: values[:, None]),
        ("more", None),
    ],
)
def test_a_replay_buffer_that_is_none_is_refused(small, name, change):
    algorithm = az(small)
    algorithm.learn(1)
    good = dict(algorithm.memory())
    algorithm.remember(good)
    bad = {**good, name: torch.zeros(1) if change is None else change(good[name])}
    with pytest.raises(CheckpointError, match="holds no samples of 16 features and 4 actions"):
        algorithm.remember(bad)
    assert torch.equal(algorithm.memory()["visits"], good["visits"])


def test_a_file_of_another_network_says_how_it_differs(small, tmp_path, capsys, caplog):
    """A training refuses it; what plays it goes by the file, not by the class of the run."""
    small["policy_cls"] = "torch_nets.Plain"
    config, policy = tmp_path / "config.json", tmp_path / "policy.safetensors"
    for function in ("Tanh", "ReLU"):
        small["policy"] = {"function": function}
        config.write_text(json.dumps(small))
        trained(config, tmp_path / function, num_steps=1)
    assert cli.main(["export", str(tmp_path / "Tanh"), "--safetensors", str(policy)]) == 0
    capsys.readouterr()
    # The config is that of the ReLU.
    assert train(config, tmp_path / "run", "--load_checkpoint_path", str(policy)) == 2
    error = capsys.readouterr().err
    differs = "encoder.1: got activation, expected relu"
    assert "describes another network" in error and differs in error
    assert error.count("\n") == 1 and not (tmp_path / "run").exists()

    def outputs(run, checkpoint):
        played = player.read(str(tmp_path / run), trust=True).load(str(checkpoint))
        return played.policy.predict(played.env.observe(), played.env.masks())

    assert not caplog.records
    assert outputs("ReLU", policy) == outputs("Tanh", "best")
    assert differs in caplog.text and caplog.text.count("plays the network of the file") == 1
    assert outputs("ReLU", "best") != outputs("Tanh", policy)
    spoilt = tensors.encode(tensors.read(policy)[0], {"twisterl.network": "[1]"})
    policy.write_bytes(spoilt)
    with pytest.raises(CheckpointError, match=r"metadata twisterl\.network: expected an object"):
        outputs("Tanh", policy)
