"""RNN, GRU and LSTM in the engine: described, played and trained as torch does it."""

import copy
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_policy import collector, everything
from torch import nn
from torch_nets import Remembering
from twisterl import twisterl
from twisterl.envs import Puzzle, TMaze
from twisterl.nn import RecurrentActorCritic, TorchPolicy, describe
from twisterl.nn.describing import NotDescribed
from twisterl.nn.spec import engine_tensors
from twisterl.rl import PPO
from twisterl.rl.rust_descent import obstacle

# What a module remembers of a layer, in numbers of its size.
PARTS = {nn.RNN: 1, nn.GRU: 1, nn.LSTM: 2, nn.LSTMCell: 2}


class Layered(nn.Module):
    """One of torch's recurrent modules between linear layers, its state as the engine has it."""

    def __init__(self, obs_shape, num_actions, kind=nn.GRU, width=6, size=7, **options):
        super().__init__()
        self.num_axes, self.num_actions = len(obs_shape), num_actions
        self.first = nn.Linear(torch.Size(obs_shape).numel(), width)
        self.body = kind(width, size, **options)
        self.parts = (PARTS[kind], options.get("num_layers", 1), size)
        self.state_size = torch.Size(self.parts).numel()
        self.heads = nn.Linear(size, num_actions + 1)

    def initial_state(self, batch_size):
        return self.heads.bias.new_zeros(batch_size, self.state_size)

    def forward(self, x, state):
        is_step = x.dim() == 1 + self.num_axes
        x = x.flatten(x.dim() - self.num_axes)
        x = torch.tanh(self.first(x.unsqueeze(1) if is_step else x))
        x, state = self.remember(x, state)
        told = self.heads(x.squeeze(1) if is_step else x)
        return told[..., : self.num_actions], told[..., self.num_actions], state

    def remember(self, x, state):
        parts = state.unflatten(1, self.parts).permute(1, 2, 0, 3).contiguous()
        if self.parts[0] == 1:
            x, after = self.body(x, parts[0])
            return x, after.transpose(0, 1).flatten(1)
        x, (h, c) = self.body(x, (parts[0], parts[1]))
        return x, torch.stack([h, c]).permute(2, 0, 1, 3).flatten(1)


class Stepping(Layered):
    """Two cells, which torch steps itself: an LSTM's h and c, then a GRU's h."""

    def __init__(self, obs_shape, num_actions, size=7):
        super().__init__(obs_shape, num_actions, nn.LSTMCell, 6, size)
        self.second = nn.GRUCell(size, size, bias=False)
        self.state_size = 3 * size

    def remember(self, x, state):
        told = []
        for step in x.unbind(1) if isinstance(x, torch.Tensor) else [x[:, 0]]:
            h, c, other = state.chunk(3, 1)
            h, c = self.body(step, (h, c))
            other = self.second(h, other)
            state = torch.cat([h, c, other], 1)
            told.append(other)
        return torch.stack(told, 1) if len(told) > 1 else told[0][:, None], state


class Starting(Layered):
    """An episode begins with other numbers than zeros."""

    reach = torch.ones(())

    def initial_state(self, batch_size):
        return self.reach * torch.linspace(-1, 1, self.state_size).repeat(batch_size, 1)


CORES = {
    "rnn": lambda *of: Layered(*of, nn.RNN, batch_first=True),
    "rnn of relu": lambda *of: Layered(*of, nn.RNN, nonlinearity="relu", batch_first=True),
    "gru of 2 layers": lambda *of: Layered(*of, nn.GRU, num_layers=2, batch_first=True),
    "lstm": lambda *of: Layered(*of, nn.LSTM, 33, 20, bias=False, batch_first=True),
    "lstm of 3 layers": lambda *of: Layered(*of, nn.LSTM, num_layers=3, batch_first=True),
    "cells": Stepping,
    "of a start": lambda *of: Starting(*of, nn.LSTM, batch_first=True),
}


@pytest.fixture
def env():
    env = Puzzle(3, 3, 8, 2, 24)
    env.difficulty = 8
    return env


def policy_of(name, env):
    torch.manual_seed(3)
    return TorchPolicy(CORES[name](env.obs_shape(), 4), env.obs_shape(), 4)


def is_own(engine):
    return engine.__reduce__()[0].__name__ == "from_spec"


def require_same_episodes(engine, policy, obs_shape, num_steps=25):
    """Numbers of whole episodes, by the engine and by torch step by step."""
    random = np.random.default_rng(0)
    with torch.no_grad():
        state = policy.module.initial_state(3)
        states = state.numpy()
        np.testing.assert_array_equal(np.tile(engine.initial_state(), (3, 1)), states)
        for _ in range(num_steps):
            ones = random.random((3, *obs_shape)) < 0.3
            rows, features = np.nonzero(ones.reshape(3, -1))
            offsets = np.searchsorted(rows, np.arange(4)).astype(np.int64)
            x = torch.from_numpy(ones.astype(np.float32))
            logits, values, state = policy.module(x, state)
            *told, states = engine.step_batch(features.astype(np.int32), offsets, states)
            for got, expected in zip([*told, states], (logits, values, state), strict=True):
                np.testing.assert_allclose(got, expected.reshape(got.shape), atol=1e-5)


class LearnedStart(Remembering):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.start = nn.Parameter(torch.linspace(-1, 1, self.state_size))

    def initial_state(self, batch_size):
        return self.start.expand(batch_size, -1)


def test_a_start_may_be_a_parameter(env):
    policy = TorchPolicy(LearnedStart(env.obs_shape(), 4), env.obs_shape(), 4)
    engine = policy.to_rust()
    assert is_own(engine)
    np.testing.assert_array_equal(engine.initial_state(), policy.module.start.detach())


def test_a_start_that_changes_is_told_again(env):
    policy = policy_of("of a start", env)
    before = policy.to_rust().initial_state()
    policy.module.reach = torch.tensor(0.5)
    np.testing.assert_array_equal(policy.to_rust().initial_state(), before / 2)


@pytest.mark.parametrize("name", CORES)
def test_the_engine_plays_episodes_as_torch_does(env, name):
    policy = policy_of(name, env)
    engine = policy.to_rust()
    assert is_own(engine) and engine.state_size == policy.state_size
    require_same_episodes(pickle.loads(pickle.dumps(engine)), policy, [9, 9])
    told = [collector(40).collect(env, player) for player in (engine, policy.asking_torch())]
    assert np.array_equal(told[0].arrays.actions, told[1].arrays.actions)
    np.testing.assert_allclose(told[0].arrays.states, told[1].arrays.states, atol=1e-5)
    assert everything(collector(40, 3).collect(env, engine)) == everything(told[0])


@pytest.mark.parametrize("core", ["lstm", "gru", "rnn"])
def test_policies_of_the_package_are_described(core):
    env = TMaze(length=4)
    arguments = {"core": core, "input_size": 9, "hidden_size": 7, "num_layers": 2}
    torch.manual_seed(0)
    policy = TorchPolicy.of(RecurrentActorCritic, env, arguments)
    assert is_own(policy.to_rust())
    blocks = [block["block"] for block in policy.net_spec()["encoder"]]
    assert blocks == ["dense", "linear", "relu", "reshape", "recurrent", "flatten"]
    algorithm = PPO(env, policy, {"evals": {}, "collecting": {"num_episodes": 8}})
    assert obstacle(algorithm) is None
    algorithm.learn(1)


@pytest.mark.parametrize("play", [
    {"deterministic": True},
    {"num_mcts_searches": 12, "num_searches": 1, "deterministic": True},
])  # fmt: skip
def test_a_search_finds_what_it_finds_with_torch(env, play):
    policy = policy_of("lstm", env)
    found = [
        twisterl.collector.evaluate_episodes(env, player, 20, seed=2, **play)
        for player in (policy.to_rust(), policy.asking_torch())
    ]
    assert found[0].keys() == found[1].keys()
    for name, column in found[0].items():
        np.testing.assert_allclose(column, found[1][name], atol=1e-5, err_msg=name)


class Changing(Layered):
    """Changes its state as `change` says."""

    def remember(self, x, state):
        x, after = super().remember(x, self.before(state))
        return x, self.after(after)

    before = after = staticmethod(lambda state: state)


@pytest.mark.parametrize(("options", "reason"), [
    ({"bidirectional": True}, r"body \(GRU\): bidirectional or proj_size"),
    ({"dropout": 0.5, "num_layers": 2}, r"body \(GRU\): dropout"),
    ({"before": lambda state: state * 1.5}, r"body \(GRU\) is not given numbers 0 to 7 of"),
    ({"before": lambda state: state.flip(1)}, r"body \(GRU\) is not given numbers 0 to 7 of"),
    ({"after": lambda state: state.clamp(-1, 1)}, "Changing does not return what its layers"),
    ({"after": lambda state: state.roll(1, 1)}, "Changing does not return what its layers"),
])  # fmt: skip
def test_what_keeps_a_memory_in_torch_is_named(options, reason):
    functions = {key: value for key, value in options.items() if callable(value)}
    rest = {key: value for key, value in options.items() if key not in functions}
    module = Changing([9], 4, nn.GRU, batch_first=True, **rest)
    for key, value in functions.items():
        setattr(module, key, value)
    if "bidirectional" in rest:
        module.parts = (1, 2, 7)
        module.heads = nn.Linear(14, 5)
        module.state_size = 14
    with pytest.raises(NotDescribed, match=reason):
        describe(module, [9])


def test_a_state_that_no_layer_has_is_named():
    module = Layered([9], 4, batch_first=False)
    with pytest.raises(NotDescribed, match="body"):
        describe(module, [9])
    module = Layered([9], 4, batch_first=True)
    module.remember = lambda x, state: (module.body(x)[0], state)
    with pytest.raises(NotDescribed, match=r"body \(GRU\) of other arguments than an input and a"):
        describe(module, [9])


def learner_of(env, module, engine="rust", **training):
    config = {
        "engine": engine,
        "device": "cpu",
        "collecting": {"num_cores": 1, "num_episodes": 24},
        "training": training,
        "evals": {},
        "learning": {"diff_metric": None},
    }
    policy = TorchPolicy(copy.deepcopy(module), env.obs_shape(), env.num_actions())
    return PPO(env, policy, config)


def exact_gradients(learner, batch):
    """By torch in float64."""
    learner.policy.double()
    double = torch.Tensor.double
    sequences = replace(batch.sequences, states=double(batch.sequences.states))
    targets = {
        name: double(getattr(batch, name)) for name in ("log_probs", "advantages", "returns")
    }
    dense = learner._dense
    learner._dense = lambda part: double(dense(part))
    learner._set_rates()
    total = learner.losses(replace(batch, sequences=sequences, **targets))[3]
    return torch.autograd.grad(total, list(learner.policy.parameters()))


def test_gradients_of_sequences_are_those_of_torch(env):
    kinds = [nn.RNN, nn.GRU, nn.LSTM]
    for seed in range(12):
        random = np.random.default_rng(seed)
        torch.manual_seed(seed)
        options = {"num_layers": 1 + seed % 2, "bias": seed % 5 > 0, "batch_first": True}
        if seed % 6 == 3:
            options["nonlinearity"] = "relu"
        width, size = (int(n) for n in random.integers(1, 40, 2))
        module = Layered(env.obs_shape(), 4, kinds[seed % 3], width, size, **options)
        length = int(random.integers(1, 9))
        training = {"sequence_length": length, "burn_in": int(random.integers(0, length + 1))}
        learner = learner_of(env, module, ent_coef=0.05, **training)
        data, _ = learner.collect()
        with torch.no_grad():
            # Other weights than those that played, so that a burn-in makes other states.
            for parameter in learner.policy.parameters():
                parameter += 0.1 * torch.randn(parameter.shape)
        batch, _ = learner.data_to_torch(data)
        expected = exact_gradients(copy.deepcopy(learner), batch)
        learner.train_step(batch)
        scale = max(float(gradient.abs().max()) for gradient in expected)
        for gradient, parameter in zip(expected, learner.policy.parameters(), strict=True):
            off = float((gradient - parameter.grad).abs().max())
            assert off <= 1e-5 * scale, (seed, off / scale)


def weights(learner):
    return torch.cat([value.detach().flatten() for value in learner.policy.parameters()])


def test_threads_and_interruptions_change_no_bit(env):
    module = Layered(env.obs_shape(), 4, nn.LSTM, 64, 96, batch_first=True)
    told = []
    for num_threads in (1, 2, 3):
        learner = learner_of(env, module, burn_in=3, sequence_length=5, minibatch_size=200)
        learner.num_threads = num_threads
        learner.learn(1)
        if num_threads == 3:
            learner = pickle.loads(pickle.dumps(learner))
        learner.learn(1)
        told.append(weights(learner))
    assert torch.equal(told[0], told[1]) and torch.equal(told[0], told[2])


def test_every_sample_of_an_epoch_is_in_one_minibatch(env):
    """Of a rate of 0 the mean losses are those of the whole batch."""
    module = Layered(env.obs_shape(), 4, nn.GRU, batch_first=True)
    losses = []
    for size in (None, 40):
        learner = learner_of(env, module, minibatch_size=size, sequence_length=4, num_epochs=2)
        learner.config["optimizer"]["lr"] = 0.0
        batch, _ = learner.data_to_torch(learner.collect()[0])
        losses.append(learner.train(batch)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5, abs=1e-7)


def test_sequences_that_do_not_fit_are_named(env):
    learner = learner_of(env, Layered(env.obs_shape(), 4, nn.GRU, batch_first=True), burn_in=2)
    batch, _ = learner.data_to_torch(learner.collect()[0])
    known = batch.sequences
    for name, value, message in [
        ("states", known.states[1:], "states: expected .* entries"),
        ("lengths", known.lengths + 1, "lengths: expected lengths of"),
        ("burn_in", known.burn_in - 10_000, "burn_in: expected in 0"),
        ("has_burn_in", known.has_burn_in[1:], "has_burn_in: expected"),
    ]:
        faulty = replace(batch, sequences=replace(known, **{name: value}))
        with pytest.raises(ValueError, match=message):
            learner.train(faulty)
    with pytest.raises(ValueError, match=r"sequences: expected some, for .* remembers 7 numbers"):
        learner.train(replace(batch, sequences=None))


@pytest.mark.parametrize(("change", "message"), [
    ({"layers": 0}, "layers: expected 1 to 1000, got 0"),
    ({"layers": 2, "is_cell": True}, "layers: expected 1 to 1, got 2"),
    ({"size": 0}, "size: expected at least 1 and no more than fits, got 0"),
    ({"inputs": 5}, r"input: expected \[5\], got \[6\]"),
])  # fmt: skip
def test_a_description_that_does_not_join_is_refused(env, change, message):
    spec = policy_of("gru of 2 layers", env).net_spec()
    block = next(block for block in spec["encoder"] if block["block"] == "recurrent")
    block |= change
    with pytest.raises(ValueError, match=f"network: encoder.2: recurrent: {message}"):
        twisterl.nn.Learner(json.dumps(spec), [], [])


def test_states_of_another_size_are_refused(env):
    policy = policy_of("lstm", env)
    spec = policy.net_spec()
    told = {**spec, "initial_state": [0.0] * 3}
    tensors = engine_tensors(policy, spec)
    with pytest.raises(
        ValueError, match="network: initial_state: expected 40 numbers, or none, got 3"
    ):
        twisterl.nn.Policy.from_spec(json.dumps(told), tensors, [], [])
    for shape in ((1, 39), (40, 1), (40,)):
        with pytest.raises(ValueError, match=rf"states: expected \[1, 40\], got \[{shape[0]}"):
            for engine in (policy.to_rust(), policy.asking_torch()):
                engine.step_batch(
                    np.zeros(1, np.int32), np.array([0, 1]), np.zeros(shape, np.float32)
                )
