"""Play towards the largest value: which action is taken, and where it ends."""

import numpy as np
import pytest
from small_policy import small_policy
from twisterl import twisterl
from twisterl.envs import Puzzle

collector = twisterl.collector


@pytest.fixture(scope="module")
def played():
    env = Puzzle(3, 3, 1, 2, 12)
    states = np.array([env.random_state(seed) for seed in range(12)])
    near = [[1, 0, 2, 3, 4, 5, 6, 7, 8], [1, 2, 0, 3, 4, 5, 6, 7, 8], list(range(9))]
    return env, small_policy(env), np.concatenate([states, near])


def reference(env, policy, state):
    """As the engine should play: `(actions, reward, states given to the policy)`."""
    env = env.copy()
    env.set_state(state)
    actions, reward, nodes = [], env.reward(), 0
    while not env.is_final():
        best = None
        for action in np.flatnonzero(env.masks()):
            child = env.copy()
            child.step(int(action))
            nodes += 1
            _, value = policy.full_predict(child.observe(), child.masks())
            rank = (child.success(), value)
            if best is None or rank > best[0]:
                best = rank, int(action), child
        actions.append(best[1])
        env = best[2]
        reward += env.reward()
    return actions, reward, nodes


@pytest.mark.parametrize("num_cores", [1, 2])
def test_the_best_of_the_states_that_follow_is_next(played, num_cores):
    env, policy, states = played
    found = collector.evaluate_episodes(
        env, policy, states=states, strategy="value", num_cores=num_cores, actions=True
    )
    assert found["success"].any() and not found["success"].all()
    for i, state in enumerate(states):
        actions, reward, nodes = reference(env, policy, state.tolist())
        assert found["actions"][i].tolist() == actions
        assert found["reward"][i] == pytest.approx(reward, rel=1e-6)
        assert found["nodes"][i] == nodes
        assert found["length"][i] == len(actions)


def test_it_ends_with_the_budget(played):
    env, policy, states = played
    told = collector.evaluate_episodes(
        env, policy, states=states, strategy="value", node_limit=5, actions=True
    )
    whole = collector.evaluate_episodes(env, policy, states=states, strategy="value", actions=True)
    for cut, all_of_it in zip(told["actions"], whole["actions"], strict=True):
        assert len(cut) <= 3 and cut.tolist() == all_of_it[: len(cut)].tolist()
    assert 3 < told["nodes"].max() <= 5


def test_a_budget_of_just_what_is_needed_ends_nothing(played):
    env, policy, states = played
    for state in states[:4]:
        options = {"states": state[None], "strategy": "value", "actions": True}
        whole = collector.evaluate_episodes(env, policy, **options)
        needed = int(whole["nodes"][0])
        again = collector.evaluate_episodes(env, policy, **options, node_limit=needed)
        assert again["actions"][0].tolist() == whole["actions"][0].tolist()
        less = collector.evaluate_episodes(env, policy, **options, node_limit=needed - 1)
        assert len(less["actions"][0]) < len(whole["actions"][0])


def test_of_equal_values_the_first_action_is_taken(played):
    env, _, states = played
    features, actions = 81, 4

    def zeros(*shape):
        return np.zeros(shape, np.float32)

    nn = twisterl.nn
    policy = nn.Policy(
        nn.EmbeddingBag(zeros(features, 8), zeros(8), True, [features], 0),
        nn.Sequential([]),
        nn.Sequential([nn.Linear(zeros(8 * actions), zeros(actions), False)]),
        nn.Sequential([nn.Linear(zeros(8), zeros(1), False)]),
        [],
        [],
    )
    found = collector.evaluate_episodes(env, policy, states=states, strategy="value", actions=True)
    for i, state in enumerate(states):
        assert found["actions"][i].tolist() == reference(env, policy, state.tolist())[0]


def test_a_state_without_actions_is_an_error():
    from python_envs import Line
    from twisterl.envs import PyEnv

    class Stuck(Line):
        def masks(self):
            return [False, False]

    class StuckInNumbers(Stuck):
        def obs_dtype(self):
            return "float32"

        def observe(self):
            return np.arange(self.size, dtype=np.float32)

    told = "^policy: the state is not final and its masks allow no action$"
    of_features = r"^policy: the state with the features \[\d\] is not final and its masks allow no"
    ways = [{"strategy": "value"}, {"strategy": "sample"}, {"num_mcts_searches": 2}]
    for made, words in ((Stuck, [told, told, of_features]), (StuckInNumbers, [told] * 3)):
        env = PyEnv(made())
        for way, expected in zip(ways, words, strict=True):
            with pytest.raises(ValueError, match=expected):
                collector.evaluate_episodes(env, small_policy(env), 3, **way)
