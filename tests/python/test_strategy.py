"""What is played where nothing is asked for: every door plays as the run was judged and taught."""

import argparse
import inspect
import json

import pytest

torch = pytest.importorskip("torch")

from twisterl import cli, train  # noqa: E402
from twisterl.cli import player, web  # noqa: E402
from twisterl.config.evaluations import Evaluation  # noqa: E402
from twisterl.config.searches import TREE_RULES  # noqa: E402
from twisterl.config.validation import check_algorithm  # noqa: E402
from twisterl.runs.checkpoints import notes  # noqa: E402
from twisterl.runs.errors import CheckpointError  # noqa: E402
from twisterl.runs.tensors import encode, read  # noqa: E402
from twisterl.strategy import as_judged, to_solve  # noqa: E402
from twisterl.twisterl import collector  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

# An algorithm, the evaluation that judges it, and what its search is taught by.
TREE = {"num_mcts_searches": 8, "C": 0.5, "root_selection": "gumbel", "gamma": 0.9}
BEAM = {"strategy": "beam", "beam_width": 3, "beam_value_weight": 30.0}
GREEDY = {"strategy": "greedy", "deterministic": True, "num_searches": 1}
SAMPLE = {"strategy": "sample", "deterministic": False, "num_searches": 1}
BY_VALUES = {"strategy": "beam", "beam_width": 64, "beam_value_weight": 1e6}
# What does not depend on the strategy.
MACHINE = {"num_cores": 3, "max_episode_steps": 900}
RUNS = {
    "PPO by chance": ("PPO", {"deterministic": False, "num_searches": 5}, {}),
    "PPO greedy": ("PPO", {}, {}),
    "AZ": ("AZ", {"num_mcts_searches": 4}, TREE),
    "AZ greedy": ("AZ", {}, TREE),
    "walks": ("RandomWalk", {**BEAM, **MACHINE}, {"walk_length": 16}),
    "ES": ("ES", {}, {"player": "policy"}),
    "ES by value": ("ES", {}, {"player": "value"}),
}


def section(name):
    """The algorithm section of a run, with its defaults."""
    algorithm, judge, collecting = RUNS[name]
    raw = {
        "device": "cpu",
        "collecting": collecting,
        "learning": {"diff_metric": "judge"},
        "evals": {"judge": judge},
    }
    return algorithm, check_algorithm(algorithm, raw).as_dict()


def play(name, how, **asked):
    return how(section(name)[1], asked)


@pytest.mark.parametrize(
    ("name", "asked", "judged", "solving"),
    [
        ("PPO by chance", {}, {**SAMPLE, "num_searches": 5}, {**SAMPLE, "num_searches": 5}),
        ("PPO by chance", {"deterministic": True}, GREEDY, GREEDY),
        ("PPO by chance", {"num_searches": 2}, {**SAMPLE, "num_searches": 2}, {"num_searches": 2}),
        ("PPO by chance", {"beam_width": 7}, {"strategy": "beam", "beam_width": 7}, {}),
        ("PPO by chance", {"strategy": "mcts"}, {"num_mcts_searches": 100, "gamma": 1.0}, {}),
        # Another try of the likeliest actions would be the same.
        ("PPO greedy", {}, GREEDY, SAMPLE),
        ("PPO greedy", {"num_searches": 9}, {**SAMPLE, "num_searches": 9}, {"num_searches": 9}),
        ("PPO greedy", {"deterministic": False}, SAMPLE, SAMPLE),
        # The judge's number of simulations, the teacher's rules.
        ("AZ", {}, {**TREE, "num_mcts_searches": 4, "strategy": "mcts", "deterministic": True}, {}),
        ("AZ", {"C": 2.0, "gamma": None}, {**TREE, "num_mcts_searches": 4, "C": 2.0}, {}),
        ("AZ", {"deterministic": True}, GREEDY, GREEDY),
        ("AZ", {"deterministic": False, "num_mcts_searches": 0}, SAMPLE, SAMPLE),
        ("AZ", {"deterministic": True, "num_mcts_searches": 2}, {"strategy": "mcts"}, {}),
        ("AZ", {"num_searches": 9}, {"strategy": "mcts", "deterministic": False}, {}),
        ("AZ greedy", {"strategy": "mcts"}, {**TREE, "deterministic": True}, TREE),
        ("walks", {}, {**BEAM, **MACHINE}, {**BEAM, **MACHINE}),
        ("walks", {"strategy": "beam", "beam_width": 9}, {**BEAM, "beam_width": 9}, {}),
        ("walks", {"deterministic": False, "num_mcts_searches": 0}, BEAM, BEAM),
        ("walks", {"strategy": "sample"}, {**SAMPLE, **MACHINE}, {**SAMPLE, **MACHINE}),
        ("ES", {}, GREEDY, GREEDY),
        ("ES by value", {}, {"strategy": "value", "deterministic": True}, BY_VALUES),
        ("ES by value", {"strategy": "beam"}, BY_VALUES, BY_VALUES),
        ("ES by value", {"strategy": "beam", "beam_width": 9}, {**BY_VALUES, "beam_width": 9}, {}),
        ("ES by value", {"strategy": "value"}, {"strategy": "value"}, {}),
    ],
)  # fmt: skip
def test_what_is_played(name, asked, judged, solving):
    found = play(name, as_judged, **asked)
    assert found.items() >= judged.items(), found
    assert play(name, to_solve, **asked).items() >= (solving or judged).items()
    # Whole: no door adds a default of its own.
    assert {*found} == {*Evaluation().model_dump(by_alias=True)} - {
        "num_episodes", "seed", "start", "freq"
    }  # fmt: skip


def test_an_entry_is_played_as_it_says_even_under_the_name_of_a_preset():
    section = {"learning": {"diff_metric": "ppo_10"}, "evals": {"ppo_10": {"num_searches": 3}}}
    assert as_judged(section, {})["num_searches"] == 3


def test_tries_are_of_chance_alone():
    assert play("PPO greedy", to_solve)["num_searches"] == 1
    algorithm = section("PPO greedy")[1]
    assert to_solve(algorithm, {}, tries=100)["num_searches"] == 100
    assert to_solve(algorithm, {"num_searches": 2}, tries=100)["num_searches"] == 2
    assert to_solve(section("PPO by chance")[1], {}, tries=2)["num_searches"] == 5
    for name in ("AZ", "walks", "ES"):
        assert to_solve(section(name)[1], {}, tries=100)["num_searches"] == 1


@pytest.mark.parametrize("asked", [{"strategy": "sample"}, {"deterministic": True}, TREE])
def test_what_has_not_learned_does_not_play(asked):
    with pytest.raises(ValueError, match="expected beam"):
        play("ES by value", as_judged, **asked)


def test_limits_of_the_judge_can_be_lifted():
    algorithm = section("walks")[1]
    algorithm["evals"]["judge"]["node_limit"] = 50
    assert as_judged(algorithm, {})["node_limit"] == 50
    assert as_judged(algorithm, {"node_limit": None})["node_limit"] is None


def test_algorithms_of_others_have_what_they_name():
    """Their sections come without defaults, or not at all."""
    assert as_judged({}, {})["strategy"] == "greedy"
    partly = {"learning": {"diff_metric": "ppo_10"}, "evals": {"ppo_10": {}}}
    assert as_judged(partly, {}).items() >= {**SAMPLE, "num_searches": 10}.items()


def test_evaluations_search_by_the_rules_of_the_collection():
    evals = section("AZ")[1]["evals"]
    assert evals["judge"].items() >= {**TREE, "num_mcts_searches": 4}.items()
    given = {"collecting": TREE, "evals": {"ppo_1": {"gamma": 1.0}}}
    told = check_algorithm("AZ", {**given, "learning": {"diff_metric": "ppo_1"}}).as_dict()
    assert (told["evals"]["ppo_1"]["gamma"], told["evals"]["ppo_1"]["C"]) == (1.0, 0.5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """By name: a run folder of one iteration, and its algorithm."""
    made = {}

    def run(name):
        if name not in made:
            algorithm, resolved = section(name)
            folder = tmp_path_factory.mktemp("run")
            collecting = dict(resolved["collecting"])
            counts = {"PPO": "num_episodes", "AZ": "num_episodes", "RandomWalk": "num_walks"}
            if algorithm in counts:
                collecting[counts[algorithm]] = 8
            else:
                collecting.update(num_pairs=2, num_episodes=2)
            resolved["evals"]["judge"].update(num_episodes=40, seed=5)
            config = {
                "env_cls": "Puzzle",
                "env": {"width": 3, "height": 3, "difficulty": 6, "max_depth": 20},
                "policy_cls": "BasicPolicy",
                "policy": {"embedding_size": 32, "common_layers": []},
                "algorithm_cls": algorithm,
                "algorithm": {**resolved, "collecting": collecting},
            }
            path = folder / "config.json"
            path.write_text(json.dumps(config))
            train.main(path, folder / "run", None, 1)
            last = folder / "run" / "checkpoint_last.safetensors"
            made[name] = folder / "run", prepare_algorithm(config, None, str(last))
        return made[name]

    return run


@pytest.mark.parametrize("name", RUNS)
def test_eval_finds_what_the_run_found(trained, capsys, name):
    run, algorithm = trained(name)
    judge = algorithm.config["evals"]["judge"]
    found, _ = algorithm.evaluate(judge)
    words = ["--num_episodes", "40", "--seed", "5", "--start", "reset", "--optimum_time_s", "0"]
    assert cli.main(["eval", str(run), "--checkpoint", "last", "--json", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report.items() >= as_judged(algorithm.config, {}).items()
    assert report["success"] == found.success and report["mean_length"] == found.mean_length
    # The engine says the same if it is given the same.
    how = as_judged(algorithm.config, {})
    assert collector.evaluate(
        algorithm.env, algorithm.rs_pol, num_episodes=40, seed=5, **how
    ) == pytest.approx((found.success, found.reward))


@pytest.mark.parametrize("name", RUNS)
def test_a_board_is_solved_alike_at_every_door(trained, capsys, name):
    run, algorithm = trained(name)
    board = [3, 1, 2, 4, 5, 0, 6, 7, 8]
    tries = {"num_searches": 100} if to_solve(algorithm.config, {})["strategy"] == "sample" else {}
    env = algorithm.env.copy()
    env.set_state(board)
    how = to_solve(algorithm.config, tries)
    (solved, _), actions = collector.solve(env, algorithm.rs_pol, **how, seed=0)
    fresh = prepare_algorithm(
        json.loads((run / "base_config.json").read_text()),
        None,
        str(run / "checkpoint_last.safetensors"),
    )
    assert fresh.solve(board, **tries) == (actions if solved else None)
    words = ["solve", str(run), " ".join(map(str, board)), "--checkpoint", "last", "--json"]
    assert cli.main(words) == (0 if solved else 1)
    assert json.loads(capsys.readouterr().out)["actions"] == (actions if solved else None)


def test_beams_use_the_values_that_the_run_was_judged_with(trained, tmp_path, capsys):
    """The policy would go left whatever it costs; the value knows the way."""
    run, _ = trained("walks")
    file = run / "checkpoint_last.safetensors"
    weights = {name: torch.zeros_like(tensor) for name, tensor in read(file)[0].items()}
    weights["embeddings.weight"][0, [10 * cell for cell in range(9)]] = 1
    weights["value.0.weight"][0, 0] = 1
    weights["action.0.bias"][0] = 50
    taught = tmp_path / "taught.safetensors"
    taught.write_bytes(encode(weights))
    config = json.loads((run / "base_config.json").read_text())
    config["algorithm"]["evals"]["judge"].update(beam_width=2, beam_value_weight=1e6)
    algorithm = prepare_algorithm(config, None, str(taught))
    board = [3, 1, 2, 4, 7, 5, 0, 6, 8]
    assert algorithm.solve(board) == algorithm.solve(board, strategy="beam") == [2, 1, 0, 1]
    assert algorithm.solve(board, beam_value_weight=0.0) is None
    (run / "base_config.json").write_text(json.dumps(config))
    words = ["solve", str(run), " ".join(map(str, board)), "--checkpoint", str(taught)]
    assert cli.main(words) == 0
    assert "solved in 4 moves" in capsys.readouterr().out
    assert cli.main([*words, "--beam_value_weight", "0"]) == 1

    # Left open, it is what the training chooses on boards of its own, and stands in the file.
    del config["algorithm"]["evals"]["judge"]["beam_value_weight"]
    (run / "base_config.json").write_text(json.dumps(config))
    untold = prepare_algorithm(config, None, str(taught))
    assert untold.beam_value_weight is None and untold.solve(board) is None
    chosen, _ = untold.choose_beam_weight(untold.config["evals"]["judge"])
    assert chosen >= 32
    taught.write_bytes(encode(weights, notes(chosen)))
    algorithm = prepare_algorithm(config, None, str(taught))
    assert algorithm.solve(board) == [2, 1, 0, 1]
    assert algorithm.solve(board, beam_value_weight=0.0) is None
    assert cli.main(words) == 0
    assert cli.main([*words, "--beam_value_weight", "0"]) == 1
    capsys.readouterr()
    words = ["eval", str(run), "--checkpoint", str(taught), "--num_episodes", "2", "--json"]
    assert cli.main([*words, "--start", "reset", "--optimum_time_s", "0"]) == 0
    assert json.loads(capsys.readouterr().out)["beam_value_weight"] == chosen
    options = argparse.Namespace(checkpoint=str(taught), title=None, exact=True)
    page, _ = web.make(player.read(str(run), trust=False), options, b"")
    assert f'"beam_value_weight": {chosen}' in page
    taught.write_bytes(encode(weights, {"twisterl.beam_value_weight": "-1"}))
    with pytest.raises(CheckpointError, match="beam_value_weight: expected a number"):
        prepare_algorithm(config, None, str(taught))


@pytest.mark.parametrize(
    ("command", "elsewhere"),
    [("eval", {"freq"}), ("solve", {"freq", "num_episodes", "start"})],
)
def test_the_commands_have_the_options_of_an_evaluation(command, elsewhere):
    """But for the rules of trees, which a run brings along."""
    parser = argparse.ArgumentParser()
    cli.module_of(command).add_options(parser)
    known = {action.dest for action in parser._actions}
    assert {*Evaluation().model_dump(by_alias=True)} - known == {*TREE_RULES, *elsewhere}


def test_an_evaluation_takes_the_defaults_of_one(trained):
    _, algorithm = trained("PPO greedy")
    whole = Evaluation(num_episodes=30).model_dump(by_alias=True)
    assert algorithm.evaluate({"num_episodes": 30})[0] == algorithm.evaluate(whole)[0]


# `deterministic` is what twisterl 0.5.1 has in each place.
@pytest.mark.parametrize("call", [collector.evaluate, collector.evaluate_episodes, collector.solve])
def test_the_engine_has_the_defaults_of_an_evaluation(call):
    known = Evaluation().model_dump(by_alias=True)
    parameters = inspect.signature(call).parameters
    for name in parameters.keys() & known.keys() - {"deterministic"}:
        if parameters[name].default is not inspect.Parameter.empty:
            assert parameters[name].default == known[name], name
    assert parameters["num_cores"].default == known["num_cores"]
