"""What a person sees: the live panel, the animation, and the learning curve."""

import io
import json
import re
import struct
import sys

import pytest

pytest.importorskip("torch")

from rich.console import Console
from terminal import Terminal
from twisterl import plot
from twisterl.cli.display import Clock, LiveDisplay, PlainDisplay
from twisterl.rl.evaluation import Evaluation
from twisterl.runs.progress import Progress

LOSSES = {
    "policy": -0.0123456, "value": 123.456, "entropy": 0.9, "total": -1e-5, "kl": 0.004,
    "clip_fraction": 0.0778, "lr": 0.00195,
}  # fmt: skip


def progress(iteration=4, **more):
    found = {
        "iteration": iteration, "total_iterations": 1000, "difficulty": 3, "next_difficulty": 4,
        "success": None, "reward": None, "evaluations": {}, "losses": LOSSES,
        "times": {"total": 2.0}, "num_steps": 1000, "total_steps": 5000, "elapsed_s": 10.0,
        "improved": False,
    }  # fmt: skip
    return Progress(**{**found, **more})


def panel(display, width=100, encoding="utf-8"):
    """The lines of the panel, as a terminal of that encoding gets them."""
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding, errors="replace", newline="\n")
    console = Console(file=file, force_terminal=True, width=width, color_system=None)
    console.print(display)
    file.flush()
    return written.getvalue().decode(encoding).splitlines()


def display_of(console_width=100, has_end=True, evaluations=("uniform",), is_task=False):
    console = Console(force_terminal=True, width=console_width, file=io.StringIO())
    return LiveDisplay(console, has_end, "runs/[bold]me", evaluations, is_task)


@pytest.mark.parametrize("is_task", [False, True])
def test_a_task_has_no_difficulty(is_task):
    live, plain = display_of(is_task=is_task), PlainDisplay(io.StringIO(), True, 1, is_task)
    live(progress())
    for text in ("\n".join(panel(live)), plain.line(progress())):
        assert ("difficulty" in text) is not is_task


@pytest.mark.parametrize("width", [100, 78, 60])
def test_the_panel_keeps_its_shape(width):
    display = display_of(width)
    shapes = [{len(line) for line in panel(display, width)}]
    heights = []
    good = Evaluation(0.985, 0.5, 200, 137.6)
    for iteration, more in enumerate(
        [{}, {"evaluations": {"uniform": good}}, {}, {"total_steps": 4_200_000_000},
         {"elapsed_s": 36_000.0, "losses": {name: 1e-12 for name in LOSSES}},
         {"evaluations": {"uniform": Evaluation(1.0, 1.0, 10**6, 5.0)}}]
    ):  # fmt: skip
        display(progress(iteration, **more))
        lines = panel(display, width)
        shapes.append({len(line) for line in lines})
        heights.append(len(lines))
    assert shapes == [{min(78, width)}] * len(shapes)
    assert len(set(heights)) == 1


def test_what_the_panel_says():
    display = display_of()
    assert "runs/[bold]me" in panel(display)[0]
    display(progress(3))
    assert "not yet" in "\n".join(panel(display))
    display(progress(4, evaluations={"uniform": Evaluation(0.8, 0.5, 100, 7.0)}, success=0.8))
    display(progress(5))
    text = "\n".join(panel(display))
    assert re.search(r"iteration +6 of 1000 ", text) and re.search(r"difficulty +4 ", text)
    # The last evaluation stays.
    assert re.search(r"uniform +80\.0 % solved \(71\.1 to 86\.7\) +7\.0 moves +▇", text)
    assert re.search(r"steps +500/s +5\.0k so far", text)
    # A rate is no loss.
    assert "loss" not in text and re.search(r"learning rate +0\.00195", text)
    assert re.search(r"training +policy -0\.012 +value 123 +entropy 0\.9 ", text)
    assert "clip fraction 0.078" in text
    assert re.search(r"time +10s +\d+m\d\ds left", text)
    endless = display_of(has_end=False)
    endless(progress(4))
    text = "\n".join(panel(endless))
    assert re.search(r"iteration +5 ", text) and " of " not in text and "left" not in text


def test_the_panel_in_ascii():
    display = display_of()
    display(progress(4, evaluations={"uniform": Evaluation(0.8, 0.5, 100, 7.0)}))
    lines = panel(display, encoding="ascii")
    assert {len(line) for line in lines} == {78}
    assert "+---" in lines[0] or "+- " in lines[0]


def test_the_time_that_is_left_leaves_the_warm_up_out():
    clock = Clock(has_end=True)
    clock.update(progress(0, times={"total": 30.0}))
    assert clock.left(progress(0)) is None
    clock.update(progress(1, times={"total": 2.0}))
    assert clock.left(progress(1)) == 998 * 2.0
    clock.update(progress(2, times={"total": 4.0}))
    assert clock.left(progress(2)) == 997 * 3.0
    # A run of one iteration has an end all the same.
    single = Clock(has_end=True)
    single.update(progress(999))
    assert single.left(progress(999)) == 0.0
    assert Clock(has_end=False).left(progress(2)) is None


def test_training_in_a_terminal(config_file, tmp_path):
    folder = tmp_path / "a [bold]run $x$ with a rather long name"
    words = ["--config", str(config_file), "--run_path", str(folder), "--num_steps", "3"]
    terminal = Terminal([sys.executable, "-m", "twisterl.train", *words], size=(40, 90))
    assert terminal.finish() == 0
    rows = terminal.screen.text.splitlines()
    first = next(i for i, row in enumerate(rows) if row.startswith("╭"))
    last = next(i for i, row in enumerate(rows) if row.startswith("╰"))
    assert {len(row) for row in rows[first : last + 1]} == {78}
    assert "3 of 3" in terminal.screen.text
    # Neither cut nor read as markup: it is to be pasted.
    said = "".join(rows[last + 1 :])
    assert f"eval '{folder}'" in said
    assert (folder / "learning_curve.png").exists()


# Where the animation pauses it rings, and sleeps not at all.
RINGING = """
import sys, time
def ring(seconds):
    sys.stdout.write("\\a")
    sys.stdout.flush()
time.sleep = ring
from twisterl import cli
cli.entry(sys.argv[1:])
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_animation_shows_a_board_at_every_moment(unbuffered):
    words = ["solve", "--optimal", "--env", "Puzzle", "width=2", "height=2", "3 2 1 0"]
    command = [sys.executable, "-c", RINGING, *words, "--animate"]
    terminal = Terminal(command, PYTHONUNBUFFERED=unbuffered)
    assert terminal.finish() == 0
    assert len(terminal.bells) == 6
    boards = [re.sub(r"^\w+\n", "", screen.strip("\n")) for screen in terminal.bells]
    for board in boards:
        assert board.splitlines()[0] == "┌───┬───┐" and board.splitlines()[-1] == "└───┴───┘"
        assert len(board.splitlines()) == 5
    assert len(set(boards)) == 6
    # The last one stays, above what is said of the way.
    assert terminal.screen.text.count("┌") == 1 and "solved in 6 moves" in terminal.screen.text
    assert "│   │ 1 │\n├───┼───┤\n│ 2 │ 3 │" in terminal.screen.text


def row(iteration, **more):
    """A line of metrics.jsonl."""
    evaluation = {"success": 1.0, "interval": [0.98, 1.0], "reward": 1.0, "mean_length": 22.0}
    found = {
        "iteration": iteration, "difficulty": 32, "evals": {"beam": evaluation},
        "losses": {"policy": 1 / (1 + iteration), "value": 0.1, "total": 1.0, "lr": 0.1},
        "total_steps": 1000 * iteration, "elapsed_s": float(iteration),
    }  # fmt: skip
    return {**found, **more}


def picture(tmp_path, rows):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return plot.draw(tmp_path).read_bytes()


def panels(png):
    """How many panels the picture is high."""
    height = struct.unpack(">II", png[16:24])[1]
    return round((height / 110 - 1.2) / 2.1)


def test_the_curve_shows_what_changes(tmp_path):
    walks = [row(iteration) for iteration in range(4)]
    first = picture(tmp_path, walks)
    # Solved, length and loss; the difficulty, which stays what it is, is not among them.
    assert panels(first) == 3
    assert picture(tmp_path, [{**one, "difficulty": 33} for one in walks]) == first
    assert (
        picture(tmp_path, [{**one, "losses": {**one["losses"], "lr": 9}} for one in walks]) == first
    )
    other = [{**one, "losses": {**one["losses"], "total": one["iteration"]}} for one in walks]
    assert picture(tmp_path, other) != first
    # A difficulty that rises takes the place of the losses.
    rising = [row(iteration, difficulty=iteration) for iteration in range(4)]
    assert panels(picture(tmp_path, rising)) == 3 and picture(tmp_path, rising) != first


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        # Mojo's have no losses.
        ([row(i, losses={}) for i in range(3)], 2),
        ([{k: v for k, v in row(i).items() if k != "losses"} for i in range(3)], 2),
        ([row(0, evals={}, losses={})], 1),
        ([row(0, evals={"beam": {"success": 0.0, "interval": None, "mean_length": None}})], 2),
        ([row(i, losses={"fitness": 0.1, "best_fitness": 0.3}) for i in range(3)], 3),
    ],
    ids=["no losses", "no such key", "nothing yet", "none solved", "evolution"],
)
def test_curves_of_runs_that_have_less(tmp_path, rows, count):
    assert panels(picture(tmp_path, rows)) == count
