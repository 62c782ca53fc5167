"""StepSequence: what Pyrado's rollouts do, against lists in plain Python."""

import pickle

import numpy as np
import pytest
import torch
from twisterl.nn import StepSequence


def cases(count):
    return pytest.mark.parametrize("seed", range(count))


def drawn(seed):
    """A sequence of several rollouts, its rows as arrays, and the generator."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    longer = int(rng.integers(0, 2))
    rows = {
        "rewards": rng.normal(size=n),
        "observations": rng.normal(size=(n + longer, 2)),
        "actions": rng.normal(size=(n, 1)),
        "hidden_states": rng.normal(size=(n + longer, 3)),
        "infos": {"a": rng.normal(size=n), "bs": (rng.normal(size=(n, 2)), rng.normal(size=n))},
    }
    given = dict(rows)
    if seed % 3 == 0:
        given["observations"] = list(rows["observations"])
        given["infos"] = [
            {"a": rows["infos"]["a"][t], "bs": tuple(part[t] for part in rows["infos"]["bs"])}
            for t in range(n)
        ]
    if seed % 2:
        given["actions"] = torch.tensor(rows["actions"])
    done = rng.random(n) < 0.3
    sequence = StepSequence(**given, done=done, data_format=("numpy", "torch", None)[seed % 3])
    return rng, rows, done, sequence


def same(told, expected):
    np.testing.assert_array_equal(np.asarray(told), expected)


def starts(done):
    """The first steps of rollouts, then n, by a loop."""
    found = [0]
    for t, ends in enumerate(done):
        if ends and t + 1 < len(done):
            found.append(t + 1)
    return [*found, len(done)]


@cases(40)
def test_rows_and_steps(seed):
    _, rows, done, ro = drawn(seed)
    n = len(done)
    assert len(ro) == n and set(ro.data_names) == rows.keys()
    form = ("numpy", "torch", "torch" if seed % 2 else "numpy")[seed % 3]
    kind = torch.Tensor if form == "torch" else np.ndarray
    assert ro.data_format == form and isinstance(ro.observations, kind)
    assert isinstance(ro.infos.bs[1], kind) and isinstance(ro.done, np.ndarray)
    same(ro["observations"], rows["observations"])
    same(ro.get_data_values("observations", truncate_last=True), rows["observations"][:n])
    bounds = starts(done)
    for t, step in enumerate(ro):
        assert step.done is bool(done[t]) and step["done"] is step.done
        same(step.observation, rows["observations"][t])
        same(step["hidden_state"], rows["hidden_states"][t])
        same(step.info.a, rows["infos"]["a"][t])
        same(step.info["bs"][0], rows["infos"]["bs"][0][t])
        inside = t + 1 not in bounds[:-1] and t + 1 < len(rows["observations"])
        if inside:
            same(step.next_observation, rows["observations"][t + 1])
        else:
            with pytest.raises(AttributeError, match="next_observation"):
                step.__getattr__("next_observation")
        with pytest.raises(KeyError, match="speed"):
            step["speed"]
    same(ro[-1].reward, rows["rewards"][-1])


@cases(40)
def test_rollouts_and_returns(seed):
    rng, rows, done, ro = drawn(seed)
    bounds = starts(done)
    assert ro.rollout_bounds.tolist() == bounds
    assert ro.rollout_lengths.tolist() == np.diff(bounds).tolist()
    assert ro.rollout_count == len(bounds) - 1
    gamma, extra = float(rng.random()), len(rows["observations"]) - len(done)
    for index, part in enumerate(ro.iterate_rollouts()):
        first, last = bounds[index : index + 2]
        same(part.rewards, rows["rewards"][first:last])
        same(part.observations, rows["observations"][first : last + extra])
        assert part.rollout_count == 1
        assert part.undiscounted_return() == pytest.approx(rows["rewards"][first:last].sum())
        discounted = sum(gamma**t * r for t, r in enumerate(rows["rewards"][first:last]))
        assert part.discounted_return(gamma) == pytest.approx(discounted)
    if ro.rollout_count > 1:
        with pytest.raises(ValueError, match="rollout"):
            ro.discounted_return(0.5)
        last = ro.get_rollout(-1)
        same(last.actions, rows["actions"][bounds[-2] :])
        both = ro.get_rollout([ro.rollout_count - 1, 0])
        expected = [*rows["rewards"][bounds[-2] :], *rows["rewards"][: bounds[1]]]
        same(both.rewards, expected)
        same(ro.get_rollout(slice(0, 2)).rewards, rows["rewards"][: bounds[2]])


@cases(40)
def test_parts(seed):
    rng, rows, done, ro = drawn(seed)
    n = len(done)
    a = int(rng.integers(0, n))
    b = int(rng.integers(a, n)) + 1
    part = ro[a:b]
    same(part.rewards, rows["rewards"][a:b])
    same(part.observations, rows["observations"][a : b + len(rows["observations"]) - n])
    same(part.done, done[a:b])
    assert part.continuous and part.rollout_bounds.tolist() == starts(done[a:b])
    picked = rng.integers(0, n, 3)
    index = (picked, picked.tolist(), torch.tensor(picked))[seed % 3]
    some = ro[index]
    same(some.infos.bs[0], rows["infos"]["bs"][0][picked])
    same(some.observations, rows["observations"][picked])
    assert not some.continuous and not ro[::-1].continuous
    same(ro[::-1].rewards, rows["rewards"][::-1])
    with pytest.raises(ValueError, match="rollout"):
        some.get_rollout(0)
    same(ro[done | True].rewards, rows["rewards"])
    again = pickle.loads(pickle.dumps(ro))
    same(again.observations, rows["observations"])
    assert again.rollout_bounds.tolist() == ro.rollout_bounds.tolist()


@cases(40)
def test_batches_and_sums_of_parts(seed):
    rng, rows, _, ro = drawn(seed)
    n = len(ro)
    size = int(rng.integers(1, n + 2))
    ordered = list(ro.split_ordered_batches(batch_size=size))
    assert all(len(part) == size for part in ordered[:-1])
    same(np.concatenate([np.asarray(part.rewards) for part in ordered]), rows["rewards"])
    count = int(rng.integers(1, n + 1))
    parts = list(ro.split_ordered_batches(num_batches=count))
    assert len(parts) == count and max(map(len, parts)) - min(map(len, parts)) <= 1
    joined = StepSequence.concat(parts)
    same(joined.observations, rows["observations"][:n])
    same(joined.infos.bs[1], rows["infos"]["bs"][1])
    assert joined.data_format == ro.data_format
    bounds = {0, n, *np.cumsum([len(part) for part in parts]), *ro.rollout_bounds}
    assert joined.rollout_bounds.tolist() == sorted(int(b) for b in bounds)
    other = "torch" if ro.data_format == "numpy" else "numpy"
    assert StepSequence.concat(parts, data_format=other).data_format == other
    shuffled = list(ro.split_shuffled_batches(size, rng=rng))
    assert [len(part) for part in shuffled[:-1]] == [size] * (len(shuffled) - 1)
    drawn_rewards = np.concatenate([np.asarray(part.rewards) for part in shuffled])
    same(np.sort(drawn_rewards), np.sort(rows["rewards"]))
    whole = list(ro.split_shuffled_batches(size, complete_rollouts=True, rng=rng))
    assert all(len(part) >= size for part in whole[:-1])
    lengths = sorted(length for part in whole for length in part.rollout_lengths)
    assert lengths == sorted(ro.rollout_lengths)


def test_formats_are_changed_in_place():
    _, rows, _, ro = drawn(2)
    ro.torch(torch.float32)
    assert ro.infos.a.dtype == torch.float32 and ro.data_format == "torch"
    assert isinstance(ro.done, np.ndarray) and ro.done.dtype == bool
    ro.numpy()
    assert ro.infos.bs[0].dtype == np.float32 and ro[0:1].data_format == "numpy"
    ro.numpy(np.float64)
    np.testing.assert_allclose(ro.rewards, rows["rewards"], rtol=1e-6)
    ro.add_data("values", np.zeros(len(ro) + 1))
    assert ro.data_names[-1] == "values" and ro.get_data_values("values", True).shape == (len(ro),)


def test_whether_the_last_rollout_has_ended():
    given = {"rewards": [1, 2], "observations": [[1], [2]], "actions": [0, 0]}
    assert StepSequence(**given).done.tolist() == [False, True]
    assert StepSequence(**given, complete=False).done.tolist() == [False, False]
    ro = StepSequence(**given, rollout_bounds=[0, 1, 2], rollout_info={"seed": 1})
    assert ro.rollout_count == 2 and ro[1:].rollout_info == {"seed": 1}
    ro.rewards[0] = 5
    assert given["rewards"] == [1, 2]


def made(**changes):
    rows = {"rewards": [1.0, 2.0], "observations": np.zeros((2, 1)), "actions": np.zeros(2)}
    return StepSequence(**{**rows, **changes})


@pytest.mark.parametrize(
    "error, said, call",
    [
        (ValueError, "rewards", lambda: made(rewards=[])),
        (ValueError, "actions: expected 2 or 3 rows, got 4", lambda: made(actions=np.zeros(4))),
        (ValueError, "2 rows, got 3", lambda: made(actions=np.zeros(3), continuous=False)),
        (ValueError, "values: .*gradient", lambda: made(values=torch.zeros(2, requires_grad=True))),
        (ValueError, "values: ", lambda: made(values=[np.zeros(1), np.zeros(2)])),
        (ValueError, "values: ", lambda: made(values=[{"a": 1}, {"b": 1}])),
        (ValueError, "data_format", lambda: made(data_format="jax")),
        (ValueError, "done", lambda: made(done=[True])),
        (ValueError, "rollout_bounds", lambda: made(rollout_bounds=[0, 3])),
        (ValueError, "rollout_bounds", lambda: made(rollout_bounds=[0, 2, 2])),
        (KeyError, "actions", lambda: made().add_data("actions", [1, 2])),
        (ValueError, "torch", lambda: made().add_data("torch", [1, 2])),
        (KeyError, "values", lambda: made().get_data_values("values")),
        (AttributeError, "values", lambda: made().values),
        (IndexError, "2", lambda: made()[2]),
        (ValueError, "index", lambda: made()[-3]),
        (TypeError, "index", lambda: made()[1.5]),
        (TypeError, "index", lambda: made()[[0.5]]),
        (IndexError, "index", lambda: made().get_rollout(1)),
        (ValueError, "gamma", lambda: made().discounted_return(1.5)),
        (ValueError, "parts", lambda: StepSequence.concat([])),
        (ValueError, "parts", lambda: StepSequence.concat([made(), made(values=[1, 2])])),
        (ValueError, "batch_size", lambda: made().split_ordered_batches()),
        (ValueError, "batch_size", lambda: made().split_ordered_batches(1, 1)),
        (ValueError, "num_batches", lambda: made().split_ordered_batches(num_batches=3)),
        (ValueError, "batch_size", lambda: made().split_shuffled_batches(0)),
    ],
)
def test_what_is_refused(error, said, call):
    with pytest.raises(error, match=said):
        call()
