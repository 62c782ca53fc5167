"""The commands of the documents and of --help, one after the other as they are printed.

They run at the root of a small repository: its examples have the names of ours, and train in
milliseconds.
"""

import io
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from twisterl import cli
from twisterl.presets import ABOUT, preset
from twisterl.web.engine import ENGINE

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import dev  # noqa: E402

PAGES = ["README.md", "docs/random-walks.md", "docs/alphazero.md", "docs/optimum.md"]
# `make` in these words; Mojo writes the same folder (tests/python/test_mojo.py).
MAKE = {
    "train": dev.TASKS["train"][0],
    "train-mojo": "twisterl train --config examples/es_puzzle8_v1.json",
}
OWN_MODULE = """
class Own:
    def __init__(self, size, left=0): self.size, self.left = size, left
    def num_actions(self): return 2
    def obs_shape(self): return [self.size + 1]
    def reset(self, difficulty): self.left = self.size
    def next(self, action): self.left -= action + 1
    def masks(self): return [self.left >= 1, self.left >= 2]
    def is_final(self): return self.left == 0
    def success(self): return self.left == 0
    def value(self): return 1.0 if self.left == 0 else -0.1
    def observe(self): return [self.left]
    def set_state(self, state): self.left = state[0]
    def copy(self): return Own(self.size, self.left)
"""
SMALL = {
    "num_episodes": 4, "num_walks": 4, "walk_length": 8, "num_pairs": 2, "num_mcts_searches": 2,
    "num_generations": 1, "num_epochs": 1, "num_steps": 2, "minibatch_size": 16, "beam_width": 4,
    "max_depth": 40, "difficulty": 3, "embedding_size": 32, "num_iterations": 2,
}  # fmt: skip


def smaller(value):
    """A config with the same keys and less to do."""
    if isinstance(value, dict):
        return {
            key: SMALL[key] if key in SMALL and isinstance(inner, int) and inner else smaller(inner)
            for key, inner in value.items()
        }
    return value


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "examples").mkdir()
    for path in (ROOT / "examples").glob("*.json"):
        config = json.loads(path.read_text())
        # What is solved for needs its walks and its width, and takes no longer.
        is_solved = config["algorithm"]["training"].get("fit") == "parity"
        small = config if is_solved else smaller(config)
        (tmp_path / "examples" / path.name).write_text(json.dumps(small))
    # Presets are these examples too.
    (tmp_path / "presets").mkdir()
    for name in ABOUT:
        small = smaller(json.loads(preset(name).path.read_text()))
        (tmp_path / "presets" / f"{name}.json").write_text(json.dumps(small))
    shutil.copy(preset("puzzle8").path.parent / "measured.json", tmp_path / "presets")
    monkeypatch.setattr("twisterl.presets._FOLDER", tmp_path / "presets")
    (tmp_path / "own_module.py").write_text(OWN_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("own_module", None)


def printed(page):
    """The command lines of a page in their order."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)).splitlines()


def examples(epilog):
    """The command lines of a help text; two spaces begin what is said of one."""
    lines = epilog.replace("\\\n", " ").splitlines()
    found = [line.strip() for line in lines if line.startswith("  twisterl ")]
    return [re.split(r" {2,}(?![\w.]+=)", line)[0] for line in found]


def run(line):
    """Runs a command line of ours; what begins otherwise is none, such as pip and cargo."""
    words = shlex.split(line, comments=True)
    if words[:1] == ["make"]:
        words = shlex.split(MAKE.get(words[1], ""))
    if words[:3] == ["python", "-m", "twisterl.train"]:
        words = ["twisterl", "train", *words[3:]]
    # A hub needs a network; tests/python/test_hub.py has one of its own. Workers are processes that
    # know nothing of shorter runs; tests/python/test_machines.py has them.
    if (
        words[:1] != ["twisterl"]
        or words[1] in ("bench", "sweep")
        or {"--seeds", "--workers"} & {*words}
        or (words[1] == "hub" and "--dry-run" not in words)
    ):
        return
    # The last of an option counts. The optima of ten boards are most of this file's time, and 200
    # iterations go on from those of SMALL no better than two.
    if words[1] == "eval" and "--help" not in words:
        words += ["--num_episodes", "2"]
    if "--num_steps" in words:
        words += ["--num_steps", "4"]
    try:
        status = cli.main(words[1:])
    except SystemExit as ended:
        assert "--help" in words, line
        status = ended.code
    if words[1] == "web" and not ENGINE.exists():
        assert status == 2, line  # What is missing is said; tests/wasm makes pages.
        return
    # A policy that has learned nothing may find no solution.
    assert status == 0 or (status == 1 and words[1] == "solve"), line


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page(page, root):
    if page != "README.md":
        # What the README has said before.
        run("make train")
    for line in printed(page):
        run(line)
    assert (root / "runs" / "ppo_puzzle8_v1" / "checkpoint_last.safetensors").exists()


def test_the_examples_of_help(root, monkeypatch, capsys):
    run("make train")
    # What compare asks for.
    for words in ("runs/rw_puzzle8_v1", "runs/seeds/0", "runs/seeds/1 --seed 1"):
        run(f"twisterl train --config examples/rw_puzzle8_v1.json --run_path {words}")
    epilogs = [cli.EPILOG, *(cli.module_of(name).EPILOG for name in cli.COMMANDS)]
    lines = [line for epilog in epilogs for line in examples(epilog) if "<command>" not in line]
    assert len(lines) > 15
    for line in lines:
        if "train --config examples/ppo_puzzle8_v1.json" in line and "--run_path" not in line:
            line += " --run_path runs/again --overwrite"
        if line.startswith("twisterl train puzzle8") and "--run_path" not in line:
            line += " --run_path runs/puzzle8 --overwrite"
        monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
        run(line)
    assert "Traceback" not in capsys.readouterr().err
