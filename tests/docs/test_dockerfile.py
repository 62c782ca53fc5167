"""The Dockerfile and the devcontainer, as far as they can be judged without Docker."""

import json
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import dev  # noqa: E402


def instructions():
    """(name, the rest) of each, continued lines joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_dockerfile_copies_what_is_there_and_names_its_images():
    stages, last = set(), {}
    for name, rest in instructions():
        words = shlex.split(rest)
        if name == "FROM":
            image, _, tag = words[0].partition(":")
            assert image in stages or re.search(r"\d", tag), f"{words[0]} is not pinned"
            stages |= {words[2]} if words[1:2] == ["AS"] else set()
            last = {}
        elif name == "COPY":
            source = [word for word in words[:-1] if not word.startswith("--")]
            of_stage = [word for word in words if word.startswith("--from=")]
            assert of_stage == [] or of_stage[0].partition("=")[2] in stages
            assert of_stage or all((ROOT / path).exists() for path in source), rest
        elif name == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest and "rm -rf /var/lib/apt/lists" in rest
        else:
            assert name in ("RUN", "WORKDIR", "USER", "ENTRYPOINT", "CMD"), name
        last[name] = rest
    assert last["USER"] != "root" and json.loads(last["ENTRYPOINT"]) == ["twisterl"]


def test_the_images_have_the_versions_of_the_project():
    rust = re.search(r'^rust-version = "(\d+)\.(\d+)', (ROOT / "Cargo.toml").read_text(), re.M)
    images = " ".join(rest for name, rest in instructions() if name == "FROM")
    found = re.search(r"rust:(\d+)\.(\d+)", images)
    assert tuple(map(int, found.groups())) >= tuple(map(int, rust.groups()))
    assert re.search(r"python:3\.(\d+)", images)[1] >= str(dev.OLDEST_PYTHON[1])
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    (feature,) = container["features"].values()
    assert feature["version"] == ".".join(found.groups())
    program, task = container["postCreateCommand"].split()
    assert program == "make" and task in dev.TASKS
    pins = (ROOT / "requirements" / "build.txt").read_text()
    assert re.search(r"^maturin==", pins, re.M)


def test_nothing_that_was_built_enters_the_image():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", ".venv", "target", "runs", "**/*.so"} <= set(ignored)
