"""The set-up: make, pixi and CI run the same commands, versions agree, stamps save work."""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import tomllib
import yaml
from terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]
import beside  # noqa: E402
import dev  # noqa: E402
import installing  # noqa: E402
import share  # noqa: E402


def toml(name):
    return tomllib.loads((ROOT / name).read_text())


@pytest.fixture(scope="module")
def pixi():
    return toml("pixi.toml")


def pixi_tasks(pixi):
    tasks = {}
    for feature in pixi["feature"].values():
        tasks |= feature.get("tasks", {})
    return tasks


def test_files_of_tests_have_names_of_their_own():
    # Two of one name cannot be read by one process; which share a file is in changes with the list.
    names = [path.name for path in ROOT.glob("tests/**/test_*.py")]
    assert len(names) == len(set(names))


def test_pixi_runs_the_commands_of_make(pixi):
    names = {name.replace("train-python", "train"): task for name, task in pixi_tasks(pixi).items()}
    assert set(names) == set(dev.TASKS)
    for name, commands in dev.TASKS.items():
        if commands:
            assert names[name]["cmd"].split(" && ") == commands, name
            # Mojo needs nothing of what is built.
            needs = [] if name.endswith("-mojo") else ["build"]
            assert names[name].get("depends-on", []) == needs, name


def test_every_task_says_what_it_does(pixi):
    assert set(dev.PURPOSES) == set(dev.TASKS)
    names = {name.replace("train-python", "train"): task for name, task in pixi_tasks(pixi).items()}
    assert {name: task["description"] for name, task in names.items()} == dev.PURPOSES
    script = [sys.executable, ROOT / "scripts" / "dev.py", "--help"]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    for name, purpose in dev.PURPOSES.items():
        assert re.search(rf"^  {name} +{re.escape(purpose)}$", shown, re.MULTILINE), name


def test_make_has_the_tasks():
    makefile = (ROOT / "Makefile").read_text()
    listed = re.search(r"^TASKS = (.*)$", makefile, re.MULTILINE)
    assert set(listed[1].split()) == set(dev.TASKS)
    assert "help:\n\t@$(PYTHON) scripts/dev.py --help\n" in makefile


def test_the_engine_is_built_again_when_what_it_is_made_of_has_changed(pixi):
    sources = {path.resolve() for path in dev.rust_sources()}
    named = pixi_tasks(pixi)["build"]["inputs"]
    assert {path for name in named for path in ROOT.glob(name) if path.is_file()} == sources
    rust = [path for path in sources if path.suffix == ".rs" and path.name != "tests.rs"]
    # Documentation is tested, and not compiled.
    included = re.compile(r'(?<!doc = )include_(?:str|bytes)!\("([^"]+)"\)')
    files = {
        (path.parent / name).resolve()
        for path in rust
        for name in included.findall(path.read_text(encoding="utf-8"))
    }
    assert ROOT / "specs" / "config.schema.json" in files
    assert files <= sources


def test_pixi_refers_to_what_exists(pixi):
    tasks = pixi_tasks(pixi)
    for task in tasks.values():
        assert set(task.get("depends-on", ())) <= set(tasks)
    for environment in pixi["environments"].values():
        assert set(environment["features"]) <= set(pixi["feature"])
    for path in tasks["build"]["inputs"]:
        assert list(ROOT.glob(path)), path


def test_pixi_fits_its_schema(pixi):
    schema = ROOT.parent / "shared" / "pixi-schema.json"
    if not schema.exists():
        pytest.skip("the schema of pixi.toml is not beside this checkout")
    import jsonschema

    jsonschema.validate(pixi, json.loads(schema.read_text()))


def test_versions_agree(pixi):
    version = toml("Cargo.toml")["workspace"]["package"]["version"]
    assert pixi["workspace"]["version"] == version
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == version
    assert tuple(map(int, version.split("."))) >= (0, 5, 10)
    for name in ("pyproject.toml", "python/pyproject.toml"):
        assert "version" in toml(name)["project"]["dynamic"]


def test_oldest_versions_agree(pixi):
    rust = toml("Cargo.toml")["workspace"]["package"]["rust-version"]
    assert pixi["feature"]["rust"]["dependencies"]["rust"] == f">={rust}"
    assert any(f"Rust {rust} or newer" in fix for _, _, fix in dev.needs())
    torch = next(d for d in toml("pyproject.toml")["project"]["dependencies"] if "torch>" in d)
    assert torch == "torch>=" + ".".join(map(str, dev.OLDEST_TORCH))


def test_every_dependency_is_pinned_and_in_pixi(pixi):
    project = toml("pyproject.toml")["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"], "maturin"]
    files = [ROOT / "requirements" / f"{name}.txt" for name in ("build", "run", "test")]
    pins = "".join(file.read_text() for file in files)
    aliases = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
    for requirement in wanted:
        name = re.match(r"[\w-]+", requirement)[0]
        assert aliases.get(name, name) in pixi["feature"]["py"]["dependencies"], name
        assert name == "torch" or re.search(rf"^{name}==", pins, re.MULTILINE), name


def test_what_two_files_pin_has_one_version():
    pins = [
        pin for file in (ROOT / "requirements").glob("*.txt")
        for pin in re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE)
    ]  # fmt: skip
    assert len(dict(pins)) == len(set(pins)) < len(pins)


def test_the_installed_package_has_the_version():
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("twisterl-core")
    except PackageNotFoundError:
        pytest.skip("the package is on the path, not installed")
    assert installed == toml("Cargo.toml")["workspace"]["package"]["version"]


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")))
def test_workflows_call_our_commands_and_pin_actions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "uses" in step:
                assert re.search(r"@[0-9a-f]{40}$", step["uses"]), step["uses"]
            assert "${{" not in step.get("run", ""), "an expression in a script is an injection"


def test_ci_runs_make_test():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.endswith("\nmake test\n")
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_ci_loads_what_it_has_compiled_of_python():
    """Torch and its like are installed without: every process would compile them anew."""
    script = (ROOT / ".ci" / "run").read_text()
    settings = re.findall(r"^(?:export|unset) .*$", script, re.MULTILINE)
    words = ["python", "-c", "import sys; print(sys.dont_write_bytecode)"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = ["bash", "-c", "\n".join([*settings, shlex.join(words)])]
    assert subprocess.check_output(command, env=environment, text=True) == "False\n"


def test_stamps_save_work(tmp_path, monkeypatch):
    monkeypatch.setattr(dev, "VENV", tmp_path)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    source = tmp_path / "source"
    source.write_text("one")
    with dev.Stamp("step", [source]) as stamp:
        assert stamp.is_stale
    assert not dev.Stamp("step", [source]).is_stale
    source.write_text("two")
    with pytest.raises(ZeroDivisionError), dev.Stamp("step", [source]):
        _ = 1 // 0
    assert dev.Stamp("step", [source]).is_stale


def test_jobs_begin_when_what_they_need_is_done():
    began, slow = [], threading.Event()
    jobs = [
        beside.Job("slow", lambda: slow.wait(60)),
        beside.Job("after", lambda: began.append("after"), ("slow",)),
        beside.Job("free", lambda: began.append("free")),
        beside.Job("last", slow.set, ("free",)),
    ]
    beside.run(jobs, 2)
    assert began == ["free", "after"]
    beside.run(jobs[2:] + jobs[:2], 1)
    assert began == ["free", "after", "free", "after"]
    with pytest.raises(ValueError, match="after needs slow"):
        beside.run(jobs[1:], 1)


def test_after_a_failure_nothing_begins(capsys):
    began = []
    jobs = [
        beside.Job("fails", lambda: dev.run_apart([sys.executable, "-c", "print('x'); exit(7)"])),
        beside.Job("next", lambda: began.append("next"), ("fails",)),
        beside.Job("other", lambda: began.append("other")),
    ]
    with pytest.raises(subprocess.CalledProcessError) as error:
        beside.run(jobs, 1)
    assert error.value.returncode == 7 and not began
    assert "\nx\n# 0 s: " in capsys.readouterr().out


def test_a_file_that_another_has_begun_is_left_to_it(tmp_path):
    begun, one, two = (tmp_path / name for name in ("begun", "one", "two"))
    for folder in (begun, one, two):
        folder.mkdir()
    (begun / "one+test_b.py").touch()
    (one / "test_a.py").write_text("def test(): pass\ndef test_too(): pass")
    (one / "test_b.py").write_text("def test(): assert False")
    # Of another folder than the file that would be next.
    (two / "test_c.py").write_text("def test(): pass")
    command = [sys.executable, ROOT / "tests" / "share.py", begun, "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout
    assert {path.name for path in begun.iterdir()} == {
        "one+test_a.py", "one+test_b.py", "two+test_c.py"
    }  # fmt: skip
    assert share.Share(begun)._begins("tests/test_d.py")
    assert not share.Share(begun)._begins("tests/test_d.py")


def test_the_order_of_the_shares_is_of_files_that_exist():
    assert all((ROOT / file).exists() for file in (*share.SLOW, *share.RUNNING_BUILT))
    assert toml("pyproject.toml")["tool"]["pytest"]["ini_options"]["testpaths"] == [
        "tests",
        "python",
    ]
    files = [*share.RUNNING_BUILT, "tests/other.py", *share.SLOW]
    assert sorted(files, key=share.turn) == [
        *share.SLOW, "tests/other.py", *share.RUNNING_BUILT
    ]  # fmt: skip


def test_the_jobs_of_the_tests_are_its_commands(monkeypatch):
    for name in ("require_programs", "make_venv"):
        monkeypatch.setattr(dev, name, lambda: None)
    monkeypatch.setattr(dev, "shares", lambda: ["python -m pytest @some", "python -m pytest @rest"])
    jobs = dev.test_jobs()
    beside.run([beside.Job(job.name, lambda: None, job.needs) for job in jobs], 3)
    commands = [job.name for job in jobs]
    expected = [command for command in dev.TASKS["test"] if command != dev.PYTEST]
    assert set(commands) >= {*expected, "python -m pytest @some", "python -m pytest @rest"}


def test_doctor_names_what_is_missing(tmp_path):
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])
    result = subprocess.run(
        [sys.executable, ROOT / "scripts" / "dev.py", "doctor"],
        env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not any(Path(folder, "cargo").exists() for folder in path.split(os.pathsep)):
        assert result.returncode == 1
        assert re.search(r"missing  cargo\n +fix: https://rustup.rs", result.stdout)
    assert "Traceback" not in result.stderr


def test_doctor_works_before_anything_is_set_up(tmp_path, monkeypatch, capsys):
    """What set-up brings by itself is no fault of the machine."""
    monkeypatch.setattr(dev, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(dev, "extension", list)
    needs = dev.needs()
    monkeypatch.setattr(dev, "needs", lambda: [(True, what, fix) for _, what, fix in needs])
    monkeypatch.setattr(dev.shutil, "which", lambda name: name)
    assert dev.doctor() == 0
    said = capsys.readouterr().out
    assert "to come  torch in .venv: make test installs it" in said
    assert "to come  import twisterl: make train or make build installs it" in said
    assert "missing" not in said
    monkeypatch.setattr(dev.shutil, "which", lambda name: None if name == "cargo-fmt" else name)
    assert dev.doctor() == 1
    assert "missing  rustfmt\n         fix: rustup component add" in capsys.readouterr().out


def test_an_installation_says_how_much_it_downloads(capsys):
    line = installing.Line(watched=False)
    with line:
        for text in (
            "Collecting torch==2.13.0",
            "Downloading torch-2.13.0-cp311.whl.metadata (30 kB)",
            "Downloading torch-2.13.0-cp311.whl (830.5 MB)",
        ):
            line.take(text)
        assert line.text == "1 package, 830 MB downloaded, now torch (830 MB)"
        # What newer pips tell of a file.
        line.take("Progress 415000000 of 830500000")
        assert line.text == "1 package, 830 MB downloaded, now torch (415 of 830 MB)"
        assert line.take("Installing collected packages: torch")
        assert not line.take("ERROR: something is wrong")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "  downloading torch (830 MB)"
    assert said[1].startswith("  1 package, 830 MB downloaded, ") and len(said) == 2
    assert doctest.testmod(installing).failed == 0


def test_an_installation_that_fails_says_all(capsys):
    with pytest.raises(subprocess.CalledProcessError):
        missing = ["--no-index", "no-such-package-of-ours"]
        installing.install(sys.executable, missing, os.environ, watched=False)
    assert "No matching distribution" in capsys.readouterr().out
    installing.install(sys.executable, ["--no-index", "pip"], os.environ, watched=False)
    assert "0 packages, 0 MB downloaded" in capsys.readouterr().out


def test_an_installation_compiles_no_python(tmp_path):
    wheel = tmp_path / "small-1.0-py3-none-any.whl"
    about = "small-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("small.py", "pass")
        packed.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        packed.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr(f"{about}/RECORD", "")
    arguments = ["--no-index", "--target", str(tmp_path / "installed"), str(wheel)]
    installing.install(sys.executable, arguments, os.environ, watched=False)
    names = {path.name for path in (tmp_path / "installed").iterdir()}
    assert names == {"small.py", about}


def test_an_installation_is_watched_in_one_line():
    code = f"""
import sys, time
sys.path.insert(0, {str(ROOT / "scripts")!r})
import installing
with installing.Line(watched=True) as line:
    line.take("Collecting numpy==2.4.6")
    line.take("Downloading numpy-2.4.6-cp311.whl (18.0 MB)")
    sys.stdin.readline()
"""
    terminal = Terminal([sys.executable, "-c", code], size=(10, 30))
    terminal.read_until("1 package, 18 MB downloaded, ")
    assert "\n" not in terminal.screen.text.strip()
    terminal.type("\n")
    assert terminal.finish() == 0


def test_what_is_printed_is_quoted(capsys):
    dev.run([sys.executable, "-c", "pass", "two words"])
    printed = capsys.readouterr().out.splitlines()[0].removeprefix("+ ")
    if os.name != "nt":
        assert shlex.split(printed) == [sys.executable, "-c", "pass", "two words"]


@pytest.mark.parametrize("config, need", [({}, None), ({"engine": "torch"}, "algorithm.engine")])
def test_train_installs_torch_where_its_config_asks(tmp_path, monkeypatch, capsys, config, need):
    path = tmp_path / "config.json"
    given = json.loads((ROOT / "examples" / "ppo_puzzle8_v1.json").read_text())
    given["algorithm"] |= config
    path.write_text(json.dumps(given))
    installed = []
    monkeypatch.setattr(dev, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(dev, "torch_version", lambda python: None)
    monkeypatch.setattr(dev, "install_torch", lambda: installed.append("torch"))
    for place in ("ROOT", "VENV"):
        monkeypatch.setattr(dev, place, tmp_path)
    dev.bring_what_is_trained_by(["twisterl", "train", "--config", str(path)])
    # What was answered is not asked again.
    monkeypatch.setattr(dev, "output", None)
    dev.bring_what_is_trained_by(["twisterl", "train", "--config", str(path)])
    said = capsys.readouterr().out
    assert (said, installed) == (
        (f"{path}: {need} needs PyTorch\n", ["torch"]) if need else ("", [])
    )


@pytest.mark.parametrize("task, built", [("wheel", 0), ("web-module", 0), ("bench", 1)])
def test_what_compiles_for_itself_builds_no_extension_first(monkeypatch, task, built):
    calls = []
    for name in ("require_programs", "make_venv", "install_packages", "install_pins", "run"):
        monkeypatch.setattr(dev, name, lambda *_: None)
    monkeypatch.setattr(dev, "build_extension", lambda: calls.append("extension"))
    monkeypatch.setattr(sys, "argv", ["dev.py", task])
    assert dev.main() == 0
    assert len(calls) == built


def test_the_core_is_the_package_without_torch():
    """The same files, so that one may be installed over the other."""
    whole, core = toml("pyproject.toml"), toml("python/pyproject.toml")
    beyond = set(whole["project"]["dependencies"]) - set(core["project"]["dependencies"])
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in beyond}
    assert names == {"huggingface_hub", "loguru", "matplotlib", "tensorboard", "torch"}
    assert set(core["project"]["dependencies"]) < set(whole["project"]["dependencies"])
    for key in ("requires-python", "license", "license-files", "classifiers", "scripts"):
        assert core["project"][key] == whole["project"][key], key
    extras = core["project"]["optional-dependencies"].items()
    assert extras <= whole["project"]["optional-dependencies"].items()
    built = core["tool"]["maturin"]
    for key in ("manifest-path", "python-source"):
        path = ROOT / "python" / built.pop(key)
        assert path.resolve() == ROOT / whole["tool"]["maturin"].pop(key), key
    for entry in built["include"]:
        entry["path"] = f"python/{entry['path']}"
    assert built == whole["tool"]["maturin"]
    assert (ROOT / "python" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("name", ["build", "run", "test", "mojo", "wheel", "docs"])
def test_requirements_say_their_size(name):
    assert re.search(
        r"[\d.]+ GB to download", dev.what_is_installed(dev.REQUIREMENTS / f"{name}.txt")
    )
