"""What TwisteRL 0.5 returned as lists are lists, with which programs do what they did."""

import copy
import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from small_policy import small_policy  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.rl import az, ppo  # noqa: E402
from twisterl.twisterl import collector  # noqa: E402

# As 0.5.1 returns them; its AZCollector left the last three empty.
FLOATS, INTEGERS = [float], [int]
COLUMNS = {
    "obs": [INTEGERS],
    "logits": [FLOATS],
    "perms": INTEGERS,
    "values": FLOATS,
    "rewards": FLOATS,
    "actions": INTEGERS,
}


def kinds(value):
    """The type of a value; of a list in a list, of a tuple in a tuple."""
    if isinstance(value, list):
        inner = [kinds(item) for item in value]
        assert all(kind == inner[0] for kind in inner)
        return inner[:1]
    return tuple(map(kinds, value)) if isinstance(value, tuple) else type(value)


@pytest.fixture(scope="module")
def env():
    return Puzzle(2, 2, difficulty=4, depth_slope=2, max_depth=16)


@pytest.fixture(scope="module")
def policy(env):
    return small_policy(env)


@pytest.fixture(params=["ppo", "az"])
def data(request, env, policy):
    if request.param == "ppo":
        settings = {"num_episodes": 6, "gamma": 0.9, "lambda": 0.9, "num_cores": 1}
        return collector.PPOCollector(**settings).collect(env, policy)
    return collector.AZCollector(6, 4, 1.41, 1, 1).collect(env, policy)


def lists_of(data):
    return {name: getattr(data, name) for name in COLUMNS} | data.additional_data


def test_collected_columns_are_the_lists_of_their_arrays(data):
    for name, kind in COLUMNS.items():
        assert kinds(getattr(data, name)) == kind, name
    for name in ("logits", "perms", "values", "rewards", "actions"):
        assert getattr(data, name) == getattr(data.arrays, name).tolist()
    returns = {"advs", "rets"} if "rets" in data.additional_data else {"advs", "remaining_values"}
    assert set(data.additional_data) == returns
    for name, values in data.additional_data.items():
        assert kinds(values) == FLOATS and len(values) == len(data) == len(data.obs)
        assert values == data.arrays.additional_data[name].tolist()


def test_what_programs_do_with_lists(data):
    for name, values in lists_of(data).items():
        assert values and not values[:0], name
        assert len(values + values) == 2 * len(values) and [] + values == values
        assert values[-1] in values and list(values) == values == values[:2] + values[2:]
        assert json.loads(json.dumps(values)) == values
        assert copy.deepcopy(values) == pickle.loads(pickle.dumps(values)) == values
        values.append(values[0])
        assert values.pop() == values[0]
    np.testing.assert_allclose(np.array(data.rewards), data.arrays.rewards)
    assert torch.equal(torch.tensor(data.logits), torch.from_numpy(data.arrays.logits))


def test_what_the_other_calls_of_the_engine_return(env, policy):
    found = {name: getattr(env, name)() for name in ("observe", "masks", "get_state", "obs_shape")}
    kind_of_each = {"observe": [int], "masks": [bool], "get_state": [int], "obs_shape": [int]}
    assert {name: kinds(value) for name, value in found.items()} == kind_of_each
    assert env.twists() == ([], []) and kinds(env.difficulty) is int
    scrambled = env.copy()
    scrambled.set_state([1, 0, 2, 3])
    solved = collector.solve(scrambled, policy, False, 50, 0, 1.41, 1)
    assert kinds(solved) == ((float, float), [int])
    assert kinds(collector.evaluate(env, policy, 5, False, 1)) == (float, float)
    for name in ("predict", "forward", "full_predict"):
        found = getattr(policy, name)(scrambled.observe(), scrambled.masks())
        assert kinds(found) == ([float], float)


def test_columns_take_lists_and_arrays_alike(data):
    for name in COLUMNS:
        values = getattr(data, name)[:2]
        setattr(data, name, values)
        assert getattr(data, name) == values
        if name != "obs":
            setattr(data, name, np.asarray(values))
            assert getattr(data, name) == values
    data.additional_data = {"advs": [1.0, 2.0], "rets": np.array([3.0, 4.0])}
    assert data.additional_data == {"advs": [1.0, 2.0], "rets": [3.0, 4.0]}
    data.set_additional_data_item("mine", [0.5, 1])
    data.additional_data["advs"][0] = 8.0
    assert data.get_additional_data_item("mine") == [0.5, 1.0]
    assert data.get_additional_data_item("none") is None
    assert data.arrays.additional_data["advs"].tolist() == [8.0, 2.0]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("rewards", "abc", "rewards: expected float32 \\[N\\], got str"),
        ("rewards", 5, "rewards: expected float32 \\[N\\], got int"),
        ("actions", [0.5], "actions: expected int64 \\[N\\], got others"),
        ("actions", [1 << 70], "actions: expected int64 \\[N\\], got others"),
        ("logits", [[1.0], [1.0, 2.0]], "logits: expected float32 \\[N, A\\], got others"),
        ("values", [[1.0]], "values: expected float32 \\[N\\]"),
        ("additional_data", {"advs": ["a"]}, "additional_data\\['advs'\\]: expected float32"),
    ],
)
def test_a_column_that_is_none_is_refused_by_name(data, name, values, expected):
    before = pickle.dumps(data)
    with pytest.raises((TypeError, ValueError), match=expected):
        setattr(data, name, values)
    assert pickle.dumps(data) == before


def test_new_logits_and_actions_change_what_follows_from_them(env, policy):
    settings = {"num_episodes": 6, "gamma": 0.9, "lambda": 0.9, "num_cores": 1}
    data = collector.PPOCollector(**settings).collect(env, policy)
    data.actions = [0 if row[0] > -1e9 else 1 for row in data.logits]
    data.logits = [[2 * logit for logit in row] for row in data.logits]
    plain = SimpleNamespace(**{name: getattr(data, name) for name in COLUMNS})
    plain.additional_data = data.additional_data
    ours, theirs = ppo.from_collected(data), ppo.from_collected(plain)
    torch.testing.assert_close(ours.log_probs, theirs.log_probs)
    assert torch.equal(ours.illegal, theirs.illegal)
    assert torch.equal(ours.actions, theirs.actions)
    data.actions = [9] * len(data)
    with pytest.raises(ValueError, match=r"actions\[0\]: expected 0..4, got 9"):
        ppo.from_collected(data)


def test_new_rows_and_perms_are_other_distinct_rows(data):
    assert len(data.distinct_rows) < len(data)
    data.perms = list(range(len(data)))
    assert data.distinct_rows.tolist() == data.distinct_index.tolist() == list(range(len(data)))
    data.obs = [[0]] * len(data)
    data.perms = [-1] * len(data)
    assert data.distinct_rows.tolist() == [0]


def test_a_search_keeps_its_masks_whatever_its_distribution(env, policy):
    data = collector.AZCollector(6, 4, 1.41, 1, 1).collect(env, policy)
    masks = data.masks.copy()
    data.logits = [[0.25] * 4 for _ in data.logits]
    np.testing.assert_array_equal(data.masks, masks)
    assert torch.equal(az.from_collected(data).illegal, torch.from_numpy(~masks))


def test_walks_are_copied_and_pickled(env):
    walks = collector.WalkCollector(20, 5).collect(env)
    names = ("indices", "offsets", "masks", "undo_counts", "mean_moves")
    for again in (pickle.loads(pickle.dumps(walks)), copy.deepcopy(walks)):
        assert again.num_samples == walks.num_samples
        for name in names:
            np.testing.assert_array_equal(getattr(again, name), getattr(walks, name))


def test_a_container_made_by_hand_and_merged():
    empty = collector.CollectedData([], [], [], [], [])
    assert not empty and empty.logits == [] and empty.additional_data == {}
    data = collector.CollectedData(
        [[0, 1], [2]], [[0.0, 0.0], [1.0, -1e10]], [0.5, 1], [0, 1], [1, 0]
    )
    data.additional_data = {"advs": [1.0, 1.0]}
    assert data.perms == [-1, -1]
    assert data.masks.tolist() == [[True, True], [True, False]]
    np.testing.assert_allclose(data.log_probs, [-np.log(2), 0], atol=1e-6)
    empty.merge(data)
    data = empty
    data.merge(collector.CollectedData([[3]], [[0.0, 0.0]], [0], [0], [0], [2]))
    data.merge(collector.CollectedData([], [], [], [], []))
    assert data.obs == [[0, 1], [2], [3]] and data.logits[2] == [0.0, 0.0]
    assert data.perms == [-1, -1, 2] and data.additional_data == {"advs": [1.0, 1.0]}
    assert data.offsets.tolist() == [0, 2, 3, 4]
    with pytest.raises(ValueError, match="actions"):
        collector.CollectedData([[0]], [[0.0, 0.0]], [0], [0], [2])
    with pytest.raises(ValueError, match="rewards: expected 1 entries as in obs, got 2"):
        collector.CollectedData([[0]], [[0.0, 0.0]], [0], [0, 1], [1])


def test_collected_data_is_copied_and_pickled(data):
    for again in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data), copy.copy(data)):
        assert lists_of(again) == lists_of(data)
        np.testing.assert_array_equal(again.masks, data.masks)
        np.testing.assert_array_equal(again.log_probs, data.log_probs)
        np.testing.assert_array_equal(again.distinct_index, data.distinct_index)
    deep = copy.deepcopy(data)
    data.arrays.rewards[0] = 7.0
    assert data.rewards[0] == 7.0 and copy.copy(data).rewards[0] == 7.0 != deep.rewards[0]
    searched = pickle.loads(pickle.dumps(data))
    searched.logits = [[0.25] * 4 for _ in data.logits]
    data.logits = [[0.25] * 4 for _ in data.logits]
    np.testing.assert_array_equal(searched.masks, data.masks)
