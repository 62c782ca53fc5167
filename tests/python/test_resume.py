"""A run that is stopped and resumed, or learned in parts, is the run that never stopped."""

import copy
import hashlib
import json
import signal

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from twisterl import cli, train  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import AZ, PPO  # noqa: E402
from twisterl.runs.errors import RunFolderError  # noqa: E402
from twisterl.runs.folder import RunFolder  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402


class Noisy(BasicPolicy):
    """Draws from torch's own generator in every update."""

    def _heads(self, embedded, twists):
        noisy = torch.nn.functional.dropout(embedded, 0.2, self.training)
        return super()._heads(noisy, twists)

    def net_spec(self):
        """The engine plays without the noise."""
        return super().net_spec()


# Every algorithm, with all that changes over a run: rates, curriculum, memory, rare evaluations.
LINEAR = {"kind": "linear", "final_ratio": 0.1}
EVALS = {"ppo_1": {"num_episodes": 20, "num_cores": 1}, "rare": {"num_episodes": 5, "freq": 4}}
RISES = {"diff_threshold": 0.7, "threshold_min": 0.2, "diff_step": 2, "warmup": 2, "diff_max": 9}
CASES = {
    "PPO": {
        "training": {"num_epochs": 2, "minibatch_size": 40, "lr_schedule": LINEAR,
                     "ent_coef": 0.05, "ent_coef_final": 0.0},
        "learning": {**RISES, "diff_metric": "ppo_1"}, "evals": EVALS,
    },
    "AZ": {
        "collecting": {"num_cores": 1, "num_episodes": 16, "num_mcts_searches": 8,
                       "exploration_fraction": 0.3, "difficulty_distribution": "uniform"},
        "training": {"num_epochs": 2, "minibatch_size": 32, "replay_size": 150,
                     "lr_schedule": {"kind": "cosine"}},
        # Ends without a difficulty after the third iteration.
        "learning": {**RISES, "diff_metric": "search", "diff_threshold": 0.0, "diff_max": 3,
                     "final_diff_is_none": True},
        "evals": {"search": {"num_episodes": 10, "num_cores": 1, "num_mcts_searches": 4}},
    },
    "RandomWalk": {
        "collecting": {"num_cores": 1, "num_walks": 20, "walk_length": 15},
        "training": {"minibatch_size": 8, "lr_schedule": {"kind": "cosine"}},
        "learning": {**RISES, "diff_metric": "beam"},
        "evals": {"beam": {"strategy": "beam", "beam_width": 2, "freq": 2}},
    },
    "ES": {
        "collecting": {"num_cores": 1, "num_pairs": 4, "num_episodes": 8,
                       "difficulty_distribution": "uniform"},
        "training": {"num_generations": 2, "lr_schedule": LINEAR},
        "learning": {**RISES, "diff_threshold": 0.1, "threshold_min": 0.0,
                     "diff_metric": "mine"},
        "evals": {"mine": {"num_episodes": 20, "freq": 2}},
    },
}  # fmt: skip


def case(name, **learning):
    """The run config of a case; a fresh copy."""
    config = copy.deepcopy({**SMALL, "algorithm_cls": name})
    config["algorithm"].update(copy.deepcopy(CASES[name]))
    config["algorithm"]["learning"].update(learning)
    if name == "ES":
        config["policy"] = {"embedding_size": 32, "common_layers": []}
    elif name == "PPO":
        config["policy_cls"] = "test_resume.Noisy"
    return config


def rows(folder):
    """The metrics without what the clock says."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("times", "elapsed_s")} for line in lines]


def assert_same_run(one, other):
    """Equal files, byte for byte but for the clock."""
    for name in ("checkpoint_last.safetensors", "checkpoint_best.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert rows(one) == rows(other)
    commits = [RunFolder(folder).load_commit() for folder in (one, other)]
    assert commits[0].optimizer.keys() == commits[1].optimizer.keys()
    for name, value in commits[0].optimizer.items():
        assert torch.equal(value, commits[1].optimizer[name]), name
    states = [{k: v for k, v in c.state.items() if k != "elapsed_s"} for c in commits]
    assert states[0] == states[1]


@pytest.fixture(scope="module", params=list(CASES))
def whole(request, tmp_path_factory):
    """A run of 7 iterations: its config and its folder."""
    config = case(request.param, num_steps=7)
    folder = tmp_path_factory.mktemp("whole")
    prepare_algorithm(config, folder).learn(7)
    return config, folder


def test_resumed_twice(whole, tmp_path):
    config, folder = whole
    for count in (2, 3, 2):
        algorithm = prepare_algorithm(config, tmp_path)
        if count != 2 or tmp_path.joinpath("metrics.jsonl").exists():
            algorithm.resume()
        algorithm.learn(count)
    assert_same_run(folder, tmp_path)


def test_one_iteration_at_a_time(whole, tmp_path):
    config, folder = whole
    algorithm = prepare_algorithm(config, tmp_path)
    for _ in range(7):
        algorithm.learn(1)
    assert_same_run(folder, tmp_path)


@pytest.mark.parametrize("phase", ["train", "evaluate", "advance"])
def test_an_iteration_that_fails_leaves_no_trace(whole, tmp_path, monkeypatch, phase):
    config, folder = whole
    algorithm = prepare_algorithm(config, tmp_path)
    algorithm.learn(3)
    # What an iteration goes through: the algorithm, then the curriculum.
    owner = type(algorithm.curriculum if phase == "advance" else algorithm)
    real = getattr(owner, phase)

    def interrupted(self, *arguments):
        real(self, *arguments)
        raise KeyboardInterrupt

    # Ones that no evaluation gives by chance.
    before, algorithm.num_without_improvement = algorithm.num_without_improvement, 55
    chosen, algorithm.beam_value_weight = algorithm.beam_value_weight, 7.5
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, phase, interrupted)
        algorithm.learn(1)
    assert algorithm.iteration == 3 and algorithm.num_without_improvement == 55
    assert algorithm.beam_value_weight == 7.5
    algorithm.num_without_improvement, algorithm.beam_value_weight = before, chosen
    algorithm.learn(4)
    assert_same_run(folder, tmp_path)


def test_the_length_of_the_command_line_is_the_runs(whole, tmp_path, caplog):
    """The command that is printed after Ctrl-C goes on to where the first one was to end."""
    config, folder = whole
    config = copy.deepcopy(config)
    del config["algorithm"]["learning"]["num_steps"]
    path, run = tmp_path / "config.json", tmp_path / "run"
    path.write_text(json.dumps(config))
    training = train.Training(train.Options(str(path), str(run), num_steps=7))
    training.start()

    def stop(progress):
        if progress.iteration == 2:
            training.algorithm.request_stop()

    training.learn(stop)
    assert training.algorithm.iteration == 3
    resume(run)
    assert not caplog.messages
    for name in ("checkpoint_last.safetensors", "checkpoint_best.safetensors"):
        assert (run / name).read_bytes() == (folder / name).read_bytes()
    assert rows(run) == rows(folder)


def test_counters_go_on(whole, tmp_path):
    config, _ = whole
    first = prepare_algorithm(config, tmp_path)
    first.learn(4)
    second = prepare_algorithm(config, tmp_path)
    second.resume()
    for name in ("iteration", "total_steps", "elapsed_s", "best_metrics", "num_iterations",
                 "schedule_iterations", "difficulty"):  # fmt: skip
        assert getattr(second, name) == getattr(first, name), name
    assert second.curriculum.state() == first.curriculum.state()
    assert second.elapsed_s > 0
    second.learn(1)
    assert second.elapsed_s > first.elapsed_s


def rates(folder):
    return [row["losses"]["lr"] for row in rows(folder)]


def said(caplog):
    """What was warned of since it was asked last."""
    text = caplog.text
    caplog.clear()
    return text


def trained(tmp_path, num_steps=6, **changes):
    """A finished run whose schedule takes the length of the run."""
    path = tmp_path / "config.json"
    config = case("PPO", num_steps=num_steps)
    config["algorithm"].update(changes)
    path.write_text(json.dumps(config))
    training = train.Training(train.Options(str(path), str(tmp_path / "run")))
    training.start()
    training.learn()
    return tmp_path / "run"


def resume(run, num_steps=None, seed=None, **overrides):
    """What `twisterl train --resume` does; a key's dots are written as two underscores."""
    pairs = [(key.replace("__", "."), value) for key, value in overrides.items()]
    options = train.Options(None, str(run), None, num_steps, seed, resume=True, overrides=pairs)
    training = train.Training(options)
    training.start()
    training.learn()


def test_a_longer_run_keeps_the_schedule(tmp_path, caplog, capsys):
    run = trained(tmp_path)
    before = rates(run)
    assert before == pytest.approx([0.003 * (1 - 0.9 * i / 6) for i in range(6)])
    assert "from iteration" not in said(caplog)
    resume(run, 8)
    err = said(caplog)
    assert "from iteration 6 on optimizer.lr stays 0.0003 and training.ent_coef stays 0," in err
    assert "algorithm.training.lr_schedule.num_iterations can be larger" in err
    assert rates(run) == pytest.approx([*before, 0.0003, 0.0003])
    # The new length is the run's from now on; it goes on as if it had been planned so.
    assert RunFolder(run).load_commit().state["num_iterations"] == 8
    resume(run, 9, algorithm__training__lr_schedule__num_iterations=12)
    assert rates(run)[8] == pytest.approx(0.003 * (1 - 0.9 * 8 / 12))
    err = said(caplog)
    assert "algorithm.training.lr_schedule.num_iterations: null -> 12" in err
    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", "4"]) == 0
    assert "nothing to do: the run has 9 iterations" in capsys.readouterr().out


def test_a_run_that_nothing_ends_needs_a_schedule_of_its_own(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(case("PPO")))
    words = ["train", "--config", str(path), "--run_path", str(tmp_path / "run")]
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert "algorithm.training.lr_schedule.num_iterations: got null" in err
    assert "optimizer.lr and training.ent_coef would need the length of the run" in err
    assert not (tmp_path / "run").exists()
    for name in CASES:
        with pytest.raises(ConfigError, match=r"lr_schedule\.num_iterations: got null"):
            prepare_algorithm(case(name)).learn(3)
    algorithm = prepare_algorithm(case("PPO"))
    algorithm.num_iterations = 3
    algorithm.learn(1)
    assert algorithm.share_done() == pytest.approx(1 / 3)


def test_every_override_takes_effect_and_is_listed(tmp_path, caplog):
    run = trained(tmp_path, learning={**RISES, "diff_metric": "ppo_1", "num_steps": 6,
                                      "diff_threshold": 0.0, "threshold_min": 0.0})  # fmt: skip
    # 1, 2, 3, 5, 7, 9
    assert RunFolder(run).load_commit().state["difficulty"] == 9
    said(caplog)
    resume(run, 7, seed=5, env__difficulty=4, env__max_depth=30,
           algorithm__optimizer__lr=0.1,
           algorithm__learning__diff_threshold=2, algorithm__evals__ppo_1__num_episodes=3,
           algorithm__learning__diff_max=20)  # fmt: skip
    err = said(caplog)
    for line in (
        "env.difficulty: 1 -> 4", "env.max_depth: 32 -> 30", "algorithm.seed: 0 -> 5",
        "algorithm.optimizer.lr: 0.003 -> 0.1",
        "algorithm.learning.diff_threshold: 0.0 -> 2.0", "algorithm.learning.diff_max: 9 -> 20",
        "algorithm.evals.ppo_1.num_episodes: 20 -> 3",
    ):  # fmt: skip
        assert f"\n  {line}\n" in err, line
    assert err.count(" -> ") == 7
    assert f"{run}: goes on at difficulty 4; it had reached 9" in err
    last = rows(run)[6]
    assert last["difficulty"] == 4 and last["losses"]["lr"] == pytest.approx(0.01)
    state = RunFolder(run).load_commit().state
    assert state["difficulty"] == 4
    # What is said again counts again; what is not goes on.
    resume(run, 8, algorithm__learning__diff_threshold=0)
    assert "env.difficulty" not in said(caplog)
    assert rows(run)[7]["difficulty"] == 4
    assert RunFolder(run).load_commit().state["difficulty"] == 6
    resume(run, 9, env__difficulty=4, algorithm__learning__diff_threshold=2)
    assert rows(run)[8]["difficulty"] == 4


def test_a_lower_bound_lowers_the_difficulty(tmp_path, caplog):
    run = trained(tmp_path, learning={**RISES, "diff_metric": "ppo_1", "num_steps": 6,
                                      "diff_threshold": 0.0})  # fmt: skip
    resume(run, 7, algorithm__learning__diff_max=5)
    assert "goes on at difficulty 5; it had reached 9" in said(caplog)
    assert rows(run)[6]["difficulty"] == 5


def contents(run):
    """The files of a run by path; the lock's owner is not of the run."""
    return {
        path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("finished"), num_steps=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["algorithm_cls=AZ", 'algorithm={"evals": {}}'], "algorithm_cls: the run is one of PPO"),
        (["policy.common_layers=[4]"], "policy.common_layers: [8] -> [4]"),
        (["policy_cls=BasicPolicy", "policy.embedding_size=4"], "policy_cls: "),
        (["env.width=3"], "env.width: 2 -> 3"),
        (["algorithm.optimizer.amsgrad=true"], "algorithm.optimizer.amsgrad: null -> true"),
        (["--load_checkpoint_path", "x.safetensors"], "leave --load_checkpoint_path out"),
    ],
)
def test_what_cannot_be_changed_is_refused_by_name(finished, capsys, words, said):
    before = contents(finished)
    assert cli.main(["train", "--resume", "--run_path", str(finished), *words]) == 2
    assert said in capsys.readouterr().err
    assert before == contents(finished)


def older(run):
    """Makes the last commit look as older versions wrote it."""
    (folder,) = (run / "resume").iterdir()
    state = json.loads((folder / "state.json").read_text())
    for key in ("config", "num_iterations", "schedule_iterations", "curriculum"):
        del state[key]
    state |= {"seed": 0, "config_sha256": "0" * 64}
    content = json.dumps(state).encode()
    (folder / "state.json").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["state.json"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_older_folders_go_on(tmp_path, caplog):
    run = trained(tmp_path, training={"lr_schedule": LINEAR}, evals={"ppo_1": {}})
    older(run)
    said(caplog)
    resume(run, 8, algorithm__optimizer__lr=0.1, env__difficulty=3)
    err = said(caplog)
    assert "\n  env.difficulty: 1 -> 3" in err and "algorithm.optimizer.lr: 0.003 -> 0.1" in err
    assert err.count(" -> ") == 2
    assert "was saved without its planned length; its schedules take that of now" in err
    assert rates(run)[7] == pytest.approx(0.1 * (1 - 0.9 * 7 / 8))
    assert rows(run)[6]["difficulty"] == 3


def test_a_run_of_another_algorithm_is_refused_in_python(tmp_path):
    def built(cls):
        env = Puzzle(2, 2, 1, 2, 32)
        policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
        return cls(env, policy, {"device": "cpu", "evals": {}}, tmp_path)

    built(PPO).learn(1)
    with pytest.raises(RunFolderError, match="algorithm_cls: the run is one of PPO; got AZ"):
        built(AZ).resume()


def test_in_python_what_differs_takes_effect_too(tmp_path, caplog):
    def built(difficulty, **learning):
        env = Puzzle(2, 2, difficulty, 2, 32)
        policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
        section = {**SMALL["algorithm"], "learning": {**RISES, "diff_metric": "ppo_1", **learning}}
        return PPO(env, policy, section, tmp_path)

    built(1, diff_threshold=0, num_steps=4).learn(4)
    same = built(1, diff_threshold=0, num_steps=4)
    same.resume()
    assert same.env.difficulty == 7 and same.num_iterations == 4 and not caplog.messages
    other = built(3, diff_threshold=0, num_steps=9)
    other.resume()
    assert other.env.difficulty == 3 and other.num_iterations == 9
    assert "env.difficulty: 1 -> 3" in caplog.text
    assert "algorithm.learning.num_steps: 4 -> 9" in caplog.text


def test_threads_go_on_unless_they_are_changed(tmp_path, monkeypatch, caplog):
    config = case("PPO", num_steps=4)
    first = prepare_algorithm(config, tmp_path)
    first.num_threads = 3
    first.learn(1)
    second = prepare_algorithm(config, tmp_path)
    second.resume()
    assert second.num_threads == 3 and not caplog.messages
    config["algorithm"]["collecting"]["num_cores"] = 2
    third = prepare_algorithm(config, tmp_path)
    third.num_threads = 2
    third.resume()
    assert third.num_threads == 2
    assert "goes on with 2 torch threads; it had 3" in caplog.text


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="signals of POSIX")
def test_torch_draws_go_on_after_an_interrupt_in_the_middle_of_an_update(tmp_path):
    config = case("PPO", num_steps=4)
    whole = prepare_algorithm(config, tmp_path / "whole")
    whole.learn(4)
    algorithm = prepare_algorithm(config, tmp_path / "run")
    algorithm.learn(2)
    updates = 0
    real = algorithm.optimizer.step

    def step(*arguments):
        nonlocal updates
        updates += 1
        if updates == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    algorithm.optimizer.step = step
    with pytest.raises(KeyboardInterrupt):
        algorithm.learn(2)
    algorithm.learn(2)
    assert_same_run(tmp_path / "whole", tmp_path / "run")
