"""Updates by the engine: torch's gradients and steps, whatever the network, for any threads."""

import copy
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from block_cases import Heads  # noqa: E402
from twisterl.envs import Catch, Cube2, LightsOut, Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy, TorchPolicy  # noqa: E402
from twisterl.rl import AZ, PPO, RandomWalk  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

COLLECTING = {
    "PPO": {"num_episodes": 24, "num_cores": 1},
    "AZ": {"num_episodes": 4, "num_cores": 1, "num_mcts_searches": 8},
    "RandomWalk": {"num_walks": 12, "walk_length": 12, "num_cores": 1},
}
ALGORITHMS = {"PPO": PPO, "AZ": AZ, "RandomWalk": RandomWalk}


def drawn_policy(env, seed):
    """A network of a random shape, with the symmetries of `env` for every other seed."""
    random = np.random.default_rng(seed)

    def widths(most):
        return random.integers(1, 40, size=random.integers(0, most + 1)).tolist()

    layers = {
        "common_layers": widths(2),
        "policy_layers": widths(2),
        "value_layers": widths(2),
    }
    twists = dict(zip(("obs_perms", "act_perms"), env.twists(), strict=True)) if seed % 2 else {}
    torch.manual_seed(seed)
    shape, size = env.obs_shape(), int(random.integers(1, 70))
    if len(shape) == 2 and seed % 3 == 0:
        conv_dim = int(random.integers(2))
        size = shape[1 - conv_dim] * int(random.integers(1, 8))
        return Conv1dPolicy(shape, env.num_actions(), size, conv_dim, **layers, **twists)
    return BasicPolicy(shape, env.num_actions(), size, **layers, **twists)


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(16, 5)

    def forward(self, x):
        outputs = self.layer(x.reshape(len(x), -1))
        return outputs[:, :4], outputs[:, 4:]


def made(name, env, policy, engine, seed=0, **training):
    config = {
        "engine": engine,
        "seed": seed,
        "device": "cpu",
        "collecting": COLLECTING[name],
        "training": training,
        "evals": {},
    }
    return ALGORITHMS[name](env, copy.deepcopy(policy), config)


def gradients(algorithm):
    return [parameter.grad.numpy().astype(np.float64) for parameter in parameters(algorithm)]


def parameters(algorithm):
    return list(algorithm.policy.parameters())


def weights(algorithm):
    return torch.cat([parameter.detach().flatten() for parameter in parameters(algorithm)])


@pytest.mark.parametrize("name", list(ALGORITHMS))
def test_gradients_are_those_of_torch(name):
    envs = [Puzzle(3, 3, 6, 2, 32, forbid_undo=True), LightsOut(width=3, height=3), Cube2()]
    coefficients = {
        "PPO": {"ent_coef": 0.05, "normalize_advantage": True},
        "AZ": {"l2": 0.01, "vf_coef": 0.7, "policy_coef": 1.3},
        "RandomWalk": {"vf_coef": 0.6, "sample_power": 0.5},
    }[name]
    for seed in range(17):
        env = envs[seed % 3]
        env.difficulty = 5
        policy = drawn_policy(env, seed)
        by_torch, by_rust = (
            made(name, env, policy, engine, **coefficients) for engine in ("torch", "rust")
        )
        require_equal_gradients(by_torch, by_rust)


def require_equal_gradients(by_torch, by_rust):
    data, _ = by_torch.collect()
    with torch.no_grad():
        # Other weights than those that played, so that ratios differ from 1.
        for one, other in zip(parameters(by_torch), parameters(by_rust), strict=True):
            one += 0.1 * torch.randn(one.shape)
            other.copy_(one)
    batch, _ = by_torch.data_to_torch(data)
    losses = [algorithm.train_step(batch)[0] for algorithm in (by_torch, by_rust)]
    assert losses[1] == pytest.approx(losses[0], rel=2e-5, abs=2e-6)
    expected, got = gradients(by_torch), gradients(by_rust)
    scale = max(np.abs(gradient).max() for gradient in expected)
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * scale)


def test_gradients_in_bf16_are_as_near_as_those_of_torch():
    env = Puzzle(3, 3, 6, 2, 32)
    torch.manual_seed(2)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 96, [70, 33])
    whole, by_torch, by_rust = (
        made("RandomWalk", env, policy, engine, precision=precision)
        for engine, precision in (("rust", "f32"), ("torch", "bf16"), ("rust", "bf16"))
    )
    batch, _ = whole.data_to_torch(whole.collect()[0])
    losses = [algorithm.train_step(batch)[0] for algorithm in (whole, by_torch, by_rust)]
    # Eight bits of a factor.
    assert losses[2] == pytest.approx(losses[0], rel=4e-3)
    exact, peers, ours = map(gradients, (whole, by_torch, by_rust))
    for one, other, got in zip(exact, peers, ours, strict=True):
        error = np.linalg.norm(got - one) / np.linalg.norm(one)
        assert 1e-4 < error < 0.02
        assert error < 1.5 * np.linalg.norm(other - one) / np.linalg.norm(one)


AGENTS = {"num_agents": 2, "hidden_size": 9}
# Numbers, several parts, weights of several blocks, convolutions, a memory.
OTHERS = [
    ("Pendulum", "BasicPolicy", {"embedding_size": 9, "squash": False}),
    ("Pendulum", "BasicPolicy", {"embedding_size": 9, "squash": True}),
    ("Pendulum", "ContinuousPolicy", {"hidden_size": 7}),
    ("TwoWalkers", "BasicPolicy", {"embedding_size": 9}),
    ("TwoWalkers", "SharedMultiAgentPolicy", AGENTS),
    ("TwoWalkers", "IndependentMultiAgentPolicy", AGENTS),
    ("Catch", "ImpalaPolicy", {"widths": [2], "hidden_size": 5}),
    ("Pendulum", "RecurrentActorCritic", {"input_size": 5, "hidden_size": 6}),
]


@pytest.mark.parametrize("most", [None, 0.01])
@pytest.mark.parametrize(("env", "policy_cls", "policy"), OTHERS, ids=lambda value: str(value))
def test_gradients_of_other_actions_and_layers(env, policy_cls, policy, most):
    by_torch, by_rust = (
        prepare_algorithm(
            {
                "env_cls": env,
                "policy_cls": policy_cls,
                "policy": policy,
                "algorithm_cls": "PPO",
                "algorithm": {
                    "engine": engine,
                    "device": "cpu",
                    "collecting": {"num_episodes": 2, "num_cores": 1},
                    "training": {"ent_coef": 0.05, "max_grad_norm": most},
                    "evals": {},
                },
            }
        )
        for engine in ("torch", "rust")
    )
    require_equal_gradients(by_torch, by_rust)


class Seeing(torch.nn.Module):
    """Convolutions with a ReLU behind them and without, norms of groups, and poolings."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            *(torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(3, 2, 1)),
            *(torch.nn.GroupNorm(3, 6), torch.nn.Conv2d(6, 4, 2), torch.nn.GroupNorm(2, 4)),
            *(torch.nn.Tanh(), torch.nn.AvgPool2d(2), torch.nn.Flatten()),
        )
        self.heads = torch.nn.Linear(16, 4)

    def forward(self, x):
        outputs = self.heads(self.body(x))
        return outputs[:, :3], outputs[:, 3:]


def test_gradients_of_an_image_network():
    torch.manual_seed(0)
    env = Catch()
    policy = TorchPolicy(Seeing(), env.obs_shape(), env.num_actions(), env.obs_dtype())
    by_torch, by_rust = (made("PPO", env, policy, engine) for engine in ("torch", "rust"))
    batch, _ = by_torch.data_to_torch(by_torch.collect()[0])
    losses = [algorithm.train_step(batch)[0] for algorithm in (by_torch, by_rust)]
    assert losses[1] == pytest.approx(losses[0], rel=2e-5, abs=2e-6)
    expected, got = gradients(by_torch), gradients(by_rust)
    scale = max(np.abs(gradient).max() for gradient in expected)
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_goes_the_way_of_torch(amsgrad):
    env = Puzzle(3, 3, 6, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 24, [16])
    optimizer = {"lr": 0.003, "weight_decay": 0.01, "amsgrad": amsgrad, "betas": [0.8, 0.95]}
    runs = []
    for engine in ("torch", "rust"):
        algorithm = PPO(
            env,
            copy.deepcopy(policy),
            {
                "engine": engine,
                "device": "cpu",
                "collecting": COLLECTING["PPO"],
                "training": {"num_epochs": 5, "max_grad_norm": 0.1},
                "optimizer": optimizer,
                "evals": {},
            },
        )
        batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
        algorithm.train(batch)
        runs.append(algorithm)
    torch.testing.assert_close(weights(runs[1]), weights(runs[0]), rtol=0, atol=2e-6)
    states = [algorithm.optimizer.state_dict()["state"] for algorithm in runs]
    assert states[0].keys() == states[1].keys()
    for index, entries in states[0].items():
        assert entries.keys() == states[1][index].keys()
        for key, value in entries.items():
            torch.testing.assert_close(states[1][index][key], value, rtol=2e-4, atol=1e-7)


def test_weights_of_several_places_go_one_way():
    ends = []
    for engine in ("torch", "rust"):
        algorithm = prepare_algorithm(
            {
                "env_cls": "TwoWalkers",
                "policy_cls": "SharedMultiAgentPolicy",
                "policy": AGENTS,
                "algorithm_cls": "PPO",
                "algorithm": {
                    "engine": engine,
                    "device": "cpu",
                    "collecting": {"num_episodes": 2, "num_cores": 1},
                    "training": {"num_epochs": 5},
                    "optimizer": {"lr": 0.01},
                    "evals": {},
                },
            }
        )
        batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
        algorithm.train(batch)
        ends.append(weights(algorithm))
    torch.testing.assert_close(*ends, rtol=0, atol=2e-6)


def test_one_engine_goes_on_where_the_other_stopped():
    """Moments and steps are torch's own, so that a run may change its engine."""
    env = Puzzle(2, 2, 6, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])
    ends = []
    for engines in (("torch", "torch"), ("torch", "rust"), ("rust", "torch")):
        algorithm = made("PPO", env, policy, "auto", num_epochs=2)
        for engine in engines:
            algorithm.config["engine"] = engine
            algorithm.learn(1)
        ends.append(weights(algorithm))
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=0, atol=2e-6)


def test_any_number_of_threads_gives_the_same_bytes():
    env = Puzzle(4, 4, 12, 2, 64)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 192, [128])
    ends = []
    for precision, threads in (("f32", 1), ("f32", 2), ("f32", 3), ("bf16", 1), ("bf16", 3)):
        training = {"minibatch_size": 300, "max_grad_norm": 0.3, "precision": precision}
        algorithm = made("PPO", env, policy, "rust", **training)
        algorithm.num_threads = threads
        algorithm.learn(2)
        ends.append(weights(algorithm))
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])
    assert torch.equal(ends[3], ends[4]) and not torch.equal(ends[0], ends[3])
    other = made("PPO", env, policy, "rust", seed=1, minibatch_size=300)
    other.learn(2)
    assert not torch.equal(ends[0], weights(other))


@pytest.mark.parametrize("name", ["AZ", "RandomWalk"])
def test_twists_are_drawn_anew_in_every_epoch(name):
    env = LightsOut(width=3, height=3)
    env.difficulty = 4
    twisted = drawn_policy(env, 1)
    assert twisted.num_twists
    runs = [made(name, env, twisted, "rust", num_epochs=epochs) for epochs in (1, 1, 2)]
    batch, _ = runs[0].data_to_torch(runs[0].collect()[0])
    losses = [algorithm.train(batch)[0]["total"] for algorithm in runs]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    # The rate of 0 keeps the weights, so that only the views of the samples differ.
    runs[2].config["optimizer"]["lr"] = 0.0
    again = made(name, env, twisted, "rust", num_epochs=2)
    again.config["optimizer"]["lr"] = 0.0
    assert again.train(batch)[0]["total"] != losses[0]


@pytest.mark.parametrize("name", ["AZ", "RandomWalk"])
def test_the_last_twist_is_drawn_too(name):
    """Of two, of which the first leaves everything as it is."""
    env = LightsOut(width=3, height=3)
    env.difficulty = 4
    obs_perms, act_perms = env.twists()
    features, actions = list(range(9)), list(range(env.num_actions()))
    moved = next(i for i, perm in enumerate(obs_perms) if perm != features)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])
    ends = []
    for last in ((features, actions), (obs_perms[moved], act_perms[moved])):
        policy.set_permutations([features, last[0]], [actions, last[1]])
        algorithm = made(name, env, policy, "rust", num_epochs=1)
        if not ends:
            batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
        algorithm.train(batch)
        ends.append(weights(algorithm))
    assert not torch.equal(ends[0], ends[1])


def test_what_only_torch_knows_is_left_to_torch(caplog):
    env = Puzzle(2, 2, 6, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])

    class Mine(PPO):
        def losses(self, batch):
            self.asked = True
            return super().losses(batch)

    algorithm = Mine(env, copy.deepcopy(policy), {"evals": {}, "collecting": COLLECTING["PPO"]})
    algorithm.learn(1)
    assert algorithm.asked
    with pytest.raises(ValueError, match=r"engine: got rust; .* Mine has its own losses"):
        Mine(env, copy.deepcopy(policy), {"evals": {}, "engine": "rust"})
    plain = Plain()
    with pytest.raises(ValueError, match=r"engine: got rust; .* Plain has no net_spec"):
        PPO(env, plain, {"evals": {}, "engine": "rust"})
    double = copy.deepcopy(policy).double()
    with pytest.raises(ValueError, match=r"engine: got rust; .*weight is torch.float64"):
        PPO(env, double, {"evals": {}, "engine": "rust"})

    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 8), torch.nn.Linear(8, 8))
    body.append(torch.nn.Linear(8, 8))
    body[3].weight = body[2].weight
    tied = Heads(body, 8, env.num_actions())
    with pytest.raises(ValueError, match=r"engine: got rust; .*body.3.weight is a parameter of"):
        PPO(env, copy.deepcopy(tied), {"evals": {}, "engine": "rust"})
    PPO(env, tied, {"evals": {}, "collecting": COLLECTING["PPO"]}).learn(1)
    assert torch.equal(body[3].weight, body[2].weight)

    called = []
    hooked = made("PPO", env, policy, "auto", num_epochs=1)
    hooked.policy.common.register_forward_hook(lambda *_: called.append(1))
    hooked.learn(1)
    assert called


def test_a_method_that_a_program_puts_into_the_policy_is_asked():
    env = Puzzle(2, 2, 6, 2, 32)
    algorithm = made("PPO", env, BasicPolicy(env.obs_shape(), 4, 16, [8]), "auto", num_epochs=1)
    called, real = [], algorithm.policy.forward_sparse
    algorithm.policy.forward_sparse = lambda *given: called.append(1) or real(*given)
    algorithm.learn(1)
    assert called


def test_an_optimizer_that_a_program_gives_has_rates_of_its_own():
    env = Puzzle(2, 2, 6, 2, 32)
    half = {"kind": "linear", "num_iterations": 4, "final_ratio": 0.0}
    for schedule, expected in [({"kind": "constant"}, 0.02), (half, 0.01)]:
        policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])
        algorithm = made("PPO", env, policy, "auto", lr_schedule=schedule)
        parts = [algorithm.policy.embeddings, algorithm.policy.common]
        groups = [
            {"params": part.parameters(), "lr": rate}
            for part, rate in zip(parts, (0.0, 0.02), strict=True)
        ]
        algorithm.optimizer = torch.optim.SGD(groups)
        first = [part.state_dict()["weight"].clone() for part in (parts[0], parts[1][0])]
        algorithm.learn(3)
        now = [parts[0].weight, parts[1][0].weight]
        assert [torch.equal(*pair) for pair in zip(first, now, strict=True)] == [True, False]
        rates = [group["lr"] for group in algorithm.optimizer.param_groups]
        assert rates == pytest.approx([0.0, expected])


def test_weights_that_a_program_puts_in_are_trained():
    env = Puzzle(2, 2, 6, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])
    algorithm = made("PPO", env, policy, "rust", num_epochs=1)
    algorithm.learn(1)
    with torch.no_grad():
        for parameter in parameters(algorithm):
            parameter.data.zero_()
    algorithm.learn(1)
    rate = algorithm.config["optimizer"]["lr"]
    assert 0 < weights(algorithm).abs().max() <= 20 * rate


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of POSIX")
def test_an_interrupted_update_leaves_everything_as_it_was():
    env = Puzzle(4, 4, 40, 2, 64)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 128, [64])
    algorithm = made("PPO", env, policy, "rust", num_epochs=100_000)
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    before = weights(algorithm).clone()

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            algorithm.train(batch)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert torch.equal(weights(algorithm), before)
    assert not algorithm.optimizer.state


def test_samples_that_do_not_fit_are_named():
    env = Puzzle(2, 2, 6, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, [8])
    algorithm = made("PPO", env, policy, "rust")
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    before = weights(algorithm).clone()
    for name, value, message in [
        ("actions", batch.actions + 4, "actions: expected in 0..4"),
        ("rows", batch.rows + batch.num_rows, "rows: expected in 0.."),
        ("perms", batch.perms + 1, "perms: expected -1 or 0..0, got 0"),
        ("returns", batch.returns[1:], "returns: expected"),
        ("indices", batch.indices + 16, "observation 0: expected features in 0..16"),
    ]:
        faulty = copy.replace(batch, **{name: value}) if hasattr(copy, "replace") else None
        faulty = faulty or type(batch)(**{**vars(batch), name: value})
        with pytest.raises(ValueError, match=message.replace("..", r"\.\.")):
            algorithm.train(faulty)
    assert torch.equal(weights(algorithm), before)
