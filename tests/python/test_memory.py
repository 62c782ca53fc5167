"""Policies that remember: what is collected, how it is learned from, what is refused."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_policy import collector, everything
from torch_nets import Gated, GatedMemory, Remembering
from twisterl import twisterl
from twisterl.envs import Puzzle, PyEnv
from twisterl.nn import TorchPolicy
from twisterl.rl import AZ, PPO, RandomWalk
from twisterl.rl.batch import columns_of

LENGTH = 4


class Recall:
    """Shows one of two cues at once, then nothing; after some steps the cue is to be named."""

    steps = 5

    def __init__(self):
        self.reseed(0)
        self.reset(1)

    def reseed(self, seed):
        self.random = np.random.default_rng(seed)

    def reset(self, _):
        self.cue, self.time, self.answer = int(self.random.integers(2)), 0, None

    def set_state(self, state):
        self.cue, self.time = state
        self.answer = None

    def copy(self):
        return copy.deepcopy(self)

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [3]

    def next(self, action):
        self.time += 1
        if self.time == self.steps:
            self.answer = action

    def observe(self):
        return [self.cue] if self.time == 0 else [2]

    def is_final(self):
        return self.time == self.steps

    def success(self):
        return self.answer == self.cue

    def value(self):
        return float(self.success()) if self.is_final() else 0.0

    def masks(self):
        return [True, True]


def remembering(env, module=Remembering):
    torch.manual_seed(1)
    return TorchPolicy.of(module, env, {})


def ppo(env, evals=None, module=Remembering, **training):
    config = {
        "collecting": {"num_cores": 2, "num_episodes": 48},
        "training": {"sequence_length": LENGTH, "num_epochs": 1, **training},
        "evals": evals or {},
        "learning": {"diff_metric": None},
    }
    return PPO(env, remembering(env, module), config)


@pytest.fixture
def env():
    env = Puzzle(3, 3, 8, 2, 24)
    env.difficulty = 8
    return env


@pytest.fixture
def played(env):
    learner = ppo(env)
    return learner, learner.collect()[0]


def by_hand(policy, data):
    """Logits, values and states before, step by step, from each episode's beginning on."""
    told, states = [], []
    starts = data.arrays.episode_starts
    for first, end in pairwise(starts):
        state = policy.module.initial_state(1)
        for features in data.obs[first:end]:
            x = torch.zeros(1, policy.obs_size)
            x[0, features] = 1
            states.append(state[0])
            logits, value, state = policy.module(x.reshape(1, *policy.obs_shape), state)
            told.append(torch.cat([logits[0], value]))
    return torch.stack(told), torch.stack(states)


@pytest.mark.parametrize(
    ("module", "made"), [(Remembering, "from_spec"), (GatedMemory, "from_torch")]
)
def test_an_episode_is_remembered_from_its_beginning(module, made, env):
    learner = ppo(env, module=module)
    data = learner.collect()[0]
    assert learner.rs_pol.__reduce__()[0].__name__ == made
    with torch.no_grad():
        told, states = by_hand(learner.policy, data)
    assert data.arrays.states.shape == (len(data), 16)
    np.testing.assert_allclose(data.arrays.states, states, atol=1e-6)
    np.testing.assert_allclose(data.arrays.values, told[:, -1], atol=1e-6)
    masked = torch.where(torch.from_numpy(data.masks), told[:, :-1], -1e10)
    np.testing.assert_allclose(data.arrays.logits, masked, atol=1e-6)


def test_threads_change_nothing(env):
    """Torch's last bits depend on what else is in a batch, which is the same for any number."""
    engine = remembering(env).to_rust()
    told = [collector(600, num_cores).collect(env, engine) for num_cores in (1, 2, 2, 2)]
    assert len({everything(data) for data in told}) == 1


def test_what_is_joined_and_pickled_keeps_its_states(played):
    _, data = played
    again = pickle.loads(pickle.dumps(data))
    assert np.array_equal(again.arrays.states, data.arrays.states)
    count = len(data)
    data.merge(again)
    assert np.array_equal(data.arrays.states[:count], data.arrays.states[count:])


@pytest.mark.parametrize("minibatch_size", [None, 50])
@pytest.mark.parametrize("burn_in", [0, 1, LENGTH])
def test_before_an_update_the_policy_is_that_which_played(env, burn_in, minibatch_size):
    """With the weights that played a burn-in makes the stored states again."""
    learner = ppo(env, burn_in=burn_in, minibatch_size=minibatch_size)
    data = learner.collect()[0]
    batch = learner.data_to_torch(data)[0]
    parts = [batch]
    if minibatch_size:
        random = torch.Generator().manual_seed(0)
        drawn = learner._minibatches(batch, batch.num_samples, minibatch_size, random)
        parts = [part for minibatch in drawn for part in minibatch]
        assert len(parts) > 3
    assert sum(part.num_samples for part in parts) == len(data)
    for part in parts + batch.split(10):
        outputs, values = learner._outputs(part)
        log_probs, _ = learner.head.judge(outputs, part.illegal, part.actions)
        torch.testing.assert_close(log_probs, part.log_probs, rtol=1e-4, atol=1e-5)
        advantages = part.returns - values
        torch.testing.assert_close(advantages, part.advantages, rtol=1e-4, atol=1e-4)


def gradient(learner, loss):
    learner.optimizer.zero_grad()
    loss.backward()
    parameters = learner.policy.parameters()
    return torch.cat([parameter.grad.reshape(-1) for parameter in parameters])


def test_gradients_flow_through_whole_sequences(env):
    """Of whole episodes they are those of the steps by hand."""
    learner = ppo(env, sequence_length=100)
    data = learner.collect()[0]
    batch = learner.data_to_torch(data)[0]
    outputs, values = learner._outputs(batch)
    weights = torch.linspace(-1, 1, len(data))
    found = gradient(learner, (weights * (outputs.logsumexp(1) + values)).sum())
    told, _ = by_hand(learner.policy, data)
    expected = (weights * (told[:, :-1].logsumexp(1) + told[:, -1])).sum()
    torch.testing.assert_close(found, gradient(learner, expected), rtol=1e-4, atol=1e-4)


def test_a_sequence_starts_from_what_was_remembered(env):
    """Old weights make the stored states; a burn-in makes them anew."""

    def change(learner):
        with torch.no_grad():
            for parameter in learner.policy.parameters():
                parameter.mul_(1.1)

    told = {}
    for burn_in in (0, LENGTH):
        learner = ppo(env, burn_in=burn_in)
        data = learner.collect()[0]
        batch = learner.data_to_torch(data)[0]
        change(learner)
        with torch.no_grad():
            told[burn_in] = learner._outputs(batch)[1]
    starts = columns_of(data).episode_starts
    first = np.concatenate([np.arange(a, b)[:LENGTH] for a, b in pairwise(starts)])
    later = np.setdiff1d(np.arange(len(data)), first)
    assert torch.equal(told[0][first], told[LENGTH][first])
    assert len(later) > 20
    assert (told[0][later] != told[LENGTH][later]).float().mean() > 0.9


def test_what_was_seen_once_is_learned():
    env = PyEnv(Recall())
    config = {
        "collecting": {"num_episodes": 128, "num_cores": 1, "lambda": 0.95, "gamma": 0.99},
        "training": {"num_epochs": 4, "minibatch_size": 160, "ent_coef": 0.0},
        "optimizer": {"lr": 0.01},
        "evals": {},
    }
    eval_ = {"num_episodes": 60, "deterministic": True}
    solved = {}
    for module in (Remembering, Gated):
        torch.manual_seed(0)
        learner = PPO(env, TorchPolicy.of(module, env, {}), config)
        learner.learn(12)
        solved[module] = learner.evaluate(eval_)[0][0]
    assert solved[Remembering] == 1.0
    assert solved[Gated] < 0.8


def test_a_run_is_repeated(env):
    weights = []
    for _ in range(2):
        learner = ppo(env, burn_in=2, minibatch_size=64)
        learner.learn(2)
        weights.append([value.clone() for value in learner.policy.parameters()])
    assert all(map(torch.equal, *weights))


def test_a_tree_search_remembers(env):
    policy = remembering(env).to_rust()
    play = {"num_mcts_searches": 20, "num_searches": 1, "deterministic": True}
    found = twisterl.collector.evaluate_episodes(env, policy, 30, seed=2, **play)
    again = twisterl.collector.evaluate_episodes(env, policy, 30, seed=2, **play)
    for name, column in found.items():
        assert np.array_equal(column, again[name]), name
    assert found["success"].mean() > 0.3


@pytest.mark.parametrize(("training", "problem"), [
    ({"sequence_length": 8}, "training.sequence_length: expected None for a policy without memory"),
    ({"burn_in": 2}, "training.burn_in: expected 0 for a policy without memory, got 2"),
])  # fmt: skip
def test_what_is_for_a_memory_needs_one(env, training, problem):
    with pytest.raises(ValueError, match=problem):
        PPO(env, TorchPolicy.of(Gated, env, {}), {"training": training, "evals": {}})


def test_a_burn_in_is_no_longer_than_a_sequence(env):
    with pytest.raises(ValueError, match=r"training.burn_in: expected at most 4, .*, got 5"):
        ppo(env, burn_in=5)


@pytest.mark.parametrize("algorithm", [AZ, RandomWalk])
def test_what_learns_from_single_states_refuses_a_memory(env, algorithm):
    with pytest.raises(ValueError, match=r"policy: expected one without memory, for .*; got one"):
        algorithm(env, remembering(env), {"evals": {}})


@pytest.mark.parametrize("strategy", ["beam", "value"])
def test_an_eval_that_jumps_between_states_is_refused_at_once(env, strategy):
    with pytest.raises(ValueError, match=f"for algorithm.evals.wide, which is by {strategy}; got"):
        ppo(env, evals={"wide": {"strategy": strategy}})


def test_a_state_of_another_size_is_refused(env):
    policy = remembering(env)
    policy.module.initial_state = lambda batch_size: torch.zeros(batch_size, 3)
    with pytest.raises(ValueError, match=r"initial_state: expected \[1, 16\], got \[1, 3"):
        policy.to_rust()
    policy = remembering(env)
    cell = policy.module.forward
    policy.module.forward = lambda x, state: (*cell(x, state)[:2], state[:, 1:])
    with pytest.raises(ValueError, match=r"states \[1, 16\]\), got tensors of .*\[1, 15\]"):
        policy.to_rust()
