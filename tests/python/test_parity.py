"""Walks of moves that flip features, learned by solving for parities."""

import copy
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from twisterl import on_demand  # noqa: E402
from twisterl.config.validation import check_run  # noqa: E402
from twisterl.envs import PyEnv  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import RandomWalk  # noqa: E402
from twisterl.twisterl.collector import evaluate_episodes  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = json.loads((ROOT / "examples" / "rw_lights_out_7x7_v1.json").read_text())
GREEDY = {"strategy": "greedy", "deterministic": True}


class Switches:
    """Four switches, each shown as on or as off; an action turns one or two of them."""

    flips = ((0, 1), (1, 2), (2, 3), (3,))

    def __init__(self):
        self.on = [0] * 4

    def num_actions(self):
        return len(self.flips)

    def obs_shape(self):
        return [8]

    def observe(self):
        return [2 * i + on for i, on in enumerate(self.on)]

    def next(self, action):
        for switch in self.flips[action]:
            self.on[switch] ^= 1

    def masks(self):
        return [True] * len(self.flips)

    def success(self):
        return not any(self.on)

    def is_final(self):
        return self.success()

    def truncated(self):
        return False

    def value(self):
        return float(self.success())

    def set_state(self, state):
        self.on = list(state)

    def reset(self, difficulty):
        self.on = [1] * 4

    def reset_goal(self):
        self.on = [0] * 4

    def inverse_actions(self):
        return list(range(len(self.flips)))

    def copy(self):
        return copy.deepcopy(self)


class Masked(Switches):
    """The first switch turns only where the last one is off."""

    def masks(self):
        return [not self.on[3], True, True, True]


class Ring(Switches):
    """Four cells around, seen one by one: moves commute, and none undoes itself."""

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [4]

    def observe(self):
        return [self.on[0]]

    def next(self, action):
        self.on[0] = (self.on[0] + (1, -1)[action]) % 4

    def masks(self):
        return [True, True]

    def inverse_actions(self):
        return [1, 0]


def example(**changes):
    config = json.loads(json.dumps(EXAMPLE))
    config["algorithm"]["evals"] = {}
    config["algorithm"]["learning"] = {"num_steps": 1}
    for path, value in changes.items():
        *sections, key = path.split("__")
        section = config
        for name in sections:
            section = section[name]
        section[key] = value
    return config


def of_env(env, **training):
    config = {
        "collecting": {"num_walks": 40, "walk_length": 4, "commuting": True},
        "training": {"fit": "parity", **training},
        "evals": {},
    }
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=16, common_layers=[])
    return RandomWalk(env, policy, config)


@pytest.fixture(scope="module")
def solved():
    algorithm = prepare_algorithm(example())
    algorithm.learn(1)
    return algorithm


@pytest.fixture(scope="module")
def boards(solved):
    """500 boards, and the presses that elimination finds."""
    states = np.array([solved.env.random_state(seed) for seed in range(500)], np.int64)
    found = evaluate_episodes(solved.env, None, states=states, strategy="optimal", actions=True)
    return states, found["actions"]


def test_every_board_is_played_greedily_by_the_fewest_presses(solved, boards):
    states, shortest = boards
    for precision in ("f32", "int8"):
        found = evaluate_episodes(
            solved.env, solved.rs_pol, states=states, precision=precision, actions=True, **GREEDY
        )
        assert found["success"].all()
        for played, proven in zip(found["actions"], shortest, strict=True):
            assert sorted(played) == sorted(proven)


def test_the_network_says_what_is_left_to_press(solved, boards):
    states, shortest = boards
    lit = [np.flatnonzero(state) for state in states]
    rows = np.concatenate(lit).astype(np.int32), np.cumsum([0, *map(len, lit)])
    logits, values = solved.rs_pol.forward_batch(*rows)
    pressed = np.zeros_like(logits)
    for row, actions in zip(pressed, shortest, strict=True):
        row[actions] = 32
    assert (logits == pressed).all()
    assert values.ravel() == pytest.approx(1 - (pressed > 0).sum(1) / 49, abs=1e-3)
    # Through a symmetry too.
    turned, _ = solved.rs_pol.forward_batch(*rows, np.arange(500, dtype=np.int32) % 8)
    assert (turned == logits).all()


def test_the_losses_are_those_of_the_weights():
    algorithm = prepare_algorithm(example(algorithm__training__sample_power=0.5))
    algorithm.learn(1)
    told = algorithm.last_progress.losses
    algorithm.iteration = 0
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    algorithm.config["training"]["fit"] = "gradient"
    policy, value, total = algorithm.losses(batch).tolist()
    assert told["policy"] == pytest.approx(policy, rel=1e-4)
    assert told["value"] == pytest.approx(value, abs=1e-6)
    assert told["total"] == pytest.approx(total, rel=1e-4)


def test_arrays_and_torch_have_the_same_weights(monkeypatch):
    small = example(env__width=2, env__height=4, policy__embedding_size=36)
    by_torch = prepare_algorithm(small)
    with monkeypatch.context() as without:
        without.setattr(on_demand, "is_imported", lambda: False)
        by_arrays = prepare_algorithm(small)
        assert by_arrays.held.is_array
        by_arrays.learn(1)
    by_torch.learn(1)
    arrays = by_arrays.held.policy.state_dict()
    for name, values in by_torch.policy.state_dict().items():
        assert values.numpy().tobytes() == arrays[name].tobytes(), name
    assert np.count_nonzero(arrays["embeddings.weight"])


def test_an_environment_in_python_whose_goal_is_not_dark():
    env = PyEnv(Switches())
    algorithm = of_env(env)
    algorithm.learn(1)
    fewest = {}
    for presses in itertools.product((0, 1), repeat=4):
        on = [0] * 4
        for switch in [
            s for p, press in zip(Switches.flips, presses, strict=True) for s in p * press
        ]:
            on[switch] ^= 1
        fewest[tuple(on)] = sum(presses)
    states = np.array(list(fewest), np.int64)
    found = evaluate_episodes(env, algorithm.rs_pol, states=states, **GREEDY)
    assert found["success"].all() and found["length"].tolist() == list(fewest.values())


UNTOLD = "collecting: expected walks that tell 49 actions apart"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"env__width": 5, "env__height": 5}, "env: expected moves that flip .* contradict"),
        ({"policy__embedding_size": 1016}, "embedding_size: expected at least 1017, .* 1016"),
        ({"policy__common_layers": [64]}, "policy: expected a Basic.* without common_layers"),
        ({"policy_cls": "Conv1dPolicy"}, "policy: expected a BasicPolicy"),
        ({"algorithm__collecting__num_walks": 1}, UNTOLD),
        ({"algorithm__collecting__walk_length": 1}, UNTOLD),
        ({"algorithm__engine": "torch"}, "fit: got parity; expected gradient, since engine is tor"),
    ],
)
def test_what_has_no_such_network_is_refused(changes, said):
    if changes.get("policy_cls"):
        changes |= {"policy__embedding_size": 70, "policy__conv_dim": 0}
    with pytest.raises(ValueError, match=said):
        prepare_algorithm(example(**changes)).learn(1)


@pytest.mark.parametrize(
    ("env", "said"),
    [(Ring, "moves that undo themselves"), (Masked, "env: expected .* every action is legal")],
)
def test_moves_of_another_kind_are_refused(env, said):
    with pytest.raises(ValueError, match=said):
        of_env(PyEnv(env())).learn(1)


def test_a_hook_makes_no_descent_of_it():
    algorithm = of_env(PyEnv(Switches()))
    algorithm.policy.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"expected gradient, since the policy .* has hooks"):
        algorithm.learn(1)


def test_keys_that_do_not_fit_are_faults():
    config = example(algorithm__training__bellman_from=3)
    config["algorithm"]["collecting"]["commuting"] = False
    with pytest.raises(ValueError) as error:
        check_run(config)
    assert {fault.path for fault in error.value.faults} == {
        "algorithm.training.fit", "algorithm.training.bellman_from",
    }  # fmt: skip
