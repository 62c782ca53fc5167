"""Classes of `twisterl.nn` by their names in a config: trained, played, written for others."""

import importlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if os.environ.get("CI") != "true":
    pytest.importorskip("onnxruntime")

import nn_cases  # noqa: E402
import onnxruntime  # noqa: E402
from nn_cases import Like, box, choice, parts  # noqa: E402
from twisterl import cli, envs, nn  # noqa: E402
from twisterl.config.run import Part  # noqa: E402
from twisterl.export.onnx import encode  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402
from twisterl.nn.heads import Product  # noqa: E402
from twisterl.rl import PPO, columns  # noqa: E402
from twisterl.train import prepare_algorithm  # noqa: E402

SHARED = {"shared_hidden_size": 3, "shared_num_recurrent_layers": 1, "head_2_size": 2}
ADN = {"activation_nonlin": "tanh", "potentials_dyn_fcn": "pd_cubic", "outputs": 3}
# Environment, its arguments, policy and its arguments, and whether the engine trains it.
NAMED = [
    ("CartPole", {}, "MLPPolicy", {"hidden_size": 8}, True),
    ("CartPole", {}, "NormalizedPolicy", {"hidden_size": 8}, False),
    ("Pendulum", {}, "ContinuousPolicy", {"hidden_size": 8}, True),
    ("Pendulum", {}, "ResidualPolicy", {"num_blocks": 1, "hidden_size": 8}, True),
    ("TwoWalkers", {}, "SharedMultiAgentPolicy", {"num_agents": 2, "hidden_size": 8}, True),
    ("TwoWalkers", {}, "IndependentMultiAgentPolicy", {"num_agents": 2, "hidden_size": 8}, True),
    ("TwoWalkers", {}, "AttentionPolicy", {"d_model": 4, "nhead": 2}, True),
    ("Catch", {"width": 36, "height": 36}, "CNNPolicy", {"hidden_size": 4}, True),
    ("Catch", {}, "ImpalaPolicy", {"widths": [2], "hidden_size": 4}, True),
    ("Pendulum", {}, "MultiInputPolicy", {}, True),
    ("TMaze", {}, "RecurrentActorCritic", {"hidden_size": 4, "input_size": 4}, True),
    ("Pendulum", {}, "RecurrentActorCritic", {"hidden_size": 4, "input_size": 4}, True),
    ("TMaze", {}, "LSTMPolicy", {"hidden_size": 4, "num_recurrent_layers": 2}, True),
    ("Pendulum", {}, "TwoHeadedGRUPolicy", SHARED, True),
    ("Pendulum", {}, "ADNPolicy", ADN, False),
    ("TMaze", {}, "NFPolicy", {"hidden_size": 3}, False),
]
# Those of them that only torch plays.
IN_TORCH = ("ADNPolicy", "NFPolicy")


def config(env, arguments, policy_cls, policy, algorithm="PPO"):
    return {
        "env_cls": env,
        "env": arguments,
        "policy_cls": policy_cls,
        "policy": policy,
        "algorithm_cls": algorithm,
        "algorithm": {
            "collecting": {"num_episodes": 2, "num_cores": 1},
            "training": {"num_epochs": 1},
            "evals": {},
        },
    }


@pytest.mark.parametrize(
    ("env", "arguments", "policy_cls", "policy", "by_engine"), NAMED, ids=lambda value: str(value)
)
def test_they_are_trained_played_and_written(
    env, arguments, policy_cls, policy, by_engine, tmp_path, capsys
):
    given = config(env, arguments, policy_cls, policy)
    algorithm = prepare_algorithm(given, tmp_path / "run", trust=False)
    before = {name: value.clone() for name, value in algorithm.policy.state_dict().items()}
    algorithm.learn(2)
    after = algorithm.policy.state_dict()
    assert any(not torch.equal(after[name], before[name]) for name in before)
    assert (algorithm._engine_obstacle() is None) == by_engine
    played = algorithm.policy.to_rust().__reduce__()[0].__name__
    assert (played == "from_torch") == (policy_cls in IN_TORCH)
    saved = json.loads((tmp_path / "run/base_config.json").read_text("utf-8"))
    assert saved["policy_cls"].endswith(policy_cls)
    assert saved["policy"].items() >= policy.items()
    path = tmp_path / "policy.onnx"
    assert cli.main(["export", str(tmp_path / "run"), "--onnx", str(path)]) == 0
    capsys.readouterr()
    agree(algorithm.policy.eval(), onnxruntime.InferenceSession(path))


def agree(policy, session):
    """onnxruntime and torch, within 1e-5."""
    random = np.random.default_rng(0)
    seen = {
        "sparse": random.integers(0, 2, (3, policy.obs_size)).astype(np.float32),
        "float32": random.normal(size=(3, policy.obs_size)).astype(np.float32),
        "uint8": random.integers(0, 256, (3, policy.obs_size)).astype(np.uint8),
    }[policy.obs_dtype]
    inputs = {"observation": seen}
    with torch.no_grad():
        if policy.state_size:
            inputs["state"] = random.normal(size=(3, policy.state_size)).astype(np.float32)
            x = torch.from_numpy(seen)[:, None]
            logits, values, state = policy.forward_sequences(x, torch.from_numpy(inputs["state"]))
            expected = [logits[:, 0], values, state]
        else:
            expected = list(policy(torch.from_numpy(seen)))
    told = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True)
    )
    wanted = ["mean" if "mean" in told else "logits", "value", "next_state"]
    for name, each in zip(wanted, expected, strict=False):
        np.testing.assert_allclose(told[name], each, rtol=0, atol=1e-5)
    notes = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(notes["twisterl.initial_state"])) == policy.state_size
    if policy.head.spec() is not None:
        assert json.loads(notes["twisterl.head"])["head"] == policy.head.spec()["head"]
    if "log_std" in told:
        np.testing.assert_allclose(told["log_std"], policy.head.log_std.detach())


@pytest.mark.parametrize("core", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("env", ["TMaze", "Pendulum"])
def test_states_are_inputs_and_outputs(core, env):
    from twisterl.config.validation import check_env
    from twisterl.export import onnx

    torch.manual_seed(1)
    part = check_env(env, {}, "test")
    made = getattr(envs, env)(**part.as_dict())
    options = {"core": core, "input_size": 3, "hidden_size": 4, "num_layers": 2}
    policy = nn.TorchPolicy.of(nn.RecurrentActorCritic, made, options).eval()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    agree(policy, onnxruntime.InferenceSession(onnx.encode(part, made, policy)))


@pytest.mark.parametrize("policy_cls", ["ResidualPolicy", "AttentionPolicy", "NormalizedPolicy"])
def test_they_learn_by_search(policy_cls):
    small = {"d_model": 4, "nhead": 2} if policy_cls == "AttentionPolicy" else {"hidden_size": 8}
    env = {"width": 2, "height": 2, "difficulty": 2, "depth_slope": 2, "max_depth": 16}
    given = config("Puzzle", env, policy_cls, small, "AZ")
    given["algorithm"]["collecting"]["num_mcts_searches"] = 4
    algorithm = prepare_algorithm(given, trust=False)
    algorithm.learn(1)
    assert algorithm.iteration == 1


def together(kind, hidden=5):
    torch.manual_seed(2)
    return getattr(nn, kind)(box(3, 4), parts(2, 3), 3, hidden)


@pytest.mark.parametrize("kind", ["SharedMultiAgentPolicy", "IndependentMultiAgentPolicy"])
def test_agents_decide_by_their_own_views(kind):
    policy = together(kind)
    obs = torch.randn(6, 9, 4)
    outputs, values = policy.outputs(obs)
    views = obs.reshape(6 * 3, 3, 4)
    ids = torch.arange(18) % 3
    told = policy(views, ids) if kind.startswith("Ind") else policy(views)
    torch.testing.assert_close(outputs, torch.cat(told[0], 1).reshape(6, 15))
    torch.testing.assert_close(values, told[1].reshape(6, 3).sum(1, keepdim=True))
    assert isinstance(policy.head, Product) and policy.head.nvec == [2, 3] * 3
    # What an agent does not see moves nothing of it.
    changed = obs.clone()
    changed[:, 3:6] += 1
    moved = (policy.outputs(changed)[0] != outputs).any(0).tolist()
    assert moved == [5 <= place < 10 for place in range(15)]


def test_spaces_of_one_agent():
    seen, acts = nn.SharedMultiAgentPolicy.spaces_of_one(
        nn.BoxSpace(0, 1, (6, 16)), nn.MultiDiscreteSpace([5, 5]), 2
    )
    assert seen.shape == (3, 16) and acts.n == 5
    split = nn.IndependentMultiAgentPolicy.spaces_of_one
    for space, actions, count, error, said in [
        (nn.BoxSpace(0, 1, (5,)), nn.MultiDiscreteSpace([5, 5]), 2, ValueError, "a divisor of"),
        (nn.BoxSpace(0, 1, (4,)), nn.MultiDiscreteSpace([5, 4]), 2, ValueError, "same choices"),
        (nn.BoxSpace(0, 1, (4,)), nn.BoxSpace(0, 1, 2), 2, ValueError, "same choices"),
        (nn.BoxSpace(0, 1, (4,)), nn.MultiDiscreteSpace([5, 5]), 2.0, TypeError, "an integer"),
    ]:
        with pytest.raises(error, match=f"num_agents: expected .*{said}"):
            split(space, actions, count)
    with pytest.raises(TypeError, match="action_space: expected choices of several agents"):
        nn.SharedMultiAgentPolicy(box(3), box(2), 2).head  # noqa: B018


def test_statistics_are_those_of_the_rollouts():
    given = config("CartPole", {}, "NormalizedPolicy", {"hidden_size": 4})
    algorithm = prepare_algorithm(given, trust=False)
    seen = []
    for _ in range(2):
        data, _ = algorithm.collect()
        batch, _ = algorithm.data_to_torch(data)
        seen.append(np.array(columns.columns_of(data).indices).view(np.float32).reshape(-1, 4))
        algorithm.train(batch)
        algorithm.iteration += 1
    rows = np.concatenate(seen)
    norm = algorithm.policy.module.norm
    assert int(norm.count) == len(rows)
    np.testing.assert_allclose(norm.mean, rows.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.var, rows.var(0), rtol=1e-4, atol=1e-6)


def test_a_number_that_never_changed_is_only_moved():
    torch.manual_seed(0)
    policy = nn.NormalizedPolicy(box(3), choice(2), 4)
    seen = torch.randn(20, 3)
    seen[:, 1] = 7.0
    policy.update_normalization(seen)
    rows = torch.randn(5, 3)
    engine = nn.TorchPolicy(policy, [3], 2, "float32").to_rust()
    logits, values = engine.forward_batch(rows.numpy())
    with torch.no_grad():
        told = policy(rows)
    assert bool((told[0] != policy(rows + 1)[0]).any())
    np.testing.assert_allclose(logits, told[0], atol=1e-6)
    np.testing.assert_allclose(values, told[1][:, 0], atol=1e-5)


@pytest.mark.parametrize(
    "env, policy_cls, policy, said",
    [
        ("CartPole", "ContinuousPolicy", {}, "action_space: expected numbers in bounds"),
        ("CartPole", "SharedMultiAgentPolicy", {"num_agents": 2}, "num_agents: expected the same"),
        ("TwoWalkers", "SharedMultiAgentPolicy", {"num_agents": 4}, "num_agents: expected a div"),
        ("TwoWalkers", "SharedMultiAgentPolicy", {}, "num_agents: is missing"),
        ("CartPole", "CNNPolicy", {}, "observation_space: expected images"),
    ],
)
def test_faults_of_a_config_are_told(env, policy_cls, policy, said):
    with pytest.raises(ConfigError, match=said):
        prepare_algorithm(config(env, {}, policy_cls, policy), trust=False)


def test_what_only_torch_plays_keeps_its_head():
    """Also in a copy that another process makes: numbers are drawn as their head says."""
    algorithm = prepare_algorithm(config("Pendulum", {}, "ADNPolicy", ADN), trust=False)
    with torch.no_grad():
        algorithm.policy.module.actor_logstd.fill_(-1.0)
    engine = algorithm.policy.to_rust()
    head = {"head": "normal", "log_std": [-1.0], "squash": True}
    for policy in (engine, pickle.loads(pickle.dumps(engine))):
        assert json.loads(policy.__reduce__()[1][-1]) == head
    make, arguments = engine.__reduce__()
    for wrong in (json.dumps({**head, "log_std": [0.0, 0.0]}), "no head"):
        with pytest.raises(ValueError, match=r"head|as many as"):
            make(*arguments[:-1], wrong)


def test_observations_of_several_parts_are_written():
    space = nn_cases.together(image=box(2, 20, 24, low=0.0, high=1.0), place=box(3))
    parts_of = {
        "image": {"dtype": "uint8", "shape": [2, 20, 24]},
        "place": {"dtype": "float32", "shape": [3]},
    }
    torch.manual_seed(0)
    size = 2 * 20 * 24 + 3
    policy = nn.TorchPolicy(nn.MultiInputPolicy(space, choice(4)), [size], 4, parts_of).eval()
    session = onnxruntime.InferenceSession(
        encode(Part("mine", None, {}), Like(num_actions=lambda: 4), policy)
    )
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (3, 2, 20, 24)).astype(np.uint8)
    place = random.normal(size=(3, 3)).astype(np.float32)
    told = session.run(None, {"observation.image": image, "observation.place": place})
    flat = np.concatenate([image.reshape(3, -1) / 255, place], 1, dtype=np.float32)
    with torch.no_grad():
        expected = policy(torch.from_numpy(flat))
    for got, wanted in zip(told, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)


def test_a_head_of_another_size_is_refused():
    env = envs.CartPole()
    policy = nn.MLPPolicy(box(4), choice(3), 4)
    with pytest.raises(ValueError, match=r"expected actions of 2 outputs.*got MLPPolicy of 3"):
        nn.TorchPolicy(policy, env.obs_shape(), 2, "float32")


def test_the_attention_of_the_example_is_trained_by_the_engine(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "examples")
    example = importlib.import_module("puzzle8_attention")
    settings = {**example.CONFIG, "collecting": {"num_episodes": 4, "num_cores": 1}, "evals": {}}
    env = envs.Puzzle(width=3, height=3, difficulty=3, depth_slope=2, max_depth=16)
    algorithm = PPO(env, example.Attending(env.obs_shape(), env.num_actions()), settings)
    algorithm.learn(1)
    assert algorithm._engine_obstacle() is None and algorithm.iteration == 1
