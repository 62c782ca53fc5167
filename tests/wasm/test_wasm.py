"""The core without threads, files and clock: as a WebAssembly module, beside the native one."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))
import port  # isort: skip  # It makes the reference importable.
import module as web
import mutants
import numpy
import reference
import wasmtime
import workloads
from module import BOARD
from twisterl.config.validation import check_env
from twisterl.envs import Puzzle, listed
from twisterl.export import policy_file
from twisterl.runs import tensors
from twisterl.twisterl import collector

pytest_plugins = ["shared"]
ROOT = Path(__file__).resolve().parents[2]
NO_LIMIT = float("inf")
SEEDS = range(20)
# Those that go on from their ends.
SCRAMBLED = ("Puzzle", "LightsOut", "Cube2", "Permutation", "LinearFunction", "Clifford",
             "PauliNetwork", "GridWorld", "TopSpin", "Pancake")  # fmt: skip


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
    """The module that also answers the parity check; pages are tested with the one they have."""
    engine = wasmtime.Engine()
    return engine, wasmtime.Module(engine, web.module_file(parity=True).read_bytes())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def module(compiled, clock):
    module = web.Module(*compiled, clock)
    module.make("Puzzle", **BOARD)
    return module


@pytest.fixture
def env():
    return Puzzle(**BOARD)


@pytest.fixture(scope="module")
def weights(policy):
    return tensors.encode(policy.state_dict())


@pytest.fixture(scope="module")
def exported(policy):
    """The policy as the page has it, with what it is for."""
    env = Puzzle(**BOARD)
    part = check_env("Puzzle", BOARD, "test")
    return policy_file.encode(part, env, policy)


@pytest.mark.parametrize("name", web.DISCRETE)
def test_every_environment_goes_as_the_native_one(module, name):
    """What each call tells, on starts of every kind; digests below compare more transitions."""
    given = {"difficulty": 10} if name in SCRAMBLED else {}
    native = getattr(listed, name)(**check_env(name, given, "test").as_dict())
    module.make(name, **given)
    told = json.loads(module.said("describe"))
    assert told["name"] == name and told["actions"] == native.action_names()
    draws = random.Random(0)
    starts = [("reset", seed) for seed in (0, 1, 2**63 - 1)]
    starts += [("reset_uniform", 0)] if told["has_uniform"] else []
    for how, seed in starts:
        module.ask(how, seed)
        if how == "reset":
            native.reset(seed)
        else:
            native.set_state(native.random_state(seed))
        for _ in range(30):
            over, solved, truncated, reward = module.ask("status")
            if name in SCRAMBLED:
                assert module.ask("state") == native.get_state()
            assert module.ask("masks") == native.masks()
            assert module.said("render").rstrip() == str(native).rstrip()
            assert (over, solved, reward) == (native.is_final(), native.success(), native.reward())
            assert not truncated or over
            if over and name not in SCRAMBLED:
                break  # No step is promised behind the end.
            action = draws.randrange(native.num_actions())
            module.ask("step", action)
            native.step(action)


def test_it_has_the_committed_signature(module):
    committed = (port.ROOT / "specs" / "signature.txt").read_text().splitlines()
    assert module.parity(task="signature")["lines"] == committed


def test_every_board_of_the_parity_check_goes_as_the_reference(module):
    """Random play in all three ways of the engine: lanes, nodes of a search and single ones."""
    boards = workloads.boards()
    assert {board.class_name for board in boards} == set(SCRAMBLED)
    for board in boards:
        asked = {**board.request, "task": "digests", "lanes": 192, "steps": 32, "block": 64}
        wanted = reference.digests(asked)
        assert module.parity(**asked)["digests"] == wanted["digests"], board.title
        assert wanted["transitions"] > 5000


@pytest.mark.parametrize("strategy", ["beam", "greedy", "mcts"])
def test_it_solves_as_the_native_engine(module, env, policy, exported, strategy):
    module.hand_over("load_policy", exported)
    native = policy.to_rust()
    asked = {"strategy": strategy, "beam_width": 16, "num_mcts_searches": 20, "deterministic": True}
    lengths = []
    for seed in SEEDS:
        module.ask("reset_uniform", seed)
        state = module.ask("state")
        assert state == env.random_state(seed)
        solved, actions = module.solve(seed, **asked)
        env.set_state([int(tile) for tile in state])
        (success, _), expected = collector.solve(env, native, **asked, num_cores=1, seed=seed)
        assert (solved, actions) == (bool(success), expected)
        # It searches a copy; the actions lead where it says.
        assert module.ask("state") == state
        for action in actions:
            module.ask("step", int(action))
        assert module.ask("status")[1] == solved
        lengths.append(len(actions) if solved else None)
    assert len(set(lengths)) > (5 if strategy == "beam" else 1)


def test_its_outputs_differ_in_their_last_bits_alone(module, env, policy, exported):
    """The portable loops have no fused multiply-add."""
    module.hand_over("load_policy", exported)
    native = policy.to_rust()
    worst = 0.0
    for seed in range(200):
        module.ask("reset_uniform", seed)
        env.set_state(env.random_state(seed))
        logits, values = native.forward_batch(
            numpy.array(env.observe(), numpy.int32), numpy.array([0, 9])
        )
        expected = numpy.append(logits[0], values[0])
        worst = max(worst, numpy.abs(module.ask("logits") - expected).max())
        probabilities, value = native.full_predict(env.observe(), env.masks())
        assert module.ask("predict") == pytest.approx([*probabilities, value], abs=1e-6)
    assert 0 <= worst < 1e-6, worst


def test_a_search_tells_the_visits_of_the_actions(module, exported):
    module.hand_over("load_policy", exported)
    module.set_state([1, 4, 2, 3, 0, 5, 6, 7, 8])
    asked = {"strategy": "mcts", "num_mcts_searches": 100}
    shares = module.tell("search", asked, 0)
    assert sum(shares) == pytest.approx(1) and shares.index(max(shares)) == 1
    with pytest.raises(web.Refused, match=r"^strategy: expected mcts"):
        module.tell("search", {"strategy": "beam"}, 0)


def test_an_optimum_is_proven_or_bounded(module, env):
    state = [8, 0, 6, 5, 4, 7, 2, 3, 1]
    module.set_state(state)
    proven, at_least, *actions = module.ask("optimum", float("inf"), NO_LIMIT)
    assert (proven, at_least, len(actions)) == (1, 31, 31)
    proven, at_least, *actions = module.ask("optimum", 1000.0, NO_LIMIT)
    assert not proven and 0 < at_least <= 31 and not actions


def test_it_goes_back_to_what_was_kept(module):
    module.ask("reset", 5)
    first = module.ask("state"), module.ask("status")
    (number,) = module.ask("keep")
    module.ask("step", module.ask("masks").index(1))
    assert module.ask("state") != first[0]
    for _ in range(2):
        module.ask("go_back", int(number))
        assert (module.ask("state"), module.ask("status")) == first
    module.ask("forget")
    with pytest.raises(web.Refused, match=r"^number: expected one of the 0 kept, got 0"):
        module.ask("go_back", 0)


def test_time_is_asked_for_only_where_there_is_a_limit(module, weights, clock):
    module.hand_over("load_policy", weights)
    module.ask("reset_uniform", 1)
    beam = {"strategy": "beam", "beam_width": 64}
    message = r"^time_limit_s: expected none, got a limit where there is no clock$"
    with pytest.raises(web.Refused, match=message) as refused:
        module.solve(**beam, time_limit_s=5.0)
    assert refused.value.code == -1
    # All the rest works without a clock, which is not asked before it is given.
    assert module.solve(**beam)[0]
    module.use_clock()
    assert module.solve(**beam)[0]
    assert clock.asked == 0
    assert module.solve(**beam, time_limit_s=5.0)[0]
    assert clock.asked > 0
    clock.tick = 1.0
    asked = clock.asked
    assert not module.solve(**beam, time_limit_s=5.0)[0]
    assert clock.asked - asked <= 10
    with pytest.raises(web.Refused, match=r"^time_limit_s: expected a positive number of seconds"):
        module.solve(**beam, time_limit_s=-1.0)
    for seconds in (-1.0, float("nan"), -NO_LIMIT):
        with pytest.raises(web.Refused, match=r"^time_limit_s: expected seconds, infinity"):
            module.ask("optimum", 1000.0, seconds)


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
    assert module.solve(strategy="beam", beam_width=16)[0]


def test_what_does_not_fit_is_refused_by_name(compiled, module, weights):
    def refuses(message, call, *arguments, **named):
        with pytest.raises(web.Refused, match=message):
            call(*arguments, **named)

    empty = web.Module(*compiled, Clock())
    refuses("^environment: expected one that is made, got none", empty.ask, "reset", 1)
    refuses("^environment: expected one of Puzzle", empty.make, "Maze")
    refuses("^environment: expected a name and parameters in JSON", empty.tell, "make", [])
    refuses("^width: expected", empty.make, "Puzzle", width=17)
    refuses("^parameter: expected one of", empty.make, "Puzzle", sides=4)
    refuses("^policy: expected one that is loaded, got none", module.solve)
    module.hand_over("load_policy", weights)
    address = module.lend(b"\0" * 9)
    refuses("^length: expected 1 to the 67108855 bytes left", module.lend, b"")
    refuses("^length: expected at most the 9 bytes", module.ask, "set_state", address, 10)
    refuses("^length: expected 8 bytes a number, got 9", module.ask, "set_state", address, 9)
    refuses("^length: expected at most the 9 bytes", module.ask, "load_policy", address, -1)
    refuses("^address: expected", module.ask, "load_policy", address + 1, 1)
    refuses("^address: expected", module.ask, "free", 0)
    module.ask("free", address)
    refuses("^address: expected", module.ask, "free", address)
    refuses("^state: expected each of 0..9 once, got 0 twice", module.set_state, [0] * 9)
    refuses("^action: expected an integer in 0..4, got 4", module.ask, "step", 4)
    refuses("^beam_width: expected", module.solve, strategy="beam", beam_width=0)
    refuses("^beam_width: expected at most 16384", module.solve, beam_width=1 << 20)
    refuses("^num_mcts_searches: expected at most", module.solve, num_mcts_searches=1 << 20)
    refuses("^strategy: expected an entry of evals", module.solve, width=3)
    refuses("^task: expected one that needs no files", module.parity, task="models", pack="x")
    refuses("^lanes: expected at most", module.parity, task="digests", lanes=1 << 40)
    refuses("^text: expected UTF-8", module.hand_over, "make", b"\xff")
    module.set_state([0, 2, 1, 3, 4, 5, 6, 7, 8])
    refuses("^state: expected a solvable board", module.solve, strategy="beam")
    module.make("Puzzle", width=4, height=4)
    refuses("^policy: expected one that is loaded", module.solve)
    module.hand_over("load_policy", weights)
    refuses("^policy: features: expected 256", module.solve)
    refuses("^policy: expected 256 features and 4 actions, got 81 and 4", module.ask, "predict")
    assert module.set_state([1, 0, *range(2, 16)]) == []


def test_what_is_lent_has_an_end(module):
    block = b"\0" * (1 << 24)
    addresses = [module.lend(block) for _ in range(4)]
    with pytest.raises(web.Refused, match=r"^length: expected 1 to the 0 bytes left"):
        module.lend(b"\0")
    module.ask("free", addresses.pop())
    assert module.lend(block)


def test_code_without_vectors_of_x86_is_warned_of_nowhere():
    """What other processors have, of all features; the host's code is checked for itself."""
    if not web.is_target_installed():
        pytest.skip(f"rustup target add {web.TARGET}")
    command = ["cargo", "clippy", "--quiet", "--release", "-p", "twisterl", "--target", web.TARGET]
    found = subprocess.run([*command, "--", "-D", "warnings"], cwd=ROOT, stderr=subprocess.PIPE)
    assert found.returncode == 0, found.stderr.decode()
