"""Any torch module as a policy: what the engine plays, how it learns, what is refused."""

import json
import pickle

import numpy as np
import pytest
import torch
from players import COLLECTORS, SEARCHES, RingReplay, check_collection
from ring import DenseRing, Ring
from small_policy import collector, everything
from torch_nets import Answering, Gated
from twisterl import twisterl
from twisterl.envs import Puzzle, PyEnv
from twisterl.nn import BasicPolicy, TorchPolicy
from twisterl.rl import PPO, RandomWalk
from twisterl.train import prepare_algorithm

CONFIG = {
    "collecting": {"num_cores": 2, "num_episodes": 64},
    "training": {"num_epochs": 4},
    "learning": {"diff_threshold": 0.9, "diff_max": 4, "diff_metric": "solved"},
    "optimizer": {"lr": 0.01},
    "evals": {"solved": {"num_episodes": 50, "deterministic": False, "num_searches": 1}},
}


def gated(env, **options):
    torch.manual_seed(1)
    return TorchPolicy.of(Gated, env, options)


@pytest.mark.parametrize(
    "make",
    [lambda: Puzzle(3, 3, 6, 2, 64), lambda: PyEnv(DenseRing()), lambda: PyEnv(DenseRing("uint8"))],
)
def test_the_engine_asks_torch(make):
    env = make()
    env.difficulty = 6
    policy = gated(env)
    data = collector(16, 2).collect(env, policy.to_rust())
    shape = (-1, *env.obs_shape())
    if env.obs_dtype() == "sparse":
        seen = np.zeros((len(data), policy.obs_size), np.float32)
        for row, features in zip(seen, data.obs, strict=True):
            row[features] = 1
    else:
        seen = np.array(data.obs, env.obs_dtype())
    with torch.no_grad():
        logits, values = policy(torch.as_tensor(seen.reshape(shape)))
    masked = np.where(data.masks, logits.numpy(), np.float32(-1e10))
    np.testing.assert_allclose(data.arrays.logits, masked, atol=1e-5)
    np.testing.assert_allclose(data.arrays.values, values[:, 0].numpy(), atol=1e-5)


def test_it_is_a_copy_and_pickled():
    env = Puzzle(3, 3, 6, 2, 64)
    policy = gated(env)
    engine = policy.to_rust()
    before = everything(collector().collect(env, engine))
    with torch.no_grad():
        policy.module.first.weight.zero_()
    again = pickle.loads(pickle.dumps(engine))
    assert everything(collector().collect(env, engine)) == before
    assert everything(collector().collect(env, again)) == before
    assert everything(collector().collect(env, policy.to_rust())) != before


def test_a_plain_module_learns():
    env = Puzzle(3, 3, 1, 2, 64)
    torch.manual_seed(2)
    algorithm = PPO(env, Gated(env.obs_shape(), env.num_actions()), json.loads(json.dumps(CONFIG)))
    algorithm.learn(25)
    assert isinstance(algorithm.policy, TorchPolicy) and env.difficulty >= 3
    assert algorithm.solve([1, 0, 2, 3, 4, 5, 6, 7, 8]) == [0]


def test_walks_and_beams():
    env = Puzzle(2, 2, 4, 2, 16)
    config = {"collecting": {"num_cores": 2, "num_walks": 64, "walk_length": 8}, "evals": {}}
    algorithm = RandomWalk(env, gated(env), config)
    algorithm.learn(10)
    assert algorithm.solve([1, 0, 2, 3], strategy="beam", beam_width=16) == [0]


@pytest.mark.parametrize("algorithm", ["PPO", "AZ"])
def test_a_run_of_a_config_goes_on(algorithm, tmp_path):
    config = {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 3, "difficulty": 1, "depth_slope": 2, "max_depth": 32},
        "policy_cls": "torch_nets.Gated",
        "policy": {"width": 16},
        "algorithm_cls": algorithm,
        "algorithm": json.loads(json.dumps(CONFIG)),
    }
    if algorithm == "AZ":
        config["algorithm"]["collecting"] = {
            "num_cores": 1,
            "num_episodes": 8,
            "num_mcts_searches": 8,
        }
    config["algorithm"]["collecting"]["num_cores"] = 1
    whole = prepare_algorithm(config, tmp_path / "whole", trust=True)
    whole.learn(4)
    prepare_algorithm(config, tmp_path / "parts", trust=True).learn(2)
    parts = prepare_algorithm(config, tmp_path / "parts", trust=True)
    parts.resume()
    parts.learn(2)
    for name, tensor in whole.policy.state_dict().items():
        assert torch.equal(parts.policy.state_dict()[name], tensor), name


def test_self_play_in_numbers_that_it_has_not_is_told_before_a_run(tmp_path):
    config = {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 3, "difficulty": 1, "depth_slope": 2, "max_depth": 32},
        "policy_cls": "torch_nets.Gated",
        "policy": {"width": 16},
        "algorithm_cls": "AZ",
        "algorithm": {
            "collecting": {"precision": "int8"},
            "evals": {},
            "learning": {"diff_metric": None},
        },
    }
    text = "algorithm.collecting: precision: expected f32 .*, got int8"
    with pytest.raises(ValueError, match=text):
        prepare_algorithm(config, tmp_path / "run", trust=True)
    assert not list(tmp_path.iterdir())


def test_a_run_made_in_python_says_its_module(tmp_path):
    env = Puzzle(3, 3, 1, 2, 64)
    algorithm = PPO(env, gated(env, width=24), json.loads(json.dumps(CONFIG)), tmp_path)
    algorithm.learn(1)
    saved = json.loads((tmp_path / "base_config.json").read_text())
    assert (saved["policy_cls"], saved["policy"]) == ("torch_nets.Gated", {"width": 24})
    again = prepare_algorithm(saved, tmp_path, trust=True)
    again.resume()
    assert again.iteration == 1


def test_everything_plays_it():
    env = PyEnv(Ring())
    env.difficulty = 8
    policy = gated(env).to_rust()
    for make in COLLECTORS.values():
        check_collection(make(1).collect(env, policy), RingReplay())
    for options in SEARCHES.values():
        arguments = {"num_searches": 1, "num_cores": 2, **options}
        told = twisterl.collector.evaluate_episodes(env, policy, 4, **arguments)
        assert len(told["success"]) == 4


@pytest.mark.parametrize(
    "told, problem",
    [
        (lambda x: x, r"expected \(logits \[1, 4\], values \[1\]\), two tensors, got Tensor"),
        (lambda x: (x, x), r".*values \[1\]\), got tensors of \[\[1, 9, 9\], \[1, 9, 9\]\]"),
        (lambda x: (torch.zeros(1, 4), torch.zeros(2)), r".*got tensors of \[\[1, 4\], \[2\]\]"),
        (lambda x: (torch.zeros(1, 4), 1.0), ".*two tensors, got tuple"),
    ],
)
def test_what_is_no_answer(told, problem):
    env = Puzzle(3, 3, 1, 2, 64)
    with pytest.raises((TypeError, ValueError), match=f"Answering: {problem}"):
        PPO(env, Answering(told), CONFIG)


class Fixed(torch.nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 4), torch.zeros(len(x))


def test_what_is_no_network_to_train():
    env = Puzzle(3, 3, 1, 2, 64)
    with pytest.raises(TypeError, match=r"policy: expected a torch\.nn\.Module, got str"):
        PPO(env, "BasicPolicy", {})
    with pytest.raises(ValueError, match="policy: expected parameters to train, got none of Fixed"):
        PPO(env, Fixed(), {})
    # Played it can be, without being trained.
    assert len(collector(8).collect(env, TorchPolicy(Fixed(), [9, 9], 4).to_rust())) >= 8
    with pytest.raises(TypeError, match="policy: Fixed takes no arguments, got width, depth"):
        TorchPolicy.of(Fixed, env, {"width": 3, "depth": 2})


def test_what_goes_wrong_in_the_middle_comes_out():
    def failing(x):
        if len(x) > 1:
            raise ZeroDivisionError("mine")
        return torch.zeros(1, 4), torch.zeros(1)

    def infinite(x):
        return torch.full((len(x), 4), torch.inf), torch.zeros(len(x))

    env = Puzzle(3, 3, 4, 2, 64)
    for told, error, problem in [
        (failing, ZeroDivisionError, "mine"),
        (infinite, ValueError, "expected finite logits, got inf"),
    ]:
        policy = TorchPolicy(Answering(told), [9, 9], 4)
        with pytest.raises(error, match=problem):
            collector(8, 2).collect(env, policy.to_rust())
    with pytest.raises(
        ValueError, match="policy: features: expected 81 as the environment has, got 8"
    ):
        module = Gated([8], 4)
        collector(8).collect(env, TorchPolicy(module, [8], 4).to_rust())
    with pytest.raises(
        ValueError, match="obs_dtype: expected one of sparse, float32, uint8, got 'f"
    ):
        TorchPolicy(module, [8], 4, "f4")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_parameters_of_every_kind_learn(dtype):
    env = Puzzle(3, 3, 1, 2, 64)
    torch.manual_seed(1)
    policy = BasicPolicy([9, 9], 4, 8, (8,)).to(dtype)
    first = policy.common[0].weight.detach().clone()
    config = {**CONFIG, "evals": {}, "learning": {}, "collecting": {"num_episodes": 16}}
    algorithm = PPO(env, policy, config)
    algorithm.learn(2)
    weight = policy.common[0].weight.detach()
    # As many steps of the learning rate at most.
    assert weight.dtype == dtype and 0 < (weight - first).abs().max() < 0.1
    saved = algorithm.optimizer.state_dict()
    again = PPO(env, policy, config)
    again.optimizer.load_state_dict(saved)
    states = zip(saved["state"].values(), again.optimizer.state.values(), strict=True)
    assert all(torch.equal(one["exp_avg_sq"], other["exp_avg_sq"]) for one, other in states)


def test_learning_leaves_every_part_in_its_mode():
    env = Puzzle(3, 3, 1, 2, 64)
    for mode in (True, False):
        policy = gated(env).train(mode)
        part = next(policy.module.children()).train(not mode)
        PPO(env, policy, {"evals": {}, "collecting": {"num_episodes": 4}}).learn(1)
        assert (policy.training, policy.module.training, part.training) == (mode, mode, not mode)
