"""Every sentence of the documents about a default, beside what decides it."""

import argparse
import contextlib
import inspect
import io
import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from twisterl import cli
from twisterl.config.az import AZCollecting
from twisterl.config.evaluations import Evaluation
from twisterl.config.ppo import PPOCollecting
from twisterl.config.registry import ALGORITHMS
from twisterl.config.validation import check_algorithm
from twisterl.nn import BasicPolicy
from twisterl.strategy import as_judged, to_solve
from twisterl.twisterl import collector

ROOT = Path(__file__).resolve().parents[2]
EVALUATION = Evaluation().model_dump(by_alias=True)
TREE = {"C": 0.3, "max_expand_depth": 2, "root_selection": "gumbel", "gamma": 0.9}


def algorithm(name, judge, **collecting):
    raw = {
        "collecting": collecting,
        "learning": {"diff_metric": "judge"},
        "evals": {"judge": judge},
    }
    return check_algorithm(name, {**raw, "device": "cpu"}).as_dict()


def search_rules():
    az = algorithm("AZ", {"num_mcts_searches": 4}, num_mcts_searches=8, **TREE)
    return {key: az["evals"]["judge"][key] for key in TREE} == TREE


def judged():
    judge = {"strategy": "beam", "beam_width": 5, "beam_value_weight": 3.0, "node_limit": 9}
    return as_judged(algorithm("RandomWalk", judge), {}).items() >= judge.items()


def unweighed():
    return as_judged(algorithm("RandomWalk", {"strategy": "beam"}), {})["beam_value_weight"] == 0


def solved_by_the_judge():
    beam = algorithm("RandomWalk", {"strategy": "beam", "beam_width": 5})
    greedy = algorithm("PPO", {})
    return (to_solve(beam, {})["beam_width"], to_solve(greedy, {})["strategy"]) == (5, "sample")


def by_arguments():
    calls = (collector.evaluate, collector.evaluate_episodes, collector.solve)
    for call in calls:
        for name, parameter in inspect.signature(call).parameters.items():
            known = name in EVALUATION and name != "deterministic"
            if known and parameter.default not in (parameter.empty, EVALUATION[name]):
                return False
    return True


def alone():
    az = algorithm("AZ", {"num_mcts_searches": 4})
    likeliest, by_chance = (
        as_judged(az, {"deterministic": True}),
        as_judged(az, {"num_searches": 2}),
    )
    return likeliest["strategy"] == "greedy" and not by_chance["deterministic"]


def tries():
    from twisterl.cli import player

    ten = algorithm("PPO", {"deterministic": False, "num_searches": 10})
    counts = [to_solve(ten, {}, tries)["num_searches"] for tries in (1, 100)]
    return counts == [10, 100] and player.TRIES == 100


def other_trees():
    az, ppo = algorithm("AZ", {}, num_mcts_searches=8, **TREE), algorithm("PPO", {})
    tree = as_judged(az, {"strategy": "mcts"})
    simulations = as_judged(ppo, {"strategy": "mcts"})["num_mcts_searches"]
    return tree.items() >= {**TREE, "num_mcts_searches": 8}.items() and simulations == 100


def evolution():
    policy, value = (algorithm("ES", {}, player=player) for player in ("policy", "value"))
    found = to_solve(policy, {})["strategy"], to_solve(value, {})["strategy"]
    beam = to_solve(value, {})["beam_width"], as_judged(value, {})["strategy"]
    return found == ("greedy", "beam") and beam == (64, "value")


def cap():
    """Of an episode: the engine's where nobody sets one, and the judge's in a run."""
    from twisterl.envs import PyEnv

    class Endless:
        num_actions, obs_shape = (lambda self: 1), (lambda self: [1])
        reset = next = set_state = lambda self, _: None
        masks, observe = (lambda self: [True]), (lambda self: [0])
        is_final = success = lambda self: False
        value, copy = (lambda self: 0.0), (lambda self: Endless())

    env = PyEnv(Endless())
    policy = BasicPolicy([1], 1, 16, []).to_rust()
    with pytest.raises(ValueError, match="to end within 100000 steps"):
        collector.evaluate_episodes(env, policy, 1)
    judge = algorithm("PPO", {"max_episode_steps": 9})
    mcts = as_judged(judge, {"strategy": "mcts"})["max_episode_steps"]
    return mcts == to_solve(judge, {})["max_episode_steps"] == 9


def value_weight():
    collecting = AZCollecting()
    return (collecting.value_weight, collecting.max_considered_actions) == (1.0, 16)


def trees():
    return AZCollecting().transpositions is EVALUATION["transpositions"] is False


def of_the_engine():
    """`test_engine_arguments.py` compares all of them."""
    ours = PPOCollecting().model_dump(by_alias=True, exclude={"workers"})
    return collector.defaults()["PPOCollecting"] == ours


def plays_a_puzzle():
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO("q"))
        cli.main(["play"])
    return out.getvalue().count("|") == 12


def all_cores():
    given = [inspect.signature(call).parameters["num_cores"].default for call in CORES]
    sections = [model().collecting.num_cores for model in ALGORITHMS.values()]
    return {*given, *sections, EVALUATION["num_cores"]} == {32}


CORES = (collector.evaluate, collector.evaluate_episodes, collector.solve, collector.WalkCollector)

# A document, what it says, and whether it is so.
CLAIMS = [
    ("docs/random-walks.md", "it is 0 by default", unweighed),
    ("docs/add-an-environment.md", "An episode that goes on after 100,000 steps is an error", cap),
    ("CHANGELOG.md", "100,000 where nothing else is known to end it", cap),
    ("CHANGELOG.md", "read from JSON with the keys and defaults of a run config", of_the_engine),
    ("docs/search.md", "`c_scale` 1 (`value_weight`)", value_weight),
    ("docs/search.md", "`transpositions` is off by default", trees),
    ("docs/config.md", "A missing key takes its default", lambda: bool(algorithm("PPO", {}))),
    ("docs/config.md", "default to those of `collecting`", search_rules),
    ("docs/config.md", "What other commands play by default", judged),
    ("docs/search.md", "with the defaults of [config.md]", search_rules),
    ("docs/search.md", "as the run was judged: by the entry", judged),
    ("docs/search.md", "by the same entry if it is a search", solved_by_the_judge),
    ("docs/search.md", "by their arguments alone", by_arguments),
    ("docs/search.md", "`deterministic` alone means the likeliest actions", alone),
    ("docs/search.md", "give at least 100 where no number is asked for", tries),
    ("docs/search.md", "else 100 simulations", other_trees),
    (
        "docs/search.md",
        "its values are judged by `value` and lead a beam of 64 in `solve`",
        evolution,
    ),
    ("docs/search.md", "Everywhere `num_cores` defaults to 32", all_cores),
    ("docs/random-walks.md", "a single board by all cores", all_cores),
    ("docs/random-walks.md", "a run that was judged with another is solved with that one", judged),
    (
        "benchmarks/README.md",
        "16,384 episodes (the default)",
        lambda: PPOCollecting().num_episodes == 16_384,
    ),
]
# Of options that have no default of their own: what it is where the help names one. A name is that
# of a test that shows it.
OPTIONS = {
    ("eval", "start"): "test_cli.py::test_eval",
    ("eval", "difficulty"): "test_cli.py::test_eval",
    ("eval", "strategy"): judged,
    ("eval", "max_episode_steps"): cap,
    ("solve", "num_searches"): tries,
    ("solve", "strategy"): lambda: solved_by_the_judge() and evolution(),
    ("solve", "max_episode_steps"): cap,
    ("play", "env"): plays_a_puzzle,
    ("train", "run_path"): "test_cli.py::test_the_documented_calls",
    ("train", "num_steps"): "test_resume.py::test_the_length_of_the_command_line_is_the_runs",
}
# Where the word is about something else: code, or a place where defaults are kept.
ELSEWHERE = {
    "CHANGELOG.md": ["Config keys, each with a default that keeps old files working"],
    "docs/decisions/0001-batched-environments.md": ["Its defaults are built on the first group"],
    "docs/decisions/0003-config.md": [
        "type, range, default",
        "`twisterl.defaults`",
        "one by one",
        "A new key needs a default",
    ],
    "README.md": ["[docs/config.md](docs/config.md)"],
    "docs/architecture.md": ["`python/twisterl/config/`"],
    # What the predecessor does, which nothing here decides.
    "docs/coming-from-twisterl-0.5.md": [
        "from twisterl.defaults import",
        '`BasicPolicy(device="cuda")` by default',
        "`solve` of an algorithm: fixed defaults",
    ],
}


def words(path):
    """The prose of a page in one line."""
    text = re.sub(r"^```.*?^```$", "", (ROOT / path).read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(("path", "sentence", "holds"), CLAIMS, ids=lambda value: str(value)[:60])
def test_what_is_said_of_defaults_is_so(path, sentence, holds):
    assert sentence in words(path)
    assert holds()


PAGES = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
]
# How a sentence tells of a default without the word.
SAID = r"[^.|]*\b(?:defaults?|100,000 steps|100,000 where|no number is asked)\b[^.|]*[.|]?[^.|]*"


@pytest.mark.parametrize("path", PAGES)
def test_nothing_else_is_said_of_defaults(path):
    # The tables of the keys are written from what decides.
    # Those of planted faults quote the code.
    text = re.sub(r"\| (key \| default|where \| fault) \|.*?(?=##|$)", "", words(path))
    for found in re.finditer(SAID, text):
        known = [claim for page, claim, _ in CLAIMS if page == path] + ELSEWHERE.get(path, [])
        around = text[max(0, found.start() - 80) : found.end() + 80]
        assert any(claim in around for claim in known), found[0]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_says_the_defaults_that_options_have(command):
    parser = argparse.ArgumentParser()
    cli.module_of(command).add_options(parser)
    for action in parser._actions:
        said = re.search(r"default: ([\w.]+)", action.help or "")
        if said and action.default is None:
            shows = OPTIONS[command, action.dest]
            if isinstance(shows, str):
                file, _, name = shows.partition("::")
                assert f"def {name}(" in (ROOT / "tests" / "python" / file).read_text()
            else:
                assert shows(), action.dest
        elif said and action.default != argparse.SUPPRESS:
            is_float = isinstance(action.default, float)
            told = f"{action.default:g}" if is_float else str(action.default)
            assert told == said[1], action.dest
