"""Evolution Strategies from Python: the same streams as in Mojo, resumable, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from twisterl import cli, train, utils
from twisterl.envs import Puzzle
from twisterl.faults import ConfigError
from twisterl.nn import BasicPolicy, BoxSpace, DiscreteSpace, MLPPolicy
from twisterl.rl import ES
from twisterl.twisterl import collector

ROOT = Path(__file__).resolve().parents[2]
CONFIG = json.loads((ROOT / "examples" / "es_puzzle8_v1.json").read_text())


def small(**algorithm):
    config = json.loads(json.dumps(CONFIG))
    config["env"]["difficulty"] = 6
    config["algorithm"]["collecting"].update(num_pairs=4, num_episodes=8)
    config["algorithm"]["training"]["num_generations"] = 2
    config["algorithm"]["evals"]["uniform"]["num_episodes"] = 20
    for section, values in algorithm.items():
        config["algorithm"].setdefault(section, {}).update(values)
    return config


def test_a_run_saves_what_mojo_would(tmp_path, curves):
    path = tmp_path / "es.json"
    path.write_text(json.dumps(small()))
    train.main(path, tmp_path / "run", num_steps=4)
    weights = utils.load_checkpoint(tmp_path / "run" / "checkpoint_last.safetensors")
    BasicPolicy([9, 9], 4, 32, []).load_state_dict(weights)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert (tmp_path / "run" / "learning_curve.png").exists()


def test_two_and_two_are_four(tmp_path):
    whole = utils.prepare_algorithm(small())
    whole.learn(4)
    parts = utils.prepare_algorithm(small(), tmp_path)
    parts.num_iterations = 4
    parts.learn(2)
    again = utils.prepare_algorithm(small(), tmp_path)
    again.resume()
    again.learn(2)
    assert again.iteration == 4
    for name, value in whole.policy.state_dict().items():
        assert torch.equal(value, again.policy.state_dict()[name]), name
    assert torch.equal(whole.optimizer.second, again.optimizer.second)


def test_generations_are_numbered_over_the_run_however_iterations_cut_them():
    """Their streams and their rates go by that number."""
    runs = []
    for num_generations in (1, 2, 4):
        length = 4 // num_generations
        schedule = {"kind": "linear", "num_iterations": length, "final_ratio": 0.1}
        training = {"num_generations": num_generations, "lr_schedule": schedule}
        run = utils.prepare_algorithm(small(training=training, learning={"diff_max": 1}))
        run.learn(length)
        runs.append(run.policy.state_dict())
    for other in runs[1:]:
        assert all(map(torch.equal, runs[0].values(), other.values()))


def test_threads_change_nothing():
    runs = [utils.prepare_algorithm(small(collecting={"num_cores": cores})) for cores in (1, 2)]
    found = [run.collect()[0].found for run in runs]
    for name, value in found[0].items():
        assert np.array_equal(value, found[1][name]), name


def test_the_value_player_solves_what_is_one_move_away():
    config = small(collecting={"player": "value"})
    config["env"]["difficulty"] = 1
    algorithm = utils.prepare_algorithm(config)
    success, reward = algorithm.evaluate({"num_episodes": 50, "start": "reset"})[0]
    assert success == 1
    assert 1 - 0.5 / 200 <= reward <= 1


def test_other_evaluations_find_what_the_value_player_found():
    config = small(collecting={"player": "value"})
    config["env"]["difficulty"] = 30
    algorithm = utils.prepare_algorithm(config)
    algorithm.learn(2)
    asked = {"num_episodes": 300, "start": "reset", "seed": 3}
    found = algorithm.evaluate(asked)[0]
    assert 0.1 < found.success < 0.9
    told = collector.evaluate_episodes(algorithm.env, algorithm.rs_pol, strategy="value", **asked)
    lengths = told["length"][told["success"]]
    assert (told["success"].mean(), lengths.mean()) == (found.success, found.mean_length)
    assert told["reward"].mean(dtype=float) == pytest.approx(found.reward)


def test_the_commands_play_as_it_learned(tmp_path, capsys):
    path = tmp_path / "es.json"
    path.write_text(json.dumps(small(learning={"num_steps": 1})))
    train.main(path, tmp_path / "run")
    words = ["eval", str(tmp_path / "run"), "--num_episodes", "5", "--json"]
    for asked, strategy in ([], "greedy"), (["--strategy", "sample"], "sample"):
        assert cli.main([*words, *asked]) == 0
        assert json.loads(capsys.readouterr().out)["strategy"] == strategy


def test_what_learned_values_plays_by_values(tmp_path, capsys):
    config = small(collecting={"player": "value"}, learning={"num_steps": 1})
    path = tmp_path / "es.json"
    path.write_text(json.dumps(config))
    train.main(path, tmp_path / "run")
    # The largest value is that of the state with the most features of the goal; the action head
    # wants to go left, whatever it costs.
    file = tmp_path / "run" / "checkpoint_last.safetensors"
    weights = {name: torch.zeros_like(tensor) for name, tensor in load_file(file).items()}
    weights["embeddings.weight"][0, [10 * cell for cell in range(9)]] = 1
    weights["value.0.weight"][0, 0] = 1
    weights["action.0.bias"][0] = 50
    save_file(weights, file)
    board = "3 1 2 4 7 5 0 6 8"
    run = [str(tmp_path / "run"), board, "--checkpoint", "last", "--beam_width", "2"]
    assert cli.main(["solve", *run]) == 0
    assert "solved in 4 moves" in capsys.readouterr().out
    assert cli.main(["solve", *run, "--strategy", "sample"]) == 2
    assert "--strategy: expected beam" in capsys.readouterr().err
    algorithm = utils.prepare_algorithm(config, None, str(file))
    assert len(algorithm.solve([int(tile) for tile in board.split()], beam_width=2)) == 4
    with pytest.raises(ValueError, match="expected beam"):
        algorithm.solve([int(tile) for tile in board.split()], strategy="greedy")


ANY = {
    "lights out, through symmetries": ("LightsOut", {"width": 3, "height": 3}, {}),
    "walls drawn anew": ("GridWorld", {}, {"common_layers": [6], "value_layers": [3]}),
    "a convolution": ("Puzzle", {"width": 4}, {"policy_cls": "Conv1dPolicy"}),
    "no such width is compiled": ("Puzzle", {}, {"embedding_size": 40, "common_layers": []}),
    "numbers as actions": ("Pendulum", {}, {}),
    "by values": ("LightsOut", {"width": 2, "height": 2}, {"player": "value"}),
}


def anywhere(name, num_cores=1):
    env, arguments, policy = ANY[name]
    policy = dict(policy)
    player = policy.pop("player", "policy")
    policy_cls = policy.pop("policy_cls", "BasicPolicy")
    training = {"num_generations": 2, "lr_schedule": {"kind": "cosine", "num_iterations": 5}}
    return {
        "env_cls": env,
        "env": arguments,
        "policy_cls": policy_cls,
        "policy": {"embedding_size": 12, "common_layers": [8], **policy},
        "algorithm_cls": "ES",
        "algorithm": {
            "collecting": {
                "num_pairs": 3, "num_episodes": 4, "num_cores": num_cores, "player": player,
                "difficulty_distribution": "uniform",
            },
            "training": training,
            "evals": {"ppo_deterministic": {"num_episodes": 5, "num_cores": num_cores}},
        },
    }  # fmt: skip


@pytest.mark.parametrize("name", ANY)
def test_any_described_network_evolves_on_any_environment(name, tmp_path):
    whole = utils.prepare_algorithm(anywhere(name, num_cores=2))
    before = {key: value.clone() for key, value in whole.policy.state_dict().items()}
    whole.learn(4)
    parts = utils.prepare_algorithm(anywhere(name), tmp_path)
    parts.learn(2)
    again = utils.prepare_algorithm(anywhere(name), tmp_path)
    again.resume()
    again.learn(2)
    idle = "action" if name == "by values" else "value"
    for key, value in whole.policy.state_dict().items():
        assert torch.equal(value, again.policy.state_dict()[key]), key
        # What no member reads is left as it was.
        stays = key.startswith(idle) or key == "log_std"
        assert torch.equal(value, before[key]) == stays, key
    assert torch.equal(whole.optimizer.second, again.optimizer.second)


def test_a_module_evolves_that_is_no_policy():
    """As `PPO` and `AZ` take it."""
    policy = MLPPolicy(BoxSpace(0, 1, 81), DiscreteSpace(range(4)))
    module = torch.nn.Sequential(torch.nn.Flatten(), policy)
    before = [parameter.clone() for parameter in module.parameters()]
    settings = {"collecting": {"num_pairs": 2, "num_episodes": 2}, "evals": {}}
    algorithm = ES(Puzzle(3, 3, 4, 2, 64), module, settings)
    algorithm.learn(1)
    assert algorithm.policy.module is module
    assert not all(map(torch.equal, module.parameters(), before))


def test_a_network_that_is_compiled_nowhere_learns():
    config = json.loads((ROOT / "examples" / "es_lights_out_v1.json").read_text())
    config["env"].update(width=2, height=2, difficulty=4)
    config["algorithm"]["collecting"].update(num_pairs=16, num_episodes=16)
    algorithm = utils.prepare_algorithm(config)
    algorithm.learn(5)
    assert algorithm.evaluate({"num_episodes": 16, "start": "uniform"})[0].success == 1.0


def test_refusals():
    config = small(collecting={"player": "value"})
    config["algorithm"]["evals"]["uniform"]["deterministic"] = False
    with pytest.raises(ConfigError, match=r"algorithm\.evals\.uniform"):
        utils.prepare_algorithm(config)
    config = small()
    config["policy_cls"], config["policy"] = "torch_nets.Gated", {}
    with pytest.raises(ConfigError, match=r"policy_cls: expected a policy that the engine plays"):
        utils.prepare_algorithm(config)
