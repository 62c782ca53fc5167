"""What the tests of the module and of the pages share: the module, and one trained run."""

import functools
import tempfile
from pathlib import Path

import module as web
import pytest
import torch
from module import BOARD
from twisterl.envs import Puzzle
from twisterl.nn import BasicPolicy
from twisterl.rl import RandomWalk


@functools.cache
def trained():
    """The weights after some seconds of learning, enough to solve most boards, and their run."""
    env = Puzzle(**BOARD)
    torch.manual_seed(3)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=64, common_layers=[32])
    collecting = {"num_cores": 1, "num_walks": 1000, "walk_length": 40}
    config = {"collecting": collecting, "optimizer": {"lr": 0.005}, "evals": {}}
    with tempfile.TemporaryDirectory() as folder:
        RandomWalk(env, policy, config, run_path=folder).learn(8)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    return policy, files


@pytest.fixture(scope="module")
def built():
    """The file of the module that pages have."""
    return web.module_file()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of the run, and its policy."""
    policy, files = trained()
    folder = tmp_path_factory.mktemp("walk")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder, policy


@pytest.fixture(scope="module")
def policy():
    return trained()[0]
