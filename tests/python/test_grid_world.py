"""The example crate: it is built, played and trained as somebody else's package would be."""

import copy
import importlib.machinery
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from extensions import load_extension
from players import EnvReplay, check_players
from small_policy import collector, everything, small_policy
from twisterl import twisterl

ROOT = Path(__file__).resolve().parents[2]
CRATE = ROOT / "examples" / "grid_world"

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="cargo builds the example")


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A folder with the built module ``grid_world``."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {**os.environ, "PYO3_PYTHON": sys.executable}
    # As the extension is built, which has built the engine then.
    if sys.platform == "linux" or not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        environment["PYO3_BUILD_EXTENSION_MODULE"] = "1"
    command = ["cargo", "build", "--release", "--package", "grid_world"]
    command += ["--features", "twisterl/abi3"]
    # Its crates are those of the workspace, so nothing has to be fetched as a rule.
    for options in (["--offline"], []):
        built = subprocess.run(
            [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if built.returncode == 0:
            break
    assert built.returncode == 0, built.stderr[-3000:]
    names = {"linux": "libgrid_world.so", "darwin": "libgrid_world.dylib"}
    library = target / "release" / names.get(sys.platform, "grid_world.dll")
    folder = tmp_path_factory.mktemp("grid_world")
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    shutil.copy(library, folder / f"grid_world{suffix}")
    return folder


@pytest.fixture(scope="session")
def grid_world(package):
    return load_extension(next(package.iterdir()), "grid_world")


def test_it_shares_no_type_with_the_engine(grid_world):
    env = grid_world.GridWorld(5, 3, 20)
    assert not isinstance(env, twisterl.env.PyBaseEnv)
    assert env.num_actions() == 4 and env.obs_shape() == [50]


def test_arguments_are_checked(grid_world):
    with pytest.raises(ValueError, match=r"size: expected an integer in 2..=32, got 1"):
        grid_world.GridWorld(1)
    with pytest.raises(ValueError, match=r"state: expected \[walker, goal\], .*got \[25, 0\]"):
        grid_world.GridWorld(5).set_state([25, 0])


def test_twists_are_symmetries(grid_world):
    env, mirrored = grid_world.GridWorld(4), grid_world.GridWorld(4)
    cells = 16
    for obs_perm, act_perm in zip(*env.twists(), strict=True):
        for walker, goal in [(0, 5), (7, 12), (15, 3)]:
            env.set_state([walker, goal])
            mirrored.set_state([obs_perm[walker], obs_perm[cells + goal] - cells])
            assert sorted(obs_perm[feature] for feature in env.observe()) == mirrored.observe()
            for action in range(4):
                assert env.masks()[action] == mirrored.masks()[act_perm[action]]
            for action in [0, 1, 3, 2]:
                env.step(action)
                mirrored.step(act_perm[action])
                assert sorted(obs_perm[feature] for feature in env.observe()) == mirrored.observe()


def test_threads_change_nothing(grid_world):
    env = grid_world.GridWorld(5, 3, 20)
    policy = small_policy(env)
    runs = {everything(collector(num_cores=cores).collect(env, policy)) for cores in (1, 2, 4)}
    assert len(runs) == 1


@pytest.mark.parametrize("num_cores", [1, 2])
def test_what_is_told_is_what_was_played(grid_world, num_cores):
    env = grid_world.GridWorld(4, 8, 12)
    replay = EnvReplay(grid_world.GridWorld(4, 8, 12), lambda row: [row[0], row[1] - 16])
    check_players(env, replay, [[0, 1], [15, 2], [5, 10]], num_cores)


def test_it_solves_from_a_state(grid_world):
    env = grid_world.GridWorld(4, 1, 20)
    env.set_state([0, 1])
    (success, _), actions = twisterl.collector.solve(env, small_policy(env), False, 200)
    assert success and len(actions) % 2 == 1
    assert env.get_state() == (0, 1)
    uniform = twisterl.collector.evaluate_episodes(env, small_policy(env), 30, start="uniform")
    assert np.isfinite(uniform["reward"]).all()


def test_it_is_pickled_and_copied(grid_world, monkeypatch):
    monkeypatch.setitem(sys.modules, "grid_world", grid_world)

    class Extended(grid_world.GridWorld):
        def __init__(self, *_):
            self.log = [1]

    env = Extended(5, 6, 9)
    env.reset(seed=2)
    env.step(0)
    plain = grid_world.GridWorld(5, 6, 9)
    plain.reset(seed=2)
    plain.step(0)
    for again in (copy.copy(env), copy.deepcopy(env), pickle.loads(pickle.dumps(plain))):
        assert again.observe() == env.observe() and again.masks() == env.masks()
        for seed in range(9):
            again.step(seed % 4)
        assert again.is_final() and not env.is_final()
        assert again.arguments() == {"size": 5, "difficulty": 6, "max_steps": 9}
    assert copy.deepcopy(env).log == [1] and type(env.copy()) is Extended
    restored = grid_world.GridWorld._restored
    with pytest.raises(ValueError, match=r"snapshot: expected \[walker, goal, steps_left"):
        restored(plain.arguments(), [0, 0, -1])


def test_its_config_trains(package, tmp_path):
    pytest.importorskip("torch")
    config = json.loads((CRATE / "grid_world.json").read_text())
    paths = [str(package), str(Path(twisterl.__file__).parents[1])]
    command = [sys.executable, "-m", "twisterl.train", "--config", str(CRATE / "grid_world.json")]
    command += ["--run_path", str(tmp_path / "run"), "--num_steps", "25"]
    trained = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert trained.returncode == 0, trained.stderr[-3000:]
    saved = json.loads((tmp_path / "run" / "base_config.json").read_text())
    assert saved["env_cls"] == config["env_cls"] == "grid_world.GridWorld"
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert len(metrics) == 25
    assert metrics[-1]["evals"]["uniform"]["success"] > 0.5


def test_it_is_played_in_the_terminal(package):
    paths = [str(package), str(Path(twisterl.__file__).parents[1])]
    command = [sys.executable, "-m", "twisterl", "play", "--env", "grid_world.GridWorld"]
    played = subprocess.run(
        [*command, "size=4", "--seed", "3"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        input="0\n1\n2\n3\nu\nn\nq\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert played.returncode == 0, played.stderr
    states = re.findall(r"^state (\d+ \d+)\nmoves: (\d)$", played.stdout, re.MULTILINE)
    moved = [after for after in states if int(after[1]) > 0]
    assert moved and states[0][0] != moved[0][0]
    assert states[-1][1] == "0"
