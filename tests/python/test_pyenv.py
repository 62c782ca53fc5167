"""Environments written in Python, played alone, in threads and in batches."""

import json
import random
import threading
import time
import traceback

import numpy as np
import pytest
from python_envs import BatchedLine, Line, LineBatch
from small_policy import collector, everything, small_policy
from twisterl import cli, twisterl
from twisterl.envs import PyEnv
from twisterl.utils import prepare_algorithm

FORMS = [Line, BatchedLine]


class Failing(Line):
    """Raises in the method named ``where`` once it was called ``after`` times."""

    def __init__(self, where, after=40, raises=None):
        super().__init__()
        self.raises = raises or ZeroDivisionError("the line broke")
        self.calls_left = [after]
        method = getattr(self, where)

        def failing(*arguments):
            self.calls_left[0] -= 1
            if self.calls_left[0] < 0:
                raise self.raises
            return method(*arguments)

        setattr(self, where, failing)


class Lying(Line):
    """Returns ``what`` from the method ``where``."""

    def __init__(self, where, what):
        super().__init__()
        setattr(self, where, lambda *_: what)


def make(env_class, difficulty=5):
    env = PyEnv(env_class)
    env.difficulty = difficulty
    return env


def test_a_class_a_path_and_an_object_are_taken():
    assert PyEnv(Line, size=4).obs_shape() == [4]
    assert PyEnv("python_envs.Line", size=5).obs_shape() == [5]
    line = Line(7)
    assert PyEnv(line).python_env is line
    assert PyEnv(pyenv_cls="python_envs.Line").num_actions() == 2
    with pytest.raises(TypeError, match="expected a class to give size to"):
        PyEnv(line, size=3)


def test_missing_methods_are_named():
    class Half:
        def num_actions(self):
            return 2

    with pytest.raises(TypeError, match="got Half without obs_shape, reset, next, masks"):
        PyEnv(Half)


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "collections.OrderedDict"])
def test_a_path_names_environments_only(path, tmp_path):
    with pytest.raises(TypeError, match=r"env\.pyenv_cls: .* is no (class|Python environment)"):
        PyEnv(path, args=["touch", str(tmp_path / "called")])
    assert not list(tmp_path.iterdir())


def test_a_config_from_elsewhere_names_no_python_class():
    from twisterl.utils import prepare_algorithm

    config = {
        "env_cls": "twisterl.envs.PyEnv",
        "env": {"pyenv_cls": "python_envs.Line"},
        "policy_cls": "twisterl.nn.BasicPolicy",
        "algorithm_cls": "twisterl.rl.PPO",
    }
    with pytest.raises(ValueError, match=r"env\.pyenv_cls: got 'python_envs\.Line', which is no"):
        prepare_algorithm(config, trust=False)


def test_methods_reach_the_object():
    env = make(Line)
    env.set_state([3])
    assert (env.observe(), env.masks(), env.is_final()) == ([3], [True, True], False)
    for _ in range(3):
        env.step(0)
    assert env.success() and env.reward() == 1.0
    with pytest.raises(ValueError, match=r"state: expected one cell in 0..6, got \[9\]"):
        env.set_state([9])
    with pytest.raises(ValueError, match=r"^action: expected an integer in 0..2, got 2$"):
        env.step(2)


@pytest.mark.parametrize("form", FORMS)
def test_threads_change_nothing(form):
    env = make(form)
    policy = small_policy(env)
    runs = {everything(collector(num_cores=cores).collect(env, policy)) for cores in (1, 2, 3, 8)}
    assert len(runs) == 1


def test_both_forms_play_the_same():
    runs = [
        everything(collector(num_cores=2).collect(make(form), small_policy(make(form))))
        for form in FORMS
    ]
    assert runs[0] == runs[1]


def test_a_batch_is_entered_once_a_step():
    env = make(BatchedLine)
    LineBatch.calls = 0
    data = collector(num_episodes=64, num_cores=1).collect(env, small_policy(env))
    lengths = np.diff(data.episode_starts)
    assert LineBatch.calls <= lengths.max() * 4
    assert LineBatch.calls < len(data.actions) / 4


def test_the_caller_s_object_is_left_alone():
    line = Line()
    env = PyEnv(line)
    env.set_state([4])
    before = dict(line.__dict__)
    policy = small_policy(env)
    collector(num_cores=2).collect(env, policy)
    twisterl.collector.evaluate(env, policy, 20, False, 2)
    twisterl.collector.solve(env, policy, False, 5)
    assert line.__dict__ == before


def test_an_object_can_be_given_without_pyenv():
    data = collector().collect(Line(), small_policy(Line()))
    assert len(data.episode_starts) == 65


@pytest.mark.parametrize("form", FORMS)
def test_evaluate_and_solve_start_where_they_are_told(form):
    env = make(form)
    policy = small_policy(env)
    result = twisterl.collector.evaluate_episodes(
        env, policy, num_searches=50, states=np.array([[1], [3], [5]]), actions=True
    )
    assert result["success"].all()
    assert result["length"].tolist() == [1, 3, 5]
    env.set_state([4])
    (success, _), actions = twisterl.collector.solve(env, policy, False, 50)
    assert success == 1.0 and list(actions) == [0] * 4
    with pytest.raises(ValueError, match="has no reset_uniform"):
        twisterl.collector.evaluate_episodes(make(Line), policy, 5, start="uniform")


def test_one_observation_a_decision():
    counts = []

    class Counting(Line):
        """Draws a mirror in observe and undoes it in the next action."""

        def observe(self):
            assert not getattr(self, "waiting", False), "observed twice"
            self.waiting = True
            self.mirrored = bool(self.draws.integers(2))
            counts.append(1)
            return [self.size - 1 - self.cell if self.mirrored else self.cell]

        def next(self, action):
            assert self.waiting, "played without an observation"
            self.waiting = False
            super().next(1 - action if self.mirrored else action)

        def reset(self, difficulty):
            self.waiting = False
            super().reset(difficulty)

        def masks(self):
            masks = super().masks()
            return masks[::-1] if self.mirrored else masks

    env = make(Counting)
    policy = small_policy(env)
    data = collector(num_cores=2).collect(env, policy)
    assert len(counts) == len(data.actions)
    # The row and the action belong together: replayed in the mirrored frame, episodes end where
    # the environment said.
    assert (data.arrays.rewards[data.episode_starts[1:] - 1] >= -0.05).all()


METHODS = ["reset", "next", "observe", "masks", "value", "is_final", "success", "copy"]


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("where", METHODS)
def test_exceptions_come_out_unchanged(where, cores):
    raised = ZeroDivisionError("the line broke")
    after = 0 if where == "copy" else 40
    env = PyEnv(Failing(where, after, raised))
    env.difficulty = 5
    policy = small_policy(Line())
    with pytest.raises(ZeroDivisionError, match="the line broke") as caught:
        collector(num_cores=cores).collect(env, policy)
    assert caught.value is raised
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert "failing" in frames
    # All goes on.
    good = make(Line)
    assert len(collector(num_cores=cores).collect(good, policy).episode_starts) == 65


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_comes_out_too(kind):
    env = PyEnv(Failing("next", raises=kind()))
    with pytest.raises(kind):
        collector(num_cores=2).collect(env, small_policy(Line()))


LIES = [
    ("observe", [6], ValueError, r"observe\(\) of Lying: expected indices in 0..6, got 6"),
    ("observe", [-1], ValueError, r"observe\(\) of Lying: expected indices in 0..6, got -1"),
    ("observe", ["x"], TypeError, r"observe\(\) of Lying: expected a list of integers, got str"),
    ("observe", 3, TypeError, r"observe\(\) of Lying: expected a list of integers, got int"),
    ("masks", [True], ValueError, r"masks\(\) of Lying: expected 2 booleans.*got 1"),
    ("masks", [1.5, True], TypeError, r"masks\(\) of Lying: expected a list of booleans"),
    ("value", float("nan"), ValueError, r"value\(\) of Lying: expected a finite number, got NaN"),
    ("value", 1e300, ValueError, r"value\(\) of Lying: expected a finite number"),
    ("value", "much", TypeError, r"value\(\) of Lying: expected a number, got str"),
    ("is_final", "no", TypeError, r"is_final\(\) of Lying: expected a boolean, got str"),
]


@pytest.mark.parametrize(("where", "what", "error", "message"), LIES)
def test_what_a_method_returns_is_checked(where, what, error, message):
    env = PyEnv(Lying(where, what))
    with pytest.raises(error, match=message):
        collector(num_cores=2).collect(env, small_policy(Line()))


NUMBERS = {"dtype": "float32", "shape": [3]}
# What a space is, what is seen, and what is said of it.
UNFIT = {
    "length": (NUMBERS, np.zeros(4), "expected an array [3], got [4]"),
    "NaN": (NUMBERS, np.array([0, 1, np.nan]), "expected finite numbers, got NaN at [2]"),
    "dtype": ({"dtype": "uint8", "shape": [3]}, np.zeros(3), "expected an array of uint8, got"),
    "feature": ({"dtype": "sparse", "shape": [6]}, [6], "expected indices in 0..6, got 6"),
    "part": (
        {"a": NUMBERS, "b": NUMBERS},
        {"a": np.zeros(3), "b": np.full(3, np.inf)},
        "b: expected finite numbers, got inf at [0]",
    ),
}
FITTING = {"float32": np.zeros(3), "uint8": np.zeros(3, np.uint8), "sparse": [0]}
FITTING[None] = {"a": np.zeros(3), "b": np.zeros(3)}


class Unfit(Line):
    """Told as `UNFIT` says once it has moved, and fitting before."""

    def __init__(self, kind):
        super().__init__()
        self.space, self.told, _ = UNFIT[kind]

    def obs_space(self):
        return self.space

    def observe(self):
        return self.told if self.num_played else FITTING[self.space.get("dtype")]


def refusal(small, tmp_path, capsys, env):
    """What training says of a config before it makes a folder."""
    path, run = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps({**small, "env_cls": "PyEnv", "env": env}))
    assert cli.main(["train", "--config", str(path), "--run_path", str(run)]) == 2
    assert not run.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("kind", UNFIT)
def test_what_does_not_fit_is_refused_before_a_run(small, tmp_path, capsys, kind):
    error = refusal(small, tmp_path, capsys, {"pyenv_cls": f"{__name__}.Unfit", "kind": kind})
    assert f"env: observe() of Unfit: {UNFIT[kind][2]}" in error


class Draws(Line):
    """Draws at every start and copy."""

    reseed = None

    def reset(self, difficulty):
        self.draws.random(), np.random.random(), random.random()
        super().reset(difficulty)

    def copy(self):
        twin = super().copy()
        twin.draws = np.random.default_rng(self.draws.integers(2**31))
        return twin


def test_what_is_tried_before_a_run_draws_nothing_of_it(small):
    states = random.getstate(), np.random.get_state()[1].tolist()
    env = {"pyenv_cls": f"{__name__}.Draws"}
    tried = prepare_algorithm({**small, "env_cls": "PyEnv", "env": env}).env.python_env
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    assert tried.draws.bit_generator.state == Draws().draws.bit_generator.state
    assert tried.num_observed == 0


SIZES = [
    ("num_actions", 0, ValueError, "num_actions"),
    ("num_actions", 2.5, TypeError, "num_actions"),
    ("obs_shape", [], ValueError, "obs_shape"),
    ("obs_shape", [0, 3], ValueError, "obs_shape"),
    ("obs_shape", [2**31, 2**31], ValueError, "obs_shape"),
    ("obs_shape", 6, TypeError, "obs_shape"),
    ("twists", ([[0, 1]], [[0, 1]]), ValueError, "twists"),
    ("twists", ([[0, 1, 2, 3, 4, 9]], [[0, 1]]), ValueError, "twists"),
    ("twists", ([list(range(6))], []), ValueError, "twists"),
    ("twists", 3, TypeError, "twists"),
]


@pytest.mark.parametrize(("where", "what", "error", "message"), SIZES)
def test_sizes_and_twists_are_checked_at_once(where, what, error, message):
    with pytest.raises(error, match=message):
        PyEnv(Lying(where, what))


def test_twists_reach_the_policy():
    class Mirrored(Line):
        def twists(self):
            return [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], [[0, 1], [1, 0]]

    env = make(Mirrored)
    assert env.twists() == ([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]], [[0, 1], [1, 0]])
    data = collector().collect(env, small_policy(env))
    assert set(data.arrays.perms.tolist()) == {0, 1}


def test_tracked_solutions_are_told_verbatim():
    class Tracked(Line):
        def track_solution(self):
            return True

        def solution(self):
            return [2**40, 7]

    env = make(Tracked)
    env.set_state([2])
    _, actions = twisterl.collector.solve(env, small_policy(env), False, 50)
    assert list(actions) == [2**40, 7]


BAD_BATCHES = [
    (4, np.zeros(64, np.int64), TypeError, "finals of .*: expected an array of bool, got int64"),
    (0, np.array([0.5]), TypeError, "indices of advance.*expected an array of i32 or i64"),
    (0, [1, 2], TypeError, "indices of advance.*expected a numpy array, got list"),
    (1, np.array([0]), ValueError, "offsets of advance"),
    (2, np.ones(1, dtype=bool), ValueError, "masks of advance"),
    (3, np.full(9999, np.nan), ValueError, "rewards of advance"),
    (4, np.zeros(0, dtype=bool), ValueError, "finals of advance"),
]


@pytest.mark.parametrize(("field", "value", "error", "message"), BAD_BATCHES)
def test_what_a_batch_returns_is_checked(field, value, error, message):
    class BadBatch(LineBatch):
        def advance(self, *arguments):
            results = list(super().advance(*arguments))
            results[field] = value
            return tuple(results)

    class Bad(Line):
        def vectorize(self, num_lanes):
            return BadBatch(self, num_lanes)

    with pytest.raises(error, match=message):
        collector().collect(PyEnv(Bad), small_policy(Line()))


def test_a_batch_without_its_methods_is_refused():
    class Bad(Line):
        def vectorize(self, num_lanes):
            return object()

    with pytest.raises(
        TypeError, match=r"vectorize\(\) of Bad: .* got object without advance, load"
    ):
        collector().collect(PyEnv(Bad), small_policy(Line()))


def test_one_object_serves_many_threads():
    env = make(Line)
    policy = small_policy(env)
    rows = []

    def work():
        rows.append(everything(collector(num_cores=2).collect(env, policy)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a deadlock"
    assert len(set(rows)) == 1 and len(rows) == 4


def test_other_python_threads_run_meanwhile():
    env = make(Line)
    policy = small_policy(env)
    done = threading.Event()
    beats = []

    def beat():
        while not done.is_set():
            beats.append(1)

    thread = threading.Thread(target=beat)
    thread.start()
    collector(num_episodes=512, num_cores=2).collect(env, policy)
    done.set()
    thread.join()
    assert beats


def test_threads_may_use_one_object_at_the_same_time():
    class Yielding(Line):
        def set_state(self, state):
            time.sleep(0)
            super().set_state(state)
            time.sleep(0)

        def copy(self):
            time.sleep(0)
            return super().copy()

    env = make(Yielding)
    policy = small_policy(env)
    errors = []

    def work():
        try:
            for i in range(50):
                env.set_state([i % 6])
                twisterl.collector.solve(env, policy, False, 2)
                env.difficulty = 1 + env.difficulty % 5
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors


@pytest.mark.parametrize("returned", [lambda env: None, lambda env: 3, lambda env: env])
def test_a_copy_that_is_no_copy_is_named(returned):
    class Uncopied(Line):
        def copy(self):
            return returned(self)

    env = PyEnv(Uncopied())
    with pytest.raises(TypeError, match=r"copy\(\) of Uncopied: expected an independent"):
        collector(num_cores=2).collect(env, small_policy(env))


def test_it_is_drawn_as_its_object_is():
    class Drawn(Line):
        def __str__(self):
            return "a corridor"

    assert str(PyEnv(Drawn())) == "a corridor"
    assert "PyEnv" in str(PyEnv(Line()))
