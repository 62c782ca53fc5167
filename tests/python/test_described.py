"""Plain torch modules in the engine: what is described, played, compared and trained."""

import copy
import json
import logging
import pickle

import numpy as np
import pytest
import random_networks
import torch
from block_cases import Beside, Heads, Residual, body_of, networks
from golden_scripts import checked
from ring import DenseRing
from small_policy import collector, everything
from test_torch_policy import CONFIG
from twisterl import twisterl
from twisterl.envs import Puzzle, PyEnv
from twisterl.nn import TorchPolicy, compared, describe
from twisterl.nn.describing import NotDescribed
from twisterl.nn.spec import all_blocks, to_engine
from twisterl.rl import PPO
from twisterl.rl.rust_descent import obstacle


def residual(obs_shape, num_actions, width=24):
    return Heads(
        torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(torch.Size(obs_shape).numel(), width),
            torch.nn.GELU(),
            body_of(width),
            torch.nn.LayerNorm(width),
        ),
        width,
        num_actions,
    )


def of_puzzle(module=None):
    torch.manual_seed(3)
    return TorchPolicy(module or residual([9, 9], 4), [9, 9], 4)


def asks_torch(engine):
    return engine.__reduce__()[0].__name__ == "from_torch"


@pytest.mark.parametrize("name", networks)
def test_the_engine_computes_what_torch_does(name):
    torch.manual_seed(5)
    module, obs_shape, dtype = networks[name]()
    policy = TorchPolicy(module, obs_shape, 5, dtype)
    # It compares on its own; a fault of one layer is found and named.
    engine = policy.to_rust()
    assert not asks_torch(engine)
    again = pickle.loads(pickle.dumps(engine))
    given, features = compared._observations(policy)
    batch = (given,) if features is None else features
    for one, other in zip(engine.forward_batch(*batch), again.forward_batch(*batch), strict=True):
        np.testing.assert_array_equal(one, other)
    # A row's outputs do not depend on the others.
    if features is None:
        alone = engine.forward_batch(given[2:3])
        np.testing.assert_array_equal(alone[0][0], engine.forward_batch(given)[0][2])


def test_a_difference_names_the_layer(monkeypatch):
    from twisterl.nn import layers

    made = layers.LEAVES[torch.nn.LayerNorm]

    def wrong(*arguments):
        return [{**made(*arguments)[0], "eps": 0.5}]

    monkeypatch.setitem(layers.LEAVES, torch.nn.LayerNorm, wrong)
    with pytest.raises(RuntimeError, match=r"difference of .* at body.3.module.0 \(LayerNorm\)"):
        of_puzzle().to_rust()


def test_an_own_forward_is_followed():
    class Halved(Heads):
        def forward(self, x):
            logits, value = super().forward(x)
            return logits + logits, value

    class Scaled(Heads):
        def forward(self, x):
            logits, value = super().forward(x)
            return logits * 0, value

    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 8))
    assert not asks_torch(of_puzzle(Halved(body, 8, 4)).to_rust())
    assert asks_torch(of_puzzle(Scaled(body, 8, 4)).to_rust())


class Squared(torch.nn.Module):
    def forward(self, x):
        return x * x


class Averaged(torch.nn.Module):
    """Over what each token holds, and not over the tokens."""

    def forward(self, x):
        return x.mean(2)


def test_what_is_left_to_torch_is_said_once(caplog):
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 8), torch.nn.BatchNorm1d(8))
    with caplog.at_level(logging.WARNING, logger="twisterl"):
        policy = of_puzzle(Heads(body, 8, 4))
        for _ in range(3):
            assert asks_torch(policy.to_rust())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1 and "body.2 (BatchNorm1d)" in said[0], said
    assert "body.2 (BatchNorm1d)" in obstacle(PPO(Puzzle(3, 3, 1, 2, 64), policy, CONFIG))
    for layer, reason in [
        (Squared(), r"of several tensors|mul"),
        (torch.nn.PReLU(), r"body.2 \(PReLU\)"),
        (torch.nn.Softplus(beta=2), r"body.2 \(Softplus\): beta"),
    ]:
        body[2] = layer
        with pytest.raises(NotDescribed, match=reason):
            describe(Heads(body, 8, 4), [9, 9])
    with pytest.raises(NotDescribed, match=r"mean \(mean\) along dim 2 of a shape \[9, 9\]"):
        describe(Heads(Averaged(), 9, 4), [9, 9])
    hooked = Heads(body[:2], 8, 4)
    hooked.actor.register_forward_hook(lambda *_: None)
    with pytest.raises(NotDescribed, match=r"actor \(Linear\) has hooks"):
        describe(hooked, [9, 9])


class Frozen(Heads):
    def forward(self, x):
        with torch.no_grad():
            x = self.body(x)
        return self.actor(x), self.critic(x)


class Noisier(Heads):
    def forward(self, x):
        x = self.body(x)
        return self.actor(x.tanh() if self.training else x), self.critic(x)


class Scaled(Heads):
    def forward(self, x):
        x = self.body(x)
        return self.actor(x) * torch.tensor([1.0, 2.0, 3.0, 4.0]), self.critic(x)


class Added(Heads):
    def forward(self, x):
        x = y = self.body(x)
        y += torch.tanh(x)
        return self.actor(y), self.critic(x)


class Rectified(Heads):
    def forward(self, x):
        x = self.body(x)
        return self.actor(torch.relu_(x)), self.critic(x)


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        (Frozen, "Frozen: forward switches gradients off"),
        (Noisier, "Noisier: forward depends on the mode"),
        (Scaled, "Scaled: forward makes a tensor of its own"),
        (Added, "iadd changes in place what is used later"),
        (Rectified, "relu_ changes in place what is used later"),
    ],
)
def test_what_the_operations_alone_do_not_tell_is_left_to_torch(heads, reason):
    module = heads(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 8)), 8, 4)
    with pytest.raises(NotDescribed, match=reason):
        describe(module, [9, 9])
    assert module.training
    assert vars(module).keys() == vars(Heads(module.body, 8, 4)).keys()
    policy = of_puzzle(module)
    assert asks_torch(policy.to_rust())
    assert reason in obstacle(PPO(Puzzle(3, 3, 1, 2, 64), policy, CONFIG))


def test_what_is_added_in_place_to_what_nobody_else_uses_is_played():
    class Sum(Heads):
        def forward(self, x):
            x = self.body(x)
            y = x.tanh()
            y += x
            return self.actor(y), self.critic(y)

    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 8))
    assert not asks_torch(of_puzzle(Sum(body, 8, 4)).to_rust())


def test_a_module_is_compared_itself_and_not_what_was_followed_of_it():
    class Seen(Heads):
        def forward(self, x):
            x = self.body(x)
            x.view(-1, 2, 4).relu_()
            return self.actor(x), self.critic(x)

    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(81, 8))
    with pytest.raises(RuntimeError, match=r"difference of .* at the logits"):
        of_puzzle(Seen(body, 8, 4)).to_rust()


def test_what_torch_compiles_keeps_its_names():
    module = residual([9, 9], 4)
    plain = TorchPolicy(module, [9, 9], 4)
    whole = TorchPolicy(torch.compile(module, backend="eager"), [9, 9], 4)
    inner = copy.deepcopy(module)
    inner.body = torch.compile(inner.body, backend="eager")
    part = TorchPolicy(inner, [9, 9], 4)
    env = Puzzle(3, 3, 6, 2, 64)
    expected = everything(collector().collect(env, plain.to_rust()))
    for policy in (whole, part):
        assert set(policy.state_dict()) == set(plain.state_dict())
        assert not asks_torch(policy.to_rust())
        assert everything(collector().collect(env, policy.to_rust())) == expected
        policy.load_state_dict(plain.state_dict())


def test_the_engine_trains_it():
    runs = []
    for engine in ("rust", "torch"):
        torch.manual_seed(2)
        policy = of_puzzle()
        algorithm = PPO(Puzzle(3, 3, 2, 2, 64), policy, {**copy.deepcopy(CONFIG), "engine": engine})
        algorithm.learn(1)
        runs.append({name: value.clone() for name, value in policy.state_dict().items()})
    for name, value in runs[0].items():
        torch.testing.assert_close(value, runs[1][name], atol=2e-4, rtol=1e-3, msg=name)


def test_a_module_of_dense_observations_learns():
    env = PyEnv(DenseRing())
    torch.manual_seed(0)
    algorithm = PPO(env, residual(env.obs_shape(), env.num_actions()), copy.deepcopy(CONFIG))
    assert obstacle(algorithm) is None
    algorithm.learn(3)


def test_two_hundred_random_networks():
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    largest, blocks, cells = 0.0, set(), set()
    for case in range(200):
        module, shape, dtype = random_networks.network(random, case)
        policy = TorchPolicy(module.eval(), shape, 5, dtype)
        spec = policy.net_spec()
        blocks |= {block["block"] for block in all_blocks(spec)}
        cells |= {block["cell"] for block in all_blocks(spec) if "cell" in block}
        engine = to_engine(policy, spec)
        given, features = compared._observations(policy)
        batch = (given,) if features is None else features
        if isinstance(dtype, dict):
            batch = (compared._as_told(given, dtype),)
        with torch.no_grad():
            if policy.state_size:
                states = torch.randn(len(given), policy.state_size)
                told = engine.step_batch(*batch, None, states.numpy())
                expected = module(torch.from_numpy(given), states)
            else:
                told, expected = engine.forward_batch(*batch), policy(torch.from_numpy(given))
        for got, wanted in zip(told, expected, strict=True):
            wanted = wanted.numpy().reshape(got.shape)
            off = float(np.abs(got - wanted).max() / max(1, np.abs(wanted).max()))
            assert off < 1e-5, (case, off, module)
            largest = max(largest, off)
    assert (blocks, cells) == (random_networks.BLOCKS, random_networks.CELLS)
    assert largest > 0


def test_the_golden_file_is_what_torch_says_now():
    assert checked("write_blocks.py") == 0


@pytest.mark.parametrize("name", networks)
def test_gradients_are_those_of_torch(name):
    torch.manual_seed(7)
    module, obs_shape, dtype = networks[name]()
    policy = TorchPolicy(module.eval(), obs_shape, 5, dtype)
    learner = twisterl.nn.Learner(json.dumps(policy.net_spec()), [], [])
    named = dict(policy.named_parameters())
    for parameter in learner.names:
        learner.load(parameter, named[parameter].detach().numpy(), "weight")
    given, features = compared._observations(policy)
    rows = len(given)
    if features is None:
        flat = given.reshape(rows, -1)
        if dtype == "uint8":
            flat = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4)))
        words = flat.view(np.int32)
        offsets = np.arange(rows + 1) * words.shape[1]
        features = words.reshape(-1), offsets.astype(np.int64)
    random = np.random.default_rng(1)
    undo = random.dirichlet(np.ones(5), rows).astype(np.float32)
    values, weights = random.random((2, rows), np.float32)
    samples = {
        "indices": features[0].astype(np.int64),
        "offsets": features[1],
        "perms": np.full(rows, -1),
        "rows": np.arange(rows),
        "illegal": None,
        "undo": undo,
        "values": values,
        "weights": weights,
        "vf_coef": 0.5,
    }
    descent = {
        "lr": 1e-9,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0.0,
        "amsgrad": False,
        "num_epochs": 1,
        "epoch_size": rows,
        "minibatch_size": None,
        "draw_twists": False,
        "max_grad_norm": None,
        "precision": "f32",
        "seed": 0,
        "iteration": 0,
        "num_cores": 1,
    }
    learner.walk(samples, descent)
    exact = copy.deepcopy(policy).double()
    x = torch.from_numpy(given / np.float32(255) if dtype == "uint8" else given).double()
    exact.obs_dtype = "float32"
    logits, told = exact(x)
    policy_loss = -(
        torch.from_numpy(weights) * (torch.from_numpy(undo) * logits.log_softmax(1)).sum(1)
    )
    value_loss = torch.from_numpy(weights) * (told[:, 0] - torch.from_numpy(values)) ** 2
    (policy_loss.mean() + 0.5 * value_loss.mean()).backward()
    expected = {name: parameter.grad for name, parameter in exact.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for parameter in learner.names:
        found = np.zeros(named[parameter].shape, np.float32)
        learner.gradient(parameter, found)
        off = float(np.abs(found - expected[parameter].numpy()).max())
        assert off <= 1e-5 * largest, (parameter, off, largest)


def test_layers_wider_than_a_vector_are_those_of_torch():
    """More channels, places, tokens and columns than a vector has numbers, and a few over."""
    attention = {"dim_feedforward": 36, "dropout": 0.0, "batch_first": True}
    for shape, body in [
        ([3, 11, 7], [torch.nn.Conv2d(3, 37, 3, padding=(1, 2)), torch.nn.MaxPool2d(3, 2, 1)]),
        ([3, 9, 8], [torch.nn.Conv2d(3, 20, (4, 3), stride=(2, 1)), torch.nn.AvgPool2d(2)]),
        ([5, 40], [torch.nn.Conv1d(5, 18, 5, padding=2)]),
        ([37, 40], [torch.nn.TransformerEncoderLayer(40, 2, **attention)]),
    ]:
        torch.manual_seed(3)
        body = torch.nn.Sequential(*body, torch.nn.Flatten()).eval()
        width = body(torch.zeros(1, *shape)).shape[1]
        policy = TorchPolicy(Heads(body, width).eval(), shape, 5, "float32")
        engine = policy.to_rust()
        assert not asks_torch(engine)
        x = torch.randn(9, *shape)
        with torch.no_grad():
            expected = policy(x)
        for got, wanted in zip(engine.forward_batch(x.numpy()), expected, strict=True):
            np.testing.assert_allclose(got, wanted.reshape(got.shape), rtol=1e-5, atol=1e-5)


def test_images_that_pass_alone_are_those_of_a_batch():
    """Rows pass large convolutions one by one, unless others read what is before the last."""
    nn = torch.nn
    convolutions = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), Residual(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
    )
    body = nn.Sequential(convolutions, nn.MaxPool2d(2), nn.Flatten())
    torch.manual_seed(3)
    # More than pass together.
    x = torch.randn(70, 2, 20, 20)
    beside = Beside(body, nn.Sequential(nn.Flatten(), nn.Linear(800, 16)))
    for module, width in [(body, 800), (beside, 816)]:
        policy = TorchPolicy(Heads(module, width).eval(), [2, 20, 20], 5, "float32")
        engine = policy.to_rust()
        assert not asks_torch(engine)
        logits, values = engine.forward_batch(x.numpy())
        alone = [engine.forward_batch(x.numpy()[row : row + 1]) for row in range(len(x))]
        np.testing.assert_array_equal(logits, np.concatenate([each[0] for each in alone]))
        np.testing.assert_array_equal(values, np.concatenate([each[1] for each in alone]))
        with torch.no_grad():
            np.testing.assert_allclose(logits, policy(x)[0], rtol=1e-5, atol=1e-5)
