"""Programs written for TwisteRL 0.5.1 find its names, and call them with their arguments."""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.rl import AZ, PPO  # noqa: E402
from twisterl.rl.algorithm import Algorithm, timed  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "coming-from-twisterl-0.5.md").read_text("utf-8")
LISTED = [
    line
    for line in (ROOT / "tests" / "fixtures" / "names_of_0_5_1.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
# What differs on purpose; the page says why.
WITHOUT = ("__extract_env__",)
BY_POSITION = ("make_sequential", "sequential_to_rust", "embeddingbag_to_rust")
# Defaults that are None now: the device, and how an algorithm solves.
DECIDED_LATER = ("BasicPolicy", "solve")


def found(path):
    """What the dotted `path` leads to."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            value = getattr(value, name)
        return value
    raise ImportError(path)


def parameters(text):
    """(name, default or None) of each parameter in the text of a signature."""
    inside = re.fullmatch(r"\((?:\$?self(?:, /)?(?:, )?)?(.*)\)", text)[1]
    parts = re.split(r", (?![^(]*\))", inside) if inside else []
    pairs = (part.partition("=") for part in parts if part.lstrip("*") and part != "/")
    return [(name, default if equals else None) for name, equals, default in pairs]


def signature(value):
    """The text of a signature without types; one of `lambda` is none that inspect reads."""
    if value.__doc__ is not None and getattr(value, "__text_signature__", None):
        return value.__text_signature__
    plain = inspect.signature(value)
    bare = [p.replace(annotation=p.empty) for p in plain.parameters.values() if p.name != "self"]
    return str(plain.replace(parameters=bare, return_annotation=plain.empty))


@pytest.mark.parametrize("line", LISTED)
def test_each_name_is_there_and_takes_its_arguments(line):
    path, bracket, arguments = line.partition("(")
    name = path.rpartition(".")[2]
    if name in WITHOUT:
        assert f"`{name}`" in PAGE
        return
    value = found(path)
    if not bracket:
        return
    theirs, ours = parameters(bracket + arguments), parameters(signature(value))
    if name in BY_POSITION:
        assert f"`{name}`" in PAGE
        theirs = [(other, default) for (_, default), (other, _) in zip(theirs, ours, strict=True)]
    for position, (parameter, default) in enumerate(theirs):
        assert ours[position][0] == parameter
        is_decided_later = ours[position][1] == "None" and name in DECIDED_LATER
        if default is not None and not is_decided_later:
            assert ast.literal_eval(ours[position][1]) == ast.literal_eval(default)
    for parameter, default in ours[len(theirs) :]:
        assert default is not None or parameter.startswith("*"), parameter


def test_the_engines_functions_are_the_same_wherever_they_are_imported_from():
    for name in ("evaluate", "solve"):
        theirs = found(f"twisterl.twisterl.collector.{name}")
        assert found(f"twisterl.rl.algorithm.{name}") is theirs
    for name in ("load_config", "prepare_algorithm", "dynamic_import"):
        homes = {"dynamic_import": "envs"}
        assert found(f"twisterl.{homes.get(name, 'train')}.{name}") is found(
            f"twisterl.utils.{name}"
        )


def test_the_presets_have_the_values_of_0_5_1():
    given = textwrap.dedent(
        """
        {"BASE_EVAL_CONFIG": {"num_episodes": 100, "deterministic": True, "num_searches": 1,
            "num_mcts_searches": 0, "seed": 0, "num_cores": 32, "C": 1.41, "max_expand_depth": 1},
         "PPO_CONFIG": {"collecting": {"num_cores": 32, "num_episodes": 16384, "lambda": 0.995,
            "gamma": 0.995}, "training": {"num_epochs": 10, "vf_coef": 0.8, "ent_coef": 0.01,
            "clip_ratio": 0.1, "normalize_advantage": False}, "optimizer": {"lr": 0.0003}},
         "AZ_CONFIG": {"collecting": {"num_cores": 32, "num_episodes": 512,
            "num_mcts_searches": 1000, "C": 1.41, "max_expand_depth": 1, "seed": 123},
            "training": {"num_epochs": 10}, "optimizer": {"lr": 0.0003}},
         "POLICY_CONFIG": {"embedding_size": 512, "common_layers": [256], "policy_layers": [],
            "value_layers": []},
         "LEARNING_CONFIG": {"diff_threshold": 0.85, "diff_metric": "ppo_deterministic"},
         "LOGGING_CONFIG": {"log_freq": 1, "checkpoint_freq": 10},
         "EVALS_CONFIG": {"ppo_deterministic": {"deterministic": True, "num_searches": 1},
            "ppo_1": {"deterministic": False, "num_searches": 1},
            "ppo_10": {"deterministic": False, "num_searches": 10},
            "mcts_100": {"deterministic": True, "num_searches": 1, "num_mcts_searches": 100}}}
        """
    )
    for name, expected in ast.literal_eval(given.strip()).items():
        preset = found(f"twisterl.defaults.{name}")
        for key, value in expected.items():
            shared = {k: preset[key][k] for k in value} if isinstance(value, dict) else preset[key]
            assert shared == value, (name, key)


SMALL = {"collecting": {"num_episodes": 8, "num_cores": 1}, "device": "cpu", "evals": {}}


@pytest.fixture
def env():
    return Puzzle(2, 2, difficulty=3, depth_slope=2, max_depth=8)


def policy_for(env, cls=BasicPolicy):
    torch.manual_seed(0)
    return cls(env.obs_shape(), env.num_actions(), 16, common_layers=(8,))


def test_the_attributes_that_programs_read(env):
    policy = policy_for(env, Conv1dPolicy)
    for name in "obs_shape obs_size num_actions embeddings device common action value".split():
        assert hasattr(policy, name), name
    assert policy.obs_perms == policy.act_perms == [] and policy.conv_dim == 0
    assert policy.conv_layer.weight is policy.embeddings[0].weight
    algorithm = PPO(env, policy, SMALL)
    names = "env obs_size num_actions config policy rs_pol optimizer run_path tb_writer collector"
    for name in names.split():
        assert hasattr(algorithm, name), name


@pytest.mark.parametrize("kind", [PPO, AZ])
def test_a_subclass_with_its_own_train_step_is_trained_by_it(env, kind):
    class Own(kind):
        steps = 0

        @timed
        def train_step(self, torch_data):
            self.steps += 1
            return {"total": float(self.steps)}

    class Grandchild(Own):
        pass

    searches = {"num_mcts_searches": 4} if kind is AZ else {}
    config = {**SMALL, "collecting": {**SMALL["collecting"], **searches}}
    config["training"] = {"num_epochs": 3}
    for cls in (Own, Grandchild):
        algorithm = cls(env, policy_for(env), config)
        before = [weight.clone() for weight in algorithm.policy.parameters()]
        _, _, losses = algorithm.learn_step()[0]
        assert algorithm.steps == 3 and losses == {"total": 3.0}
        assert all(map(torch.equal, before, algorithm.policy.parameters()))
    assert Own.train is Algorithm.train and kind.train is not Algorithm.train
