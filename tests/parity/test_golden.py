"""Replays specs/golden through the Python bindings, as every language does in its own tests."""

import port  # noqa: F401  # isort: skip  # It makes the reference importable.

import json
import math
import subprocess
import sys
from pathlib import Path

import es
import numpy as np
import pytest
import write_golden
from mcts import Network
from twisterl import envs
from twisterl.config.registry import REGISTRY
from twisterl.twisterl import nn
from twisterl.twisterl.collector import AZCollector
from twisterl.twisterl.env import ENVIRONMENTS, TASKS

ROOT = Path(__file__).resolve().parents[2]


def read(folder, name):
    return json.loads((ROOT / "specs" / folder / f"{name}.json").read_text())


def traces():
    for class_name, name in ENVIRONMENTS.items():
        for case in read("golden", name)["traces"]:
            values = "-".join(str(value) for value in case["config"].values())
            yield pytest.param(class_name, case, id=f"{name}-{values}-{case['start']}")


@pytest.mark.parametrize(("class_name", "case"), list(traces()))
def test_trace(class_name, case):
    env = getattr(envs, class_name)(**case["config"])
    assert env.num_actions() == len(case["masks"][0])
    if case["states"] is None:
        env.set_state(case["last_state"])
        assert env.observe() == case["last_observation"]
        return
    env.set_state(case["states"][0])
    # set_state leaves max_depth steps, as a uniform start does; a reset leaves fewer or more.
    same_depth = case["start"] == "uniform"
    for t, state in enumerate(case["states"]):
        assert env.get_state() == state
        assert "".join(str(int(mask)) for mask in env.masks()) == case["masks"][t]
        assert env.success() == case["success"][t]
        if same_depth:
            assert env.reward() == case["rewards"][t]
            assert env.is_final() == case["final"][t]
        if t < len(case["actions"]):
            env.step(case["actions"][t])
    assert env.observe() == case["last_observation"]


def engine_policy(env, seed):
    """The engine's form of the network that the reference searched with."""
    network = Network(math.prod(env.obs_shape()), env.num_actions(), 8, 8, seed)

    def layer(weights, bias, relu):
        return nn.Linear(np.float32(weights.ravel()), np.float32(bias), relu)

    vectors, bias = np.float32(network.vectors), np.float32(network.bias)
    return nn.Policy(
        nn.EmbeddingBag(vectors, bias, True, [len(vectors)], 0),
        nn.Sequential([layer(*network.common, True)]),
        nn.Sequential([layer(*network.action, False)]),
        nn.Sequential([layer(*network.value, False)]),
        [],
        [],
    )


@pytest.mark.parametrize("case", read("golden", "mcts")["searches"], ids=lambda case: case["env"])
def test_search(case):
    names = {name: class_name for class_name, name in ENVIRONMENTS.items()}
    env = getattr(envs, names[case["env"]])(**case["config"])
    env.set_state(case["state"])
    asked = dict(case["search"])
    asked["num_mcts_searches"] = asked.pop("num_simulations")
    asked["C"] = asked.pop("exploration")
    collector = AZCollector(num_episodes=1, num_cores=1, seed=case["seed"], **asked)
    found = collector.explore(env, engine_policy(env, case["seed"]))
    parents, actions, priors, visits, values = zip(*case["tree"], strict=True)
    for key, expected in (("parents", parents), ("actions", actions), ("visits", visits)):
        assert found[key].tolist() == list(expected)
    # Who is visited is exact; 32 bits keep so much of sums of some hundred numbers.
    for key, expected in (("priors", priors), ("values", values), ("policy", case["policy"])):
        np.testing.assert_allclose(found[key], expected, atol=1e-4)
    if case["action"] is not None:
        assert found["action"] == case["action"]


@pytest.mark.parametrize("class_name", ENVIRONMENTS)
def test_description(class_name):
    for case in read("golden", ENVIRONMENTS[class_name])["descriptions"]:
        env = getattr(envs, class_name)(**case["config"], difficulty=1, depth_slope=1, max_depth=1)
        assert env.obs_shape() == case["obs_shape"]
        assert env.action_names() == case["action_names"]


def test_every_environment_has_a_python_class_and_a_section():
    registered = {name for name in REGISTRY["env_cls"] if name != "PyEnv"}
    assert registered == {*ENVIRONMENTS, *TASKS}
    for name in registered:
        assert REGISTRY["env_cls"][name][0] == f"twisterl.envs.{name}"
        assert name in envs.__all__
        assert issubclass(getattr(envs, name), envs.Puzzle.__base__)


@pytest.mark.parametrize("class_name", ENVIRONMENTS)
def test_spec_is_what_a_config_accepts(class_name):
    spec = read("envs", ENVIRONMENTS[class_name])
    model = REGISTRY["env_cls"][class_name][1]
    schema = model.model_json_schema()["properties"]
    assert set(schema) == set(spec["parameters"])
    make = getattr(envs, class_name)
    defaults = model().model_dump()
    assert make(**defaults).num_actions() > 0
    for key, declared in spec["parameters"].items():
        found = schema[key]
        assert found["default"] == declared["default"], key
        if "min" in declared:
            limits = (found["minimum"], found["maximum"])
            assert limits == (declared["min"], declared["max"]), key
            for outside in (declared["min"] - 1, declared["max"] + 1):
                with pytest.raises(ValueError, match=key):
                    make(**{**defaults, key: outside})
        if "names" in declared:
            assert found["enum"] == declared["names"], key
            with pytest.raises(ValueError, match=key):
                make(**{**defaults, key: "nothing"})


def test_golden_games_are_those_of_the_reference(monkeypatch):
    """Without the searches and the layers of states, whose reference takes its time."""
    monkeypatch.setattr(write_golden, "layers", lambda *_: None)
    found = {name: write_golden.environment(of) for name, of in write_golden.ENVIRONMENTS.items()}
    for name, content in {**found, "rng": write_golden.rng(), "es": es.golden()}.items():
        golden = read("golden", name)
        for part in content.keys() - {"layers"}:
            assert json.loads(json.dumps(content[part])) == golden[part], (name, part)


@pytest.mark.long
def test_golden_files_are_those_of_the_reference():
    script = ROOT / "tests" / "reference" / "write_golden.py"
    result = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
