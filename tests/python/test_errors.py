"""Errors of ours are also the builtin ones that TwisteRL 0.5.1 let out at the same place."""

import json
import os
import pickle

import pytest

torch = pytest.importorskip("torch")

from twisterl import defaults, train, utils  # noqa: E402
from twisterl.envs import PyEnv  # noqa: E402
from twisterl.faults import ConfigError, InputError  # noqa: E402
from twisterl.runs import tensors  # noqa: E402
from twisterl.runs.errors import CheckpointError  # noqa: E402


def prepare(small):
    return utils.prepare_algorithm(small)


def with_weights(path):
    return lambda small: utils.prepare_algorithm(small, None, path)


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """What the cases below name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "other.safetensors").write_bytes(tensors.encode({"w": torch.ones(1)}))


PYENV = {"env_cls": "PyEnv"}
CASES = [
    (lambda small: utils.load_config("none.json"), FileNotFoundError),
    (lambda small: utils.load_config("folder.pt"), IsADirectoryError),
    (lambda small: utils.load_config("text.json"), json.JSONDecodeError),
    (lambda small: utils.load_config("nul\0.json"), ValueError),
    (lambda small: train.main("none.json"), FileNotFoundError),
    (lambda small: utils.load_checkpoint("none.safetensors"), FileNotFoundError),
    (lambda small: utils.load_checkpoint("none.pt"), FileNotFoundError),
    (lambda small: utils.convert_pt_to_safetensors("none.pt"), FileNotFoundError),
    (lambda small: utils.load_checkpoint("folder.safetensors"), IsADirectoryError),
    (lambda small: utils.load_checkpoint("folder.pt"), IsADirectoryError),
    (lambda small: utils.load_checkpoint("none.bin"), ValueError),
    (lambda small: utils.load_checkpoint("nul\0.safetensors"), ValueError),
    (with_weights("none.safetensors"), FileNotFoundError),
    (with_weights("other.safetensors"), RuntimeError),
    (lambda small: prepare({**small, "env_cls": "nothing.Env"}), ImportError),
    (lambda small: prepare({**small, "env_cls": "twisterl.envs.Puzle"}), ImportError),
    (lambda small: prepare({**small, "policy_cls": "nothing.Policy"}), ImportError),
    (lambda small: prepare({**small, "algorithm_cls": "nothing.PPO"}), ImportError),
    (lambda small: prepare({**small, **PYENV, "env": {"pyenv_cls": "a.B"}}), ImportError),
    (lambda small: prepare({**small, **PYENV, "env": {}}), TypeError),
    (lambda small: prepare({**small, "env_cls": "math.sqrt"}), TypeError),
    (lambda small: prepare({**small, "env": {"nothing": 1}}), TypeError),
    (lambda small: prepare({**small, "env": {"width": "3"}}), TypeError),
    (lambda small: prepare({**small, "env": {"width": 2.5}}), TypeError),
    (lambda small: prepare({**small, "policy": {"nothing": 1}}), TypeError),
    (lambda small: prepare({**small, "algorithm": {"optimizer": {"lr": "x"}}}), TypeError),
    (lambda small: prepare({**small, "algorithm": {"device": "nonsense"}}), RuntimeError),
    (lambda small: prepare({k: v for k, v in small.items() if k != "env_cls"}), KeyError),
    (lambda small: prepare({k: v for k, v in small.items() if k != "policy_cls"}), KeyError),
    (lambda small: prepare({k: v for k, v in small.items() if k != "algorithm_cls"}), KeyError),
    (lambda small: prepare([]), TypeError),
    (lambda small: prepare(None), TypeError),
    (lambda small: defaults.make_config("X", {}), KeyError),
    (lambda small: defaults.make_config("PPO", None), TypeError),
    (lambda small: PyEnv("nothing.X"), ImportError),
    (lambda small: PyEnv("math.sqrt"), TypeError),
    (lambda small: PyEnv("json.JSONDecoder"), TypeError),
]  # fmt: skip


@pytest.mark.parametrize(("call", "builtin"), CASES)
def test_who_catches_the_builtin_error_goes_on_to(call, builtin, small):
    with pytest.raises(builtin) as caught:
        call(small)
    error = caught.value
    assert isinstance(error, InputError) and isinstance(error, (ConfigError, CheckpointError))
    # One line, in our words: what a KeyError or an OSError makes of its text is another.
    assert not str(error).startswith(("'", "[Errno"))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    if isinstance(error, OSError):
        assert error.errno and os.fspath(error.filename) in str(error)
        assert (again.errno, again.filename) == (error.errno, error.filename)


def test_a_name_that_is_no_text_is_an_import_error():
    with pytest.raises(ImportError, match="Could not import 'None'"):
        utils.dynamic_import(None)


def test_an_environment_that_0_5_took_is_taken(small, tmp_path, monkeypatch):
    """With the methods that an algorithm asks for before it plays."""
    (tmp_path / "smallest_env.py").write_text(
        "class Env:\n"
        "    difficulty = 0\n"
        "    def num_actions(self): return 3\n"
        "    def obs_shape(self): return [3]\n"
        "    def twists(self): return [], []\n"
        "    def set_state(self, state): self.state = state\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    small["env_cls"], small["env"] = "smallest_env.Env", {}
    assert utils.prepare_algorithm(small).env.num_actions() == 3
