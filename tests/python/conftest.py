"""What several test files need."""

import json
import shutil

import pytest
from extensions import load_extension
from twisterl import twisterl

SMALL = {
    "env_cls": "twisterl.envs.Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "depth_slope": 2, "max_depth": 32},
    "policy_cls": "twisterl.nn.BasicPolicy",
    "policy": {"embedding_size": 16, "common_layers": [8]},
    "algorithm_cls": "twisterl.rl.PPO",
    "algorithm": {
        "device": "cpu",
        "collecting": {"num_cores": 1, "num_episodes": 32},
        "training": {"num_epochs": 2},
        "learning": {"diff_metric": "ppo_1", "diff_max": 8, "diff_threshold": 0.5},
        "optimizer": {"lr": 0.003},
        "evals": {"ppo_1": {"num_episodes": 20, "num_cores": 1}},
        "logging": {"log_freq": 1, "checkpoint_freq": 2},
    },
}


@pytest.fixture
def small():
    """A run config that trains in milliseconds; a fresh copy that a test may change."""
    return json.loads(json.dumps(SMALL))


@pytest.fixture
def config_file(small, tmp_path):
    """`small` as a file of its own folder."""
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small))
    return path


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """A second, unrelated build of the extension."""
    path = tmp_path_factory.mktemp("other") / "twisterl.abi3.so"
    shutil.copy(twisterl.__file__, path)
    return load_extension(path, "other.twisterl")
