"""The helpers that programs built on TwisteRL call."""

import copy
import json
import os
import types
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch")

import twisterl  # noqa: E402
from twisterl import utils  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402
from twisterl.runs.errors import CheckpointError  # noqa: E402


def test_public_names():
    for name in (
        "dynamic_import", "load_checkpoint", "convert_pt_to_safetensors", "load_config",
        "json_load_tuples", "prepare_algorithm", "pull_hub_algorithm",
        "validate_algorithm_from_hub", "HfApi", "snapshot_download",
    ):  # fmt: skip
        assert callable(getattr(utils, name))
    assert twisterl.rl.PPO is utils.dynamic_import("twisterl.rl.ppo.PPO")
    assert twisterl.rl.AZ is utils.dynamic_import("twisterl.rl.az.AZ")
    assert {"AZ", "ES", "PPO", "RandomWalk"} <= set(dir(twisterl.rl))
    assert twisterl.__version__.startswith("0.5.")
    with pytest.raises(AttributeError):
        _ = twisterl.nothing


def test_dynamic_import_says_what_is_missing():
    assert utils.dynamic_import("os.path.join") is os.path.join
    for path, said in [
        ("nothing", "expected a dotted path"),
        ("no_such_module.X", "No module named 'no_such_module'"),
        ("twisterl.rl.PP0", "twisterl.rl has no PP0"),
        ("twisterl.envs.Puzle", "did you mean Puzzle?"),
    ]:
        with pytest.raises(ImportError, match="Could not import") as caught:
            utils.dynamic_import(path)
        assert said in str(caught.value)


def test_tuples():
    marked = {"__tuple_list__": True, "list": [[1, 2]]}
    assert utils.json_load_tuples(marked) == [(1, 2)]
    assert utils.json_load_tuples({"a": 1}) == {"a": 1}
    assert json.loads(json.dumps({"x": marked}), object_hook=utils.json_load_tuples) == {
        "x": [(1, 2)]
    }


def test_prepare_algorithm(small):
    before = copy.deepcopy(small)
    first, second = utils.prepare_algorithm(small), utils.prepare_algorithm(small)
    assert small == before
    assert isinstance(first, twisterl.rl.PPO)
    assert first.run_path is None and first.tb_writer is None
    for name, value in first.policy.state_dict().items():
        assert torch.equal(value, second.policy.state_dict()[name]), name
    small["algorithm"]["seed"] = 1
    other = utils.prepare_algorithm(small).policy.state_dict()
    assert not torch.equal(other["common.0.weight"], first.policy.state_dict()["common.0.weight"])


def test_short_names_and_missing_sections(small):
    for kind in ("env_cls", "policy_cls", "algorithm_cls"):
        small[kind] = small[kind].rsplit(".", 1)[-1]
    del small["policy"]
    algorithm = utils.prepare_algorithm(small)
    assert algorithm.policy.state_dict()["common.0.weight"].shape == (256, 512)


@pytest.mark.parametrize(
    ("key", "path", "said"),
    [
        ("env_cls", "os.system", "no class"),
        ("env_cls", "subprocess.Popen", "is no environment"),
        ("env_cls", "no_such_package.Env", "No module named"),
        ("policy_cls", "twisterl.utils.load_config", "no class"),
        ("policy_cls", "builtins.dict", "no torch.nn.Module"),
        ("algorithm_cls", "torch.nn.Linear", "no twisterl.rl.algorithm.Algorithm"),
        ("algorithm_cls", "twisterl.rl.PPOO", "could not import|Could not import"),
    ],
)
def test_configs_name_classes_of_the_right_kind(small, key, path, said):
    small[key] = path
    with pytest.raises(ConfigError, match=said) as caught:
        utils.prepare_algorithm(small)
    assert caught.value.faults[0].path == key


def test_configs_from_elsewhere_import_nothing_of_others(small):
    utils.prepare_algorithm(small, trust=False)
    small["env_cls"] = "json.JSONDecoder"
    with pytest.raises(ConfigError, match=r"env_cls: got .*, which is no class of this package"):
        utils.prepare_algorithm(small, trust=False)


@pytest.mark.parametrize(
    ("section", "arguments", "said"),
    [
        ("env", {"pyenv_cls": "os.getcwd"}, "env.pyenv_cls: 'os.getcwd' is no class"),
        ("env", {"pyenv_cls": "nothing.X"}, "No module named 'nothing'"),
        ("env", {"pyenv_cls": "json.JSONDecoder"}, "is no Python environment: it lacks"),
        ("policy", {"depth": 3}, "policy: .*unexpected keyword argument 'depth'"),
    ],
)
def test_arguments_that_a_constructor_refuses(small, section, arguments, said):
    small["env_cls" if section == "env" else "policy_cls"] = (
        "twisterl.envs.PyEnv" if section == "env" else "test_utils_policy.Net"
    )
    small[section] = arguments
    module = types.ModuleType("test_utils_policy")
    methods = {"__init__": lambda self, *a, obs_perms=0, act_perms=0: None, "to_rust": id}
    module.Net = type("Net", (torch.nn.Module,), methods)
    with patch.dict("sys.modules", {"test_utils_policy": module}):
        with pytest.raises(ConfigError, match=said):
            utils.prepare_algorithm(small)


def test_a_class_from_elsewhere_may_not_hide_in_pyenv(small):
    small["env_cls"] = "twisterl.envs.PyEnv"
    small["env"] = {"pyenv_cls": "json.JSONDecoder"}
    with pytest.raises(ConfigError, match=r"env\.pyenv_cls: got 'json.JSONDecoder'"):
        utils.prepare_algorithm(small, trust=False)


def test_a_policy_larger_than_the_machine_is_refused(small):
    small["policy"] = {"embedding_size": 65536, "common_layers": [65536] * 8}
    with pytest.raises(ConfigError, match="GiB"):
        utils.prepare_algorithm(small)


def test_episodes_beyond_the_machine_are_refused(small):
    small["env"].update(difficulty=1_000_000, depth_slope=100)
    small["algorithm"]["collecting"]["num_episodes"] = 10_000_000
    with pytest.raises(ConfigError, match="10,000,000 episodes of up to 100,000,000 steps"):
        utils.prepare_algorithm(small)


def test_the_device_of_the_policy_is_the_algorithms_where_that_has_none(small):
    small["policy"]["device"] = "meta:7"
    small["algorithm"]["device"] = "cpu"
    assert utils.prepare_algorithm(small).config["device"] == "cpu"
    small["algorithm"]["device"] = None
    small["policy"]["device"] = "nonsense"
    with pytest.raises(ConfigError, match=r"algorithm\.device: got 'nonsense'"):
        utils.prepare_algorithm(small)


def test_a_device_that_is_not_there(small):
    small["algorithm"]["device"] = "nonsense"
    with pytest.raises(ConfigError, match=r"algorithm\.device: got 'nonsense'"):
        utils.prepare_algorithm(small)


def test_az_loads_its_config(small):
    small["algorithm_cls"] = "twisterl.rl.AZ"
    small["algorithm"] = {"device": "cpu", "collecting": {"C": 1.0}}
    assert type(utils.prepare_algorithm(small)) is twisterl.rl.AZ
    small["algorithm"]["collecting"] = {"lambda": 1.0}
    with pytest.raises(ConfigError, match="lambda"):
        utils.prepare_algorithm(small)


def test_checkpoints_by_path(small, tmp_path):
    algorithm = utils.prepare_algorithm(small)
    state = algorithm.policy.state_dict()
    pt = tmp_path / "model.pt"
    torch.save(state, pt)
    target = utils.convert_pt_to_safetensors(str(pt))
    assert target == str(tmp_path / "model.safetensors")
    assert utils.convert_pt_to_safetensors(pt, tmp_path / "other.safetensors").endswith(
        "other.safetensors"
    )
    for path in (pt, target, tmp_path / "other.safetensors"):
        loaded = utils.load_checkpoint(path)
        algorithm.policy.load_state_dict(loaded)
        small["algorithm"]["seed"] = 5
        again = utils.prepare_algorithm(small, load_checkpoint_path=path)
        assert torch.equal(again.policy.state_dict()["value.0.weight"], state["value.0.weight"])


def test_bad_checkpoints(small, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "pwned"),))

    torch.save({"w": Evil()}, tmp_path / "evil.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"w": torch.tensor([float("nan")])}, tmp_path / "nan.pt")
    (tmp_path / "text.pt").write_text("hello")
    for name in ("evil.pt", "list.pt", "nan.pt", "text.pt", "none.pt", "none.safetensors", "x.bin"):
        with pytest.raises(CheckpointError, match=name):
            utils.load_checkpoint(tmp_path / name)
    assert not (tmp_path / "pwned").exists()

    from twisterl.runs import tensors

    path = tmp_path / "shape.safetensors"
    path.write_bytes(tensors.encode({"common.0.weight": torch.ones(3, 3)}))
    with pytest.raises(
        CheckpointError, match=r"common\.0\.weight has shape \[3, 3\]; expected \[8, 16\]"
    ):
        utils.prepare_algorithm(small, load_checkpoint_path=path)


def test_conv1d_survives_its_checkpoint(small, tmp_path):
    small["policy_cls"] = "twisterl.nn.Conv1dPolicy"
    small["policy"]["conv_dim"] = 1
    small["algorithm"]["logging"]["checkpoint_freq"] = 1
    algorithm = utils.prepare_algorithm(small, tmp_path / "run")
    algorithm.learn(1)
    loaded = utils.load_checkpoint(tmp_path / "run" / "checkpoint_last.safetensors")
    algorithm.policy.load_state_dict(loaded)
    assert "conv_layer.weight" in loaded
