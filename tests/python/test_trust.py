"""No name in data leads to code: every way in, with every kind of hostile name."""

import importlib
import json
import os
import shutil
import sys

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from twisterl import cli, nn, rl, train, utils  # noqa: E402
from twisterl.config import trust  # noqa: E402
from twisterl.envs import PyEnv  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402

KINDS = ("env_cls", "env.pyenv_cls", "policy_cls", "algorithm_cls")
# Module and names; the module lies in the working directory and leaves a file when it is imported.
BYSTANDER = "bystander"
HOSTILE = {
    f"{BYSTANDER}.Env": {},
    f"{BYSTANDER}.nothing": {},
    "subprocess.Popen": {"args": ["touch", "called"]},
    "os.system": {"command": "touch called"},
    "os.environ": {},
    "builtins.open": {"file": "called", "mode": "w"},
    "builtins.exec": {"source": "open('called', 'w')"},
    "pathlib.Path.touch": {"self": "called"},
    "functools.partial": {"func": "os.getcwd"},
    "twisterl.utils.load_config": {"config_path": "base_config.json"},
    "torch.nn.Linear": {"in_features": 1, "out_features": 1},
    "collections.OrderedDict": {},
    f"..{BYSTANDER}.Env": {},
    f"twisterl.envs.../../{BYSTANDER}.Puzzle": {},
}
COUNTDOWN = """
open("imported", "w").close()

class Env:
    def __init__(self, most=8, left=0): self.most, self.left = most, left
    def num_actions(self): return 2
    def obs_shape(self): return [self.most + 1]
    def reset(self, difficulty): self.left = min(self.most, 1 + difficulty)
    def next(self, action): self.left -= action + 1
    def masks(self): return [self.left >= 1, self.left >= 2]
    def is_final(self): return self.left == 0
    def success(self): return self.left == 0
    def value(self): return 1.0 if self.left == 0 else -0.1
    def observe(self): return [self.left]
    def set_state(self, state): self.left = state[0]
    def copy(self): return Env(self.most, self.left)
    def arguments(self): return {"most": self.most}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of classes of this package."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.json").write_text(json.dumps(SMALL))
    return trained_by(folder / "config.json", folder / "run")


def trained_by(config, run):
    training = train.Training(train.Options(str(config), str(run), num_steps=1))
    training.start()
    training.learn()
    return run


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory with a module in it, which no other test has imported."""
    (tmp_path / "place").mkdir()
    monkeypatch.chdir(tmp_path / "place")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "place" / f"{BYSTANDER}.py").write_text(COUNTDOWN)
    yield tmp_path / "place"
    sys.modules.pop(BYSTANDER, None)
    sys.path_importer_cache.clear()


def hostile_config(kind, path):
    config = json.loads(json.dumps(SMALL))
    if kind == "env.pyenv_cls":
        config["env_cls"] = "PyEnv"
        config["env"] = {"pyenv_cls": path, **HOSTILE.get(path, {})}
    else:
        config[kind] = path
        config[kind.removesuffix("_cls")] = HOSTILE.get(path, {})
    return config


def own(config):
    """As with every Python environment."""
    config["env_cls"], config["env"] = "PyEnv", {"pyenv_cls": f"{BYSTANDER}.Env", "most": 6}
    return config


def call(*words):
    """A command that must refuse its input."""
    try:
        status = cli.main([str(word) for word in words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2, words


def call_python(function, *arguments, **options):
    with pytest.raises(ConfigError) as caught:
        function(*arguments, **options)
    print(caught.value, file=sys.stderr)


@pytest.fixture
def run(finished, tmp_path):
    """Like a finished run."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def hub(finished, tmp_path):
    """The config of a finished run from the model hub."""
    snapshot = tmp_path / "models--me--model" / "snapshots" / ("a" * 40)
    shutil.copytree(finished, snapshot)
    return snapshot / "base_config.json"


# What gets a config from elsewhere, and the kinds that it has no use for.
FROM_ELSEWHERE = {
    "eval": (lambda run, hub, config: call("eval", run), ["algorithm_cls"]),
    "eval, hub": (lambda run, hub, config: call("eval", hub.parent), ["algorithm_cls"]),
    "solve": (lambda run, hub, config: call("solve", run, "1 0 2 3"), ["algorithm_cls"]),
    "solve --optimal": (
        lambda run, hub, config: call("solve", "--optimal", run, "1 0 2 3"),
        ["algorithm_cls", "policy_cls"],
    ),
    "play": (lambda run, hub, config: call("play", run), ["algorithm_cls"]),
    "train --resume": (
        lambda run, hub, config: call("train", "--resume", "--run_path", run, "--num_steps", "1"),
        [],
    ),
    "train --resume --dry-run": (
        lambda run, hub, config: call("train", "--resume", "--run_path", run, "--dry-run"), []
    ),
    "train --config, hub": (
        lambda run, hub, config: call("train", "--config", hub, "--run_path", "new"), []
    ),
    "train.main, hub": (lambda run, hub, config: call_python(train.main, hub, "new"), []),
    "prepare_algorithm": (
        lambda run, hub, config: call_python(utils.prepare_algorithm, config, trust=False), []
    ),
    "load_config, hub": (
        lambda run, hub, config: call_python(utils.prepare_algorithm, utils.load_config(hub)), []
    ),
}  # fmt: skip

# What gets a config, or a name, of the user's own; and the kinds that it has no use for.
OTHERS = ["env_cls", "policy_cls", "algorithm_cls"]
OWN = {
    "train --config": (
        lambda config, path: call("train", "--config", "config.json", "--run_path", "new"), []
    ),
    "train --dry-run": (
        lambda config, path: call("train", "--config", "config.json", "--dry-run"), []
    ),
    "train, overrides": (
        lambda config, path: call(
            "train", "--config", "small.json", "--run_path", "new", f"env_cls={config['env_cls']}",
            f"env={json.dumps(config['env'])}", f"policy_cls={config['policy_cls']}",
            f"algorithm_cls={config['algorithm_cls']}",
        ),
        [],
    ),
    "train.main": (lambda config, path: call_python(train.main, "config.json", "new"), []),
    "prepare_algorithm": (lambda config, path: call_python(utils.prepare_algorithm, config), []),
    "load_config": (
        lambda config, path: call_python(
            utils.prepare_algorithm, utils.load_config("config.json")
        ),
        [],
    ),
    "PyEnv": (lambda config, path: call_python(PyEnv, path, **HOSTILE[path]), OTHERS),
    "play --env": (
        lambda config, path: call(
            "play", "--env", "PyEnv", f"pyenv_cls={path}", "args=touch", "command=touch called"
        ),
        OTHERS,
    ),
}  # fmt: skip


def pairs(entries):
    return [(entry, kind) for entry in entries for kind in KINDS if kind not in entries[entry][1]]


@pytest.mark.parametrize(("entry", "kind"), pairs(FROM_ELSEWHERE))
def test_a_config_from_elsewhere_imports_and_calls_nothing(entry, kind, run, hub, place, capsys):
    for path in HOSTILE:
        config = hostile_config(kind, path)
        (run / "base_config.json").write_text(json.dumps(config))
        hub.write_text(json.dumps(config))
        FROM_ELSEWHERE[entry][0](run, hub, config)
        said = capsys.readouterr().err
        refused = "(in Python trust=True) imports it" in said or "expected a dotted path" in said
        assert f"{kind}: " in said and refused, path
        assert said.count("\n") == 1, said
    assert BYSTANDER not in sys.modules
    assert os.listdir(place) == [f"{BYSTANDER}.py"]


@pytest.mark.parametrize(("entry", "kind"), pairs(OWN))
def test_a_config_of_ones_own_names_classes_of_the_right_kind(entry, kind, place, capsys):
    (place / "small.json").write_text(json.dumps(SMALL))
    for path in HOSTILE:
        if kind == "policy_cls" and path == "torch.nn.Linear":
            wanted = "lacks to_rust"
        elif path == f"{BYSTANDER}.Env" and kind == "env.pyenv_cls":
            continue
        else:
            wanted = kind
        config = hostile_config(kind, path)
        (place / "config.json").write_text(json.dumps(config))
        OWN[entry][0](config, path)
        assert wanted in capsys.readouterr().err, path
    assert not (place / "called").exists() and not (place / "new").exists()


def test_the_methods_must_be_there_before_there_is_an_object(place):
    (place / "late.py").write_text(
        "class Env:\n"
        "    def __init__(self): open('called', 'w').close()\n"
        "    def __getattr__(self, name): return lambda *given: 1\n"
        "class Meta(type):\n"
        "    def __getattr__(cls, name): open('called', 'w').close()\n"
        "class Answering(metaclass=Meta):\n"
        "    def __init__(self): open('called', 'w').close()\n"
    )
    sys.path.append(str(place))
    for name in ("Env", "Answering"):
        with pytest.raises(ConfigError, match="is no Python environment: it lacks num_actions"):
            utils.prepare_algorithm(hostile_config("env.pyenv_cls", f"late.{name}"))
        with pytest.raises(ConfigError, match="is no environment: it lacks num_actions"):
            utils.prepare_algorithm(hostile_config("env_cls", f"late.{name}"))
    assert not (place / "called").exists()


@pytest.fixture
def trained(place):
    """A run of one's own, with the class that lies in the working directory."""
    (place / "config.json").write_text(json.dumps(own(json.loads(json.dumps(SMALL)))))
    return forgotten(trained_by("config.json", place / "run"))


def forgotten(path):
    """As in a new process."""
    sys.modules.pop(BYSTANDER, None)
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("place")]
    return path


def evaluated(run, *more):
    forgotten(run)
    return cli.main(["eval", str(run), "--num_episodes", "2", *more])


def test_a_run_of_ones_own_stays_so_wherever_it_goes(trained, tmp_path, monkeypatch):
    assert evaluated(trained) == 0
    away = tmp_path / "away"
    shutil.copytree(trained, away / "copied")
    monkeypatch.chdir(away)
    assert evaluated(away / "copied") == 0
    forgotten(away)
    words = ["train", "--resume", "--run_path", "copied", "--num_steps", "2"]
    assert cli.main([*words, "algorithm.optimizer.lr=0.001"]) == 0
    assert evaluated(away / "copied") == 0


def test_a_run_that_a_program_has_made_is_ones_own(place, tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.chdir(tmp_path)
    sys.path.append(str(place))
    module = importlib.import_module(BYSTANDER)
    env = PyEnv(module.Env(most=6))
    policy = nn.BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
    run = tmp_path / "run"
    algorithm = rl.PPO(env, policy, SMALL["algorithm"], run)
    algorithm.learn(1)
    assert caplog.text == ""
    assert evaluated(run) == 0
    # Continued by the command and from anywhere.
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    words = ["train", "--resume", "--run_path", str(run), "--num_steps", "2"]
    assert cli.main(forgotten(words)) == 0
    assert evaluated(run) == 0
    # Nobody else's: a config that says something else is another one.
    config = json.loads((run / "base_config.json").read_text())
    config["env"]["most"] = 7
    (run / "base_config.json").write_text(json.dumps(config))
    assert evaluated(run) == 2
    assert "--trust" in capsys.readouterr().err


def test_only_the_folder_that_it_was_trained_in_is_imported_from(
    trained, tmp_path, monkeypatch, capsys
):
    """A config that someone has published does not vouch for a module that lies beside a copy."""
    theirs = tmp_path / "theirs"
    shutil.copytree(trained, theirs / "run")
    (theirs / f"{BYSTANDER}.py").write_text("open('called', 'w').close()\n" + COUNTDOWN)
    monkeypatch.chdir(theirs)
    assert evaluated(theirs / "run") == 0
    assert not (theirs / "called").exists()
    (tmp_path / "place" / f"{BYSTANDER}.py").unlink()
    shutil.rmtree(tmp_path / "place" / "__pycache__", ignore_errors=True)
    sys.path_importer_cache.clear()
    assert evaluated(theirs / "run") == 2
    shutil.rmtree(tmp_path / "place")
    assert "No module named" in capsys.readouterr().err
    assert evaluated(theirs / "run") == 2
    assert "--trust" in capsys.readouterr().err
    assert not (theirs / "called").exists()
    assert evaluated(theirs / "run", "--trust") == 0
    assert (theirs / "called").exists()


def test_the_order_of_its_keys_makes_no_other_config(trained):
    path = trained / "base_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(config.items()))))
    assert evaluated(trained) == 0


@pytest.mark.parametrize(
    "change",
    ["argument", "user", "shared notes", "notes of a group", "linked notes", "foreign notes"],
)
def test_a_run_that_is_not_ones_own_needs_the_word(trained, tmp_path, monkeypatch, capsys, change):
    notes = trust._notes()
    if change == "argument":
        config = json.loads((trained / "base_config.json").read_text())
        config["env"]["most"] = 7
        (trained / "base_config.json").write_text(json.dumps(config))
    elif change == "user":
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    elif change == "shared notes":
        notes.chmod(0o777)
    elif change == "notes of a group":
        notes.chmod(0o770)
    elif change == "linked notes":
        shutil.copytree(notes, tmp_path / "notes")
        (tmp_path / "state" / "twisterl").mkdir(parents=True)
        (tmp_path / "state" / "twisterl" / "trusted").symlink_to(tmp_path / "notes")
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    (trained.parent / "imported").unlink()
    assert evaluated(trained) == 2
    said = capsys.readouterr().err
    assert "env.pyenv_cls: got 'bystander.Env'" in said and "--trust" in said
    assert said.count("\n") == 1
    assert not (trained.parent / "imported").exists() and BYSTANDER not in sys.modules
    forgotten(trained)
    assert cli.main(["train", "--resume", "--run_path", "run", "--num_steps", "2"]) == 2
    if change != "argument":
        assert evaluated(trained, "--trust") == 0
    # A word for one command is none for the next.
    assert evaluated(trained) == 2
    notes.chmod(0o700)
    if change == "user":
        resumed = ["train", "--resume", "--trust", "--run_path", "run", "--num_steps", "2"]
        forgotten(trained)
        assert cli.main(resumed) == 0
        assert evaluated(trained) == 0


def test_a_class_that_the_command_line_names_is_ones_own(finished, place, run, capsys):
    env = json.dumps({"pyenv_cls": f"{BYSTANDER}.Env"})
    words = ["--run_path", str(run), "--num_steps", "2", "env_cls=PyEnv", f"env={env}"]
    assert cli.main(["train", "--resume", "--dry-run", *words]) == 0
    assert (place / "imported").exists()
    # It vouches for no other class of the run.
    config = hostile_config("policy_cls", "subprocess.Popen")
    (run / "base_config.json").write_text(json.dumps(config))
    assert cli.main(["train", "--resume", "--dry-run", *words]) == 2
    assert "policy_cls: got 'subprocess.Popen'" in capsys.readouterr().err


def test_a_state_folder_that_cannot_be_written_is_told(place, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    (place / "config.json").write_text(json.dumps(own(json.loads(json.dumps(SMALL)))))
    train.main("config.json", "run", num_steps=0)
    assert "will need --trust" in caplog.text
    assert evaluated(place / "run") == 2


def test_runs_of_this_package_leave_no_note(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert cli.main(["train", "--resume", "--run_path", str(finished), "--num_steps", "1"]) == 0
    assert not (tmp_path / "state").exists()


def test_a_working_directory_replaces_no_module(finished, place, curves):
    """Neither ours, nor those that torch and TensorBoard try, nor those of the picture."""
    tried = ["matplotlib", "numpy", "json", "opt_einsum", "tensorflow", "IPython", "dill"]
    for name in tried:
        (place / f"{name}.py").write_text("open('called', 'w').close()\n")
    shutil.copytree(finished, "run")
    (place / "run" / "learning_curve.png").unlink(missing_ok=True)
    assert cli.main(["train", "--resume", "--run_path", "run", "--num_steps", "2"]) == 0
    assert cli.main(["eval", "run", "--num_episodes", "2"]) == 0
    assert (place / "run" / "learning_curve.png").exists()
    assert str(place) not in sys.path and not (place / "called").exists()


def test_the_folder_of_a_config_comes_after_all_others(place):
    before = list(sys.path)
    assert trust.may_import({"env_cls": f"{BYSTANDER}.Countdown"}, trust=True) == str(place)
    assert sys.path == [*before, str(place)]


def test_classes_of_this_package_need_no_word(finished, small):
    assert cli.main(["eval", str(finished), "--num_episodes", "2"]) == 0
    utils.prepare_algorithm(small, trust=False)
    small["env_cls"], small["policy_cls"], small["algorithm_cls"] = "Puzzle", "BasicPolicy", "PPO"
    utils.prepare_algorithm(small, trust=False)
