"""Where torch is not installed, or nobody asks for it, runs are those that torch's weights make."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from test_resume import CASES  # noqa: E402
from trainings import broken_off, trained  # noqa: E402
from twisterl.envs import Cube2, LightsOut, Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.nn.arrays import ArrayPolicy  # noqa: E402
from twisterl.rl.torch_view import module_of  # noqa: E402
from twisterl.runs import tensors  # noqa: E402

HERE = Path(__file__).parent
WITHOUT = [sys.executable, str(HERE / "without.py")]
LACKING = "torch,tensorboard,matplotlib,huggingface_hub,safetensors.torch"
BY_ENGINE = ("PPO", "AZ", "RandomWalk", "ES")

PLAYED = f"""
import sys
sys.path.append({str(HERE)!r})
from twisterl import cli, train

# A process for each run, which would find matplotlib; tests/python/test_core.py has none.
train.draw_curve = lambda *_, **__: None

def run(*words):
    status = cli.main(list(map(str, words)))
    assert status == 0, words
"""


def run(source, lacking=LACKING):
    """What a program prints that finds no torch; it must end well."""
    command = [*WITHOUT, lacking, "-"]
    ended = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout, ended.stderr


def config_of(name, folder):
    env = {"difficulty": 4, "max_depth": 20}
    config = {
        "env_cls": "LightsOut",
        "env": {**env, "width": 3, "height": 3},
        "policy_cls": "Conv1dPolicy" if name == "PPO" else "BasicPolicy",
        "policy": {"embedding_size": 12, "common_layers": [8], "policy_layers": [5]},
        "algorithm_cls": name,
        "algorithm": {**CASES[name], "seed": 3, "logging": {"checkpoint_freq": 2}},
    }
    if name == "PPO":
        config["env_cls"], config["env"] = "Puzzle", {**env, "width": 3, "height": 2}
        config["algorithm"]["optimizer"] = {"amsgrad": True, "weight_decay": 0.01}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


def saved(run_path):
    """All that continues a run, but for times and versions."""
    (commit,) = (run_path / "resume").iterdir()
    state = json.loads((commit / "state.json").read_text())
    del state["elapsed_s"], state["versions"]
    files = [commit / "weights.safetensors", commit / "optimizer.safetensors"]
    files.append(run_path / "checkpoint_best.safetensors")
    return [path.read_bytes() for path in files], state


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of each algorithm: `whole` of 6 iterations, `part` of 3, `resumed` from 3 of torch to 6."""
    root = tmp_path_factory.mktemp("runs")
    words = []
    for name in BY_ENGINE:
        config = str(config_of(name, root))
        broken_off(config, root / name / "resumed")
        given = ["train", "--config", config, "--num_steps", "6", "--run_path"]
        words.append([*given, f"{root / name / 'whole'}"])
        words.append(["train", "--resume", "--run_path", f"{root / name / 'resumed'}"])
    whole = str(root / "PPO" / "whole")
    words += [
        ["eval", whole, "--num_episodes", "20"],
        ["solve", whole, "1 0 2 3 4 5", "--num_searches", "999"],
        ["bench", "--num_episodes", "8"],
    ]
    source = f"""{PLAYED}
for words in {words!r}:
    run(*words)
from trainings import broken_off
for name in {BY_ENGINE!r}:
    broken_off(f"{root}/{{name}}.json", f"{root}/{{name}}/part")
assert "torch" not in sys.modules
"""
    said, warned = run(source)
    return root, said, warned


@pytest.mark.parametrize("name", BY_ENGINE)
def test_runs_without_torch_are_those_with_it(runs, name, tmp_path):
    root, _, _ = runs
    config = config_of(name, tmp_path)
    trained(config, tmp_path / "torch", num_steps=6)
    expected = saved(tmp_path / "torch")
    assert saved(root / name / "whole") == expected
    assert saved(root / name / "resumed") == expected
    shutil.copytree(root / name / "part", tmp_path / "part")
    trained(config, tmp_path / "part", resume=True)
    assert saved(tmp_path / "part") == expected


def test_commands_play_without_torch(runs):
    root, said, warned = runs
    assert "solved " in said and "train_sample_epochs_per_second" in said
    folder = root / "PPO" / "whole"
    assert f"{folder}: without files for TensorBoard, which pip install tensorboard makes" in warned
    assert not list(folder.glob("events*"))
    assert (folder / "metrics.jsonl").read_text().count("\n") == 6


def test_torch_is_made_when_it_is_asked_for(runs, tmp_path):
    """And goes on as the engine would have: here after three iterations of six."""
    root, _, _ = runs
    source = f"""
import sys
from twisterl.config.json import read_json
from twisterl.utils import prepare_algorithm

runs = []
for name in {BY_ENGINE[:3]!r}:
    run = prepare_algorithm(read_json(f"{root}/{{name}}.json"), f"{tmp_path}/{{name}}")
    run.num_iterations = 6
    run.learn(3)
    runs.append(run)
assert "torch" not in sys.modules
import torch
for run in runs:
    arrays = run.held.policy.weights.values()
    policy, optimizer = run.policy, run.optimizer
    assert isinstance(policy, torch.nn.Module) and isinstance(optimizer, torch.optim.Adam)
    for one, other in zip(arrays, policy.parameters(), strict=True):
        assert (one == other.detach().numpy()).all()
    run.learn(3)
    assert run.policy is policy
"""
    run(source, "none")
    for name in BY_ENGINE[:3]:
        assert saved(tmp_path / name) == saved(root / name / "whole")


def test_weights_are_drawn_as_torch_draws_them():
    """For descriptions of all kinds; the state of torch's generator after them too."""
    for seed in range(12):
        random = np.random.default_rng(seed)
        env = [Puzzle(4, 3, 1, 2, 9), LightsOut(width=3, height=3), Cube2()][seed % 3]
        layers = {
            f"{name}_layers": random.integers(1, 40, size=random.integers(0, 3)).tolist()
            for name in ("common", "policy", "value")
        }
        perms = dict(zip(("obs_perms", "act_perms"), env.twists(), strict=True))
        shape, actions, size = env.obs_shape(), env.num_actions(), int(random.integers(1, 99))
        cls, more = BasicPolicy, {}
        if len(shape) == 2 and seed % 2:
            cls, more = Conv1dPolicy, {"conv_dim": seed // 2 % 2}
            size = shape[1 - more["conv_dim"]] * int(random.integers(1, 9))
        elif seed % 4 == 2:
            more = {"obs_dtype": "uint8"}
        if seed > 8 and cls is BasicPolicy:
            perms = {}
            box = {"type": "box", "low": [-1.0] * 3, "high": [1.0] * 3}
            more |= {"act_space": box, "squash": bool(seed % 2)}
        seed = seed * 987_654_321_987 + 1
        torch.manual_seed(seed)
        made = cls(shape, actions, size, **layers, **perms, **more)
        state = torch.get_rng_state().numpy()
        of_env = {key: more.pop(key) for key in ("obs_dtype", "act_space") if key in more}
        arguments = {"embedding_size": size, **layers, **more}
        arrays = ArrayPolicy(cls.__name__, shape, actions, arguments, **perms, **of_env, seed=seed)
        assert arrays.net_spec() == made.net_spec()
        assert (arrays.obs_perms, arrays.act_perms) == (made.obs_perms, made.act_perms)
        expected = made.state_dict()
        for policy in (arrays, module_of(arrays)):
            got = policy.state_dict()
            assert list(got) == list(expected)
            for name, values in expected.items():
                assert np.array_equal(np.asarray(got[name]), values.numpy()), name
        assert np.array_equal(arrays.generator, state)


MODULE = """
import torch
class Net(torch.nn.Module):
    pass
"""


def test_what_needs_torch_says_so_in_one_line(tmp_path):
    config = json.loads(config_of("PPO", tmp_path).read_text())
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "old.pt").write_bytes(b"")
    cases = {
        "algorithm.engine: torch needs": {"engine": "torch"},
        "algorithm.device: cuda needs": {"device": "cuda"},
        "policy_cls: mine.Net, a module of torch, needs": {"policy_cls": "mine.Net"},
        "algorithm_cls: mine.Mine needs": {"algorithm_cls": "mine.Mine"},
        "old.pt: a pickle of torch needs": {"load": str(tmp_path / "old.pt")},
    }
    source = f"{PLAYED}\nimport os\nos.chdir({str(tmp_path)!r})\n"
    for number, changes in enumerate(cases.values()):
        changed = json.loads(json.dumps(config))
        more = ["--load_checkpoint_path", changes.pop("load")] if "load" in changes else []
        if "algorithm_cls" in changes or "policy_cls" in changes:
            changed.update(changes)
            changed["algorithm"], changed["policy"] = {}, {}
        else:
            changed["algorithm"].update(changes)
        path = tmp_path / f"case{number}.json"
        path.write_text(json.dumps(changed))
        words = ["train", "--config", str(path), "--run_path", str(tmp_path / "no"), *more]
        source += f"assert cli.main({words!r}) == 2\n"
    source += f"""
from twisterl.utils import prepare_algorithm
run = prepare_algorithm({config!r})
import twisterl.nn, twisterl.utils
from twisterl.rl import PPO
from twisterl import plot
for ask in (lambda: run.policy, lambda: twisterl.nn.BasicPolicy, lambda: twisterl.utils.HfApi):
    try:
        ask()
    except ImportError as error:
        print(error, file=sys.stderr)
"""
    _, said = run(source)
    needs = "PyTorch, which is not installed: pip install torch"
    expected = [f"{begin} {needs}" for begin in cases] + [
        f"the policy of an algorithm as a torch module needs {needs}",
        f"twisterl.nn.BasicPolicy needs {needs}",
        "the model hub needs the package huggingface_hub: pip install huggingface_hub",
    ]
    lines = said.splitlines()
    assert len(lines) == len(expected), said
    for line, end in zip(lines, expected, strict=True):
        assert line.endswith(end), line
    assert not (tmp_path / "no").exists()


def test_bfloat16_is_read_as_float32(tmp_path):
    values = torch.tensor([1.5, -3e38, 1e-40, 0.0]).to(torch.bfloat16)
    (tmp_path / "model").write_bytes(tensors.encode({"w": values, "h": values[:1].half()}))
    arrays, _ = tensors.read_arrays(tmp_path / "model")
    assert arrays["w"].dtype == np.float32
    assert np.array_equal(arrays["w"], values.float().numpy())
    assert arrays["h"].dtype == np.float16
