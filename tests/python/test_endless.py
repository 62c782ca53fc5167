"""Environments that never end: an error that names them, the cap, and how to change it."""

import numpy as np
import pytest
from players import ROOTS, SEARCHES, self_play
from python_envs import BatchedLine, Line
from small_policy import collector, small_policy
from twisterl import twisterl
from twisterl.config.ppo import PPOCollecting
from twisterl.envs import Puzzle, PyEnv

evaluate, solve = twisterl.collector.evaluate_episodes, twisterl.collector.solve


class Endless(Line):
    def is_final(self):
        return False


class BatchedEndless(BatchedLine):
    def vectorize(self, num_lanes):
        batch = super().vectorize(num_lanes)
        advance = batch.advance

        def endless(*arguments):
            indices, offsets, masks, rewards, finals, successes, _ = advance(*arguments)
            return indices, offsets, masks, rewards, np.zeros_like(finals), successes

        batch.advance = endless
        return batch

    def is_final(self):
        return False


KINDS = {
    "python": lambda other: PyEnv(Endless()),
    "batched": lambda other: PyEnv(BatchedEndless()),
    "capsule": lambda other: other.env.PyEnv(Endless()),
}


def players():
    """Everything that plays episodes, as functions of an environment, a policy and a cap."""
    yield "PPO", lambda env, policy, **cap: collector(20, 2, **cap).collect(env, policy)
    for root in ROOTS:
        yield root, lambda *played, root=root, **cap: self_play(2, root, **cap).collect(*played)
    for name, options in SEARCHES.items():
        if "node_limit" not in options:
            options = {"num_cores": 2, **options}
            yield (
                f"evaluate {name}",
                lambda *played, o=options, **cap: evaluate(*played, 8, **o, **cap),
            )
            yield f"solve {name}", lambda *played, o=options, **cap: solve(*played, **o, **cap)


PLAYERS = dict(players())


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_without_end_is_an_error(kind, player, other):
    env = KINDS[kind](other)
    message = r"^max_episode_steps: expected the episodes of (Batched)?(PyEnv|Endless) to end "
    message += r"within 30 steps .*raise max_episode_steps of collecting, of the evaluation or of "
    with pytest.raises(ValueError, match=message):
        PLAYERS[player](env, small_policy(Line()), max_episode_steps=30)


def test_the_default_is_what_the_config_page_says():
    default = PPOCollecting.model_fields["max_episode_steps"].description
    with pytest.raises(ValueError, match="Endless to end within 100000 steps"):
        collector(1).collect(PyEnv(Endless()), small_policy(Line()))
    assert "null: 100,000, or none" in default


@pytest.mark.parametrize("player", PLAYERS)
def test_the_last_step_may_be_the_end(player):
    """Nothing solves it, and no policy ends it early."""

    class Hopeless(Line):
        def success(self):
            return False

    env, policy = PyEnv(Hopeless(max_steps=7)), small_policy(Line())
    env.set_state([3])
    PLAYERS[player](env, policy, max_episode_steps=7)
    with pytest.raises(ValueError, match="Hopeless to end within 6 steps"):
        PLAYERS[player](env, policy, max_episode_steps=6)


def test_one_that_counts_its_steps_has_no_cap(other):
    steps = 150_000
    board = np.array([[8, 7, 6, 5, 4, 3, 2, 0, 1]])
    for puzzle in (Puzzle, other.env.Puzzle):
        env = puzzle(3, 3, 1, 1, steps)
        found = evaluate(env, small_policy(env, width=2), deterministic=True, states=board)
        assert found["length"].tolist() == [steps]
        with pytest.raises(ValueError, match="Puzzle to end within 9 steps"):
            evaluate(env, small_policy(env), states=board, max_episode_steps=9)


def test_what_else_ends_an_episode_is_no_error():
    env, policy = PyEnv(Endless()), small_policy(Line())
    moves = np.diff(self_play(max_moves=5).collect(env, policy).episode_starts)
    assert moves.tolist() == [5] * 20
    for options in ({"num_mcts_searches": 8}, {"strategy": "beam"}):
        evaluate(env, policy, 5, node_limit=50, **options)
    assert len(self_play().explore(env, policy)["visits"]) == 13


def test_a_cap_is_at_least_one_step():
    for make in (collector, self_play):
        with pytest.raises(ValueError, match=r"^max_episode_steps: expected at least 1, got 0"):
            make(max_episode_steps=0)
    env = PyEnv(Endless())
    for play in (evaluate, solve):
        with pytest.raises(ValueError, match=r"^max_episode_steps: expected at least 1, got 0"):
            play(env, small_policy(env), max_episode_steps=0)


@pytest.mark.parametrize("algorithm", ["PPO", "AZ"])
@pytest.mark.parametrize("section", ["collecting", "evals"])
def test_a_run_has_it_in_its_config(small, algorithm, section):
    from twisterl.utils import prepare_algorithm

    small["env_cls"] = "twisterl.envs.PyEnv"
    small["env"] = {"pyenv_cls": "python_envs.Line", "max_steps": 40}
    small["algorithm_cls"] = f"twisterl.rl.{algorithm}"
    settings = small["algorithm"]
    settings["training"] = {"num_epochs": 1}
    if algorithm == "AZ":
        settings["collecting"]["num_mcts_searches"] = 2
    capped = settings["collecting"] if section == "collecting" else settings["evals"]["ppo_1"]
    capped["max_episode_steps"] = 3
    run = prepare_algorithm(small)
    run.env.difficulty = 5
    with pytest.raises(ValueError, match="Line to end within 3 steps"):
        run.learn(1)


class Plain(Endless):
    """Made without arguments, as a run folder has to say."""

    def __init__(self):
        super().__init__()


@pytest.fixture(scope="module")
def endless_run(tmp_path_factory):
    """A run that is judged with a cap of 9 steps."""
    pytest.importorskip("torch")
    from twisterl import nn, rl

    env = PyEnv(Plain())
    policy = nn.BasicPolicy(env.obs_shape(), env.num_actions(), 16, ())
    section = {"learning": {"diff_metric": "judge"}, "evals": {"judge": {"max_episode_steps": 9}}}
    folder = tmp_path_factory.mktemp("run")
    rl.PPO(env, policy, section, folder).learn(0)
    return str(folder)


@pytest.mark.parametrize(
    ("words", "most"),
    [([], 9), (["--max_episode_steps", "7"], 7), (["--max-episode-steps=12"], 12)],
)
def test_the_commands_take_the_cap_of_the_run_or_another(endless_run, capsys, words, most):
    from twisterl import cli

    for command in (["eval", endless_run], ["solve", endless_run, "5"]):
        assert cli.main([*command, "--checkpoint", "last", *words]) == 2
        assert f"expected the episodes of Plain to end within {most} steps" in (
            capsys.readouterr().err
        )
    assert cli.main(["eval", endless_run, "--max_episode_steps", "0"]) == 2
    assert "--max_episode_steps: got 0" in capsys.readouterr().err
