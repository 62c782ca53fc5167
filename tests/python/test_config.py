"""Configs: defaults, what is refused and how it is said."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from twisterl import defaults
from twisterl.config import schema as config_schema
from twisterl.config.json import parse_json, read_json, to_json
from twisterl.config.overrides import apply_overrides, parse_overrides
from twisterl.config.paths import known_paths, nearest_path
from twisterl.config.validation import check_run
from twisterl.faults import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def problems(run):
    """The faults of a run config by path."""
    with pytest.raises(ConfigError) as caught:
        check_run(run)
    return {fault.path: fault.problem for fault in caught.value.faults}


def at(config, path, value):
    *sections, last = path.split(".")
    for section in sections:
        config = config.setdefault(section, {})
    config[last] = value


def test_defaults_have_the_documented_names():
    assert defaults.POLICY_CONFIG == {
        "embedding_size": 512,
        "common_layers": [256],
        "policy_layers": [],
        "value_layers": [],
    }
    presets = {"ppo_deterministic", "ppo_1", "ppo_10", "mcts_100", "beam_64"}
    assert set(defaults.EVALS_CONFIG) == presets
    assert defaults.BASE_EVAL_CONFIG["C"] == 1.41
    assert defaults.PPO_CONFIG["collecting"]["lambda"] == 0.995
    assert defaults.AZ_CONFIG["collecting"]["seed"] == 123
    assert defaults.ALGO_CONFIG["PPO"] == defaults.PPO_CONFIG
    assert defaults.ALGO_CONFIG["AZ"] == defaults.AZ_CONFIG
    assert defaults.ALGO_CONFIG["ES"] == defaults.ES_CONFIG
    assert defaults.LEARNING_CONFIG["diff_threshold"] == 0.85
    assert defaults.LOGGING_CONFIG == {
        "log_freq": 1,
        "checkpoint_freq": 10,
        "keep_last": 1,
        "keep_every": 0,
    }


def test_missing_keys_take_their_defaults_one_by_one():
    given = {"device": "cpu", "training": {"num_epochs": 3}, "evals": {"mine": {"seed": 5}}}
    given["learning"] = {"diff_metric": "mine"}
    before = copy.deepcopy(given)
    made = defaults.make_config("PPO", given)
    assert given == before
    assert made["training"]["num_epochs"] == 3
    assert made["training"]["clip_ratio"] == 0.1
    assert made["evals"] == {"mine": {**defaults.BASE_EVAL_CONFIG, "seed": 5}}
    assert made["learning"]["diff_threshold"] == 0.85
    assert made["learning"]["threshold_min"] is None and made["learning"]["warmup"] == 0
    made["training"]["num_epochs"] = 99
    assert defaults.make_config("PPO", {"device": "cpu"})["training"]["num_epochs"] == 10


def test_a_named_evaluation_keeps_what_its_name_says():
    given = {"device": "cpu", "evals": {"ppo_10": {"seed": 1}}, "learning": {"diff_metric": None}}
    made = defaults.make_config("PPO", given)
    assert made["evals"]["ppo_10"]["num_searches"] == 10
    assert made["evals"]["ppo_10"]["deterministic"] is False


def test_only_what_was_asked_for_is_evaluated():
    def evaluated(evals, **learning):
        given = {"device": "cpu", "evals": evals, "learning": learning}
        made = defaults.make_config("PPO", given)
        return sorted(made["evals"]), made["learning"]["diff_metric"]

    assert evaluated({}) == ([], None)
    assert evaluated({}, diff_metric="ppo_1") == ([], None)
    assert evaluated({"mine": {}}, diff_metric=None) == (["mine"], None)
    assert evaluated({"mine": {}}, diff_metric="mine") == (["mine"], "mine")
    # Named, a preset is asked for.
    assert evaluated({"mine": {}}, diff_metric="ppo_10") == (["mine", "ppo_10"], "ppo_10")
    with pytest.raises(ConfigError, match=r"by default; expected a key of evals \(mine\), or null"):
        evaluated({"mine": {}})


def test_learning_rate_has_a_second_name():
    made = defaults.make_config("PPO", {"device": "cpu", "training": {"lr": 0.5}})
    assert made["optimizer"]["lr"] == 0.5
    assert "lr" not in made["training"]
    with pytest.raises(ConfigError, match=r"training\.lr.*give one of them"):
        defaults.make_config("PPO", {"training": {"lr": 0.5}, "optimizer": {"lr": 0.1}})


def test_values_of_python_callers():
    import numpy

    made = defaults.make_config(
        "PPO",
        {
            "device": "cpu",
            "training": {"num_epochs": numpy.int64(4)},
            "optimizer": {"betas": (0.8, 0.9)},
        },
    )
    assert made["training"]["num_epochs"] == 4
    assert made["optimizer"] == {"lr": 3e-4, "betas": (0.8, 0.9)}


def test_keys_of_other_algorithms_are_kept_on_request():
    with pytest.raises(ConfigError, match=r"algorithm\.training\.mine"):
        defaults.make_config("PPO", {"training": {"mine": 1}})
    made = defaults.make_config(
        "PPO", {"device": "cpu", "training": {"mine": 1}}, keep_unknown=True
    )
    assert made["training"]["mine"] == 1
    assert made["training"]["num_epochs"] == 10
    with pytest.raises(ConfigError, match="num_epochs"):
        defaults.make_config("PPO", {"training": {"mine": 1, "num_epochs": 0}}, keep_unknown=True)


def test_predecessor_configs_load():
    az = {
        "collecting": {
            "num_cores": 32, "num_episodes": 512, "num_mcts_searches": 1000, "C": 1.41,
            "max_expand_depth": 1, "seed": 123,
        },
        "training": {"num_epochs": 10},
        "learning": {"diff_threshold": 0.85, "diff_max": 32, "diff_metric": "mcts_100"},
        "optimizer": {"lr": 0.0003},
        "evals": {"mcts_100": {"num_mcts_searches": 100, "C": 1.41, "max_expand_depth": 1}},
        "logging": {"log_freq": 1, "checkpoint_freq": 10},
    }  # fmt: skip
    assert az["collecting"].items() <= defaults.make_config("AZ", az)["collecting"].items()
    for path in sorted((ROOT / "benchmarks" / "configs").glob("ppo_*.json")):
        check_run(read_json(path))
    for path in sorted((ROOT / "examples").glob("*.json")):
        check_run(read_json(path))


def test_a_key_of_another_algorithm_is_told_so(small):
    small["algorithm_cls"] = "AZ"
    small["algorithm"]["collecting"]["lambda"] = 0.9
    small["algorithm"]["training"]["ent_coef"] = 0.01
    found = problems(small)
    assert found["algorithm.collecting.lambda"] == "unknown key; it belongs to PPO"
    assert found["algorithm.training.ent_coef"] == "unknown key; it belongs to PPO"


def test_all_faults_are_reported_at_once(small):
    small["algoritm"] = {}
    small["env"]["hight"] = 3
    small["policy"]["common_layers"] = [0, 3.0]
    training = small["algorithm"]["training"]
    training.update(clip_rato=1, num_epochs=True, vf_coef="3", ent_coef=-1)
    small["algorithm"]["collecting"]["lambda"] = 2
    small["algorithm"]["evals"]["ppo_1"]["sed"] = 3
    found = problems(small)
    assert found["algoritm"] == "unknown key; did you mean algorithm?"
    assert found["env.hight"] == "unknown key; did you mean env.height?"
    assert found["policy.common_layers[0]"].startswith("got 0; expected")
    assert found["policy.common_layers[1]"].startswith("got 3.0; expected a valid integer")
    assert found["algorithm.training.clip_rato"].endswith("algorithm.training.clip_ratio?")
    assert found["algorithm.training.num_epochs"] == "got true; expected a valid integer"
    assert found["algorithm.training.vf_coef"] == 'got "3"; expected a valid number'
    assert found["algorithm.collecting.lambda"].startswith("got 2; expected less than or equal")
    assert found["algorithm.evals.ppo_1.sed"].endswith("algorithm.evals.ppo_1.seed?")


@pytest.mark.parametrize("value", [0, -1, 10**9, "3", 3.5, True, None, [3]])
@pytest.mark.parametrize(
    "path",
    [
        "env.width",
        "env.height",
        "env.difficulty",
        "env.depth_slope",
        "env.max_depth",
        "policy.embedding_size",
        "algorithm.collecting.num_cores",
        "algorithm.collecting.num_episodes",
        "algorithm.training.num_epochs",
        "algorithm.evals.ppo_1.num_episodes",
        "algorithm.evals.ppo_1.num_searches",
    ],
)
def test_impossible_sizes_are_refused(small, path, value):
    at(small, path, value)
    # A start that nothing has scrambled is one too.
    if path == "env.difficulty" and value == 0:
        check_run(small)
        return
    assert list(problems(small)) == [path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("algorithm.optimizer.lr", 0),
        ("algorithm.optimizer.lr", float("nan")),
        ("algorithm.optimizer.lr", float("inf")),
        ("algorithm.training.clip_ratio", 1),
        ("algorithm.collecting.gamma", 1.01),
        ("algorithm.collecting.truncation", "never"),
        ("algorithm.training.lr_schedule.kind", "step"),
        ("algorithm.learning.diff_metric", "nothing"),
        ("algorithm.seed", -1),
        ("algorithm.evals.ppo_1", 3),
        ("algorithm.evals.ppo_1.time_limit_s", 1e308),
        ("algorithm.evals.ppo_1.time_limit_s", 1e-300),
        ("algorithm.evals.ppo_1.beam_value_weight", 1e308),
        ("algorithm.evals.ppo_1.C", 1e308),
        ("algorithm.evals.ppo_1.num_mcts_searches", 10_000_000),
        ("algorithm.logging", []),
        ("env_cls", 3),
        ("policy_cls", "NoPolicy"),
    ],
)
def test_wrong_values_are_named(small, path, value):
    at(small, path, value)
    assert list(problems(small)) == [path]


def test_a_tree_search_needs_simulations(small):
    at(small, "algorithm.evals.ppo_1.strategy", "mcts")
    assert list(problems(small)) == ["algorithm.evals.ppo_1.num_mcts_searches"]


@pytest.mark.parametrize("depth", [1, 3, 1000])
@pytest.mark.parametrize(("root", "reuse"), [("puct", True), ("gumbel", True), ("gumbel", False)])
def test_trees_are_bounded_as_in_the_engine(small, depth, root, reuse):
    from twisterl.twisterl.collector import AZCollector

    small["algorithm_cls"] = "AZ"
    at(small, "algorithm.training", {})
    shape = {"max_expand_depth": depth, "root_selection": root, "reuse": reuse}
    at(small, "algorithm.collecting", dict(shape))
    # The states of a tree, and the moves whose simulations one below a Gumbel root holds.
    most = ((1 << 22) + 1) // depth - 1
    most //= 4 if (root, reuse) == ("gumbel", True) else 1
    at(small, "algorithm.collecting.num_mcts_searches", most)
    AZCollector(1, most, 1.0, num_cores=1, **shape)
    assert check_run(small)
    at(small, "algorithm.collecting.num_mcts_searches", most + 1)
    assert list(problems(small)) == ["algorithm.collecting.num_mcts_searches"]
    with pytest.raises(ValueError, match="num_mcts_searches"):
        AZCollector(1, most + 1, 1.0, num_cores=1, **shape)


@pytest.mark.parametrize("key", ["env_cls", "policy_cls", "algorithm_cls"])
def test_missing_classes_are_named(small, key):
    del small[key]
    assert problems(small) == {key: "is missing"}


def test_arguments_of_foreign_classes_are_free(small):
    small["env_cls"] = "somewhere.else.Board"
    small["env"] = {"anything": [1, {"goes": True}]}
    assert check_run(small).env.as_dict() == small["env"]
    small["env_cls"] = "twisterl.envs.PyEnv"
    small["env"] = {"pyenv_cls": "a.B", "size": 3}
    assert check_run(small).env.as_dict() == small["env"]
    del small["env"]["pyenv_cls"]
    assert problems(small) == {"env.pyenv_cls": "is missing"}


@pytest.mark.parametrize("value", [[], 3, "text", None])
def test_a_config_is_an_object(value):
    assert list(problems(value)) == [""]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "line 1 column 2"),
        (b'{"a": 1} x', "is not JSON: extra data"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": {"b": 1, "b": 2}}', "a.b: is given more than once"),
        (b'{"a": [1, NaN]}', r"a\[1\]: NaN is not JSON"),
        (b'{"a": -Infinity}', "a: -Infinity is not JSON"),
        (b'{"a": 1e999}', "overflows"),
        (b'{"a": 99999999999999999999}', "expected an integer from"),
        (b"[" * 65 + b"]" * 65, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b" " * ((1 << 20) + 1), "at most 1048576"),
        (b'{"__tuple_list__": true, "list": [3]}', "expected"),
    ],
)
def test_broken_files_are_refused(tmp_path, content, said):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_json(tmp_path / "nothing.json")
    with pytest.raises(ConfigError, match=r"not a regular file|cannot be read"):
        read_json(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigError, match="not a regular file"):
            read_json(tmp_path / "pipe")


def test_tuple_lists_survive_writing():
    text = '{"twists": {"__tuple_list__": true, "list": [[0, 1], [1, 0]]}, "plain": [[1]]}'
    value = parse_json(text)
    assert value == {"twists": [(0, 1), (1, 0)], "plain": [[1]]}
    assert parse_json(to_json(value)) == value


def test_what_is_generated_is_current():
    """Models, stubs and names of the environments, the schema and the page of all keys."""
    command = [sys.executable, ROOT / "scripts" / "generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_every_key():

    page, paths = config_schema.page(), known_paths()
    for path in paths:
        if path != "algorithm.evals" and not any(other.startswith(f"{path}.") for other in paths):
            assert f"`{path.rsplit('.', 1)[-1]}`" in page, path
    assert "|  |" not in page, "a key without its meaning"


def test_overrides(small):
    pairs = parse_overrides(
        ["algorithm.training.lr=1e-3", "--env.width", "3", "--policy.common_layers=[4, 4]"]
    )
    made = apply_overrides(small, pairs)
    assert made["algorithm"]["optimizer"]["lr"] == 1e-3
    assert made["env"]["width"] == 3
    assert made["policy"]["common_layers"] == [4, 4]
    assert small["env"]["width"] == 2
    check_run(made)


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["--num_step", "3"], "unknown option --num_step; did you mean --num_steps?"),
        (["nonsense"], "expected key.path=value"),
        (["training.lr=3"], "did you mean algorithm.training.lr?"),
        (["optimiser.lr=3"], "did you mean algorithm"),
        (["--algorithm.seed"], "has no value"),
    ],
)
def test_wrong_overrides(tokens, said):
    with pytest.raises(ConfigError) as caught:
        parse_overrides(tokens, ["--num_steps", "--config"])
    assert said in str(caught.value)


def test_overrides_leave_the_config_that_they_are_of(small):
    before = json.dumps(small)
    found = apply_overrides(small, [("algorithm.optimizer.lr", 1.0), ("env.width", 5)])
    assert found["algorithm"]["optimizer"]["lr"] == 1.0 and found["env"]["width"] == 5
    assert json.dumps(small) == before


def test_nearest_path_prefers_the_same_name():
    assert nearest_path("algorithm.lr") in ("algorithm.optimizer.lr", "algorithm.training.lr")
    assert nearest_path("algorithm.learning.num_epochs") == "algorithm.training.num_epochs"
    assert "algorithm.training.lr_schedule.kind" in known_paths()


def test_import_brings_no_heavy_package():
    # How long it takes is measured by `benchmarks/run.py imports`.
    code = (
        "import json, sys, twisterl; "
        "import twisterl.envs, twisterl.defaults, twisterl.utils, twisterl.cli; "
        "heavy = {'torch', 'matplotlib', 'tensorboard', 'huggingface_hub', 'rich'}; "
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    assert json.loads(subprocess.check_output([sys.executable, "-c", code])) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "specs" / "cases").glob("*.json")), ids=lambda p: p.stem
)
def test_cases_that_every_loader_must_agree_on(path):
    case = read_json(path)
    if case["faults"]:
        assert sorted(problems(case["config"])) == case["faults"], case["why"]
    else:
        check_run(case["config"])


def test_mutated_configs_never_do_more_than_raise(small):
    import random

    rng = random.Random(7)
    values = [None, True, 0, -1, 2.5, 1e308, 10**30, "", "x" * 300, [], [[]], {}, {"a": {}}, ["a"]]

    def places(node):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(pairs):
            yield node, key
            if isinstance(value, (dict, list)):
                yield from places(value)

    accepted = 0
    for _ in range(300):
        run = copy.deepcopy(small)
        for _ in range(rng.randint(1, 3)):
            node, key = rng.choice(list(places(run)))
            node[key] = rng.choice(values)
            if isinstance(node, dict) and rng.random() < 0.3:
                node[rng.choice(["", "lr", "a.b", "\0"])] = rng.choice(values)
        try:
            check_run(run)
            accepted += 1
        except ConfigError as error:
            assert error.faults and all(fault.problem for fault in error.faults)
    assert accepted < 100


def test_a_run_checks_its_config_once(small, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from twisterl.config.registry import ALGORITHMS
    from twisterl.train import main

    checked = []
    for model in ALGORITHMS.values():
        monkeypatch.setattr(model, "agree", lambda section: checked.append(section))
    path = tmp_path / "small.json"
    path.write_text(to_json(small))
    main(path, tmp_path / "run", num_steps=1)
    assert [type(section).__name__ for section in checked] == ["PPOAlgorithm"]
