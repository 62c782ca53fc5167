"""Numbers that the bindings must refuse, argument by argument."""

import ast
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from small_policy import small_policy
from twisterl import envs, twisterl
from twisterl.envs import Puzzle

STUBS = Path(twisterl.__file__).parent / "twisterl"
ENV = Puzzle(width=3, height=3, difficulty=4, depth_slope=2, max_depth=64)
POLICY = small_policy(ENV)
ROWS = np.zeros(1, np.int32), np.array([0, 1])
WEIGHTS = twisterl.collector.es_first_weights(ENV, hidden=32, seed=0)
MOMENTS = {"weights": WEIGHTS, "first": 0 * WEIGHTS, "second": 0 * WEIGHTS}
SETTINGS = json.dumps(
    {"num_pairs": 1, "num_episodes": 1, "num_cores": 1, "sigma": 0.1}
    | {"difficulty_distribution": "fixed", "player": "policy", "rule": "adam", "lr": 0.1}
    | {"betas": [0.9, 0.99], "eps": 1e-8, "weight_decay": 0.0, "decline": "constant"}
    | {"decline_generations": 1, "final_ratio": 1.0}
)
PLAY = {"num_searches": 1, "num_mcts_searches": 0, "seed": 0, "C": 1.41, "max_expand_depth": 1}
PLAY |= {"num_cores": 1, "beam_width": 4, "beam_value_weight": 0.5, "gamma": 1.0}
PLAY |= {"beam_views": 1, "goal_table_bytes": 4096, "pattern_bytes": 4096, "pattern_boards": 1}
PLAY |= {"time_limit_s": 5.0, "node_limit": 100, "max_episode_steps": 1000}
TREE = {"num_mcts_searches": 4, "C": 1.41, "max_expand_depth": 1, "gamma": 1.0}
TREE |= {"max_considered_actions": 4, "value_weight": 1.0}
NOISE = {"dirichlet_alpha": 0.3, "exploration_fraction": 0.1, "temperature_moves": 3}
RESIGNING = {"max_moves": 9, "resign_threshold": 0.1, "resign_exempt": 0.1}
RUN = {"num_episodes": 2, "num_cores": 1, "seed": 0}
CAP = {"max_episode_steps": 1000}
CLIFFORD = np.eye(4, dtype=int).ravel().tolist()
SOLVED = {"state": list(range(9)), "time_limit_s": 5.0, "node_limit": 100}

# Each with numbers that it takes, all of those that its stub names.
CALLS = {
    "PPOCollector": {**RUN, **CAP, "gamma": 0.9, "lambda": 0.9},
    "PPOCollector.collect": {"iteration": 0},
    "PPOCollector.collect_range": {"iteration": 0, "first": 0, "count": 1},
    "PPOCollector.iteration": {"iteration": 0},
    "AZCollector": {**RUN, **CAP, **TREE, **NOISE, **RESIGNING},
    "AZCollector.collect": {"iteration": 0},
    "AZCollector.collect_range": {"iteration": 0, "first": 0, "count": 1},
    "AZCollector.iteration": {"iteration": 0},
    "WalkCollector": {"num_walks": 4, "walk_length": 4, "num_cores": 1, "seed": 0},
    "WalkCollector.collect": {"iteration": 0},
    "WalkCollector.collect_range": {"iteration": 0, "first": 0, "count": 1},
    "evaluate": {"num_episodes": 2, **PLAY},
    "evaluate_episodes": {"num_episodes": 2, "first": 0, "count": 1, **PLAY},
    "choose_beam_weight": {"num_episodes": 2, **PLAY},
    "solve": PLAY,
    "es_first_weights": {"hidden": 32, "seed": 0},
    "es_generations": {"seed": 0, "generation": 0, "num_generations": 1},
    "es_scores": {"seed": 0, "generation": 0, "first": 0, "count": 1},
    "es_update": {"seed": 0, "generation": 0},
    "es_evaluate": {"num_episodes": 2, "seed": 0},
    "OptimalSolver": {"most_states": 1_000_000, "time_limit_s": 5.0, "pattern_bytes": 4096},
    "OptimalSolver.solve": SOLVED,
    "OptimalSolver.lengths": {**RUN, "time_limit_s": 5.0, "node_limit": 100},
    "GuidedSolver": {"most_classes": 10, "num_walks": 1, "walk_length": 2, "seed": 0},
    "GuidedSolver.solve": {"state": CLIFFORD, "beam_width": 1, "most_steps": 1, "num_cores": 1},
    "RankSolver": {"num_rounds": 1, "seed": 0, "num_cores": 1},
    "RankSolver.solve": {"state": CLIFFORD, "beam_width": 1, "most_steps": 1, "num_cores": 1},
    "solve_optimal": SOLVED,
    "route": {"states": [[1, 0, 2]], "beam_width": 4, "num_cores": 1},
    "most_simulations": {"max_expand_depth": 1},
    "CollectedData": {"obs": [[0]], "actions": [0], "perms": [None]},
    "EmbeddingBag": {"obs_shape": [1], "conv_dim": 0},
    "Policy": {"obs_perms": [[0]], "act_perms": [[0]]},
    "Policy.from_spec": {"obs_perms": [[0]], "act_perms": [[0]]},
    "Learner": {"obs_perms": [[0]], "act_perms": [[0]]},
    "Policy.from_torch": {"obs_shape": [1], "num_actions": 1},
    "Policy.predict": {"obs": [0]},
    "Policy.forward": {"obs": [0]},
    "Policy.full_predict": {"obs": [0]},
}
NETWORK = json.dumps(
    {
        "encoder": [{"block": "bag", "name": "e", "features": 1, "out": 1}, {"block": "relu"}],
        "action": [{"block": "linear", "name": "a", "inputs": 1, "out": 1}],
        "value": [{"block": "linear", "name": "v", "inputs": 1, "out": 1}],
    }
)
TENSORS = {f"{name}.weight": np.ones((1, 1), np.float32) for name in "eav"}
TENSORS |= {f"{name}.bias": np.ones(1, np.float32) for name in "eav"}
SCORES = twisterl.collector.es_scores(ENV, WEIGHTS, SETTINGS, 0, 0, 0, 1)
TABLES = {"logits": [[0.0]], "values": [0.0], "rewards": [0.0]}
FIXED = {
    "es_first_weights": {"env": ENV},
    "evaluate": {"py_env": ENV, "policy": POLICY, "deterministic": True},
    "evaluate_episodes": {"env": ENV, "policy": POLICY},
    "choose_beam_weight": {"env": ENV, "policy": POLICY, "strategy": "beam"},
    "solve": {"py_env": ENV, "policy": POLICY},
    "es_generations": {"env": ENV, "settings": SETTINGS, **MOMENTS},
    "es_scores": {"env": ENV, "weights": WEIGHTS, "settings": SETTINGS},
    "es_update": {"env": ENV, "settings": SETTINGS, "scores": SCORES, **MOMENTS},
    "es_evaluate": {"env": ENV, "weights": WEIGHTS, "settings": SETTINGS, "start": "reset"},
    "OptimalSolver": {"env": ENV},
    "GuidedSolver": {"env": envs.Clifford(num_qubits=2)},
    "RankSolver": {"env": envs.Clifford(num_qubits=2)},
    "solve_optimal": {"env": ENV},
    "route": {"env": envs.Permutation(num_qubits=3)},
    "most_simulations": {"root_selection": "puct", "reuse": True},
    "CollectedData": TABLES,
    "Learner": {"spec": NETWORK},
    "EmbeddingBag": {"vec_vectors": [[1.0]], "bias_vector": [1.0], "apply_relu": True},
}


def named(name):
    """The class or function of the bindings."""
    found = getattr(twisterl.collector, name, None)
    return found if found is not None else getattr(twisterl.nn, name)


def call(name, numbers):
    class_name, _, method = name.partition(".")
    if class_name == "Policy":
        bag = named("EmbeddingBag")([[1.0]], [1.0], True, [1], 0)
        none = named("Sequential")([])
        parts = dict(embeddings=bag, common=none, action_net=none, value_net=none)
        if not method:
            return named("Policy")(**parts, **numbers)
        if method == "from_spec":
            return named("Policy").from_spec(NETWORK, TENSORS, **numbers)
        if method == "from_torch":
            return named("Policy").from_torch(print, **numbers)
        policy = named("Policy")(**parts, obs_perms=[], act_perms=[])
        return getattr(policy, method)(masks=[True], **numbers)
    if not method:
        return named(name)(**FIXED.get(name, {}), **numbers)
    instance = named(class_name)(**{**FIXED.get(class_name, {}), **CALLS[class_name]})
    if method == "iteration":
        instance.iteration = numbers["iteration"]
        return instance
    if method in ("collect", "collect_range"):
        policy = {} if class_name == "WalkCollector" else {"policy": POLICY}
        return getattr(instance, method)(ENV, **policy, **numbers)
    return getattr(instance, method)(**numbers)


def wrong_numbers():
    for name, numbers in CALLS.items():
        for argument, value in numbers.items():
            if isinstance(value, float):
                wrong = [float("nan"), float("inf"), float("-inf")]
            elif isinstance(value, int):
                wrong = [-1, 2**63, 10**50]
            else:
                wrong = [shaped(value, 10**50)]
            yield from ((name, argument, value) for value in wrong)


def shaped(value, number):
    """A list like `value`, of `number`s."""
    return [shaped(entry, number) for entry in value] if isinstance(value, list) else number


@pytest.mark.parametrize("name", CALLS)
def test_numbers_in_range_are_taken(name):
    call(name, CALLS[name])


@pytest.mark.parametrize(("name", "argument", "value"), list(wrong_numbers()))
def test_a_number_out_of_range_is_named(name, argument, value):
    with pytest.raises(ValueError, match=rf"^{argument}\b.*: expected .*, got "):
        call(name, {**CALLS[name], argument: value})


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, given in CALLS.items() for argument in given],
)
def test_what_is_no_number_is_named(name, argument):
    with pytest.raises(TypeError) as raised:
        call(name, {**CALLS[name], argument: object()})
    if sys.version_info >= (3, 11):  # Before, an exception has no place for such a note.
        notes = getattr(raised.value, "__notes__", [])
        assert argument in " ".join([str(raised.value), *notes])


def test_no_number_is_left_out():
    for path in (STUBS / "collector.pyi", STUBS / "nn.pyi"):
        for node in ast.parse(path.read_text()).body:
            functions = [(node, node.name)] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.ClassDef):
                methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
                functions = [(part, f"{node.name}.{part.name}") for part in methods]
            for function, name in functions:
                wanted = {
                    argument.arg
                    for argument in [*function.args.args, *function.args.kwonlyargs]
                    if argument.annotation and is_number(ast.unparse(argument.annotation))
                }
                assert wanted <= set(CALLS.get(name.removesuffix(".__new__"), {})), name


def is_number(annotation):
    return annotation.removesuffix(" | None") in ("int", "float") or "[int" in annotation


@pytest.mark.parametrize("value", [-1, 2**63, 10**50])
def test_numbers_of_an_environment_are_named(value):
    env = ENV.copy()
    for name, work in {
        "action": lambda: env.step(value),
        "seed": lambda: env.reset(value),
        "difficulty": lambda: setattr(env, "difficulty", value),
        "state.*": lambda: env.set_state([value] + [0] * 8),
        "width": lambda: Puzzle(value, 3, 1, 1, 1),
        "height": lambda: envs.GridWorld(height=value),
    }.items():
        with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
            work()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5])
def test_a_share_of_an_environment_is_named(value):
    with pytest.raises(ValueError, match=r"^wall_density: expected .*, got "):
        envs.GridWorld(wall_density=value)


def test_who_is_told_of_progress_can_be_called():
    env = envs.Clifford(num_qubits=2)
    with pytest.raises(TypeError, match="progress: expected a function or None, got int"):
        twisterl.collector.RankSolver(env, 1, progress=3)
    with pytest.raises(ZeroDivisionError):
        twisterl.collector.RankSolver(env, 1, progress=lambda done, total: done // (done - total))
