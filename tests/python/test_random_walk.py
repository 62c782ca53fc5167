"""Random-walk training: what is collected, what is learned, and what needs refusing."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from python_envs import Line  # noqa: E402
from twisterl import cli  # noqa: E402
from twisterl.envs import Puzzle, PyEnv  # noqa: E402
from twisterl.twisterl.collector import WalkCollector, evaluate_episodes  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reference"))
import puzzle as reference  # noqa: E402
from rng import Rng  # noqa: E402

ARRAYS = ("indices", "offsets", "masks", "undo_counts", "mean_moves")


class Corridor(Line):
    """A line whose moves can be undone, with the goal at one end."""

    def inverse_actions(self):
        return [1, 0]

    def reset_goal(self):
        self.cell = 0
        self.steps_left = self.max_steps


class Endless(Corridor):
    """Undoes what it cannot: there is no goal to start from."""

    reset_goal = None


@pytest.fixture
def walking(small):
    """A run config of the 2x2 board that trains in a second."""
    small["algorithm_cls"] = "twisterl.rl.RandomWalk"
    small["algorithm"].update(
        collecting={"num_cores": 1, "num_walks": 20, "walk_length": 15},
        training={"minibatch_size": 8},
        learning={"diff_metric": "beam", "diff_max": 1, "num_steps": 60},
        optimizer={"lr": 0.01},
        evals={"beam": {"strategy": "beam", "beam_width": 2, "start": "uniform", "freq": 10}},
    )
    return small


def puzzle(side=3):
    return Puzzle(side, side, 1, 2, 64)


def as_bytes(walks):
    return [getattr(walks, name).tobytes() for name in ARRAYS]


def test_walks_are_those_of_the_reference():
    walks = WalkCollector(num_walks=40, walk_length=25, seed=11).collect(puzzle(), iteration=3)
    known = {}
    for walk in range(40):
        rng, env, undo, moves = Rng.stream(11, 3, walk), reference.Puzzle(3, 3, 1, 2, 64), None, 0
        for _ in range(25):
            legal = [a for a in range(4) if env.masks()[a] and a != undo]
            action = legal[rng.below(len(legal))]
            env.act(action)
            undo, moves = (action + 2) % 4, moves + 1
            if env.state == sorted(env.state):
                moves = 0
                continue
            counts, sums = known.setdefault(tuple(env.observe()), (np.zeros(4), []))
            counts[undo] += 1
            sums.append(moves)
    rows = np.split(walks.indices, walks.offsets[1:-1])
    assert [tuple(row) for row in rows] == list(known)
    assert (walks.undo_counts == [counts for counts, _ in known.values()]).all()
    assert walks.mean_moves == pytest.approx([np.mean(sums) for _, sums in known.values()])
    assert walks.num_samples == sum(len(sums) for _, sums in known.values())


def test_threads_change_nothing_and_iterations_do():
    def collected(num_cores, iteration):
        collector = WalkCollector(500, 30, num_cores=num_cores, seed=5)
        return as_bytes(collector.collect(puzzle(), iteration))

    assert collected(1, 0) == collected(2, 0) != collected(1, 1)


def test_walks_of_environments_in_python():
    walks = WalkCollector(num_walks=3, walk_length=5).collect(PyEnv(Corridor(size=6)))
    # There is one way to go: from cell 0 to cell 5, each step undone by going left.
    assert walks.indices.tolist() == [1, 2, 3, 4, 5]
    assert walks.undo_counts.tolist() == [[3, 0]] * 5
    assert walks.mean_moves.tolist() == [1, 2, 3, 4, 5]


class Untold(Corridor):
    """Does not say why an episode is over."""

    truncated = None


class Mined(Corridor):
    """Ends in cell 2, from where there is no way on."""

    def is_final(self):
        return super().is_final() or self.cell == 2


class UntoldMined(Mined):
    truncated = None


@pytest.mark.parametrize("kind", ["python", "capsule"])
def test_a_walk_that_the_steps_cut_short_is_an_error(other, kind):
    wrap = PyEnv if kind == "python" else other.env.PyEnv

    def walks(env, length):
        return WalkCollector(num_walks=2, walk_length=length).collect(wrap(env)).num_samples

    for env in (Corridor(max_steps=4), Untold(max_steps=4)):
        assert walks(env, 4) == 8
        with pytest.raises(ValueError, match=r"^walk_length: expected at most the 4 steps"):
            walks(env, 5)
    # A state without a way on is no fault of the steps, if the environment says so.
    assert walks(Mined(), 5) == walks(UntoldMined(), 2) == 4
    with pytest.raises(ValueError, match=r"the 2 steps .* \(without truncated\(\)"):
        walks(UntoldMined(), 5)


def test_walks_through_a_capsule():
    class Foreign:
        """Offers nothing but the capsule."""

        def __init__(self, env):
            self.__twisterl_env__ = env.__twisterl_env__

    walks, again = (WalkCollector(9, 1, n, 2).collect(Foreign(puzzle())) for n in (1, 2))
    assert as_bytes(walks) == as_bytes(again)
    rows = [row.tolist() for row in np.split(walks.indices, walks.offsets[1:-1])]
    neighbours = [[1, 9, *range(20, 81, 10)], [3, 10, 20, 27, *range(40, 81, 10)]]
    assert sorted(rows) == neighbours
    assert walks.undo_counts.sum() == 9


@pytest.mark.parametrize(
    ("env", "message"),
    [(Line(), "inverse_actions"), (Endless(), "reset_goal"), (puzzle(), None)],
)
def test_environments_without_a_way_back_are_refused(walking, env, message):
    collector = WalkCollector(num_walks=3, walk_length=5)
    if message is None:
        collector.check(env)
        return
    for call in (collector.check, collector.collect):
        with pytest.raises(ValueError, match=message):
            call(PyEnv(env))


def test_an_algorithm_is_refused_before_any_work(walking):
    walking.update(env_cls="twisterl.envs.PyEnv", env={"pyenv_cls": "python_envs.Line"})
    with pytest.raises(ValueError, match="inverse_actions"):
        prepare_algorithm(walking)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0, 5), "num_walks"), ((5, 0), "walk_length"), ((5, 5, 0), "num_cores")],
)
def test_counts_out_of_range_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        WalkCollector(*arguments)


def test_the_loss_is_the_documented_one(walking):
    walking["algorithm"]["training"].update(sample_power=0.5, vf_coef=0.3)
    algorithm = prepare_algorithm(walking)
    walks, _ = algorithm.collect()
    batch, _ = algorithm.data_to_torch(walks)
    found = algorithm.losses(batch).tolist()
    dense = torch.zeros(len(walks.mean_moves), 16)
    for row, features in enumerate(np.split(walks.indices, walks.offsets[1:-1])):
        dense[row, features] = 1
    logits, values = algorithm.policy(dense)
    logits = torch.where(torch.from_numpy(walks.masks), logits, -torch.inf)
    log_probs = logits.log_softmax(1).nan_to_num(neginf=0)
    counts = torch.from_numpy(walks.undo_counts)
    num_samples = counts.sum(1)
    weights = num_samples.sqrt() / num_samples.sqrt().mean()
    undo = counts / num_samples[:, None]
    policy = -(weights * (undo * log_probs).sum(1)).mean()
    target = 1 - torch.from_numpy(walks.mean_moves) / 15
    value = (weights * (values[:, 0] - target) ** 2).mean()
    assert found == pytest.approx([policy.item(), value.item(), (policy + 0.3 * value).item()])


def test_half_precision_is_close_and_updates_stay_whole(walking):
    algorithm = prepare_algorithm(walking)
    batch, _ = algorithm.data_to_torch(algorithm.collect()[0])
    whole = algorithm.losses(batch)
    algorithm.config["training"]["precision"] = "bf16"
    half = algorithm.losses(batch)
    half[-1].backward()
    assert half.dtype == torch.float32
    # bf16 keeps eight bits of a product's factors.
    assert half.tolist() == pytest.approx(whole.tolist(), rel=0.02)
    assert half.tolist() != whole.tolist()
    assert all(weights.grad.dtype == torch.float32 for weights in algorithm.policy.parameters())


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_learns_to_solve_and_tells_the_distance(walking, precision):
    walking["algorithm"]["training"]["precision"] = precision
    algorithm = prepare_algorithm(walking)
    assert algorithm._engine_obstacle() is None
    algorithm.learn(60)
    result, _ = algorithm.evaluate(algorithm.config["evals"]["beam"])
    assert result.success == 1.0
    # One move away, and farther.
    states = [[1, 0, 2, 3], [3, 2, 1, 0]]
    assert algorithm.solve(states[0], strategy="beam", beam_width=2) == [0]
    rows = [cell * 4 + tile for state in states for cell, tile in enumerate(state)]
    offsets = np.arange(3, dtype=np.int64) * 4
    _, values = algorithm.rs_pol.forward_batch(np.array(rows, np.int32), offsets)
    assert values[0] > values[1]


def test_a_resumed_run_is_the_same_run(walking, tmp_path):
    # So soon a weight of values has been chosen, which goes on too.
    walking["algorithm"]["evals"]["beam"]["freq"] = 2
    whole = prepare_algorithm(walking)
    whole.learn(4)
    first = prepare_algorithm(walking, tmp_path)
    first.learn(2)
    second = prepare_algorithm(walking, tmp_path)
    second.resume()
    assert second.beam_value_weight == first.beam_value_weight is not None
    second.learn(2)
    assert second.beam_value_weight == whole.beam_value_weight
    # The schedule is constant, so that a shorter run makes the same steps.
    for name, weights in whole.policy.state_dict().items():
        assert torch.equal(second.policy.state_dict()[name], weights), name
    assert second.total_steps == whole.total_steps


def test_the_commands_play_as_the_run_was_judged(walking, tmp_path, capsys, curves):
    config, run = tmp_path / "config.json", str(tmp_path / "run")
    config.write_text(json.dumps(walking))
    assert cli.main(["train", "--config", str(config), "--run_path", run, "--num_steps", "1"]) == 0
    assert (tmp_path / "run" / "learning_curve.png").exists()

    def judged(*words):
        capsys.readouterr()
        assert cli.main(["eval", run, "--num_episodes", "5", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    assert (judged()["strategy"], judged()["beam_width"]) == ("beam", 2)
    wider = judged("--strategy", "beam", "--beam_width", "7")
    assert wider["beam_width"] == 7
    greedy = judged("--deterministic")
    assert greedy["strategy"] == "greedy"
    assert judged("--num_mcts_searches", "3")["strategy"] == "mcts"
    words = ["solve", run, "3 2 1 0", "--beam_width", "1000"]
    assert cli.main([*words, "--node_limit", "2"]) == 1
    said = capsys.readouterr().err
    assert "not solved by beam search; more --beam_width or --node_limit may help" in said
    assert cli.main([*words, "--node_limit", "2", "--goal_table_bytes", "4096"]) == 0
    assert cli.main(words) == 0
    assert "solved in 6 moves" in capsys.readouterr().out


def test_beams_work_for_environments_in_python(walking):
    env = PyEnv(Corridor(size=6))
    from small_policy import small_policy

    states = np.array([[5], [2]], np.int64)
    options = {"strategy": "beam", "beam_width": 4, "actions": True}
    found = evaluate_episodes(env, small_policy(env), states=states, **options)
    assert found["success"].all()
    assert [actions.tolist() for actions in found["actions"]] == [[0] * 5, [0] * 2]
    # Of four states around the goal the last is no whole layer: the farther start is not there.
    by_table = evaluate_episodes(
        env, small_policy(env), states=states, goal_table_bytes=4 * 64, **options
    )
    assert by_table["at_least"].tolist() == [5, 2] and by_table["nodes"].tolist() == [3, 0]
    assert by_table["length"].tolist() == [5, 2] and "at_least" not in found


def test_commuting_walks_are_asked_for_in_a_config(walking):
    walking["algorithm"]["collecting"]["commuting"] = True
    with pytest.raises(ValueError, match="commuting: expected false: the order of actions"):
        prepare_algorithm(walking)
    walking.update(env_cls="LightsOut", env={"width": 2, "height": 2, "max_depth": 15})
    walks, _ = prepare_algorithm(walking).collect()
    # No lamp is pressed twice: of the 16 patterns all but the dark one, as far as 20 walks go.
    assert len(walks.mean_moves) <= 15 and walks.mean_moves.max() == 4


def test_a_state_is_learned_through_every_twist(walking):
    algorithm = prepare_algorithm(walking)
    algorithm.policy.set_permutations([list(range(16))] * 3, [list(range(4))] * 3)
    batch = algorithm.data_to_torch(algorithm.collect()[0])[0]
    random = torch.Generator().manual_seed(0)
    drawn = torch.cat([algorithm._varied(batch, random).perms for _ in range(20)])
    assert drawn.bincount(minlength=3).min() > len(drawn) / 4
