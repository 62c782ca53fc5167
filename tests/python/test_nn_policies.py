"""Policies of PufferLib's kind: over random arguments, and the faults that must not return."""

import math

import numpy as np
import pytest
import torch
from nn_cases import (
    POLICIES,
    Like,
    box,
    choice,
    parts,
    tensors,
    together,
)
from twisterl import envs, nn
from twisterl.nn.cores import RecurrentCore
from twisterl.nn.encoders import ImpalaCNN
from twisterl.nn.observations import zeros
from twisterl.rl import PPO
from twisterl.train import prepare_algorithm


def made(name, seed):
    torch.manual_seed(seed)
    return POLICIES[name](np.random.default_rng(seed)).eval()


def equal(first, second, atol=1e-5):
    for one, two in zip(tensors(first), tensors(second), strict=True):
        torch.testing.assert_close(one, two, atol=atol, rtol=1e-4)


def every(count, names=POLICIES):
    """Heavy ones fewer times."""
    pairs = [
        (name, seed)
        for name in names
        for seed in range(count // 8 + 1 if name in ("cnn", "inputs") else count)
    ]
    return pytest.mark.parametrize(("name", "seed"), pairs)


@every(24)
def test_shapes_and_gradients(name, seed):
    policy = made(name, seed)
    space = policy.observation_space
    nn.check_policy_shapes(policy, space, 1 + seed % 3)
    told = nn.check_gradients(policy, space)
    assert set(told) == dict(policy.named_parameters()).keys()
    # What stands behind a ReLU may be silent; the heads never are.
    assert {told[name] for name in told if name.split(".")[0] in ("actor", "critic")} == {"ok"}
    assert "nan" not in told.values() and "missing" not in told.values()


@every(24)
def test_actions_are_judged_as_they_are_drawn(name, seed):
    policy = made(name, seed)
    obs = zeros(policy.observation_space, 4, torch.randn)
    action, logp, entropy, value, *_ = policy.get_action_and_value(obs)
    again = policy.get_action_and_value(obs, action)
    assert logp.shape == entropy.shape == (4,) and value.shape == (4, 1)
    torch.testing.assert_close(logp, again[1], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(policy.get_value(obs), value)
    likeliest = policy.get_action(obs, deterministic=True)[0]
    if not hasattr(policy.action_space, "low"):
        judged = policy.get_action_and_value(obs, likeliest)[1]
        assert bool((judged >= logp - 1e-5).all())
    else:
        assert bool((action.abs() <= 1).all())
        torch.testing.assert_close(likeliest, policy(obs)[0].tanh())


@pytest.mark.parametrize("seed", range(40))
def test_sequences_are_steps(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    policy = POLICIES["recurrent"](rng)
    num_rows, steps = map(int, rng.integers(1, 6, 2))
    shape = policy.observation_space.shape
    obs = torch.randn(num_rows, steps, *shape)
    done = torch.rand(num_rows, steps) < 0.3
    done = (done, done.float(), None)[seed % 3]
    first = torch.randn(num_rows, policy.state_size)
    *whole, last = policy(obs, first, done)
    state, told = first, []
    for t in range(steps):
        *each, state = policy(obs[:, t], state, None if done is None else done[:, t])
        told.append(tensors(each))
    equal([torch.stack(each, 1) for each in zip(*told, strict=True)], tensors(whole), 1e-6)
    equal(state, last, 1e-6)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_cores_are_torchs(kind, num_layers):
    torch.manual_seed(1)
    core = RecurrentCore(kind, 3, 4, num_layers).double()
    known = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    peer = known(3, 4, num_layers, batch_first=True).double()
    peer.load_state_dict(core.net.state_dict())
    for name, parameter in core.named_parameters():
        if "weight" in name:
            sizes = torch.linalg.svdvals(parameter)
            torch.testing.assert_close(sizes, torch.ones_like(sizes), atol=1e-5, rtol=0)
        else:
            assert not parameter.any()
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    for done in (None, torch.zeros(2, 5)):
        y, state = core(x, None, done)
        expected, last = peer(x)
        torch.testing.assert_close(y, expected)
        flat = torch.stack(last) if kind == "lstm" else last[None]
        torch.testing.assert_close(state, flat.permute(2, 0, 1, 3).flatten(1))


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_gradients_are_differences_and_end_where_a_state_restarts(kind):
    torch.manual_seed(2)
    core = RecurrentCore(kind, 2, 2).double()
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    state = torch.randn(2, core.state_size, dtype=torch.float64, requires_grad=True)
    done = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0]])
    names = [name for name, _ in core.named_parameters()]

    def told(x, state, *weights):
        return torch.func.functional_call(
            core, dict(zip(names, weights, strict=True)), (x, state, done)
        )

    assert torch.autograd.gradcheck(told, (x, state, *core.parameters()))
    core(x, state, done)[0][:, 3].sum().backward()
    assert not x.grad[0, :2].any() and x.grad[1, :2].any()
    assert not state.grad[0].any() and state.grad[1].any()


def test_independent_agents_keep_the_order():
    torch.manual_seed(0)
    policy = nn.IndependentMultiAgentPolicy(box(3), parts(2, 3), 4)
    obs, ids = torch.randn(9, 3), torch.tensor([3, 0, 0, 1, 3, 1, 0, 3, 1])
    told = tensors(policy(obs, ids))
    for row, agent in enumerate(ids):
        alone = tensors(policy.policies[agent](obs[row : row + 1]))
        equal([part[row : row + 1] for part in told], alone, 1e-6)
    torch._dynamo.reset()
    equal(torch.compile(policy, fullgraph=True, backend="eager")(obs, ids), policy(obs, ids))
    for wrong, error in ((ids - 4, ValueError), (ids.float(), TypeError), (ids[:2], ValueError)):
        with pytest.raises(error, match="agent_ids"):
            policy(obs, wrong)


def test_layers_begin_as_is_customary():
    policy = nn.CNNPolicy(box(4, 84, 84, high=255.0), choice(6))
    layers = [m for m in policy.encoder if hasattr(m, "weight")]
    assert [layer.weight.shape[0] for layer in layers] == [32, 64, 64, 512]
    assert layers[3].in_features == 64 * 7 * 7
    for layer, gain in [
        *((layer, 2**0.5) for layer in layers),
        (policy.actor, 0.01),
        (policy.critic, 1),
    ]:
        sizes = torch.linalg.svdvals(layer.weight.flatten(1))
        torch.testing.assert_close(sizes, torch.full_like(sizes, gain), rtol=1e-4, atol=1e-6)
        assert not layer.bias.any()


def test_pixels_are_shares_of_255_however_they_come():
    space = box(1, 36, 36, low=0, high=255)
    policy = nn.CNNPolicy(space, choice(2), 4)
    pixels = torch.randint(0, 256, (2, 1, 36, 36), dtype=torch.uint8)
    equal(policy(pixels), policy(pixels.float()), 0)
    shares = nn.CNNPolicy(box(1, 36, 36, low=0, high=1), choice(2), 4)
    shares.load_state_dict(policy.state_dict())
    equal(shares(pixels / 255), policy(pixels))
    encoder = ImpalaCNN(box(3, 15, 9))
    assert encoder[-2].in_features == 32 * 2 * 2 and encoder(
        pixels[:, :, :15, :9].expand(2, 3, 15, 9) / 1.0
    ).shape == (2, 256)


@pytest.mark.parametrize("seed", range(30))
def test_statistics_are_those_of_all_data(seed):
    rng = np.random.default_rng(seed)
    size = tuple(map(int, rng.integers(1, 4, rng.integers(1, 3))))
    norm = nn.RunningNorm(size if seed % 2 else int(np.prod(size))).double()
    size = norm.size
    x = torch.randn(3, *size, dtype=torch.float64)
    assert torch.equal(norm(x), x)
    seen = []
    for _ in range(rng.integers(1, 5)):
        batch = rng.normal(size=(rng.integers(1, 6), *size)) * 10 + 5
        batch[..., 0] = 3.7
        seen.append(batch)
        norm.update(torch.tensor(batch))
    data = np.concatenate(seen)
    np.testing.assert_allclose(norm.mean, data.mean(0), rtol=1e-10)
    np.testing.assert_allclose(norm.var, data.var(0), rtol=1e-10, atol=1e-20)
    before = norm.mean.clone()
    told = norm(torch.tensor(data))
    assert torch.equal(norm.mean, before) and not list(norm.parameters())
    np.testing.assert_allclose(told[..., 0], 0, atol=1e-10)
    spread = data.std(0) > 1e-8
    expected = (data - data.mean(0)) / (data.std(0) + 1e-8)
    np.testing.assert_allclose(told[:, spread], expected[:, spread], rtol=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_observations_are_flattened_and_back(seed):
    rng = np.random.default_rng(seed)

    def space(depth):
        kind = rng.integers(6 if depth else 4)
        if kind < 3:
            return [choice(4), box(*map(int, rng.integers(1, 4, rng.integers(0, 4)))), parts(2, 3)][
                kind
            ]
        inner = [space(depth - 1) for _ in range(rng.integers(1, 4))] if depth else [box(2)]
        if kind % 2:
            return together(**{f"k{9 - i}": part for i, part in enumerate(inner)})
        return Like(spaces=tuple(inner), shape=None)

    whole, lead = space(2), tuple(map(int, rng.integers(1, 4, rng.integers(0, 3))))

    def drawn(space):
        inner = getattr(space, "spaces", None)
        if isinstance(inner, dict):
            return {key: drawn(part) for key, part in inner.items()}
        if inner is not None:
            return tuple(map(drawn, inner))
        return torch.tensor(rng.normal(size=(*lead, *space.shape)))

    def leaves(obs):
        if isinstance(obs, torch.Tensor):
            return [obs.reshape(*lead, -1)]
        return [
            leaf
            for part in (obs.values() if isinstance(obs, dict) else obs)
            for leaf in leaves(part)
        ]

    obs = drawn(whole)
    flat = nn.flatten_observations(obs, whole)
    assert torch.equal(flat, torch.cat(leaves(obs), -1))
    back = nn.unflatten_observations(flat.requires_grad_(), whole)
    assert torch.equal(nn.flatten_observations(back, whole), flat)
    nn.flatten_observations(back, whole).sum().backward()
    assert bool((flat.grad == 1).all())
    with pytest.raises(ValueError, match="flat"):
        nn.unflatten_observations(flat[..., 1:], whole)


class Wrapped(torch.nn.Module):
    def __init__(self, size, actions):
        super().__init__()
        self.encode, self.decode = torch.nn.Linear(size, 8), torch.nn.Linear(16, actions + 1)

    def encode_observations(self, obs, state=None):
        return torch.tanh(self.encode(obs))

    def decode_actions(self, hidden):
        told = self.decode(hidden)
        return told[:, :-1], told[:, -1:]


def test_the_wrapper_steps_as_it_goes_over_sequences():
    torch.manual_seed(0)
    policy = Wrapped(3, 5)
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    wrapper = nn.LSTMWrapper(Like(single_observation_space=box(3)), policy, 8, 16)
    assert all(torch.equal(policy.state_dict()[name], tensor) for name, tensor in before.items())
    pointers = [tensor.data_ptr() for tensor in wrapper.state_dict().values()]
    assert len(set(pointers)) == len(pointers) == 8
    obs, kept, state = torch.randn(2, 6, 3), {"lstm_h": None, "lstm_c": None}, {}
    logits, values = wrapper(obs, kept)
    assert logits.shape == (12, 5) and values.shape == (2, 6)
    for t in range(6):
        told, value = wrapper.forward_eval(obs[:, t], state)
        assert value.shape == (2, 1) and state["lstm_h"].shape == (2, 16)
        equal((told, value[:, 0]), (logits.reshape(2, 6, 5)[:, t], values[:, t]), 1e-6)
    equal([kept["lstm_h"], kept["lstm_c"]], [state["lstm_h"], state["lstm_c"]], 1e-6)
    assert not kept["lstm_h"].requires_grad
    step = wrapper(obs[:, 0], {name: part[None].detach() for name, part in state.items()})
    assert step[1].shape == (2, 1)
    for wrong in (torch.zeros(2, 6, 4), torch.zeros(3)):
        with pytest.raises(ValueError, match="observations"):
            wrapper(wrong, {})
    with pytest.raises(ValueError, match="lstm_h"):
        wrapper(obs, {"lstm_h": torch.zeros(3, 16), "lstm_c": torch.zeros(3, 16)})


def test_the_wrapper_is_trained_as_it_is():
    torch.manual_seed(0)
    env = envs.CartPole()
    one = nn.LSTMWrapper(Like(single_observation_space=box(4)), Wrapped(4, 2), 8, 16)
    settings = {"collecting": {"num_episodes": 2, "num_cores": 1}, "evals": {}}
    algorithm = PPO(env, one, {**settings, "training": {"num_epochs": 1}})
    before = one.lstm.net.weight_hh_l0.clone()
    algorithm.learn(1)
    assert algorithm._engine_obstacle() is None
    assert not torch.equal(one.lstm.net.weight_hh_l0, before)
    # As its own methods tell it.
    obs, state = torch.randn(3, 5, 4), torch.randn(3, 32)
    kept = dict(zip(("lstm_h", "lstm_c"), state.split(16, 1), strict=True))
    logits, values, after = one.outputs(obs, state)
    equal((logits.flatten(0, 1), values[..., 0]), one(obs, kept))
    equal([after], [torch.cat([kept["lstm_h"], kept["lstm_c"]], 1)])


def test_attention_is_no_linear_map():
    torch.manual_seed(0)
    policy = nn.AttentionPolicy(box(4), choice(2), 8, 2)
    x, y = torch.randn(2, 1, 4)
    features = policy.encoder
    middle = (features(x) + features(y)) / 2 - features((x + y) / 2)
    assert middle.abs().max() > 1e-3


def test_attention_tells_boards_apart():
    """The same tokens at other places make no small difference, from the first weights on."""
    torch.manual_seed(0)
    policy = nn.AttentionPolicy(box(9, 9), choice(4), 16, 2)
    boards = torch.stack([torch.eye(9)[torch.randperm(9)] for _ in range(50)])
    features = policy.encoder(boards).detach()
    assert features.std(0).norm() > 0.05 * features.mean(0).norm()


SPACE, ACTIONS = box(3), choice(2)


@pytest.mark.parametrize(
    "error, said, call",
    [
        (ValueError, "num_blocks", lambda: nn.ResidualPolicy(SPACE, ACTIONS, num_blocks=-1)),
        (TypeError, "hidden_size", lambda: nn.MLPPolicy(SPACE, ACTIONS, 2.5)),
        (ValueError, "d_model", lambda: nn.AttentionPolicy(SPACE, ACTIONS, 7, 2)),
        (ValueError, "observation_space", lambda: nn.CNNPolicy(SPACE, ACTIONS)),
        (ValueError, "larger images", lambda: nn.CNNPolicy(box(3, 8, 8), ACTIONS)),
        (TypeError, "action_space", lambda: nn.ContinuousPolicy(SPACE, ACTIONS)),
        (TypeError, "observation_space", lambda: nn.MLPPolicy(3, ACTIONS)),
        (ValueError, "space: expected an array", lambda: nn.MLPPolicy(ACTIONS, ACTIONS)),
        (ValueError, "core", lambda: nn.RecurrentActorCritic(SPACE, ACTIONS, "tcn")),
        (ValueError, "obs", lambda: nn.MLPPolicy(SPACE, ACTIONS)(torch.zeros(2, 4))),
        (TypeError, "obs: expected tensors", lambda: nn.MLPPolicy(SPACE, ACTIONS)("a wall")),
        (TypeError, "action_space", lambda: nn.check_policy_shapes(torch.nn.Linear(3, 2), SPACE)),
        (ValueError, "action", lambda: judged(torch.tensor([0, 2]))),
        (ValueError, "state", lambda: nn.LSTMCore(3, 2)(torch.zeros(2, 4, 3), torch.zeros(2, 2))),
        (ValueError, "done", lambda: nn.LSTMCore(3, 2).step(torch.ones(2, 3), None, torch.ones(3))),
        (TypeError, "encoder", lambda: nn.ActorCritic(lambda x: x, action_space=ACTIONS)),
        (ValueError, "encoder", lambda: nn.ActorCritic(torch.nn.Flatten(), action_space=ACTIONS)),
        (TypeError, "policy", lambda: nn.LSTMWrapper(None, torch.nn.Linear(1, 1))),
        (ValueError, "size", lambda: nn.RunningNorm(0)),
        (ValueError, "x", lambda: nn.RunningNorm(3)(torch.zeros(2))),
        (ValueError, "x: .* finite", lambda: nn.RunningNorm(1).update(torch.ones(1) * math.nan)),
        (ValueError, "num_agents", lambda: nn.SharedMultiAgentPolicy(SPACE, ACTIONS, 0)),
        (ValueError, "what policy returns", lambda: nn.check_policy_shapes(Broken(), SPACE)),
    ],
)  # fmt: skip
def test_what_is_refused(error, said, call):
    with pytest.raises(error, match=said):
        call()


def test_a_single_number_is_a_part_of_an_observation():
    gymnasium = pytest.importorskip("gymnasium")
    space = gymnasium.spaces.Dict(
        number=gymnasium.spaces.Box(-1, 1, ()), choice=gymnasium.spaces.Discrete(3)
    )
    seen = {"number": torch.rand(5), "choice": torch.arange(5) % 3}
    assert nn.MultiInputPolicy(space, ACTIONS)(seen)[0].shape == (5, 2)


def judged(action):
    return nn.MLPPolicy(SPACE, ACTIONS).get_action_and_value(torch.zeros(2, 3), action)


class Broken(torch.nn.Module):
    action_space = ACTIONS

    def forward(self, x):
        return x, x


def config(policy_cls, policy, algorithm="PPO"):
    collecting = (
        {"num_episodes": 64} if algorithm == "PPO" else {"num_episodes": 8, "num_mcts_searches": 8}
    )
    return {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 3, "difficulty": 1, "depth_slope": 2, "max_depth": 32},
        "policy_cls": policy_cls,
        "policy": policy,
        "algorithm_cls": algorithm,
        "algorithm": {
            "collecting": {"num_cores": 1, **collecting},
            "training": {"num_epochs": 4},
            "learning": {"diff_threshold": 0.9, "diff_max": 3, "diff_metric": "solved"},
            "optimizer": {"lr": 0.003},
            "evals": {"solved": {"num_episodes": 50, "deterministic": False, "num_searches": 1}},
        },
    }


@pytest.mark.parametrize(
    "policy_cls, policy",
    [
        ("twisterl.nn.ResidualPolicy", {"num_blocks": 1, "hidden_size": 64}),
        ("MLPPolicy", {"hidden_size": 64}),
        ("AttentionPolicy", {"d_model": 32, "nhead": 4}),
        ("RecurrentActorCritic", {"core": "gru", "input_size": 32, "hidden_size": 32}),
    ],
)
def test_they_learn_from_a_config_of_anywhere(policy_cls, policy, tmp_path):
    algorithm = prepare_algorithm(config(policy_cls, policy), tmp_path, trust=False)
    # What remembers takes longer.
    iterations = 40 if "Recurrent" in policy_cls else 12
    algorithm.learn(iterations)
    assert algorithm.env.difficulty == 3
    assert algorithm.solve([1, 0, 2, 3, 4, 5, 6, 7, 8]) == [0]
    again = prepare_algorithm(config(policy_cls, policy), tmp_path, trust=False)
    again.resume()
    assert again.iteration == iterations


def test_they_learn_by_search():
    policy = {"num_blocks": 1, "hidden_size": 32}
    algorithm = prepare_algorithm(config("ResidualPolicy", policy, "AZ"), trust=False)
    algorithm.learn(2)
    assert algorithm.iteration == 2


def test_faults_of_a_config_are_told():
    with pytest.raises(ValueError, match="d_model: expected a multiple of nhead 4, got 30"):
        prepare_algorithm(config("AttentionPolicy", {"d_model": 30, "nhead": 4}), trust=False)
    with pytest.raises(ValueError, match="num_blocks"):
        prepare_algorithm(config("ResidualPolicy", {"num_block": 1}), trust=False)
