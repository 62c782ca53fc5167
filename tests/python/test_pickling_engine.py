"""Compiled objects are pickled, copied and sent to another process; they go on as before."""

import copy
import functools
import inspect
import json
import multiprocessing
import pickle
import random

import numpy as np
import pytest
from python_envs import BatchedLine, Line
from small_policy import collector, everything, small_policy
from twisterl import envs, nn, twisterl

COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "oldest protocol": lambda value: pickle.loads(pickle.dumps(value, 0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
STEPS = {"difficulty": 6, "depth_slope": 3, "max_depth": 7}
ENVIRONMENTS = {
    "Puzzle": lambda: envs.Puzzle(4, 3, 6, 3, 7, forbid_undo=True),
    "LightsOut": lambda: envs.LightsOut(width=4, height=2, **STEPS),
    "Cube2": lambda: envs.Cube2(metric="half", **STEPS),
    "Permutation": lambda: envs.Permutation(num_qubits=4, topology="star", **STEPS),
    "LinearFunction": lambda: envs.LinearFunction(num_qubits=3, edges=[[0, 1], [1, 2], [2, 0]]),
    "GridWorld": lambda: envs.GridWorld(width=4, wall_density=0.35, **STEPS),
    "PyEnv": lambda: envs.PyEnv(Line, size=7),
    "compiled PyEnv": lambda: twisterl.env.PyEnv(BatchedLine()),
}


for name in twisterl.env.ENVIRONMENTS:
    ENVIRONMENTS.setdefault(name, functools.partial(getattr(envs, name), **STEPS))


class Unseeded(Line):
    """Its own generator decides."""

    reseed = None

    def copy(self):
        return copy.deepcopy(self)


class Named(envs.Puzzle):
    """A constructor, attributes and a slot of its own."""

    __slots__ = ("__dict__", "slot")

    def __new__(cls, name):
        return super().__new__(cls, 3, 2, 6, 3, 7)

    def __init__(self, name):
        self.name, self.slot, self.log, self.me = name, [1], [], self


class Wrapped(envs.PyEnv):
    def __new__(cls, cells):
        return super().__new__(cls, Unseeded, size=cells)

    def __init__(self, cells):
        self.cells = cells


class Counting(twisterl.collector.PPOCollector):
    def __new__(cls, label):
        return super().__new__(cls, 8, 0.9, 0.8, 1, seed=3)

    def __init__(self, label):
        self.label = label


EXTENDED = {
    "Unseeded": lambda: envs.PyEnv(Unseeded, size=6),
    "Named": lambda: Named("own"),
    "Wrapped": lambda: Wrapped(7),
}


def seen(env):
    return env.observe(), env.masks(), env.reward(), env.is_final(), env.success()


def play(env, num_steps):
    """What is seen along legal actions that are always the same ones, and after resets."""
    told, draws = [seen(env)], random.Random(0)
    for _ in range(num_steps):
        legal = [action for action, mask in enumerate(env.masks()) if mask]
        if legal and not env.is_final():
            env.step(draws.choice(legal))
        told.append(seen(env))
    return told


def go_on(env):
    told = play(env, 10)
    for start in (lambda: env.reset(seed=5), env.reset):
        random.seed(1)
        start()
        told += play(env, 10)
    return told, env.difficulty, getattr(env, "arguments", dict)()


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", [*ENVIRONMENTS, *EXTENDED])
def test_environments_go_on_as_the_original(kind, how):
    make = (ENVIRONMENTS | EXTENDED)[kind]
    for num_steps in (None, 0, 1, 4, 30):
        env = make()
        if num_steps is not None:
            env.difficulty = 9
            env.reset(seed=3)
            play(env, num_steps)
        again = COPIES[how](env)
        assert type(again) is type(env)
        before = seen(env)
        told = go_on(again)
        assert seen(env) == before
        assert go_on(env) == told


@pytest.mark.parametrize("how", COPIES)
def test_a_board_that_was_set_tile_by_tile(how):
    puzzle = envs.Puzzle(3, 2, 6, 3, 7)
    puzzle.set_position(0, 0, 3)
    again = COPIES[how](puzzle)
    assert again.get_state() == puzzle.get_state() == [3, 1, 2, 3, 4, 5]
    assert go_on(again) == go_on(puzzle)


@pytest.mark.parametrize("how", [*COPIES, "method"])
def test_extended_classes_keep_what_is_theirs(how):
    env = Named("own")
    again = COPIES[how](env) if how in COPIES else env.copy()
    assert (type(again), again.name, again.slot) == (Named, "own", [1])
    shallow = how in ("copy", "method")
    assert (again.log is env.log, again.slot is env.slot, again.me is env) == (shallow,) * 3
    assert shallow or again.me is again
    walk = Wrapped(7)
    again = COPIES[how](walk) if how in COPIES else walk.copy()
    assert again.arguments() == walk.arguments() and again.cells == 7
    assert again.python_env is not walk.python_env


def test_copies_of_a_pyenv_keep_identities():
    line = Line()
    line.draws = [1]
    kept, env = copy.deepcopy((line.draws, envs.PyEnv(line)))
    assert env.python_env.draws is kept


def test_copies_are_not_asked_again_for_what_is_known():
    calls = []

    class Asked(Line):
        def twists(self):
            calls.append(1)
            return [], []

    env = envs.PyEnv(Asked)
    calls.clear()
    for again in (env.copy(), copy.copy(env), copy.deepcopy(env)):
        assert again.twists() == ([], []) and not calls


def test_what_cannot_be_pickled_is_named():
    line = Line()
    line.handle = open(__file__)
    with line.handle, pytest.raises(TypeError, match="TextIOWrapper"):
        pickle.dumps(envs.PyEnv(line))


@pytest.mark.parametrize(
    "snapshot",
    [[], [1] * 5, [-1, *[1] * 14], [2**40, *[1] * 14], [1, -1, *[1] * 13], [1, 2**60, *[1] * 13]]
    + [[1] * 6 + board for board in ([], [0] * 7, [0] * 9, [6] + [0] * 7, [0] * 7 + [6])],
)
def test_a_forged_snapshot_is_refused(snapshot):
    with pytest.raises(ValueError, match=r"^(snapshot|difficulty).*: expected"):
        envs.Puzzle._restored({**STEPS, "width": 3, "height": 2}, snapshot)


AZ_ARGUMENTS = {
    "num_episodes": 6,
    "num_mcts_searches": 5,
    "C": 1.25,
    "max_expand_depth": 2,
    "num_cores": 3,
    "seed": 7,
    "gamma": 0.75,
    "root_selection": "gumbel",
    "max_considered_actions": 4,
    "value_weight": 0.5,
    "dirichlet_alpha": 0.25,
    "exploration_fraction": 0.125,
    "temperature_moves": 0,
    "max_moves": 9,
    "truncation": "bootstrap",
    "difficulty_distribution": "uniform",
    "resign_threshold": -0.5,
    "resign_exempt": 0.25,
    "reuse": False,
    "transpositions": True,
    "cache": False,
    "precision": "int8",
    "max_episode_steps": 99,
}
PPO_ARGUMENTS = {
    "num_episodes": 6,
    "gamma": 0.75,
    "lambda": 0.5,
    "num_cores": 3,
    "seed": 7,
    "truncation": "bootstrap",
    "difficulty_distribution": "uniform",
    "cache": False,
    "max_episode_steps": 99,
}
COLLECTORS = {
    twisterl.collector.PPOCollector: [
        PPO_ARGUMENTS,
        dict(list(PPO_ARGUMENTS.items())[:4]),
    ],
    twisterl.collector.AZCollector: [
        AZ_ARGUMENTS,
        dict(list(AZ_ARGUMENTS.items())[:5]),
    ],
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    ("kind", "arguments"), [(kind, given) for kind, all in COLLECTORS.items() for given in all]
)
def test_collectors_keep_arguments_iteration_and_report(kind, arguments, how):
    first = kind(**arguments)
    env = envs.Puzzle(2, 2, 3, 2, 16)
    policy = small_policy(env)
    first.collect(env, policy)
    again = COPIES[how](first)
    told = again.__reduce__()[1][0]
    assert {name: told[name] for name in arguments} == arguments
    assert again.__reduce__()[1] == first.__reduce__()[1]
    assert again.iteration == first.iteration == 1
    assert getattr(again, "report", None) == getattr(first, "report", None)
    assert everything(again.collect(env, policy)) == everything(first.collect(env, policy))


@pytest.mark.parametrize("how", COPIES)
def test_other_collectors(how):
    counting = Counting("own")
    counting.iteration = 5
    again = COPIES[how](counting)
    assert (type(again), again.label, again.iteration) == (Counting, "own", 5)
    walker = twisterl.collector.WalkCollector(9, 4, num_cores=1, seed=5)
    walks = [each.collect(envs.Cube2()) for each in (walker, COPIES[how](walker))]
    assert np.array_equal(walks[0].indices, walks[1].indices)
    assert walks[0].num_samples == walks[1].num_samples == 36


def convolution():
    """A policy with layers of every kind, apart from its twists."""
    nn, draws = twisterl.nn, np.random.default_rng(0)

    def layer(inputs, outputs, relu):
        values = draws.normal(size=(inputs + 1) * outputs).astype(np.float32)
        return nn.Linear(values[outputs:], values[:outputs], relu)

    vectors, bias = draws.normal(size=(9, 5)), draws.normal(size=15)
    return nn.Policy(
        nn.EmbeddingBag(vectors, bias, False, [3, 9], 1),
        nn.Sequential([layer(15, 20, True), layer(20, 7, True)]),
        nn.Sequential([layer(7, 4, False)]),
        nn.Sequential([layer(7, 6, True), layer(6, 1, False)]),
        *envs.GridWorld(width=3, height=3).twists(),
    )


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "make", [convolution, lambda: small_policy(envs.GridWorld(width=3, height=3))]
)
def test_policies_give_the_same_bits(make, how):
    policy = make()
    parts = policy.__reduce__()[1]
    assert len(parts[4]) == 8
    rows = np.arange(27, dtype=np.int32), np.arange(28), np.arange(27, dtype=np.int32) % 8
    outputs = policy.forward_batch(*rows)
    for again in (COPIES[how](policy), type(policy)(*map(COPIES[how], parts))):
        for one, other in zip(outputs, again.forward_batch(*rows), strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("how", COPIES)
def test_a_solver_is_of_the_environment_as_it_was_given(how):
    env = envs.Puzzle(2, 2, 6, 3, 7)
    solver = twisterl.collector.OptimalSolver(env, most_states=12)
    lengths = solver.lengths(20, 1)[0].tolist()
    env.difficulty = 1
    again = COPIES[how](solver)
    assert (again is solver) == ("copy" in how)
    assert again.lengths(20, 1)[0].tolist() == lengths and len(set(lengths)) > 3
    assert again.layer_sizes() == solver.layer_sizes()
    assert again.solve([3, 2, 1, 0]) == solver.solve([3, 2, 1, 0])


def examples():
    """An object of every compiled class, and of some that extend them."""
    env = envs.Puzzle(2, 2, 3, 2, 16)
    policy = small_policy(env)
    embeddings, common, action_net, *_ = policy.__reduce__()[1]
    walker = twisterl.collector.WalkCollector(3, 4)
    data = collector(num_episodes=4).collect(env, policy)
    return [
        *(make() for make in (ENVIRONMENTS | EXTENDED).values()),
        *(getattr(envs, name)() for name in twisterl.env.TASKS),
        *(kind(**given[0]) for kind, given in COLLECTORS.items()),
        *(policy, embeddings, common, *action_net.__reduce__()[1][0]),
        *(walker, walker.collect(env), data, data.arrays, Counting("own")),
        *(twisterl.collector.OptimalSolver(env), learner()),
        twisterl.collector.GuidedSolver(envs.Clifford(num_qubits=2), 5, 1, 2, 0),
        twisterl.collector.RankSolver(envs.Clifford(num_qubits=2), 1),
    ]


def learner():
    """One whose weights, moments and step are not those of a new one."""
    spec = nn.BasicPolicy([2, 2], 4, 3, []).net_spec()
    learner = twisterl.nn.Learner(json.dumps(spec), [[1, 0, 2, 3]], [[0, 1, 2, 3]])
    for number, name in enumerate(learner.names):
        for kind in ("weight", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            learner.load(name, kept(learner, name, kind) + number + 0.5, kind)
    learner.step = 7
    return learner


def kept(learner, name, kind):
    shapes = {"embeddings.weight": (3, 4), "action.0.weight": (4, 3), "value.0.weight": (1, 3)}
    shapes |= {"embeddings.bias": (3,), "action.0.bias": (4,), "value.0.bias": (1,)}
    values = np.zeros(shapes[name], np.float32)
    learner.store(name, values, kind)
    return values


@pytest.mark.parametrize("how", COPIES)
def test_a_learner_keeps_its_weights_and_moments(how):
    one = learner()
    other = COPIES[how](one)
    assert other.step == one.step == 7
    for name in one.names:
        for kind in ("weight", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
            values = kept(one, name, kind)
            assert values.all()
            np.testing.assert_array_equal(kept(other, name, kind), values)


def test_every_compiled_class_has_an_example():
    modules = [twisterl.env, twisterl.nn, twisterl.collector]
    classes = {
        kind for module in modules for _, kind in inspect.getmembers(module, inspect.isclass)
    }
    assert classes - set(map(type, examples())) == {twisterl.env.PyBaseEnv}


def told(objects):
    """In another process: what came, and how environments go on."""
    found = [each for each in objects if isinstance(each, twisterl.env.PyBaseEnv)]
    plays = [each.get_state() if each.is_task() else go_on(each) for each in found]
    return list(map(type, objects)), plays


def test_another_process_gets_them():
    objects = examples()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(told, (objects,)) == told(objects)
