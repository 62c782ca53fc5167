"""A dense observation is told from a list of active features, where it is first seen."""

import numpy as np
import pytest
from python_envs import Line, LineBatch
from small_policy import collector, small_policy
from twisterl import twisterl
from twisterl.envs import PyEnv, check_env

ONES = [0, 1, 0, 0, 1, 0]
DENSE = {
    "flags": np.array(ONES, dtype=bool),
    "fractions": np.array(ONES, dtype=np.float32),
    "integers": np.array(ONES),
    "small integers": np.array(ONES, dtype=np.uint8),
    "all zero": np.zeros(6, dtype=np.int64),
    "all one": np.ones(6, dtype=np.int64),
    "in its shape": np.array(ONES).reshape(2, 3),
    "of another shape": np.array([ONES]),
    "too short": np.array([True]),
    "a list": ONES,
    "a tuple": tuple(ONES),
    "a list of flags": [bool(one) for one in ONES],
    "a list of numpy's flags": list(np.array(ONES, dtype=bool)),
    "a list of fractions": [float(one) for one in ONES],
}
SPARSE = {
    "nothing": [],
    "an array of nothing": np.array([]),
    "one": [1],
    "zero and one": [0, 1],
    "all": [5, 4, 3, 2, 1, 0],
    "an array of all": np.arange(6),
    "small integers": np.array([3, 0], dtype=np.int8),
    "a tuple": (2, 4),
    "a set": {3},
    "a range": range(3),
}
ADVICE = r"expected the indices of the active features, got .*numpy\.flatnonzero\(x\), or have"


class Answering(Line):
    def __init__(self, answer, shape=(6,)):
        super().__init__()
        self.answer, self.shape = answer, shape

    def obs_shape(self):
        return list(self.shape)

    def observe(self):
        return self.answer


@pytest.mark.parametrize("kind", DENSE)
def test_it_is_refused_with_advice(kind):
    shape = np.shape(DENSE[kind]) if kind == "in its shape" else (6,)
    env = PyEnv(Answering(DENSE[kind], shape))
    with pytest.raises(ValueError, match=r"^observe\(\) of Answering: " + ADVICE):
        env.observe()


@pytest.mark.parametrize("kind", SPARSE)
def test_indices_are_taken(kind):
    env = PyEnv(Answering(SPARSE[kind]))
    assert env.observe() == [int(index) for index in SPARSE[kind]]


@pytest.mark.parametrize("answer", [[True], [3, False], [np.True_], [1.0]])
def test_a_flag_or_a_fraction_is_no_index(answer):
    with pytest.raises(TypeError, match=r"observe\(\) of Answering: expected a list of integers"):
        PyEnv(Answering(answer)).observe()


def test_tensors():
    torch = pytest.importorskip("torch")
    assert PyEnv(Answering(torch.tensor([3, 1]))).observe() == [3, 1]
    for kind in (torch.int64, torch.bool, torch.float32):
        with pytest.raises(ValueError, match=ADVICE):
            PyEnv(Answering(torch.tensor(ONES, dtype=kind))).observe()


@pytest.mark.parametrize(
    ("answer", "is_dense"),
    [([0, 1], False), ([1, 0], False), ([0, 0], True), ([1, 1], True), ([1], False)],
)
def test_both_of_two_features_may_be_active(answer, is_dense):
    env = PyEnv(Answering(answer, (2,)))
    if is_dense:
        with pytest.raises(ValueError, match=ADVICE):
            env.observe()
    else:
        assert env.observe() == answer
    assert PyEnv(Answering([0], (1,))).observe() == [0]


PLAYERS = {
    "PPO": lambda env, policy: collector(num_cores=2).collect(env, policy),
    "AZ": lambda env, policy: twisterl.collector.AZCollector(4, 4, 1.41, 1, 2).collect(env, policy),
    "evaluate": lambda env, policy: twisterl.collector.evaluate(env, policy, 4, True, 1),
    "solve": lambda env, policy: twisterl.collector.solve(env, policy),
    "solve by search": lambda env, policy: twisterl.collector.solve(
        env, policy, num_mcts_searches=4
    ),
    "check": lambda env, _: check_env(env),
}


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("wrap", [PyEnv, lambda env: env])
def test_all_that_plays_refuses_it(player, wrap):
    env = wrap(Answering(DENSE["flags"]))
    with pytest.raises(ValueError, match=r"(?s)observe\(\).*numpy\.flatnonzero\(x\)"):
        PLAYERS[player](env, small_policy(Line()))


def test_environments_of_other_libraries(other):
    env = other.env.PyEnv(Answering(DENSE["integers"]))
    with pytest.raises(ValueError, match=r"observe\(\) of Answering: " + ADVICE):
        collector().collect(env, small_policy(Line()))


class DenseBatch(LineBatch):
    kind = np.int64

    def advance(self, lanes, *told):
        cells, _, *rest = super().advance(lanes, *told)
        rows = np.arange(6) == cells[:, None]
        return (rows.astype(self.kind), 6 * np.arange(len(lanes) + 1), *rest)


@pytest.mark.parametrize("kind", [np.int32, bool, np.float64])
def test_batches_of_them_are_refused(kind):
    class Dense(Line):
        def vectorize(self, num_lanes):
            batch = DenseBatch(self, num_lanes)
            batch.kind = kind
            return batch

    error = ValueError if kind is np.int32 else TypeError
    with pytest.raises(
        error, match=r"advance\(\) of .*numpy\.flatnonzero\(x\), or have obs_dtype\(\)"
    ):
        collector().collect(PyEnv(Dense), small_policy(Line()))
