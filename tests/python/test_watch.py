"""A run that is watched: what is read of its folder, the terminal's view, and the page."""

import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.console import Console
from twisterl import cli
from twisterl.cli.screen import Screen
from twisterl.pictures.run_page import run_page
from twisterl.runs import history
from twisterl.runs.curves import panels_of
from twisterl.runs.lock import RunLock

CONFIG = {
    "env_cls": "twisterl.envs.Puzzle",
    "env": {"width": 3},
    "policy_cls": "BasicPolicy",
    "algorithm_cls": "twisterl.rl.PPO",
    "algorithm": {"learning": {"diff_metric": "uniform", "num_steps": 40}},
}


def row(iteration, **more):
    """A line of metrics.jsonl: an iteration takes half a second, and solves more each time."""
    share = min(1.0, iteration / 20)
    evaluation = {
        "success": share, "interval": [max(0.0, share - 0.1), share], "reward": share - 1,
        "mean_length": 30.0 - iteration / 2,
    }  # fmt: skip
    return {
        "iteration": iteration, "difficulty": 1 + iteration // 5,
        "evals": {"uniform": evaluation} if iteration % 2 else {},
        "losses": {"policy": -0.01 * iteration, "total": 1 / (1 + iteration), "kl": 0.001},
        "times": {"total": 0.5}, "num_steps": 1000, "total_steps": 1000 * (1 + iteration),
        "elapsed_s": (1 + iteration) / 2, **more,
    }  # fmt: skip


def write(folder, rows, config=CONFIG):
    folder.mkdir(exist_ok=True)
    (folder / "base_config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def run(tmp_path):
    return write(tmp_path / "own<run>", [row(iteration) for iteration in range(24)])


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def having(self, tag, name=None):
        return [found for kind, found in self.tags if kind == tag and found.get("class") == name]


def test_a_page_shows_what_the_run_has_told(run):
    text = run_page(history.read(run))
    page = Page(text)
    titles = re.findall(r"<title>(\w+) over training time: ", text)
    assert titles == ["solved", "moves", "difficulty", "loss", "speed", "kl"]
    assert "uniform ends at 100" in page.text and "steps ends at 2k" in page.text
    # Lines go where the numbers say: the share solved rises, so its path does.
    path = page.having("path", "line")[0]["d"]
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]
    assert len(heights) == 12 and heights == sorted(heights, reverse=True)
    assert "own<run>" in page.text and "PPO on Puzzle(width=3)" in page.text
    assert "100.0 %" in page.text and "of 40" in page.text


def test_a_page_asks_nothing_of_a_network_and_runs_nothing(run):
    text = run_page(history.read(run))
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "img")]
    assert not re.search(r"https?:|url\(|@import", text)
    assert {"src", "href", "onload"}.isdisjoint(name for _, found in page.tags for name in found)


def test_a_page_shows_itself_anew_while_the_run_trains(run):
    found = history.read(run)
    refreshing = [{"http-equiv": "refresh", "content": "5"}]
    metas = lambda: Page(run_page(found)).having("meta")  # noqa: E731
    with RunLock(run):
        found.update()
        assert found.is_running and found.seconds_left() == 8.0
        assert metas()[-1:] == refreshing and "training, 8s left" in run_page(found)
    found.update()
    assert not found.is_running and metas()[-1:] != refreshing


def test_only_whole_lines_of_an_iteration_are_read(run):
    metrics = run / "metrics.jsonl"
    found = history.read(run)
    with metrics.open("a") as file:
        file.write('[1]\n{"iteration": "3"}\nnull\n{"iteration": 24, "elapsed_s": NaN}\n')
        file.write(json.dumps(row(24)))
        file.flush()
        found.update()
        assert found.iterations == 24
        file.write("\n")
        file.flush()
        found.update()
    assert [row["iteration"] for row in found.rows] == list(range(25))
    # A run that goes on from an earlier commit has dropped lines.
    write(run, [row(iteration) for iteration in range(3)])
    found.update()
    assert found.iterations == 3


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(0, evals={}, losses={})],
        [{"iteration": 0, "elapsed_s": 0.0}],
        [row(0, evals={"a": 3, "b": {"success": "x"}, "c": {"success": 1.0, "interval": 3}})],
        [row(3, losses={"policy": "nan", "value": None}, times=[], difficulty=None)],
    ],
    ids=["nothing", "no evaluation", "only a number", "odd evaluations", "odd losses"],
)
def test_runs_that_say_less(tmp_path, rows):
    found = history.read(write(tmp_path / "run", rows, {"env_cls": 3}))
    assert "<!doctype html>" in run_page(found)
    Console(file=io.StringIO(), width=80).print(Screen(found, 80, 24, False, True))


def test_a_task_has_rewards_and_no_difficulty(tmp_path):
    rows = [row(iteration) for iteration in range(9)]
    for cls in ("twisterl.envs.CartPole", "gymnasium:CartPole-v1"):
        found = history.read(write(tmp_path / "run", rows, {**CONFIG, "env_cls": cls}))
        names = [panel.name for panel in panels_of(found)]
        assert names == ["reward", "solved", "length", "loss", "speed"]
        assert "difficulty" not in run_page(found).partition("Config")[0]


@pytest.mark.parametrize(("width", "dots"), [(130, True), (80, True), (40, True), (80, False)])
def test_the_view_fits_into_the_terminal(run, width, dots):
    out = io.StringIO()
    console = Console(file=out, width=width, height=30, force_terminal=True, color_system=None)
    console.print(Screen(history.read(run), width, 30, True, dots))
    lines = out.getvalue().splitlines()
    assert len(lines) <= 30 and max(map(len, lines)) <= width
    text = out.getvalue()
    for word in ("own<run>", "solved 100.0 %", "iterations 24", "uniform 100", "Ctrl-C"):
        assert word in text
    assert bool(re.search("[\u2801-\u28ff]", text)) is dots


def test_watching_needs_no_torch(run, tmp_path):
    page = tmp_path / "run.html"
    script = (
        "import sys; from twisterl import cli; "
        f"assert cli.main(['watch', {str(run)!r}]) == 0; "
        f"assert cli.main(['watch', {str(run)!r}, '--html', {str(page)!r}]) == 0; "
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "solved" in done.stdout and page.read_text().startswith("<!doctype html>")


def test_what_cannot_be_watched(tmp_path, capsys):
    for words, said in (
        ([str(tmp_path)], "holds no run"),
        ([str(tmp_path), "--interval", "0"], "--interval"),
        ([str(write(tmp_path / "run", [])), "--html", str(tmp_path)], "--html"),
    ):
        assert cli.main(["watch", *words]) == 2
        assert said in capsys.readouterr().err
