"""The distribution twisterl-core: it brings all that it needs, little, and no PyTorch."""

import json
import os
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 120_000_000


def needed():
    """The distributions that the declared dependencies install, ours apart."""
    core = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]
    asked, found = [*core["dependencies"]], {}
    while asked:
        wanted = Requirement(asked.pop())
        if wanted.name not in found and (wanted.marker is None or wanted.marker.evaluate()):
            found[wanted.name] = distribution(wanted.name)
            asked += found[wanted.name].requires or []
    return list(found.values())


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter that finds these and our package, and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    (site,) = [*folder.glob("lib/*/site-packages"), *folder.glob("Lib/site-packages")]
    for part in needed():
        for name in {file.parts[0] for file in part.files or [] if file.parts[0] != ".."}:
            if not (site / name).exists():
                (site / name).symlink_to(part.locate_file(name))
    (site / "twisterl.pth").write_text(str(ROOT / "python"))
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def test_it_is_small():
    bytes_of = {part.metadata["Name"]: sum(f.size or 0 for f in part.files) for part in needed()}
    ours = [path for path in (ROOT / "python").rglob("*") if path.suffix in (".py", ".pyi", ".so")]
    assert sum(bytes_of.values()) + sum(path.stat().st_size for path in ours) < MOST_BYTES, bytes_of


def test_it_trains_resumes_and_solves(python, tmp_path):
    config = json.loads((ROOT / "examples" / "ppo_puzzle8_v1.json").read_text())
    config["env"]["difficulty"] = 2
    config["policy"] |= {"embedding_size": 32, "common_layers": [32]}
    config["algorithm"]["collecting"] |= {"num_episodes": 64, "num_cores": 1}
    config["algorithm"]["training"] = {"num_epochs": 4}
    config["algorithm"]["learning"] |= {"num_steps": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def twisterl(*words):
        command = [python, "-I", "-m", "twisterl", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (["--config", "config.json"], ["--resume", "--num_steps", "6"]):
        done = twisterl("train", *words, "--run_path", "run")
        assert done.returncode == 0, done.stderr
        assert "learning_curve.png needs the package matplotlib: pip install" in done.stderr
    assert "done: 6 iterations" in done.stdout
    done = twisterl("solve", "run", "1 0 2 3 4 5 6 7 8", "--num_searches", "999")
    assert "solved" in done.stdout and done.returncode == 0, done.stderr
    done = twisterl("train", "--config", "config.json", "algorithm.engine=torch")
    problem = "algorithm.engine: torch needs PyTorch, which is not installed: pip install torch"
    assert (done.returncode, done.stderr) == (2, f"error: config: {problem}\n")
