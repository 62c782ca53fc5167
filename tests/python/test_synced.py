"""Whatever changes a policy, the engine plays it as it is now."""

import json
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.rl import PPO  # noqa: E402
from twisterl.rl.synced import Synced  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

# One move away from the goal: the blank has to go left, which is action 0.
BOARD = [1, 0, 2, 3]


def bias(algorithm):
    return algorithm.policy.action[-1].bias


def wish(action):
    """A bias of the logits that decides every move."""
    return torch.tensor([50.0 if index == action else 0.0 for index in range(4)])


def through_data(algorithm):
    bias(algorithm).data[:] = wish(0)


def through_data_copy(algorithm):
    bias(algorithm).data.copy_(wish(0))


def through_new_data(algorithm):
    bias(algorithm).data = wish(0)


def through_numpy(algorithm):
    bias(algorithm).detach().numpy()[:] = wish(0).numpy()


def in_place(algorithm):
    with torch.no_grad():
        bias(algorithm).copy_(wish(0))


def by_state_dict(algorithm):
    algorithm.policy.load_state_dict({**algorithm.policy.state_dict(), "action.0.bias": wish(0)})


def by_values_of_the_state_dict(algorithm):
    algorithm.policy.state_dict()["action.0.bias"][:] = wish(0)


def by_foreach(algorithm):
    torch._foreach_copy_([bias(algorithm).data], [wish(0)])


def by_another_optimizer(algorithm):
    optimizer = torch.optim.SGD(algorithm.policy.parameters(), lr=1.0, foreach=True)
    (bias(algorithm) * (bias(algorithm).detach() - wish(0))).sum().backward()
    optimizer.step()


def by_another_parameter(algorithm):
    algorithm.policy.action[-1].bias = torch.nn.Parameter(wish(0))


def by_another_layer(algorithm):
    algorithm.policy.action[-1] = torch.nn.Linear(8, 4)
    with torch.no_grad():
        bias(algorithm).copy_(wish(0))


def by_another_policy(algorithm):
    algorithm.policy = BasicPolicy([4, 4], 4, 16, (8,))
    with torch.no_grad():
        bias(algorithm).copy_(wish(0))


WAYS = [
    through_data, through_data_copy, through_new_data, through_numpy, in_place, by_state_dict,
    by_values_of_the_state_dict, by_foreach, by_another_optimizer, by_another_parameter,
    by_another_layer, by_another_policy,
]  # fmt: skip


@pytest.fixture
def algorithm():
    """Never goes left, and has played already."""
    algorithm = prepare_algorithm(json.loads(json.dumps(SMALL)))
    with torch.no_grad():
        bias(algorithm).copy_(wish(3))
    assert algorithm.solve(BOARD, True) != [0]
    return algorithm


@pytest.mark.parametrize("change", WAYS)
def test_solve_plays_what_was_written(algorithm, change):
    change(algorithm)
    assert algorithm.solve(BOARD, True) == [0]


@pytest.mark.parametrize("change", [through_data, through_numpy])
def test_evaluate_and_collect_play_what_was_written(algorithm, change):
    change(algorithm)
    evaluation = {"num_episodes": 20, "deterministic": True, "start": "uniform"}
    fresh = prepare_algorithm(json.loads(json.dumps(SMALL)))
    fresh.policy.load_state_dict(algorithm.policy.state_dict())
    fresh.sync_rs_policy()
    assert algorithm.evaluate(evaluation)[0] == fresh.evaluate(evaluation)[0]
    played, expected = algorithm.collect()[0], fresh.collect()[0]
    assert np.array_equal(played.log_probs, expected.log_probs)


def test_a_layer_without_weights_counts(algorithm):
    """The ReLU that follows a layer is a part of what the engine computes."""
    with torch.no_grad():
        for parameter in algorithm.policy.parameters():
            parameter.zero_()
        algorithm.policy.common[0].bias[0] = -1.0
        algorithm.policy.action[0].weight[0, 0] = 50.0
        algorithm.policy.action[0].weight[3, 0] = -50.0
    observation, masks = algorithm.env.observe(), [True] * 4
    assert algorithm._current_policy().predict(observation, masks)[0][3] == pytest.approx(0.25)
    algorithm.policy.common[1] = torch.nn.Identity()
    with pytest.raises(TypeError, match="expected Linear"):
        algorithm.solve(BOARD, True)
    del algorithm.policy.common[1]
    assert algorithm._current_policy().predict(observation, masks)[0][3] == pytest.approx(1.0)


def test_permutations_count():
    env = prepare_algorithm({**SMALL, "env_cls": "LightsOut", "env": {"width": 2, "height": 2}}).env
    policy = BasicPolicy(env.obs_shape(), 4, 16, (8,))
    algorithm = PPO(env, policy, {"device": "cpu"})
    before = algorithm._current_policy()
    assert algorithm._current_policy() is before
    policy.set_permutations(*env.twists())
    twisted = algorithm._current_policy()
    assert twisted is not before
    policy.act_perms[0].reverse()
    assert algorithm._current_policy() is not twisted


@pytest.mark.parametrize(
    "policy",
    [
        BasicPolicy([6], 4, 4, (4,)).double(),
        BasicPolicy([6], 4, 4, (4,)).to(torch.bfloat16),
        Conv1dPolicy([3, 2], 4, 4, common_layers=(4,)),
    ],
    ids=["double", "bfloat16", "tied"],
)
def test_every_kind_of_tensor_is_compared(policy):
    synced = Synced(policy)
    assert synced.is_current(policy)
    policy.common[0].weight.data[1, 2] += 1
    assert not synced.is_current(policy)
    # The same bytes at the same place, seen another way.
    synced = Synced(policy)
    policy.common[0].weight.data = policy.common[0].weight.data.t()
    assert not synced.is_current(policy)
    synced = Synced(policy)
    assert synced.is_current(policy)
    policy.common[0].weight.data[0, 1] += 1
    assert not synced.is_current(policy)


def test_what_is_added_behind_all_others_counts():
    policy = BasicPolicy([6], 4, 4, (4,))
    *_, last = policy.modules()
    synced = Synced(policy)
    last.add_module("further", torch.nn.ReLU())
    assert not synced.is_current(policy)


def test_weights_written_from_another_thread_are_seen(algorithm):
    writer = threading.Thread(target=through_numpy, args=(algorithm,))
    writer.start()
    writer.join()
    assert algorithm.solve(BOARD, True) == [0]


def test_nothing_is_handed_over_twice(algorithm):
    before = algorithm._current_policy()
    algorithm.solve(BOARD, True)
    algorithm.evaluate({"num_episodes": 2})
    algorithm.collect()
    assert algorithm._current_policy() is before
    assert np.array_equal(bias(algorithm).detach().numpy(), wish(3).numpy())
