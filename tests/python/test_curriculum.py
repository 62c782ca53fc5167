"""How difficult the episodes are, and when they become more so."""

import copy
import io
import json

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from python_envs import Line  # noqa: E402
from small_policy import small_policy  # noqa: E402
from twisterl import plot  # noqa: E402
from twisterl.cli.display import PlainDisplay  # noqa: E402
from twisterl.envs import Puzzle, PyEnv  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import PPO  # noqa: E402
from twisterl.rl.curriculum import raised  # noqa: E402
from twisterl.rl.evaluation import Evaluation  # noqa: E402
from twisterl.twisterl.collector import AZCollector, PPOCollector  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

UNTOLD = {"diff_threshold": 0.85, "threshold_min": None, "diff_max": 10, "diff_step": 1,
          "warmup": 0, "final_diff_is_none": False}  # fmt: skip


def climb(successes, begin=1, **learning):
    """The difficulties after evaluations with these successes."""
    difficulty, rising, found = begin, False, []
    for success in successes:
        difficulty, rising = raised({**UNTOLD, **learning}, difficulty, rising, success)
        found.append(difficulty)
    return found


def test_success_raises():
    assert climb([0.84, 0.85, 1, 0]) == [1, 2, 3, 3]
    assert climb([1] * 4, diff_step=4) == [5, 9, 10, 10]
    assert climb([1, 1], begin=12) == [12, 12]
    assert climb([1, 1], diff_threshold=1.01) == [1, 1]
    assert climb([0], diff_threshold=0) == [2]


def test_once_it_rises_less_is_enough():
    learning = {"diff_threshold": 0.9, "threshold_min": 0.6}
    assert climb([0.8, 0.9, 0.6, 0.59, 0.8, 0.95], **learning) == [1, 2, 3, 3, 3, 4]
    assert climb([0.9, 0.8, 0.9], diff_threshold=0.9) == [2, 2, 3]


def test_warm_up_goes_by_one():
    assert climb([1] * 5, diff_max=256, diff_step=32, warmup=3) == [2, 3, 4, 36, 68]


def test_the_end_may_be_open():
    assert climb([1] * 2, begin=8, final_diff_is_none=True, diff_max=9) == [9, None]
    assert climb([1], begin=8, final_diff_is_none=True, diff_max=9, diff_step=2) == [None]


def scripted(algorithm, monkeypatch, successes):
    """Makes the evaluations of `algorithm` reach these; where each began."""
    values, starts = iter(successes), []
    real = type(algorithm).evaluate

    def evaluate(self, arguments):
        starts.append(self.difficulty)
        real(self, arguments)
        return Evaluation(next(values), 0.0), 0.0

    monkeypatch.setattr(type(algorithm), "evaluate", evaluate)
    return starts


def test_a_run_follows(small, tmp_path, monkeypatch):
    small["algorithm"]["learning"] = {
        "diff_metric": "ppo_1", "diff_threshold": 0.9, "threshold_min": 0.5, "diff_step": 3,
        "diff_max": 6, "warmup": 2, "final_diff_is_none": True,
    }  # fmt: skip
    algorithm = prepare_algorithm(small, tmp_path)
    seen = scripted(algorithm, monkeypatch, [0.8, 0.9, 0.5, 0.4, 0.9, 0.5, 0.1, 1.0])
    out = io.StringIO()
    algorithm.subscribe(PlainDisplay(out, True))
    algorithm.learn(8)
    assert seen == [1, 1, 2, 3, 3, 6, None, None]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["difficulty"] for line in lines] == seen
    # No difficulty is the hardest, so what is reached there is the best.
    assert [line["improved"] for line in lines] == [True] * 8
    assert algorithm.best_metrics == (None, 1.0, 0.0)
    said = out.getvalue().splitlines()
    assert "difficulty 6 " in said[5] and "difficulty none " in said[6]
    assert plot.draw(tmp_path).is_file()


def test_without_a_difficulty_episodes_begin_anywhere(small):
    algorithm = prepare_algorithm(small)
    asked = {"num_episodes": 200, "deterministic": True, "seed": 3}
    scrambled = algorithm.evaluate(asked)[0]
    anywhere = algorithm.evaluate({**asked, "start": "uniform"})[0]
    near = len(algorithm.collect()[0].actions)
    algorithm.curriculum.is_unbounded = True
    assert algorithm.difficulty is None
    assert algorithm.evaluate(asked)[0] == anywhere != scrambled
    # From one move away most episodes end soon; from anywhere 32 steps are left.
    assert len(algorithm.collect()[0].actions) > 5 * near


def test_an_environment_that_cannot_begin_anywhere_stays(small, caplog):
    env = PyEnv(Line())
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 8, (8,))
    learning = {"diff_threshold": 0, "diff_max": 3, "diff_metric": "ppo_1", "diff_step": 3}
    section = {**small["algorithm"], "learning": {**learning, "final_diff_is_none": True}}
    algorithm = PPO(env, policy, section)
    seen = []
    algorithm.subscribe(lambda progress: seen.append(progress.next_difficulty))
    algorithm.learn(1)
    assert (
        "final_diff_is_none: the difficulty will stay at diff_max: start: expected" in caplog.text
    )
    algorithm.learn(2)
    assert seen == [3, 3, 3]
    assert len(caplog.messages) == 1


class Told(Line):
    """Notes how it was reset."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def reset(self, difficulty):
        super().reset(difficulty)
        self.told.append(difficulty)

    def reset_uniform(self):
        super().reset(self.size)
        self.told.append(None)


def resets(collector, difficulty, **options):
    told = []
    env = PyEnv(Told(told))
    env.difficulty = difficulty
    collector.collect(env, small_policy(env), **options)
    return told


@pytest.mark.parametrize("kind", ["PPO", "AZ"])
def test_difficulties_are_drawn_from_one_on(kind):
    def collector(distribution):
        options = {"num_cores": 1, "difficulty_distribution": distribution}
        if kind == "PPO":
            return PPOCollector(200, 0.9, 0.9, **options)
        return AZCollector(200, 2, 1.0, 1, **options)

    assert set(resets(collector("fixed"), 3)) == {3}
    drawn = resets(collector("uniform"), 3)
    assert set(drawn) == {1, 2, 3} and min(map(drawn.count, (1, 2, 3))) > 40
    assert set(resets(collector("uniform"), 1)) == {1}
    assert set(resets(collector("uniform"), 3, start="uniform")) == {None}
    with pytest.raises(ValueError, match='start: expected "reset" or "uniform"'):
        resets(collector("fixed"), 3, start="anywhere")


def test_evolution_draws_from_one_on():
    """At difficulty 1 about half of the boards are one move away; at 0 all would be solved."""
    config = copy.deepcopy({**SMALL, "algorithm_cls": "ES"})
    config["env"].update(width=3, height=3)
    config["policy"] = {"embedding_size": 32, "common_layers": []}
    config["algorithm"] = {
        "collecting": {"num_pairs": 2, "num_episodes": 64, "difficulty_distribution": "uniform"},
        "evals": {},
    }
    found = prepare_algorithm(config).collect()[0].found
    assert found["steps"].min() > 64


def test_nothing_is_evaluated_without_evaluations(small, tmp_path, caplog):
    small["algorithm"]["learning"] = {"diff_metric": "ppo_1", "diff_threshold": 0}
    small["algorithm"]["evals"] = {}
    algorithm = prepare_algorithm(small, tmp_path)
    assert "evals is {}: nothing is evaluated, and learning.diff_metric, ppo_1," in caplog.text
    algorithm.learn(3)
    assert algorithm.env.difficulty == 1 and algorithm.best_metrics is None
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["evals"] for line in lines] == [{}] * 3
    assert not any(name.startswith("eval_") for line in lines for name in line["times"])
    assert not (tmp_path / "checkpoint_best.safetensors").exists()
    assert plot.draw(tmp_path).is_file()


def test_evaluations_need_not_raise_anything(small, caplog):
    small["algorithm"]["learning"] = {"diff_metric": None, "diff_threshold": 0}
    algorithm = prepare_algorithm(small)
    seen = []
    algorithm.subscribe(seen.append)
    algorithm.learn(2)
    assert [list(progress.evaluations) for progress in seen] == [["ppo_1"]] * 2
    assert [progress.success for progress in seen] == [None, None]
    assert algorithm.env.difficulty == 1 and not caplog.messages


class Stubborn(Puzzle):
    """Takes no difficulty above 1."""

    @property
    def difficulty(self):
        return 1

    @difficulty.setter
    def difficulty(self, difficulty):
        if difficulty > 1:
            raise OverflowError(difficulty)


def test_a_difficulty_that_is_refused_leaves_everything(small):
    env = Stubborn(2, 2, 1, 2, 32)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
    section = {**small["algorithm"], "learning": {"diff_metric": "ppo_1", "diff_threshold": 0}}
    algorithm = PPO(env, policy, section)
    with pytest.raises(OverflowError):
        algorithm.learn(1)
    assert algorithm.iteration == 0 and algorithm.best_metrics is None
    assert algorithm.curriculum.state() == {"rising": False, "is_unbounded": False}
