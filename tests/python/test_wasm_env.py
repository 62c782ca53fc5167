"""Environments from WebAssembly files: those of examples/wasm, and modules that misbehave."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from twisterl import cli
from twisterl.config.build import build_env
from twisterl.config.trust import names_others
from twisterl.config.validation import check_env as check_part
from twisterl.envs import LightsOut, check_env
from twisterl.envs.wasm_env import WasmEnv
from twisterl.envs.wasm_module import STEP, Instance, Module, ModuleError
from twisterl.faults import ConfigError

if os.environ.get("CI") != "true":  # There it is installed, or its lack is a failure.
    pytest.importorskip("wasmtime", reason="pip install wasmtime")

import wasmtime

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from web_module import TARGET, is_target_installed  # noqa: E402

EXAMPLES = ROOT / "examples" / "wasm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def lights_out(folder):
    if not is_target_installed():
        pytest.skip(f"rustup target add {TARGET}")
    path = folder / "lights_out.wasm"
    command = ["rustc", "--target", TARGET, "--crate-type", "cdylib", "-O", "-C", "panic=abort"]
    command += ["-D", "warnings", "-C", "strip=symbols", "-o", path, EXAMPLES / "lights_out.rs"]
    subprocess.run(command, check=True)
    return str(path)


@pytest.fixture(scope="module")
def pancakes(folder):
    if not (shutil.which("clang") and shutil.which("wasm-ld")):
        assert os.environ.get("CI") != "true"
        pytest.skip("apt-get install clang lld")
    path = folder / "pancakes.wasm"
    command = ["clang", "--target=wasm32", "-O2", "-fno-builtin", "-nostdlib", "-Wl,--no-entry"]
    command += ["-Wall", "-Wextra", "-Werror", "-o", path, EXAMPLES / "pancakes.c"]
    subprocess.run(command, check=True)
    return str(path)


def test_the_module_in_rust_goes_as_the_native_environment(lights_out):
    env, native = WasmEnv(lights_out, width=4), LightsOut(width=4, height=4)
    draws = np.random.default_rng(0)
    for _ in range(20):
        board = draws.integers(2, size=16).tolist()
        for one in (env, native):
            one.set_state(board)
        for action in draws.integers(16, size=10).tolist():
            env.step(action)
            native.step(action)
            lamps = [feature % 2 for feature in env.observe()]
            assert lamps == list(native.get_state()) and env.success() == native.success()
    assert env.arguments() == {"path": lights_out, "width": 4}
    twin = pickle.loads(pickle.dumps(env))
    assert twin.arguments() == env.arguments() and twin.observe() == env.observe()


def test_the_examples_keep_their_promises(lights_out, pancakes):
    check_env(WasmEnv(lights_out), difficulty=3, num_episodes=3)
    env = WasmEnv(pancakes, size=4)
    check_env(env, difficulty=3, num_episodes=3)
    copy = env.copy()
    env.set_state([3, 2, 1, 0])
    assert copy.success() and not env.success()
    env.step(2)
    assert env.success() and copy.success()
    # What is over without success has run out of steps; seeds tell episodes apart.
    inner = WasmEnv(pancakes, size=4, max_steps=1).python_env
    inner.set_state([3, 1, 2, 0])
    inner.next(0)
    assert inner.is_final() and inner.truncated() and not inner.success()
    inner.set_state([3, 2, 1, 0])
    inner.next(2)
    assert inner.is_final() and inner.success() and not inner.truncated()
    starts = []
    for seed in (*range(8), 3):
        inner.reseed(seed)
        inner.reset(20)
        starts.append(tuple(inner.observe()))
    assert starts[3] == starts[-1] and len(set(starts)) > 3
    with pytest.raises(ValueError, match=r"^state: pancakes.wasm refuses \[1, 1\]: a pile has"):
        env.set_state([1, 1])


def test_the_module_in_c_is_trained_and_solves(pancakes, tmp_path, monkeypatch, capsys):
    # A relative path is one of the working directory.
    monkeypatch.chdir(Path(pancakes).parent)
    config = json.loads((EXAMPLES / "pancakes.json").read_text(encoding="utf-8"))
    config["env"]["size"] = 4
    config["policy"] |= {"embedding_size": 32, "common_layers": [16]}
    config["algorithm"]["collecting"]["num_episodes"] = 64
    (tmp_path / "config.json").write_text(json.dumps(config))
    run = str(tmp_path / "run")
    words = ["train", "--config", str(tmp_path / "config.json"), "--run_path", run]
    assert cli.main([*words, "--num_steps", "12"]) == 0
    capsys.readouterr()
    # Without --trust, in a folder of anybody: it is no code of Python.
    assert not names_others(config)
    assert cli.main(["solve", run, "2 3 0 1"]) == 0
    pile = [2, 3, 0, 1]
    for action in map(int, capsys.readouterr().out.split(":")[1].split()):
        pile[: action + 2] = pile[action + 1 :: -1]
    assert pile == [0, 1, 2, 3]
    # The run is of this module, not of what has its name.
    changed = Path(pancakes).read_bytes() + b"\0\1\0"  # A section without a name or content.
    (tmp_path / "pancakes.wasm").write_bytes(changed)
    monkeypatch.chdir(tmp_path)
    for command in (["solve", run, "2 3 0 1"], ["train", "--resume", "--run_path", run]):
        assert cli.main(command) != 0
        assert "module.sha256: the run is of a module with the SHA-256" in capsys.readouterr().err
    monkeypatch.chdir(Path(pancakes).parent)
    assert cli.main(["train", "--config", str(tmp_path / "config.json"), "env.sice=3"]) == 2
    assert "env.sice: pancakes.wasm: unknown key; did you mean size?" in capsys.readouterr().err


# All that is asked for, of one action and one feature; {..} is replaced by what a test plants.
WAT = """(module
  (memory (export "memory") {memory})
  (func (export "twisterl_env") (result i32) i32.const {version})
  (func (export "num_actions") (result i32) i32.const {actions})
  (func (export "num_features") (result i32) i32.const 1)
  (func (export "most_active") (result i32) i32.const 1)
  (func (export "state_size") (result i32) i32.const 8)
  (func (export "set_state") (param i32 i32 i32) (result i32) i32.const 0)
  (func (export "advance") (param $moves i32) (param $count i32) (param $views i32) (result i32)
    (local $left i32)
    ;; A step does what is planted; all else is answered by zeros, and one feature.
    (if (i32.eq (i32.load offset=4 (local.get $moves)) (i32.const 1)) (then {step}))
    (i32.store (i32.load offset=8 (local.get $views)) (i32.const {end}))
    i32.const 0)
  {more})"""
SOUND = {"memory": 1, "version": 1, "actions": 1, "step": "", "end": 1, "more": ""}


@pytest.fixture
def made(tmp_path):
    def made(name="planted.wasm", **planted):
        path = tmp_path / name
        path.write_bytes(wasmtime.wat2wasm(WAT.format(**{**SOUND, **planted})))
        return str(path)

    return made


def test_what_goes_wrong_while_it_plays_names_the_environment(made):
    planted = {
        "(unreachable)": r"advance\(\) trapped: unreachable$",
        "(loop (br 0))": r"advance\(\) did not end within 200,000,000 instructions$",
        "(drop (i32.load (i32.const -4)))": r"advance\(\) trapped: memory out of bounds$",
        "(return (i32.const 2))": r"advance\(\) failed with 2$",
    }
    for step, message in planted.items():
        env = WasmEnv(made(step=step))
        with pytest.raises(ModuleError, match=rf"^planted.wasm: {message}"):
            env.step(0)
        # It can be played on.
        env.reset(1)
        assert env.observe() == [0]
    env = WasmEnv(made(step="(if (i32.eq (memory.grow (i32.const 5000)) (i32.const -1))"
                       " (then unreachable))"))  # fmt: skip
    with pytest.raises(ModuleError, match=r"^planted.wasm: advance\(\) trapped"):
        env.step(0)
    # Each call has the whole limit for itself.
    count = "(loop (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"
    env = WasmEnv(made(step=f"(local.set $left (i32.const 15000000)) {count}"))
    for _ in range(4):
        env.step(0)
    # Memory that it may have moves nothing.
    env = WasmEnv(made(step="(drop (memory.grow (i32.const 100)))"))
    env.step(0)
    assert env.observe() == [0] and not env.is_final()


def test_each_lane_has_a_share_of_the_limit_and_its_own_end(made):
    # Of about 300 million instructions whatever the lanes, which tells the end of the first alone.
    count = "(loop (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))"
    module = Module(made(step=f"(local.set $left (i32.const 60000000)) {count}"), {})
    problems = {
        1: "advance\\(\\) did not end within 200,000,000 instructions",
        200: "ends: expected to rise to at most 200, got 0 in row 1",
    }
    for num_lanes, problem in problems.items():
        nothing = np.zeros(num_lanes, np.int64)
        given = np.arange(num_lanes), nothing + STEP, nothing, nothing
        with pytest.raises(ModuleError, match=rf"^planted.wasm: {problem}"):
            Instance(module, num_lanes).advanced(*given)


def test_traps_need_no_handlers_of_signals(made):
    # ray.shutdown() takes those away that another engine of wasmtime has set.
    program = """
import signal, sys
import wasmtime
from twisterl.envs.wasm_env import WasmEnv
wasmtime.Engine()
envs = [WasmEnv(path) for path in sys.argv[1:]]
for number in (signal.SIGILL, signal.SIGSEGV, signal.SIGFPE, signal.SIGBUS):
    signal.signal(number, signal.SIG_DFL)
for env in envs:
    try:
        env.step(0)
    except Exception as error:
        print(error)
"""
    planted = {
        "(unreachable)": "unreachable",
        "(drop (i32.load (i32.const -4)))": "memory out of bounds",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))": "integer division by zero",
    }
    paths = [made(f"{n}.wasm", step=step) for n, step in enumerate(planted)]
    played = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True)
    assert played.returncode == 0, played.stderr
    expected = [f"{n}.wasm: advance() trapped: {why}" for n, why in enumerate(planted.values())]
    assert played.stdout.splitlines() == expected


def test_what_is_no_environment_is_refused_before_it_plays(made, tmp_path):
    told = '(func (export "last_error") (param i32 i32) (result i32) i32.const 3)'
    refused = {
        "needs more than 256 MiB of memory": {"memory": 4096},
        "cannot be started": {"memory": 5000},
        "this TwisteRL knows 1": {"version": 7},
        r"num_actions\(\) is 0; expected 1 to": {"actions": 0},
        "ends: expected to rise to at most 1, got 2 in row 0": {"end": 2},
        "cannot be started: did not end within": {"more": "(func $f (loop (br 0))) (start $f)"},
    }
    for message, planted in refused.items():
        with pytest.raises((ConfigError, ModuleError), match=rf"planted.wasm: .*{message}"):
            WasmEnv(made(**planted))
    text = WAT.format(**{**SOUND, "more": told})
    files = {
        "text.wasm": (b"(module)", "is no WebAssembly core module"),
        "cut.wasm": (wasmtime.wat2wasm(text)[:-9], "is no valid module"),
        "bare.wasm": (wasmtime.wat2wasm("(module)"), "it does not export twisterl_env, num_act"),
        "open.wasm": (wasmtime.wat2wasm('(module (import "a" "b" (func)))'), "imports a.b"),
        "none.wasm": (None, "cannot be read: No such file"),
    }
    for name, (content, message) in files.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"env_cls: .*{name}: .*{message}"):
            build_env(check_part(str(path), {}, "test"), trust=False)
    with pytest.raises(ConfigError, match=r"is no file"):
        WasmEnv(str(tmp_path))
    with pytest.raises(ConfigError, match=r"env.path: planted.wasm: unknown key"):
        build_env(check_part(made(), {"path": 1}, "test"), trust=False)
    more = '(func (export "parameter_a") (param i64) (result i32) i32.const 0)'
    for given in ("b", 2**63):
        with pytest.raises(ConfigError, match=rf"env.a: got {given!r}; expected an integer"):
            WasmEnv(made(more=more), a=given)
