"""Runs made in Python leave what the commands need, or say why they cannot."""

import json

import pytest

torch = pytest.importorskip("torch")

from conftest import SMALL  # noqa: E402
from python_envs import Line  # noqa: E402
from twisterl import cli, envs, nn, rl  # noqa: E402
from twisterl.config.constructed import constructed  # noqa: E402
from twisterl.config.registry import REGISTRY  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy  # noqa: E402
from twisterl.runs import run_config  # noqa: E402
from twisterl.twisterl.env import ENVIRONMENTS  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

SECTION = {**SMALL["algorithm"], "learning": {"diff_metric": "ppo_1", "diff_max": 1}}


class Told(Line):
    """Tells what it was made from."""

    def arguments(self):
        return {"size": self.size, "max_steps": self.max_steps}


class Retold(Told):
    """Is made from something else, which it does not tell."""

    def __init__(self, cells):
        super().__init__(cells)


class Simple(Line):
    def __init__(self):
        super().__init__(4)


class Wider(BasicPolicy):
    """Is made as its base."""


class Own(BasicPolicy):
    """Is made from something else, which it does not tell."""

    def __init__(self, obs_shape, num_actions, width, obs_perms=(), act_perms=()):
        super().__init__(obs_shape, num_actions, width, (), obs_perms=obs_perms)


class OwnPPO(rl.PPO):
    pass


def made(env, policy_cls=BasicPolicy, algorithm_cls=rl.PPO, twists=True, **sizes):
    sizes = sizes or {"embedding_size": 8, "common_layers": (6,)}
    perms = dict(zip(("obs_perms", "act_perms"), env.twists(), strict=True)) if twists else {}
    policy = policy_cls(env.obs_shape(), env.num_actions(), **sizes, **perms)
    return algorithm_cls(env, policy, SECTION)


def environment(name):
    arguments = REGISTRY["env_cls"][name][1](difficulty=2, max_depth=40).model_dump()
    return getattr(envs, name)(**arguments)


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("twists", [True, False])
def test_what_is_described_is_what_it_was(name, twists):
    env = environment(name)
    algorithm = made(env, twists=twists, embedding_size=12, policy_layers=(5,), value_layers=(7, 3))
    described = run_config.describe(algorithm)
    config = described.given
    assert described.run.as_dict()["env_cls"] == name and not described.problems
    assert config["env_cls"] == f"twisterl.envs.{name}" and config["env"] == env.arguments()
    assert config["env"]["difficulty"] == 2 and config["env"]["max_depth"] == 40
    assert config["policy_cls"] == "twisterl.nn.BasicPolicy"
    assert config["algorithm_cls"] == "twisterl.rl.PPO"
    again = prepare_algorithm(json.loads(json.dumps(config)))
    assert again.env.arguments() == env.arguments() and again.config == algorithm.config
    assert again.policy.num_twists == algorithm.policy.num_twists
    again.policy.load_state_dict(algorithm.policy.state_dict())


@pytest.mark.parametrize(
    ("algorithm", "part", "expected"),
    [
        (lambda: made(envs.Puzzle(2, 3, 1, 2, 9), Conv1dPolicy, conv_dim=1, embedding_size=12),
         "policy", {"embedding_size": 12, "common_layers": [256], "policy_layers": [],
                    "value_layers": [], "conv_dim": 1}),
        (lambda: made(envs.PyEnv(Line, size=5)), "env",
         {"pyenv_cls": "python_envs.Line", "size": 5}),
        (lambda: made(envs.PyEnv("python_envs.Line", max_steps=7)), "env",
         {"pyenv_cls": "python_envs.Line", "max_steps": 7}),
        (lambda: made(envs.PyEnv(Told(5, 9))), "env",
         {"pyenv_cls": "test_run_config.Told", "size": 5, "max_steps": 9}),
        (lambda: made(envs.PyEnv(Simple())), "env", {"pyenv_cls": "test_run_config.Simple"}),
        (lambda: made(envs.Puzzle(2, 2, 1, 2, 9), Wider), "policy_cls", "test_run_config.Wider"),
        (lambda: made(envs.Puzzle(2, 2, 1, 2, 9), algorithm_cls=OwnPPO), "algorithm_cls",
         "test_run_config.OwnPPO"),
    ],
)  # fmt: skip
def test_classes_of_others_are_described_where_they_tell(algorithm, part, expected):
    described = run_config.describe(algorithm())
    assert not described.problems and described.given[part] == expected
    prepare_algorithm(described.given)


def in_a_scope():
    class Inner(Simple):
        pass

    return envs.PyEnv(Inner())


def swapped():
    algorithm = made(envs.Puzzle(2, 2, 1, 2, 9))
    algorithm.policy.common[0] = torch.nn.Linear(8, 6, bias=False)
    return algorithm


def other_twists():
    algorithm = made(environment("LightsOut"))
    algorithm.policy.set_permutations(*[group[:2] for group in algorithm.env.twists()])
    return algorithm


@pytest.mark.parametrize(
    ("algorithm", "why"),
    [
        (lambda: made(envs.PyEnv(Line())), "env: the arguments that made the Line are not known; "
         "a method arguments() of it may return them"),
        (lambda: made(envs.PyEnv(Retold(5))), "env: the arguments that made the Retold are not"),
        (lambda: made(in_a_scope()), "Inner is defined inside another scope, which cannot be"),
        (lambda: made(envs.Puzzle(2, 2, 1, 2, 9), Own, width=8),
         "policy: the arguments that made the Own are not known"),
        (swapped, "policy: its layers are not those that it was made with"),
        (other_twists, "policy: its twists are not those of the environment"),
    ],
)  # fmt: skip
def test_what_cannot_be_described_is_said(algorithm, why, tmp_path, caplog):
    algorithm = algorithm()
    algorithm.run_path = tmp_path / "run"
    algorithm.learn(1)
    assert why in caplog.text
    assert "run: without base_config.json, which eval, solve and play need: " in caplog.text
    assert not (tmp_path / "run" / "base_config.json").exists()
    # It goes on all the same, where it is made anew.
    algorithm.learn(1)
    assert len(caplog.messages) == 2
    algorithm.resume()


def test_classes_of_a_script_cannot_be_found():
    env = type("Scripted", (Simple,), {"__module__": "__main__"})()
    described = run_config.describe(made(envs.PyEnv(env)))
    problem = "env: Scripted is defined in a script, which cannot be imported"
    assert described.run is None and described.problems == (problem,)


def test_the_way_of_older_clients():
    class Client:
        def __init__(self, pairs):
            self.config = {"pairs": [(0, 1), (1, 2)]}

        def to_json(self):
            return self.config

    assert constructed(Client([])) == {"pairs": [(0, 1), (1, 2)]}
    client = Client([])
    client.config = {"pairs": object()}
    with pytest.raises(ValueError, match=r"Client\.to_json\(\) is no JSON"):
        constructed(client)
    client.config = 3
    with pytest.raises(ValueError, match=r"Client\.to_json\(\): expected a dictionary, got int"):
        constructed(client)


def test_the_commands_take_a_run_made_in_python(tmp_path, capsys):
    run = tmp_path / "run"
    env = environment("LightsOut")
    algorithm = made(env, twists=False)
    algorithm.run_path = run
    algorithm.learn(2)
    assert (run / "full_algorithm_config.json").is_file()
    assert cli.main(["eval", str(run), "--num_episodes", "5", "--optimum_time_s", "0"]) == 0
    env.reset(seed=0)
    state = " ".join(map(str, env.get_state()))
    assert cli.main(["solve", str(run), state, "--num_searches", "3", "--json"]) in (0, 1)
    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", "3"]) == 0
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [0, 1, 2]
    assert "Traceback" not in capsys.readouterr().err


def test_a_config_that_says_the_same_stays(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "base_config.json").write_text(json.dumps(SMALL))
    before = (run / "base_config.json").read_bytes()
    prepare_algorithm({**SMALL, "env_cls": "Puzzle"}, run).learn(1)
    assert (run / "base_config.json").read_bytes() == before
    # A new run in the same folder does not keep the old one's.
    made(envs.Puzzle(2, 3, 1, 2, 9)).run_path = run
    algorithm = made(envs.Puzzle(2, 3, 1, 2, 9))
    algorithm.run_path = run
    algorithm.learn(1)
    assert json.loads((run / "base_config.json").read_text())["env"]["height"] == 3


def test_the_difficulty_is_the_one_that_the_run_began_with(tmp_path):
    env = envs.Puzzle(2, 2, 1, 2, 32)
    policy = nn.BasicPolicy(env.obs_shape(), env.num_actions(), 16, (8,))
    learning = {"diff_metric": "ppo_1", "diff_threshold": 0, "diff_max": 9}
    algorithm = rl.PPO(env, policy, {**SECTION, "learning": learning}, tmp_path)
    algorithm.env.difficulty = 3
    algorithm.learn(2)
    assert env.difficulty == 5
    assert json.loads((tmp_path / "base_config.json").read_text())["env"]["difficulty"] == 3
