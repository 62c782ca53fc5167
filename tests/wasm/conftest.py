"""What the tests of the module and of the pages share: the module, and a policy with its run."""

import os

import pytest

if os.environ.get("CI") != "true":  # There it is installed, or its lack is a failure.
    pytest.importorskip("wasmtime")
torch = pytest.importorskip("torch")

import module as web  # noqa: E402
from module import BOARD  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import RandomWalk  # noqa: E402


@pytest.fixture(scope="session")
def built():
    """The file of the module."""
    if not web.is_target_installed():
        pytest.skip(f"rustup target add {web.TARGET}")
    return web.build("-D warnings")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The folder of some seconds of learning, enough to solve most boards, and the policy."""
    env = Puzzle(**BOARD)
    torch.manual_seed(3)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=64, common_layers=[32])
    collecting = {"num_cores": 1, "num_walks": 1000, "walk_length": 40}
    config = {"collecting": collecting, "optimizer": {"lr": 0.005}, "evals": {}}
    folder = tmp_path_factory.mktemp("runs") / "walk"
    RandomWalk(env, policy, config, run_path=folder).learn(8)
    return folder, policy


@pytest.fixture(scope="session")
def policy(run):
    return run[1]
