"""The core without threads, files and clock: as a WebAssembly module, beside the native one."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))
torch = pytest.importorskip("torch")

import module as web  # noqa: E402
import mutants  # noqa: E402
import wasmtime  # noqa: E402
from twisterl.envs import Puzzle  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.rl import RandomWalk  # noqa: E402
from twisterl.runs import tensors  # noqa: E402
from twisterl.twisterl import collector  # noqa: E402

pytestmark = pytest.mark.skipif(
    not web.is_target_installed(), reason=f"rustup target add {web.TARGET}"
)

BOARD = {"width": 3, "height": 3, "difficulty": 30, "depth_slope": 2, "max_depth": 256}
NO_LIMIT = float("inf")
SEEDS = range(20)


class Clock:
    """A clock of the host, which goes on by `tick` seconds whenever it is asked."""

    def __init__(self):
        self.now, self.tick, self.asked = 0.0, 0.0, 0

    def __call__(self):
        self.asked += 1
        self.now += self.tick
        return self.now


@pytest.fixture(scope="module")
def compiled():
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, web.build())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def module(compiled, clock):
    module = web.Module(*compiled, clock)
    module.ask("make_puzzle", *BOARD.values())
    return module


@pytest.fixture
def env():
    return Puzzle(**BOARD)


@pytest.fixture(scope="module")
def policy():
    """Some seconds of learning, enough to solve most boards."""
    env = Puzzle(**BOARD)
    torch.manual_seed(3)
    policy = BasicPolicy(env.obs_shape(), env.num_actions(), embedding_size=64, common_layers=[32])
    collecting = {"num_cores": 1, "num_walks": 1000, "walk_length": 40}
    config = {"collecting": collecting, "optimizer": {"lr": 0.005}, "evals": {}}
    RandomWalk(env, policy, config).learn(8)
    return policy


@pytest.fixture(scope="module")
def weights(policy):
    return tensors.encode(policy.state_dict())


def test_resets_and_steps_are_those_of_the_native_engine(module, env):
    draws = random.Random(0)
    for seed in [*SEEDS, 2**63 - 1]:
        module.ask("reset", seed)
        env.reset(seed)
        for played in range(64):
            assert module.ask("state") == env.get_state()
            assert module.ask("masks") == env.masks()
            assert module.ask("status") == [env.is_final(), env.success(), max(0, 60 - played)]
            action = draws.randrange(4)
            module.ask("step", action)
            env.step(action)


@pytest.mark.parametrize("width", [4, 64])
def test_a_beam_solves_as_the_native_one(module, env, policy, weights, width):
    module.hand_over("load_policy", weights)
    native = policy.to_rust()
    lengths = []
    for seed in SEEDS:
        module.ask("reset_uniform", seed)
        state = module.ask("state")
        assert state == env.random_state(seed)
        solved, *actions = module.ask("solve", width, NO_LIMIT)
        env.set_state(state)
        options = {"strategy": "beam", "beam_width": width, "num_cores": 1}
        (success, _), expected = collector.solve(env, native, **options)
        assert (solved, len(actions)) == (success, len(expected))
        # It searches a copy; the actions lead where it says.
        assert module.ask("state") == state
        for action in actions:
            module.ask("step", action)
        assert module.ask("status")[1] == solved
        lengths.append(len(actions) if solved else None)
    assert len(set(lengths)) > 5 and (width == 4 or None not in lengths)


def test_time_is_asked_for_only_where_there_is_a_limit(module, weights, clock):
    module.hand_over("load_policy", weights)
    module.ask("reset_uniform", 1)
    message = r"^time_limit_s: expected none, got a limit where there is no clock$"
    with pytest.raises(web.Refused, match=message) as refused:
        module.ask("solve", 64, 5.0)
    assert refused.value.code == -1
    # All the rest works without a clock, which is not asked before it is given.
    assert module.ask("solve", 64, NO_LIMIT)[0] == 1
    module.use_clock()
    assert module.ask("solve", 64, NO_LIMIT)[0] == 1
    assert clock.asked == 0
    assert module.ask("solve", 64, 5.0)[0] == 1
    assert clock.asked > 0
    clock.tick = 1.0
    asked = clock.asked
    assert module.ask("solve", 64, 5.0)[0] == 0
    assert clock.asked - asked <= 10
    for seconds in (-1.0, float("nan"), -NO_LIMIT):
        with pytest.raises(web.Refused, match=r"^time_limit_s: expected seconds, infinity"):
            module.ask("solve", 64, seconds)


def test_a_hostile_model_is_refused(module, weights):
    layers = {f"common.{2 * i}.weight": "embeddings.weight" for i in range(2000)}
    tied = {"twisterl.tied": "{" + ", ".join(f'"{a}": "{b}"' for a, b in layers.items()) + "}"}
    wide = {"embeddings.weight": [70_000, 1], "embeddings.bias": [70_000]}
    hostile = [
        (b"no model at all", "header"),
        (weights[:-4], "tensor"),
        (weights[:-4] + b"\0\0\0\x40", "SHA-256 differs"),
        # Small files that ask for more memory than there is.
        (mutants.model({"embeddings.weight": [256, 256]}, tied), "at most 33554432 weights"),
        (mutants.model(wide), "sizes of at most 65536"),
        (mutants.model({"other": [2, 2]}), "embeddings"),
    ]
    for content, message in hostile:
        with pytest.raises(web.Refused, match=message) as refused:
            module.hand_over("load_policy", content)
        assert refused.value.code == -1
    for title, accepted, content in mutants.corpus():
        if content:
            with pytest.raises(web.Refused) as refused:
                module.hand_over("load_policy", content)
            # What is a model is still no policy.
            assert refused.value.code == -1 and str(refused.value), (title, accepted)
    # It goes on as if nothing had been.
    module.hand_over("load_policy", weights)
    module.ask("reset", 1)
    assert module.ask("solve", 16, NO_LIMIT)[0] == 1


def test_what_does_not_fit_is_refused_by_name(compiled, module, weights):
    def refuses(message, call, *arguments):
        with pytest.raises(web.Refused, match=message):
            call(*arguments)

    empty = web.Module(*compiled, Clock())
    refuses("^puzzle: expected one that is made, got none", empty.ask, "reset", 1)
    refuses("^policy: expected one that is loaded, got none", module.ask, "solve", 4, NO_LIMIT)
    module.hand_over("load_policy", weights)
    address = module.lend(b"\0" * 9)
    refuses("^length: expected 1 to the 67108855 bytes left", module.lend, b"")
    refuses("^length: expected at most the 9 bytes", module.ask, "set_state", address, 10)
    refuses("^length: expected at most the 9 bytes", module.ask, "load_policy", address, -1)
    refuses("^address: expected", module.ask, "load_policy", address + 1, 1)
    refuses("^address: expected", module.ask, "free", 0)
    refuses("^state: expected each of 0..9 once, got 0 twice", module.ask, "set_state", address, 9)
    module.ask("free", address)
    refuses("^address: expected", module.ask, "free", address)
    refuses("^action: expected", module.ask, "step", 4)
    refuses("^width: expected", module.ask, "make_puzzle", 17, 3, 1, 1, 1)
    refuses("^beam_width: expected", module.ask, "solve", 0, NO_LIMIT)
    refuses("^beam_width: expected at most", module.ask, "solve", 1 << 20, NO_LIMIT)
    module.hand_over("set_state", bytes([0, 2, 1, 3, 4, 5, 6, 7, 8]))
    refuses("^state: expected a solvable board", module.ask, "solve", 4, NO_LIMIT)
    module.ask("make_puzzle", 4, 4, 1, 2, 256)
    refuses("^policy: features: expected 256", module.ask, "solve", 4, NO_LIMIT)
    assert module.hand_over("set_state", bytes([1, 0, *range(2, 16)])) == []


def test_what_is_lent_has_an_end(module):
    block = b"\0" * (1 << 24)
    addresses = [module.lend(block) for _ in range(4)]
    with pytest.raises(web.Refused, match=r"^length: expected 1 to the 0 bytes left"):
        module.lend(b"\0")
    module.ask("free", addresses.pop())
    assert module.lend(block)
