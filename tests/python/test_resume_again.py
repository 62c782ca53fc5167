"""What a run keeps that is resumed more than once, or with another config than it had."""

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from test_resume import RISES, rates, resume, rows, trained  # noqa: E402
from twisterl import train  # noqa: E402
from twisterl.checkpoint import RunFolder  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

ALWAYS = {**RISES, "diff_metric": "ppo_1", "diff_threshold": 0.0, "threshold_min": 0.0}


def state(run):
    return RunFolder(run).load_commit().state


def difficulties(run):
    return [row["difficulty"] for row in rows(run)]


def test_a_schedule_keeps_its_length_however_often_the_run_is_made_longer(tmp_path):
    run = trained(tmp_path, num_steps=2)
    for length in (3, 4):
        resume(run, length)
        assert state(run)["schedule_iterations"] == 2
    assert rates(run)[2:] == pytest.approx([0.0003, 0.0003])


def test_patience_goes_on(small, tmp_path):
    small["algorithm"]["learning"].update(patience=3, diff_max=1)
    first = prepare_algorithm(small, tmp_path)
    # Nothing that follows is as good.
    first.best_metrics = (10, 1.0, 1.0)
    first.learn(2)
    again = prepare_algorithm(small, tmp_path)
    again.resume()
    assert again.num_without_improvement == 2
    again.learn(5)
    assert again.iteration == 3


@pytest.mark.parametrize(
    ("path", "value", "is_other"),
    [
        (("learning", "diff_metric"), "second", True),
        (("evals", "first", "num_episodes"), 3, True),
        (("evals", "first", "freq"), 2, False),
        (("evals", "second", "num_episodes"), 3, False),
    ],
)
def test_the_best_is_that_of_one_judge(small, tmp_path, caplog, path, value, is_other):
    section = small["algorithm"]
    section["evals"] = {name: {"num_episodes": 2} for name in ("first", "second")}
    section["learning"].update(diff_metric="first", diff_max=1)
    first = prepare_algorithm(small, tmp_path)
    # Nothing that follows is as good.
    first.best_metrics = (10, 1.0, 1.0)
    first.learn(2)
    *sections, key = path
    for name in sections:
        section = section[name]
    section[key] = value
    again = prepare_algorithm(small, tmp_path)
    again.resume()
    metric = again.config["learning"]["diff_metric"]
    assert (f"its best is found anew, as {metric} judges now" in caplog.text) == is_other
    assert again.best_metrics == (None if is_other else (10, 1.0, 1.0))
    assert again.num_without_improvement == (0 if is_other else 2)


def test_a_difficulty_above_the_bound_stays_where_nobody_says_otherwise(tmp_path):
    learning = {**ALWAYS, "diff_max": 3, "num_steps": 1}
    run = trained(tmp_path, learning=learning)
    commit = state(run)
    assert commit["difficulty"] == 2
    resume(run, 2, env__difficulty=5)
    resume(run, 4)
    assert difficulties(run) == [1, 5, 5, 5]


def test_a_whole_section_that_is_given_counts_as_all_its_keys(tmp_path):
    run = trained(tmp_path, num_steps=4, learning={**ALWAYS, "num_steps": 4})
    assert state(run)["difficulty"] > 1
    options = train.Options(
        None, str(run), num_steps=5, resume=True, overrides=[("env", SMALL["env"])]
    )
    training = train.Training(options)
    training.start()
    training.learn()
    assert difficulties(run)[4] == SMALL["env"]["difficulty"]


def test_a_bound_that_is_put_back_bounds_the_starts_again(tmp_path):
    learning = {**ALWAYS, "diff_max": 2, "final_diff_is_none": True, "num_steps": 3}
    run = trained(tmp_path, num_steps=3, learning=learning)
    assert difficulties(run) == [1, 2, None]
    resume(run, 4)
    assert difficulties(run)[3] is None
    resume(run, 5, algorithm__learning__final_diff_is_none=False)
    assert difficulties(run)[4] == 2
