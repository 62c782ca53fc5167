"""A policy written for other programs gives there what it gives here."""

import json
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if os.environ.get("CI") != "true":
    pytest.importorskip("onnxruntime")

import onnxruntime  # noqa: E402
from twisterl import cli  # noqa: E402
from twisterl.config.validation import check_env  # noqa: E402
from twisterl.envs import Puzzle, listed  # noqa: E402
from twisterl.export import onnx, policy_file  # noqa: E402
from twisterl.faults import ConfigError  # noqa: E402
from twisterl.nn import BasicPolicy, Conv1dPolicy, TorchPolicy  # noqa: E402
from twisterl.rl import PPO  # noqa: E402
from twisterl.runs import tensors  # noqa: E402

PART = check_env("Puzzle", {"width": 2, "height": 3}, "test")
ENV = Puzzle(**PART.as_dict())
BOX = {"type": "box", "low": [-2.0, 0.0], "high": [2.0, 1.0]}


def policies():
    """200 random ones of every kind that can be described."""
    draws = np.random.default_rng(0)
    for number in range(200):
        torch.manual_seed(number)
        shape = [int(side) for side in draws.integers(2, 7, size=2)]
        layers = {
            f"{part}_layers": [int(width) for width in draws.integers(1, 20, draws.integers(3))]
            for part in ("common", "policy", "value")
        }
        num_actions, kind = int(draws.integers(1, 6)), number % 5
        if kind >= 3:
            axis = kind - 3
            size = shape[1 - axis] * int(draws.integers(1, 5))
            yield Conv1dPolicy(shape, num_actions, size, conv_dim=axis, **layers)
            continue
        more = {"obs_dtype": ("sparse", "float32", "uint8")[kind]}
        if kind == 1 and number % 2:
            more |= {"act_space": BOX, "squash": number % 4 == 1}
        yield BasicPolicy(shape, num_actions, int(draws.integers(1, 40)), **layers, **more)


def test_onnxruntime_gives_the_same_outputs():
    draws = np.random.default_rng(1)
    kinds = set()
    for policy in policies():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(onnx.encode(PART, ENV, policy), options)
        shape = (3, policy.obs_size)
        observation = {
            "sparse": draws.integers(0, 2, shape).astype(np.float32),
            "float32": draws.normal(size=shape).astype(np.float32),
            "uint8": draws.integers(0, 256, shape).astype(np.uint8),
        }[policy.obs_dtype]
        found = session.run(None, {"observation": observation})
        with torch.no_grad():
            expected = policy(torch.from_numpy(observation), torch.full((3,), -1))
        for got, wanted in zip(found, expected, strict=False):
            np.testing.assert_allclose(got, wanted.numpy(), rtol=0, atol=1e-5)
        names = tuple(output.name for output in session.get_outputs())
        if policy.act_space["type"] == "box":
            assert names == ("mean", "value", "log_std")
            np.testing.assert_array_equal(found[2], policy.log_std.detach().numpy())
        else:
            assert names == ("logits", "value")
        kinds.add((type(policy).__name__, policy.obs_dtype, names[0]))
    assert len(kinds) == 5


def test_the_metadata_say_what_the_numbers_mean():
    env_part = check_env("LightsOut", {"width": 3, "height": 2}, "test")
    env = listed.LightsOut(**env_part.as_dict())
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=4)
    session = onnxruntime.InferenceSession(onnx.encode(env_part, env, policy))
    notes = session.get_modelmeta().custom_metadata_map
    assert set(notes) == set(onnx.METADATA)
    told = json.loads(notes["twisterl.environment"])
    assert told == {"env_cls": "LightsOut", "env": env_part.as_dict()}
    assert json.loads(notes["twisterl.actions"]) == env.action_names()
    assert json.loads(notes["twisterl.obs_shape"]) == [2, 3]
    assert notes["twisterl.normalization"] == "none" and notes["twisterl.obs_dtype"] == "sparse"


def test_a_policy_file_holds_all_that_is_needed(tmp_path):
    policy = BasicPolicy(ENV.obs_shape(), ENV.num_actions(), 4, obs_perms=[], act_perms=[])
    path = tmp_path / "policy.safetensors"
    path.write_bytes(policy_file.encode(PART, ENV, policy))
    weights, notes = tensors.read(path)
    assert {name: tuple(value.shape) for name, value in weights.items()} == {
        name: tuple(value.shape) for name, value in policy.named_parameters()
    }
    assert json.loads(notes["twisterl.network"]) == policy.net_spec()
    assert notes["twisterl.twists"] == "none"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    policy = BasicPolicy(ENV.obs_shape(), ENV.num_actions(), embedding_size=4)
    PPO(ENV, policy, {"collecting": {"num_episodes": 4}, "evals": {}}, run_path=folder).learn(1)
    return folder


def test_the_command_writes_both(run, tmp_path, capsys):
    names = [str(tmp_path / name) for name in ("p.onnx", "p.safetensors")]
    assert cli.main(["export", str(run), "--onnx", names[0], "--safetensors", names[1]]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in names)
    onnxruntime.InferenceSession(names[0])
    tensors.read(names[1])


class Doubled(torch.nn.Module):
    """One that the engine does not play: of a condition, of the number of rows, or of neither."""

    def __init__(self, way):
        super().__init__()
        self.way, self.heads = way, torch.nn.Linear(36, 5)

    def forward(self, x):
        x = self.heads(x.flatten(1))
        x = x * torch.sigmoid(x)
        if self.way == "condition" and x.sum() != 0 and x[0, 0] != x[1 % len(x), 0]:
            x = 2 * x
        if self.way == "rows":
            x = torch.stack([x[row] for row in range(len(x))])
        return x[:, :4], x[:, 4]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("condition", r"as torch writes it as ONNX: .* got a difference of .* at logits"),
        ("rows", "as torch writes it as ONNX: expected a graph of any batch, got for one of 1"),
    ],
)
def test_a_graph_that_is_of_one_pass_alone_is_not_written(way, said):
    shape, count = ENV.obs_shape(), ENV.num_actions()
    for obs_dtype in ("sparse", "float32", "uint8"):
        onnx.encode(PART, ENV, TorchPolicy(Doubled("neither"), shape, count, obs_dtype))
        with pytest.raises(ConfigError, match="policy_cls: Doubled " + said):
            onnx.encode(PART, ENV, TorchPolicy(Doubled(way), shape, count, obs_dtype))


def test_what_cannot_be_written_is_said_before_anything_is(run, tmp_path, capsys):
    assert cli.main(["export", str(run)]) == 2
    assert "format: is missing; expected --onnx FILE" in capsys.readouterr().err
    assert cli.main(["web", str(run), "--engine", str(tmp_path / "none.wasm")]) == 2
    assert "--engine: cannot be read" in capsys.readouterr().err
    (tmp_path / "text.wasm").write_text("no module")
    assert cli.main(["web", str(run), "--engine", str(tmp_path / "text.wasm")]) == 2
    assert "is no WebAssembly module" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"env_cls: PyEnv is not written in Rust"):
        policy_file.require_native(check_env("PyEnv", {"pyenv_cls": "own.Own"}, "test"))

    class Own(BasicPolicy):
        def forward(self, x, perm_indices=None):
            return super().forward(2 * x, perm_indices)

    policy = Own(ENV.obs_shape(), ENV.num_actions(), embedding_size=4)
    with pytest.raises(ConfigError, match=r"policy_cls: Own computes something"):
        policy_file.encode(PART, ENV, policy)
    odd = BasicPolicy(ENV.obs_shape(), 4, 4, obs_perms=[list(range(36))[::-1]])
    with pytest.raises(ConfigError, match=r"policy: has symmetries of its own"):
        policy_file.encode(PART, ENV, odd)
