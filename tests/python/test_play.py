"""`twisterl play`: every kind of environment, and a run that shows the way."""

import io
import json
import re
import sys

import pytest

pytest.importorskip("torch")

from terminal import Screen, Terminal
from twisterl import cli, envs, train
from twisterl.cli.game import Game
from twisterl.cli.painted import painted
from twisterl.cli.stage import Stage, StageKeys
from twisterl.config.registry import REGISTRY
from twisterl.twisterl.collector import OptimalSolver
from twisterl.twisterl.env import ENVIRONMENTS

COUNTDOWN = '''
class Countdown:
    """Take 1 or 2 from a number; leave exactly 0."""

    def __init__(self, left=5): self.left = left
    def num_actions(self): return 2
    def obs_shape(self): return [16]
    def reset(self, difficulty): self.left = 4 + difficulty
    def next(self, action): self.left -= action + 1
    def masks(self): return [self.left >= 1, self.left >= 2]
    def is_final(self): return self.left == 0
    def success(self): return self.left == 0
    def value(self): return 1.0 if self.left == 0 else -0.1
    def observe(self): return [self.left]
    def set_state(self, state): self.left = state[0]
    def copy(self): return type(self)(self.left)


class Shown(Countdown):
    def __str__(self): return f"{self.left} left"


class Parts(Countdown):
    def obs_space(self):
        half = {"dtype": "float32", "shape": [1]}
        return {"left": {"dtype": "sparse", "shape": [16]}, "more": {"half": half}}

    def observe(self): return {"left": [self.left], "more": {"half": [self.left / 2]}}


class Dice(Shown):
    """Steps are random: what was planned does not come."""

    import random
    drawn = random.Random(1)

    def next(self, action): self.left -= self.drawn.randint(1, min(2, self.left))
'''


@pytest.fixture(scope="module")
def solver(tmp_path_factory):
    """A run that is judged by a beam that is exact: as wide as there are states."""
    folder = tmp_path_factory.mktemp("solver")
    config = {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "difficulty": 10, "max_depth": 40},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 8, "common_layers": []},
        "algorithm_cls": "RandomWalk",
        "algorithm": {
            "device": "cpu",
            "collecting": {"num_walks": 1, "walk_length": 30},
            "learning": {"diff_metric": "beam"},
            "evals": {"beam": {"strategy": "beam", "beam_width": 360, "num_episodes": 1}},
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    train.main(folder / "config.json", folder / "run", None, 1)
    return str(folder / "run")


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module `countdown` beside the config."""
    (tmp_path / "countdown.py").write_text(COUNTDOWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("countdown", None)


def played(monkeypatch, capsys, words, answers):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(answers) + "\n"))
    assert cli.main(["play", *words]) == 0
    return capsys.readouterr().out


def refused(capsys, *words):
    assert cli.main(list(words)) == 2
    return capsys.readouterr().err


def boards(out):
    """The tiles of every board that was shown."""
    found = re.findall(r"(?:\|[\d ]+)+\|\n(?:\|[\d| ]+\n)+", out)
    return [[int(t) if t.strip() else 0 for t in re.findall(r"\|([\d ]+)", b)] for b in found]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_can_be_played(name, monkeypatch, capsys):
    label = getattr(envs, name)(**REGISTRY["env_cls"][name][1]().model_dump()).action_names()[1]
    out = played(monkeypatch, capsys, ["--env", name, "--seed", "3"], [label, "1", "u", "x", "n"])
    assert out.count("moves: ") == 6
    assert "moves: 1" in out or f"{label} is impossible here" in out


@pytest.mark.usefixtures("own_module")
def test_an_environment_in_python_can_be_played(monkeypatch, capsys):
    words = ["--env", "PyEnv", "pyenv_cls=countdown.Shown", "--difficulty", "2"]
    out = played(monkeypatch, capsys, words, ["1", "u", "1", "1", "1", "0", "n", "q"])
    shown = re.findall(r"(\d) left\nmoves: (\d)", out)
    assert shown == [
        ("6", "0"), ("4", "1"), ("6", "0"), ("4", "1"), ("2", "2"), ("0", "3"), ("0", "3"),
        ("6", "0"),
    ]  # fmt: skip
    assert out.count("solved!") == 2 and "impossible" not in out
    plain = ["--env", "PyEnv", "pyenv_cls=countdown.Countdown", "left=3"]
    assert "features 5\nmoves: 0" in played(monkeypatch, capsys, plain, ["q"])
    parts = ["--env", "PyEnv", "pyenv_cls=countdown.Parts", "--difficulty", "2"]
    out = played(monkeypatch, capsys, parts, ["1", "u", "q"])
    assert re.findall(r"left (\d)\nmore.half ([\d.]+)\nmoves: (\d)", out) == [
        ("6", "3.0", "0"), ("4", "2.0", "1"), ("6", "3.0", "0"),
    ]  # fmt: skip


def test_a_run_of_an_environment_in_python_plays_on(
    own_module, small, tmp_path, monkeypatch, capsys
):
    for name in ("Shown", "Dice"):
        small["env_cls"], small["env"] = "PyEnv", {"pyenv_cls": f"countdown.{name}"}
        path, run = tmp_path / f"{name}.json", str(tmp_path / name)
        path.write_text(json.dumps(small))
        train.main(path, run, None, 1)
        out = played(monkeypatch, capsys, [run], ["h", "m", "p", "p", "q"])
        assert "first of" in out and "the policy would go" in out
        assert "0 left\nmoves: " in out and "solved!" in out
        assert out.count("the run goes ") == int(re.findall(r"moves: (\d)", out)[-1])


def test_a_step_past_the_end_is_refused(monkeypatch, capsys):
    words = ["--env", "Puzzle", "width=2", "height=2", "max_depth=2", "--seed", "0"]
    out = played(monkeypatch, capsys, words, ["2", "3", *"awds", "u", "q"])
    assert "the episode is over" in out and "moves: 3" not in out
    assert re.findall(r"moves: (\d)", out)[-1] == "1"


def test_a_run_plays_to_the_end_by_its_search(solver, monkeypatch, capsys):
    out = played(monkeypatch, capsys, [solver, "--seed", "1"], ["h", "m", "u", "p", "q"])
    shown = boards(out)
    env = envs.Puzzle(3, 2, 1, 2, 40)
    shortest = OptimalSolver(env).solve(shown[0])[1]
    assert f"is the first of {shortest} moves to the end (beam 360)" in out
    assert "solved!" in out and out.count("the run goes ") == shortest + 1
    assert shown[-1] == list(range(6))


def test_a_strategy_is_asked_without_a_run(monkeypatch, capsys):
    words = ["--width", "3", "--height", "2", "--seed", "1", "--strategy"]
    out = played(monkeypatch, capsys, [*words, "patterns"], ["h", "p", "q"])
    shown = boards(out)
    shortest = OptimalSolver(envs.Puzzle(3, 2, 1, 2, 40)).solve(shown[0])[1]
    assert f"is the first of {shortest} moves to the end (patterns 65536)" in out
    assert shown[-1] == list(range(6)) and len(shown) == shortest + 2
    assert "expected patterns or optimal" in refused(capsys, "play", *words, "beam")


def test_what_there_is_nobody_to_ask(monkeypatch, capsys):
    out = played(monkeypatch, capsys, ["--width", "2", "--height", "2"], ["h", "m", "p", "u", "q"])
    assert out.count("no run to ask") == 3 and "nothing to undo" in out


def test_playing_takes_arguments(monkeypatch, capsys):
    words = ["--env", "LightsOut", "width=2", "height=2", "--seed", "0"]
    out = played(monkeypatch, capsys, words, ["0,0", "0,0", "q"])
    shown = re.findall(r"((?:[#.] [#.]\n)+)moves: ", out)
    # Pressed twice, it is what it was.
    assert len(shown) == 3 and shown[0] == shown[2] != shown[1]
    assert "width" in refused(capsys, "play", "--env", "LightsOut", "width=99")
    assert "did you mean" in refused(capsys, "play", "--env", "LightOut")
    assert "RUN_DIR" in refused(capsys, "play", "some_run", "width=3")
    assert "--delay" in refused(capsys, "play", "--delay", "-1")


def test_a_key_stops_the_run_in_a_terminal(solver):
    """One key at a time is read, and p shows move after move until the next one."""
    command = [sys.executable, "-m", "twisterl", "play", solver, "--seed", "1", "--delay", "60"]
    terminal = Terminal(command)
    shown = terminal.read_until("\n>")
    assert "moves: 0" in shown and "the run (beam 360)" in shown
    # What is proven beside the board is what the exact solver says of it.
    shortest = int(re.search(r"(\d+) from the end, proven", shown)[1])
    terminal.type("p")
    shown = terminal.read_until("moves: 1")
    assert f"{shortest - 1} from the end, proven" in shown and "moves: 2" not in shown
    terminal.type("x")
    terminal.read_until("stopped")
    terminal.type("q")
    assert terminal.finish() == 0
    fast = Terminal([*command[:-1], "0", "--plain"])
    fast.read_until("moves: 0")
    fast.type("p")
    fast.read_until("solved!")
    # An arrow is one key, though three bytes; the way is over.
    fast.type("\x1b[A")
    fast.type("q")
    assert fast.finish() == 0


def test_words_are_typed_on_the_stage():
    """Without colours the letters of the board are shown; the last board stays."""
    words = ["play", "--env", "LightsOut", "width=2", "height=2", "--seed", "0"]
    terminal = Terminal([sys.executable, "-m", "twisterl", *words], size=(14, 50), NO_COLOR="1")
    terminal.read_until("\n>")
    terminal.type("0,0")
    assert "moves: 0" in terminal.read_until("> 0,0   Enter plays it")
    terminal.type("\r")
    before = terminal.read_until("moves: 1")
    terminal.type("u")
    assert terminal.read_until("moves: 0").splitlines()[:2] != before.splitlines()[:2]
    terminal.type("x\x7f1\r")
    terminal.read_until("moves: 1")
    terminal.type("q")
    assert terminal.finish() == 0
    assert re.search(r"[#.] [#.]\n[#.] [#.]\nmoves: 1", terminal.screen.text)


def test_the_begin_of_a_word_is_enough_where_one_action_has_it():
    game = Game(envs.TopSpin(), 1)
    keys = StageKeys(0, Stage(game, None, ""), game, "hmpunq?")
    words = ("f", "l", "flip", "", "x")
    assert [keys._completed(word) for word in words] == ["flip", "left", "flip", "", "x"]
    lamps = Game(envs.LightsOut(width=2, height=2), 1)
    assert StageKeys(0, Stage(lamps, None, ""), lamps, "")._completed("0,") == "0,"


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize(("width", "height"), [(100, 40), (60, 20), (20, 8)])
def test_a_painted_board_fits_and_shows_the_state(name, width, height):
    env = getattr(envs, name)(**REGISTRY["env_cls"][name][1]().model_dump())
    env.set_state(env.random_state(1))
    text = painted(env, width, height)
    lines = text.split("\n")
    plain = str(env).rstrip("\n")
    if text.plain != plain:
        assert len(lines) <= height and max(line.cell_len for line in lines) <= width
    # Another state looks other, whatever is drawn.
    env.set_state(env.random_state(2))
    other = painted(env, width, height)
    assert (text.plain, text.spans) != (other.plain, other.spans)


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (50, 24), (36, 12)])
def test_a_stage_fits_into_the_terminal(width, height, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("os.get_terminal_size", lambda *_: (width, height))
    monkeypatch.setattr("sys.stdout.fileno", lambda: 1, raising=False)
    game = Game(envs.Puzzle(3, 3, 1, 2, 40), 1)
    stage = Stage(game, None, "keys " * 20)
    stage.say("a hint\nof two lines")
    screen = Screen()
    # A terminal begins a line where it feeds one.
    screen.feed(capsys.readouterr().out.replace("\n", "\r\n"))
    lines = screen.text.split("\n")
    assert len(lines) <= height and max(map(len, lines)) <= width
    for said in ("moves: 0", "from the end, proven"):
        assert said in screen.text
