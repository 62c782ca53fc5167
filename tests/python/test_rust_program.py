"""The program that trains without Python: the same runs, folders and refusals."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

import safetensors.numpy
from twisterl.checkpoint import RunFolder
from twisterl.config.validation import check_run
from twisterl.defaults import make_config
from twisterl.faults import ConfigError
from twisterl.runs.lock import RunLock
from twisterl.train import Options, Training

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "specs" / "cases").glob("*.json"))
# As for the tests in Rust, which have built it already.
BUILD = "cargo build --quiet --release -p twisterl --features abi3 --bin train".split()
SMALL = {"embedding_size": 12, "common_layers": [9], "policy_layers": [5]}

RUNS = {
    "PPO": {
        "env_cls": "LightsOut",
        "env": {"width": 3, "height": 3, "difficulty": 2},
        "policy_cls": "BasicPolicy",
        "policy": SMALL,
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 24, "difficulty_distribution": "uniform"},
            "training": {
                "num_epochs": 2,
                "minibatch_size": 16,
                "max_grad_norm": 0.5,
                "normalize_advantage": True,
                "ent_coef_final": 0.0,
                "lr_schedule": {"kind": "linear"},
            },
            "learning": {"diff_threshold": 0.0, "diff_step": 2, "diff_max": 9, "num_steps": 4},
            "optimizer": {"lr": 0.01, "amsgrad": True, "weight_decay": 0.001},
            "logging": {"checkpoint_freq": 2, "keep_every": 2},
            "evals": {"ppo_deterministic": {"num_episodes": 20}, "ppo_10": {"freq": 3}},
        },
    },
    "a task": {
        "env_cls": "CartPole",
        "policy_cls": "BasicPolicy",
        "policy": SMALL,
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 4},
            "training": {"minibatch_size": 32, "num_epochs": 2},
            "learning": {"num_steps": 4, "target_reward": 400},
            "evals": {"ppo_deterministic": {"num_episodes": 3}},
        },
    },
    "AZ": {
        "env_cls": "twisterl.envs.Puzzle",
        "env": {"difficulty": 4},
        "policy_cls": "twisterl.nn.Conv1dPolicy",
        "policy": {**SMALL, "embedding_size": 18, "conv_dim": 1},
        "algorithm_cls": "twisterl.rl.AZ",
        "algorithm": {
            "collecting": {"num_episodes": 6, "num_mcts_searches": 8, "root_selection": "gumbel"},
            "training": {"minibatch_size": 8, "replay_size": 40, "num_epochs": 2, "l2": 1e-4},
            "learning": {"num_steps": 4},
            "evals": {"ppo_deterministic": {"num_episodes": 9, "num_mcts_searches": 4}},
        },
    },
    "RandomWalk": {
        "env_cls": "Cube2",
        "policy_cls": "BasicPolicy",
        "policy": SMALL,
        "algorithm_cls": "RandomWalk",
        "algorithm": {
            "seed": 3,
            "collecting": {"num_walks": 12, "walk_length": 9},
            "training": {
                "sample_power": 0.5,
                "bellman_from": 2,
                "lr_schedule": {"kind": "cosine"},
            },
            "learning": {"num_steps": 4, "diff_metric": "beam"},
            "evals": {"beam": {"strategy": "beam", "beam_width": 4, "num_episodes": 5}},
        },
    },
    "parities": {
        "env_cls": "LightsOut",
        "env": {"width": 2, "height": 4},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 36, "common_layers": []},
        "algorithm_cls": "RandomWalk",
        "algorithm": {
            "collecting": {"num_walks": 40, "walk_length": 8, "commuting": True},
            "training": {"fit": "parity"},
            "learning": {"num_steps": 4},
            "evals": {"ppo_deterministic": {"num_episodes": 20}},
        },
    },
    "numbers": {
        "env_cls": "Pendulum",
        "policy_cls": "BasicPolicy",
        "policy": {**SMALL, "squash": True},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 2, "cache": False},
            "training": {"minibatch_size": 128, "ent_coef": 0.01},
            "learning": {"num_steps": 4},
            "evals": {"ppo_deterministic": {"num_episodes": 2}},
        },
    },
    "evolution on a board": {
        "env_cls": "Puzzle",
        "env": {"difficulty": 4},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 32, "common_layers": [], "twists": False},
        "algorithm_cls": "ES",
        "algorithm": {
            "collecting": {"num_pairs": 4, "num_episodes": 8, "player": "value"},
            "training": {"num_generations": 2, "lr_schedule": {"kind": "linear"}},
            "learning": {"num_steps": 4, "diff_threshold": 0.0, "diff_max": 9},
            "evals": {"ppo_deterministic": {"num_episodes": 20}},
        },
    },
    "evolution": {
        "env_cls": "LightsOut",
        "env": {"width": 3, "height": 3, "difficulty": 2},
        "policy_cls": "BasicPolicy",
        "policy": SMALL,
        "algorithm_cls": "ES",
        "algorithm": {
            "collecting": {"num_pairs": 3, "num_episodes": 6, "player": "value"},
            "training": {"num_generations": 2},
            "learning": {"num_steps": 4},
            "optimizer": {"rule": "momentum", "lr": 0.1},
            "evals": {"ppo_deterministic": {"num_episodes": 20}},
        },
    },
    "a memory": {
        "env_cls": "TMaze",
        "env": {"length": 4},
        "policy_cls": "RecurrentActorCritic",
        "policy": {"core": "gru", "input_size": 5, "hidden_size": 6, "num_layers": 2},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 12},
            "training": {"minibatch_size": 16, "sequence_length": 3, "burn_in": 2},
            "learning": {"num_steps": 4},
            "evals": {"ppo_deterministic": {"num_episodes": 9}},
        },
    },
}
# Those of torch's policies begin with weights that torch draws, in this program too.
TRIED = {"env_cls": "Catch", "algorithm_cls": "PPO"}
TRIED["algorithm"] = {
    "collecting": {"num_episodes": 3},
    "learning": {"num_steps": 4},
    "evals": {"ppo_deterministic": {"num_episodes": 3}},
}
AGENTS = {"num_agents": 2, "hidden_size": 7}
BY_TORCH = {
    "an image": {"policy_cls": "ImpalaPolicy", "policy": {"widths": [2], "hidden_size": 5}},
    "bounded numbers": {
        "env_cls": "Pendulum",
        "policy_cls": "ContinuousPolicy",
        "policy": {"hidden_size": 7},
    },
    "agents": {
        "env_cls": "TwoWalkers",
        "policy_cls": "IndependentMultiAgentPolicy",
        "policy": AGENTS,
    },
    "equal agents": {
        "env_cls": "TwoWalkers",
        "policy_cls": "SharedMultiAgentPolicy",
        "policy": AGENTS,
    },
}
RUNS |= {name: TRIED | own for name, own in BY_TORCH.items()}


@pytest.fixture(scope="module")
def program():
    if not shutil.which("cargo"):
        pytest.skip("cargo builds the program")
    subprocess.run(BUILD, cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "train"


def by_rust(program, *words, status=0):
    result = subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert result.returncode == status, result.stderr
    return result


def by_python(config, folder, **options):
    training = Training(Options(config and str(config), str(folder), **options))
    training.start()
    training.learn()


def written(tmp_path, config, name="config"):
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(config))
    return path


def lines(folder):
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("times", "elapsed_s")}
        for line in (folder / "metrics.jsonl").read_text().splitlines()
    ]


def commit(folder):
    last = max((folder / "resume").iterdir())
    state = json.loads((last / "state.json").read_text())
    for name in ("elapsed_s", "versions", "optimizer"):
        state.pop(name, None)
    weights, optimizer = (
        (last / f"{name}.safetensors").read_bytes() for name in ("weights", "optimizer")
    )
    if state["config"]["policy_cls"] not in ("BasicPolicy", "Conv1dPolicy"):
        # Only torch knows what its generator has drawn.
        optimizer = safetensors.numpy.load(optimizer)
        del optimizer["random.cpu"]
        optimizer = {name: value.tobytes() for name, value in optimizer.items()}
    return state, weights, optimizer


@pytest.fixture(scope="module", params=RUNS)
def runs(request, program, tmp_path_factory):
    """Of each program: a whole run, and one whose second half is the other's."""
    tmp_path = tmp_path_factory.mktemp(request.param)
    config = written(tmp_path, RUNS[request.param])
    at = {
        name: tmp_path / name for name in ("python", "rust", "rust then python", "python then rust")
    }
    words, options = [], {}
    if not RUNS[request.param]["policy_cls"].endswith(("BasicPolicy", "Conv1dPolicy")):
        by_python(config, tmp_path / "first", num_steps=0)
        first = tmp_path / "first" / "checkpoint_last.safetensors"
        words, options = ["--load_checkpoint_path", first], {"load_checkpoint_path": str(first)}
    by_python(config, at["python"], **options)
    by_rust(program, "--config", config, "--run_path", at["rust"], *words)
    # One iteration takes longer than that.
    budget = ("algorithm.learning.time_budget_s", 1e-6)
    short = at["rust then python"]
    by_rust(program, "--config", config, "--run_path", short, f"{budget[0]}=1e-6", *words)
    by_python(config, at["rust then python"], resume=True)
    by_python(config, at["python then rust"], overrides=[budget], **options)
    by_rust(program, "--resume", "--config", config, "--run_path", at["python then rust"])
    return at


def test_the_same_run_whoever_trains(runs):
    whole = lines(runs["python"])
    assert len(whole) == 4
    assert [line["iteration"] for line in whole] == [0, 1, 2, 3]
    last = commit(runs["python"])
    for who, folder in runs.items():
        assert lines(folder) == whole, who
        assert commit(folder) == last, who
        for name in ("checkpoint_best", "checkpoint_last"):
            file = f"{name}.safetensors"
            ours, theirs = folder / file, runs["python"] / file
            assert ours.exists() == theirs.exists()
            assert not ours.exists() or ours.read_bytes() == theirs.read_bytes(), (who, file)
        has_open_beam = "beam" in last[0]["config"]["algorithm"]["evals"]
        assert (b"twisterl.beam_value_weight" in commit(folder)[1]) == has_open_beam, who
    full = [
        json.loads((folder / "full_algorithm_config.json").read_text()) for folder in runs.values()
    ]
    assert all(one == full[0] for one in full)


@pytest.mark.parametrize(
    ("env", "policy_cls", "policy"),
    [
        ({"width": 36, "height": 36}, "CNNPolicy", {"hidden_size": 3}),
        ({}, "ResidualPolicy", {"num_blocks": 2, "hidden_size": 3}),
        ({}, "AttentionPolicy", {"d_model": 4, "nhead": 2}),
    ],
)
def test_weights_go_through_both_programs(env, policy_cls, policy, program, tmp_path):
    """Of classes whose runs nobody compares: names, shapes and order."""
    config = written(tmp_path, {**TRIED, "env": env, "policy_cls": policy_cls, "policy": policy})
    by_python(config, tmp_path / "python", num_steps=0)
    first = tmp_path / "python" / "checkpoint_last.safetensors"
    words = ("--load_checkpoint_path", first, "--num_steps", 0)
    by_rust(program, "--config", config, "--run_path", tmp_path / "rust", *words)
    assert (tmp_path / "rust" / first.name).read_bytes() == first.read_bytes()


BASE = {"env_cls": "Puzzle", "policy_cls": "BasicPolicy", "algorithm_cls": "PPO"}
WRONG = [
    {"algorithm": {"optimizer": {"betas": [0.9]}}},
    {"algorithm": {"optimizer": {"betas": [0.9, 0.9, 1]}}},
    {"algorithm": {"optimizer": {"betas": [1.0, 2]}}},
    {"algorithm": {"optimizer": {"betas": 3}}},
    {"env_cls": "Permutation", "env": {"edges": [[1, 2, 3]]}},
    {"algorithm": {"evals": {"a/b": {}}}},
    {"algorithm": 3},
    {"env": 3},
    {"env_cls": 3},
    {"env_cls": "Puzle"},
    {"algorithm": {"evals": {"x": {"C": -1}}, "device": 3, "learning": {"diff_metric": 7}}},
    {"envs": {}},
    {"algorithm": {"evals": []}},
    {"policy": {"common_layers": 3}},
    {"algorithm": {"evals": {"x": {"strategy": "mcts"}}, "learning": {"diff_metric": "x"}}},
    {"algorithm": {"evals": {"mcts_100": {"num_mcts_searches": 9_000_000}}}},
    {
        "algorithm_cls": "RandomWalk",
        "algorithm": {"training": {"fit": "parity", "bellman_from": 3}},
    },
]


def words(fault):
    """A problem without what only one language says: classes of Python, how numbers are written."""
    text = re.sub(r" or instance of \w+", "", str(fault))
    text = re.sub(r"-?\d[\d.]*(e[-+]?\d+)?", lambda number: repr(float(number[0])), text)
    return re.sub(r"(unknown key|expected a key of evals).*", r"\1", text)


def refusals(config):
    try:
        check_run(config)
    except ConfigError as error:
        return sorted(map(words, error.faults))
    return []


@pytest.mark.parametrize("case", [*CASES, *WRONG], ids=lambda case: getattr(case, "stem", None))
def test_configs_are_judged_alike(case, program, tmp_path):
    config = json.loads(case.read_text())["config"] if isinstance(case, Path) else {**BASE, **case}
    expected = refusals(config)
    if "foreign" in str(case):
        expected = [None]
    path = written(tmp_path, config)
    result = by_rust(program, "--config", path, "--dry-run", status=2 if expected else 0)
    if not expected:
        resolved = json.loads(result.stdout)
        section = {**config.get("algorithm", {}), "device": "cpu"}
        name = config["algorithm_cls"].rpartition(".")[2]
        # Without tuples.
        assert resolved["algorithm"] == json.loads(json.dumps(make_config(name, section)))
    elif expected != [None]:
        text = result.stderr.removeprefix(f"error: {path}: ").rstrip()
        faults = text.split("\n  ")[1:] if " faults\n" in text else [text]
        assert sorted(map(words, faults)) == expected


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"algorithm": {"engine": "torch"}},
            'algorithm.engine: got "torch"; expected auto or rust',
        ),
        ({"algorithm": {"device": "cuda"}}, 'algorithm.device: got "cuda"; expected cpu'),
        ({"env_cls": "PyEnv"}, 'env_cls: got "PyEnv"; expected an environment of the Rust program'),
        (
            {"policy_cls": "my.Net"},
            'policy_cls: got "my.Net"; expected a class of the Rust program',
        ),
        (
            {"algorithm": {"training": {"compile": "eager"}}},
            'algorithm.training.compile: got "eager"; expected null',
        ),
        (
            {"algorithm": {"training": {"vf_clip": 0.2}}},
            "algorithm.training.vf_clip: got 0.2; expected null",
        ),
        (
            {"algorithm": {"optimizer": {"kind": "muon"}}},
            'algorithm.optimizer.kind: got "muon"; expected "adam"',
        ),
        (
            {"policy_cls": "Conv1dPolicy", "policy": {"embedding_size": 10}},
            "policy: embedding_size: expected a multiple of 9, got 10",
        ),
    ],
)
def test_what_only_python_does_is_refused(config, said, program, tmp_path):
    path = written(tmp_path, {**BASE, **config})
    result = by_rust(program, "--config", path, "--run_path", tmp_path / "run", status=2)
    assert said in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--num_steps", 10**14], "--num_steps: got 100000000000000; expected a count of"),
        (
            ["--num_steps", -1],
            "--num_steps: got -1; expected a count of iterations, 0 to 10000000000",
        ),
        (["--rerun"], "unknown option --rerun; --help lists the options"),
        (["--rerun", "--resume"], "unknown option --rerun"),
        (["--num_steps"], "--num_steps: has no value"),
        (["--run_path", ""], "run folder: got ''; expected the name of a folder"),
        (["--load_checkpoint_path", "--overwrite"], "--load_checkpoint_path: has no value"),
        ([os.fsdecode(b"\xff")], 'got "\\xFF"; expected text in UTF-8'),
    ],
)
def test_words_that_it_does_not_know_are_refused(words, said, program, tmp_path):
    path = written(tmp_path, BASE)
    result = by_rust(program, "--config", path, "--run_path", tmp_path / "run", *words, status=2)
    assert said in result.stderr
    assert not (tmp_path / "run").exists()


def test_json_is_read_strictly(program, tmp_path):
    path = tmp_path / "twice.json"
    path.write_text('{"env_cls": "Puzzle", "env_cls": "Puzzle"}')
    assert "env_cls: is given more than once" in by_rust(program, "--config", path, status=2).stderr
    path.write_text('{"env_cls": NaN}')
    assert "is not JSON" in by_rust(program, "--config", path, status=2).stderr
    result = by_rust(program, "--config", tmp_path / "missing.json", status=2)
    assert "missing.json: cannot be read: No such file or directory" in result.stderr


@pytest.fixture(scope="module")
def kept(program, tmp_path_factory):
    """A config, and the folder of a short run of it."""
    tmp_path = tmp_path_factory.mktemp("kept")
    config, folder = written(tmp_path, RUNS["PPO"]), tmp_path / "run"
    by_rust(program, "--config", config, "--run_path", folder, "--num_steps", 2)
    return config, folder


def test_a_run_that_is_there_is_kept(kept, program, tmp_path):
    config, folder = kept
    before = (folder / "metrics.jsonl").read_bytes()
    result = by_rust(program, "--config", config, "--run_path", folder, status=2)
    assert "already holds a run; --resume continues it, --overwrite drops it" in result.stderr
    assert (folder / "metrics.jsonl").read_bytes() == before
    copy = shutil.copytree(folder, tmp_path / "copy")
    by_rust(program, "--config", config, "--run_path", copy, "--overwrite", "--num_steps", 1)
    assert len(lines(copy)) == 1
    result = by_rust(program, "--resume", "--run_path", tmp_path, "--config", config, status=2)
    assert "holds no run to resume" in result.stderr


def test_changes_of_the_config_take_effect_and_are_told(kept, program, tmp_path):
    folder = shutil.copytree(kept[1], tmp_path / "run")
    result = by_rust(
        program, "--resume", "--run_path", folder, "--num_steps", 3, "env.difficulty=7",
        "--algorithm.optimizer.lr", "0.5",
    )  # fmt: skip
    assert "algorithm.optimizer.lr: 0.01 -> 0.5" in result.stderr
    assert "env.difficulty: 2 -> 7" in result.stderr
    assert "goes on at difficulty 7; it had reached 6" in result.stderr
    assert lines(folder)[2]["difficulty"] == 7
    for change in ("policy.embedding_size=13", "algorithm.optimizer.amsgrad=false"):
        result = by_rust(program, "--resume", "--run_path", folder, change, status=2)
        assert "does not fit the" in result.stderr
        assert change.replace("=", ": ").split(":")[0] in result.stderr
    result = by_rust(
        program, "--resume", "--run_path", folder, "algorithm_cls=AZ", "algorithm={}", status=2
    )
    assert "algorithm_cls: the run is one of PPO; got AZ" in result.stderr


def test_the_best_is_found_anew_whoever_goes_on(kept, program, tmp_path):
    change = "algorithm.evals.ppo_deterministic.num_episodes"
    folders = [shutil.copytree(kept[1], tmp_path / name) for name in ("rust", "python")]
    words = ["--resume", "--run_path", folders[0], "--num_steps", 3, f"{change}=2"]
    assert "its best is found anew, as ppo_deterministic judges now" in (
        by_rust(program, *words).stderr
    )
    by_python(None, folders[1], num_steps=3, resume=True, overrides=[(change, 2)])
    states = [RunFolder(folder).commits.last_state() for folder in folders]
    row = lines(folders[0])[2]
    for state in states:
        assert state["best_metrics"] == [row["difficulty"], row["success"], row["reward"]]
        assert state["num_without_improvement"] == 0


def test_damage_is_found_and_an_older_commit_used(kept, program, tmp_path):
    folder = shutil.copytree(kept[1], tmp_path / "run")
    serials = sorted((folder / "resume").iterdir())
    weights = serials[-1] / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    if len(serials) > 1:
        by_rust(program, "--resume", "--run_path", folder)
    for serial in serials:
        (serial / "manifest.json").write_text("{}")
    for newer in set((folder / "resume").iterdir()) - set(serials):
        shutil.rmtree(newer)
    result = by_rust(program, "--resume", "--run_path", folder, status=2)
    assert "cannot be resumed" in result.stderr
    assert "lists other files" in result.stderr


def test_one_training_at_a_time_writes_into_a_folder(kept, program):
    _, folder = kept
    with RunLock(folder):
        result = by_rust(program, "--resume", "--run_path", folder, status=2)
    assert re.search(r"process \d+ \(since .*\) is writing here; wait", result.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_run(number, program, tmp_path):
    endless = {**RUNS["PPO"]["algorithm"], "learning": {}, "training": {}}
    config, folder = written(tmp_path, {**RUNS["PPO"], "algorithm": endless}), tmp_path / "run"
    process = subprocess.Popen(
        [program, "--config", config, "--run_path", folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("iteration 1 ")
    process.send_signal(number)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number
    assert f"saved in {folder}; go on with: train --resume --run_path {folder}" in rest
    count = commit(folder)[0]["iteration"]
    assert count == len(lines(folder)) >= 1
    by_python(None, folder, resume=True, num_steps=count + 1)
    assert len(lines(folder)) == count + 1


def test_numbers_that_are_none_stop_the_run(program, tmp_path):
    config = written(tmp_path, RUNS["PPO"])
    result = by_rust(
        program, "--config", config, "--run_path", tmp_path / "run", "--seed", 1,
        "algorithm.optimizer.lr=1e30", "algorithm.training.max_grad_norm=null", status=1,
    )  # fmt: skip
    assert re.search(
        r"error: iteration \d: .* the weights are those of the iteration before", result.stderr
    )
    state = commit(tmp_path / "run")[0]
    assert state["iteration"] == len(lines(tmp_path / "run"))
